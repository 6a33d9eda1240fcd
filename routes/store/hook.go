package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// The hook is a script in the folder of NetworkManager's dispatcher. A link to it in pre-up.d makes
// it also run for the events that NetworkManager waits for (NetworkManager-dispatcher(8)).
const (
	networkManagerDir = "etc/NetworkManager"
	dispatcherDir     = networkManagerDir + "/dispatcher.d"
	preUpDir          = dispatcherDir + "/pre-up.d"
	hookName          = "50-nmgre"
	preUpTarget       = "../" + hookName
)

// InstallHook makes NetworkManager's dispatcher call exe, the path of this program. The dispatcher
// runs it as root, so InstallHook fails with ErrInvalid if anybody but root can change it. It
// replaces an older script of nmgre's, and fails with ErrInvalid if somebody else's is in its
// place. Where systemd is it also installs a unit, which calls exe after a firewall has flushed
// the rules.
func (s *Store) InstallHook(exe string) error {
	if err := s.trustProgram(exe); err != nil {
		return err
	}
	old, err := s.installedScript()
	if err != nil {
		return err
	}
	linked, err := s.isLinked()
	if err != nil {
		return err
	}
	had, err := s.installedUnit()
	if err != nil && !s.unitIsMasked() {
		return err
	}
	made, err := s.installUnit(exe)
	if err == nil {
		var dirs []string
		dirs, err = s.makeDir(preUpDir)
		made = append(made, dirs...)
	}
	if err == nil {
		err = s.writeHook(script{exe: exe, made: append(old.made, s.relative(made)...)}, linked)
	}
	if err != nil && had == "" {
		_ = s.removeUnit() // the first error is the one that counts
	}
	if err != nil {
		undoDirs(made)
	}
	return denied("install the hook in "+s.path(dispatcherDir), err)
}

// writeHook makes the link first, which does nothing without the script. If the script cannot be
// written, it removes the link again.
func (s *Store) writeHook(want script, linked bool) error {
	link := s.path(preUpDir, hookName)
	if !linked {
		if err := os.Symlink(preUpTarget, link); err != nil {
			return err
		}
	}
	s.sweep(dispatcherDir)
	err := s.replace(dispatcherDir, hookName, 0o755, func(file *os.File) error {
		_, err := file.WriteString(s.text(want))
		return err
	})
	if err != nil && !linked {
		_ = os.Remove(link) // the first error is the one that counts
	}
	if err != nil {
		return err
	}
	return errors.Join(s.syncDir(preUpDir), s.syncDir(dispatcherDir))
}

// relative returns the paths of folders below the root, as the script notes them.
func (s *Store) relative(made []string) []string {
	var list []string
	for _, path := range made {
		if rel, err := filepath.Rel(s.root, path); err == nil {
			list = append(list, rel)
		}
	}
	return list
}

// RemoveHook removes the files of [Store.InstallHook], and nothing else.
func (s *Store) RemoveHook() error {
	old, err := s.installedScript()
	if err != nil {
		return err
	}
	attempt := "remove the hook from " + s.path(dispatcherDir)
	paths := []string{s.path(dispatcherDir, hookName)}
	if linked, err := s.isLinked(); linked && err == nil { // another's link stays
		paths = append([]string{s.path(preUpDir, hookName)}, paths...)
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return denied(attempt, err)
		}
	}
	if err := s.removeUnit(); err != nil {
		return denied("remove the unit "+UnitName, err)
	}
	s.sweep(dispatcherDir)
	for _, dir := range slices.Backward(old.made) {
		_ = os.Remove(s.path(dir)) // fails if somebody uses it now
	}
	return nil
}

// installedScript returns the content of the installed script, which is empty if there is none. It
// fails if there is another file in its place.
func (s *Store) installedScript() (script, error) {
	path := s.path(dispatcherDir, hookName)
	text, err := s.readScript()
	if errors.Is(err, fs.ErrNotExist) {
		return script{}, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return script{}, denied("read "+path, err)
	}
	if err != nil || !isOurs(text) {
		return script{}, &fault.Error{Kind: fault.ErrInvalid, What: path + " is not nmgre's", Hint: "look at it, and move it away or remove it", Err: err}
	}
	return parseScript(text), nil
}

// isLinked reports whether the link in pre-up.d is there. It fails if there is another file in its
// place.
func (s *Store) isLinked() (bool, error) {
	link := s.path(preUpDir, hookName)
	_, err := os.Lstat(link)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, denied("look at "+link, err)
	}
	if target, err := os.Readlink(link); err != nil || target != preUpTarget {
		return false, &fault.Error{Kind: fault.ErrInvalid, What: link + " is not nmgre's", Hint: "look at it, and move it away or remove it"}
	}
	return true, nil
}

// readScript reads the installed script.
func (s *Store) readScript() (string, error) { return s.readOwn(dispatcherDir, hookName) }

// readOwn reads a small file that is no link.
func (s *Store) readOwn(dir, name string) (string, error) {
	file, err := os.OpenFile(s.path(dir, name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it is only read
	text, err := io.ReadAll(io.LimitReader(file, maxScript))
	return string(text), err
}

// trustProgram refuses a program that others than root could change or replace.
func (s *Store) trustProgram(exe string) error {
	refused := func(why string, err error) error {
		return &fault.Error{Kind: fault.ErrInvalid, What: "the dispatcher runs nmgre as root, and " + why, Err: err,
			Hint: "install nmgre where only root can write, such as with: sudo make install PREFIX=/usr"}
	}
	if !filepath.IsAbs(exe) || filepath.Clean(exe) != exe || strings.ContainsAny(exe, "\n\x00") {
		return refused(`"`+fault.Printable(exe)+`" is not a clean absolute path`, nil)
	}
	for path := exe; ; path = filepath.Dir(path) {
		info, err := os.Lstat(path)
		if err != nil {
			return refused("it cannot be checked", err)
		}
		if path == exe && (!info.Mode().IsRegular() || info.Mode()&0o100 == 0) {
			return refused(fault.Printable(exe)+" is not a program", nil)
		}
		if path != exe && !info.IsDir() {
			return refused(fault.Printable(path)+" is not a folder", nil)
		}
		if s.trust(path, info) != nil {
			return refused(fault.Printable(path)+" can be changed by others", nil)
		}
		if path == filepath.Clean(s.root) || path == "/" {
			return nil
		}
	}
}
