package store

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// The unit has systemd run the hook when a firewall was started anew or reloaded: nftables.service
// flushes the whole ruleset then, and no event of NetworkManager's follows.
const (
	unitDir  = "etc/systemd/system"
	unitMark = "# Made by nmgre install-hook"
)

// UnitName is the name of the unit that InstallHook adds where systemd is.
const UnitName = "nmgre-rules.service"

// firewallUnits are the units that the unit follows. systemd ignores those that are not there.
var firewallUnits = []string{"nftables.service", "firewalld.service"}

// systemdRuns reports whether systemd is the host's first process (sd_booted(3)).
func (s *Store) systemdRuns() bool {
	_, err := os.Stat(s.path("run/systemd/system"))
	return err == nil
}

// systemdIsThere reports whether systemd runs, or will: where it is installed and does not run, the
// hook is put into an image whose first boot is still to come.
func (s *Store) systemdIsThere() bool {
	for _, program := range []string{"usr/lib/systemd/systemd", "lib/systemd/systemd"} {
		if info, err := os.Stat(s.path(program)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return s.systemdRuns()
}

// unitText returns the unit's text. systemd starts it whenever it starts or restarts one of the
// others (WantedBy=, by links; PartOf= because it stays active), and reloads it after them. After=
// has it come last. A hook that fails does not end it, or the next reload would not reach it.
// Where none of the others is active it does not become so either (ExecCondition=): it would stay
// as it is when one of them starts.
func unitText(exe string) string {
	others := strings.Join(firewallUnits, " ")
	run := `-"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(exe) + `" hook -- none firewall` + "\n"
	return unitMark + `. It sets nmgre's rules again when a firewall has flushed them; nmgre remove-hook removes it.
[Unit]
Description=Set again what nmgre keeps for its tunnels
Documentation=man:nmgre-install-hook(8)
After=` + others + `
PartOf=` + others + `
ReloadPropagatedFrom=` + others + `

[Service]
Type=oneshot
RemainAfterExit=yes
ExecCondition=systemctl --quiet is-active ` + others + `
ExecStart=` + run + `ExecReload=` + run + `
[Install]
WantedBy=` + others + `
`
}

// unitLinks are the links that make the unit start with the others, as `systemctl enable` makes
// them.
func unitLinks() (links []string) {
	for _, other := range firewallUnits {
		links = append(links, unitDir+"/"+other+".wants/"+UnitName)
	}
	return links
}

const unitTarget = "../" + UnitName

// unitIsMasked reports whether somebody has masked the unit, and so does not want it.
func (s *Store) unitIsMasked() bool {
	target, err := os.Readlink(s.path(unitDir, UnitName))
	return err == nil && target == "/dev/null"
}

// installedUnit returns the text of the unit, which is empty if there is none. It fails if another
// file is in its place.
func (s *Store) installedUnit() (string, error) {
	path := s.path(unitDir, UnitName)
	text, err := s.readOwn(unitDir, UnitName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, fs.ErrPermission):
		return "", denied("read "+path, err)
	case err != nil || !strings.HasPrefix(text, unitMark):
		return "", &fault.Error{Kind: fault.ErrInvalid, What: path + " is not nmgre's", Hint: "look at it, and move it away or remove it", Err: err}
	}
	return text, nil
}

// HasUnit reports whether the unit is installed, and systemd runs.
func (s *Store) HasUnit() bool {
	text, err := s.installedUnit()
	return err == nil && text != "" && s.systemdRuns()
}

// installUnit writes the unit and its links, if systemd is there. It returns the folders it made,
// also when it fails.
func (s *Store) installUnit(exe string) (made []string, err error) {
	if s.unitIsMasked() || !s.systemdIsThere() {
		return nil, nil
	}
	if _, err := s.installedUnit(); err != nil {
		return nil, err
	}
	for _, link := range unitLinks() {
		dirs, err := s.linkUnit(link)
		if made = append(made, dirs...); err != nil {
			return made, err
		}
	}
	s.sweep(unitDir)
	err = s.replace(unitDir, UnitName, 0o644, func(file *os.File) error {
		_, err := file.WriteString(unitText(exe))
		return err
	})
	return made, errors.Join(err, s.syncDir(unitDir))
}

// linkUnit makes one of the unit's links. Another file in its place stays: somebody has decided
// otherwise.
func (s *Store) linkUnit(link string) (made []string, err error) {
	made, err = s.makeDir(link[:strings.LastIndexByte(link, '/')])
	if err == nil {
		err = os.Symlink(unitTarget, s.path(link))
	}
	if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	return made, err
}

// removeUnit removes the unit and its links, and nothing of others'.
func (s *Store) removeUnit() error {
	for _, link := range unitLinks() {
		if target, err := os.Readlink(s.path(link)); err != nil || target != unitTarget {
			continue
		}
		if err := os.Remove(s.path(link)); err != nil {
			return err
		}
	}
	text, err := s.installedUnit()
	if err != nil || text == "" {
		return nil
	}
	s.sweep(unitDir)
	return errors.Join(os.Remove(s.path(unitDir, UnitName)), s.syncDir(unitDir))
}

// UnitMissing returns nil if systemd sets nmgre's rules again after a firewall has flushed them, or
// if systemd does not run, or somebody has masked the unit. Otherwise its error names the unit,
// with a hint.
func (s *Store) UnitMissing() error {
	if !s.systemdRuns() || s.unitIsMasked() {
		return nil
	}
	text, err := s.installedUnit()
	h, scriptErr := s.installedScript()
	if err == nil && scriptErr == nil && text == unitText(h.exe) && s.isUnitLinked() {
		return nil
	}
	return &fault.Error{What: "the rules do not return when a firewall flushes them: " + s.path(unitDir, UnitName) + " is missing, or differs from that of this version of nmgre",
		Hint: "set it up: sudo nmgre install-hook", Err: err}
}

// isUnitLinked reports whether there is a file at the place of each link.
func (s *Store) isUnitLinked() bool {
	return !slices.ContainsFunc(unitLinks(), func(link string) bool {
		_, err := os.Lstat(s.path(link))
		return err != nil
	})
}
