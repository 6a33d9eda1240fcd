package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/routes/fault"
)

// hookHost is a host with NetworkManager's dispatcher and an nmgre, below a folder of the test's
// own.
type hookHost struct {
	*Store
	t   testing.TB
	exe string
}

func newHookHost(t testing.TB) hookHost {
	t.Helper()
	h := hookHost{newStore(t), t, ""}
	h.exe = h.path("usr/sbin/nmgre")
	write(t, h.exe, "#!/bin/sh\n", 0o755)
	write(t, h.path("usr/libexec/nm-dispatcher"), "", 0o755)
	// as Debian's package has them
	for _, dir := range []string{"pre-up.d", "pre-down.d", "no-wait.d"} {
		if err := os.MkdirAll(h.path(dispatcherDir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// install must succeed.
func (h hookHost) install() {
	h.t.Helper()
	if err := h.InstallHook(h.exe); err != nil {
		h.t.Fatal(err)
	}
}

func (h hookHost) tree() string { return tree(h.t, h.root) }

// missing returns the error of HookMissing with its hint; "" if there is none.
func (h hookHost) missing() string {
	err := h.HookMissing(context.Background())
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error()+"; "+strings.Join(fault.Hints(err), "; "), h.root, "")
}

func TestHook(t *testing.T) {
	withUmask(t, 0o077)
	h := newHookHost(t)
	before := h.tree()
	if got, want := h.missing(), "the dispatcher's hook is not installed; set it up: sudo nmgre install-hook"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.install()
	if got := h.missing(); got != "" {
		t.Error(got)
	}
	script, err := os.Lstat(h.path(dispatcherDir, "50-nmgre"))
	if err != nil || script.Mode() != 0o755 {
		t.Errorf("%v, %v", script.Mode(), err)
	}
	if target, err := os.Readlink(h.path(dispatcherDir, "pre-up.d/50-nmgre")); err != nil || target != "../50-nmgre" {
		t.Errorf("%q, %v", target, err)
	}
	installed := h.tree()
	h.install() // again
	if got := h.tree(); got != installed {
		t.Errorf("got\n%swant\n%s", got, installed)
	}
	for range 2 {
		if err := h.RemoveHook(); err != nil {
			t.Fatal(err)
		}
		if got := h.tree(); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
	}
}

// An older script of ours, or one that calls another nmgre, is replaced.
func TestHookUpgrade(t *testing.T) {
	h := newHookHost(t)
	h.install()
	installed := h.tree()
	write(t, h.path(dispatcherDir, hookName), "#!/bin/sh\n# Made by nmgre install-hook. An older one.\nexec '/opt/nmgre' hook \"$1\"\n", 0o775)
	if err := os.Remove(h.path(preUpDir, hookName)); err != nil {
		t.Fatal(err)
	}
	if got := h.missing(); !strings.Contains(got, "must be a regular file, owned by root, executable, and writable by root alone") {
		t.Error(got)
	}
	h.install()
	if got := h.tree(); got != installed {
		t.Errorf("got\n%swant\n%s", got, installed)
	}
	other := h.path("usr/bin/nmgre")
	write(t, other, "#!/bin/sh\n", 0o755)
	if err := h.InstallHook(other); err != nil {
		t.Fatal(err)
	}
	if text, err := h.readScript(); err != nil || parseScript(text).exe != other || h.missing() != "" {
		t.Errorf("%s\n%v, %s", text, err, h.missing())
	}
	// Files that a killed installation left behind are removed.
	write(t, h.path(dispatcherDir, tempMark+"1"), "half", 0o600)
	h.install()
	if got := h.tree(); strings.Contains(got, tempMark) {
		t.Error(got)
	}
}

// Missing folders are made, and removed with the hook. Folders that were there before stay, and so
// do those that somebody else uses by then.
func TestHookFolders(t *testing.T) {
	withUmask(t, 0o077)
	h := newHookHost(t)
	if err := os.RemoveAll(h.path(networkManagerDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.path(networkManagerDir), 0o755); err != nil {
		t.Fatal(err)
	}
	before := h.tree()
	for range 2 { // the second installation knows the folders that the first one made
		h.install()
	}
	if got := h.missing(); got != "" || !strings.Contains(h.tree(), "drwxr-xr-x etc/NetworkManager/dispatcher.d/pre-up.d\n") {
		t.Error(got, h.tree())
	}
	if err := h.RemoveHook(); err != nil {
		t.Fatal(err)
	}
	if got := h.tree(); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
	h.install()
	write(t, h.path(preUpDir, "10-other"), "#!/bin/sh\n", 0o755)
	if err := h.RemoveHook(); err != nil {
		t.Fatal(err)
	}
	if got, want := h.tree(), "drwxr-xr-x etc/NetworkManager/dispatcher.d/pre-up.d\n-rwxr-xr-x etc/NetworkManager/dispatcher.d/pre-up.d/10-other"; !strings.Contains(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	// If a script names other folders, only those are removed that InstallHook can have made.
	h.install()
	text, err := h.readScript()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.path("usr/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, h.path(dispatcherDir, hookName), strings.Replace(text, "case $2", madeMark+"usr/empty ../../usr/empty /\ncase $2", 1), 0o755)
	if err := h.RemoveHook(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.path("usr/empty")); err != nil {
		t.Error(err)
	}
}

// A file that is not ours is neither overwritten nor removed, and nothing beside it is changed.
func TestHookOfOthers(t *testing.T) {
	script, preUp := dispatcherDir+"/"+hookName, preUpDir+"/"+hookName
	for name, test := range map[string]struct {
		make func(hookHost)
		want string
		stay bool // remove-hook leaves it alone without a complaint
	}{
		"a script":           {func(h hookHost) { write(h.t, h.path(script), "#!/bin/sh\nexit 0\n", 0o755) }, "/50-nmgre is not nmgre's", false},
		"an empty script":    {func(h hookHost) { write(h.t, h.path(script), "", 0o755) }, "/50-nmgre is not nmgre's", false},
		"one that speaks":    {func(h hookHost) { write(h.t, h.path(script), "#!/bin/bash\n# "+hookMark, 0o755) }, "/50-nmgre is not nmgre's", false},
		"a mask":             {func(h hookHost) { link(h.t, "/dev/null", h.path(script)) }, "/50-nmgre is not nmgre's", false},
		"a link":             {func(h hookHost) { link(h.t, h.exe, h.path(script)) }, "/50-nmgre is not nmgre's", false},
		"a folder":           {func(h hookHost) { _ = os.Mkdir(h.path(script), 0o755) }, "/50-nmgre is not nmgre's", false},
		"a script before up": {func(h hookHost) { write(h.t, h.path(preUp), "#!/bin/sh\nexit 0\n", 0o755) }, "pre-up.d/50-nmgre is not nmgre's", true},
		"a mask before up":   {func(h hookHost) { link(h.t, "/dev/null", h.path(preUp)) }, "pre-up.d/50-nmgre is not nmgre's", true},
	} {
		h := newHookHost(t)
		test.make(h)
		before := h.tree()
		if err := h.InstallHook(h.exe); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), test.want) || len(fault.Hints(err)) != 1 {
			t.Errorf("%s: InstallHook: %v", name, err)
		}
		if err := h.RemoveHook(); (err == nil) != test.stay || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: RemoveHook: %v", name, err)
		}
		if got := h.tree(); got != before {
			t.Errorf("%s: got\n%swant\n%s", name, got, before)
		}
		if h.missing() == "" {
			t.Errorf("%s: HookMissing says nothing", name)
		}
	}
}

// An installation that fails is undone.
func TestHookHalf(t *testing.T) {
	h := newHookHost(t)
	if err := os.RemoveAll(h.path(preUpDir)); err != nil {
		t.Fatal(err)
	}
	write(t, h.path(preUpDir), "no folder", 0o644)
	before := h.tree()
	if err := h.InstallHook(h.exe); err == nil {
		t.Error("a file was taken for a folder")
	}
	if got := h.tree(); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
	// Nothing is put into a folder that others can write: they could replace it.
	needRoot(t)
	h = newHookHost(t)
	if err := os.Chmod(h.path(dispatcherDir), 0o777); err != nil {
		t.Fatal(err)
	}
	before = h.tree()
	if err := h.InstallHook(h.exe); err == nil || !strings.Contains(err.Error(), "dispatcher.d is writable by others than root") {
		t.Error(err)
	}
	if got := h.tree(); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
}

// When the disk is full, so that the script cannot be written, the link is removed again.
func TestHookDiskFull(t *testing.T) {
	needRoot(t)
	h := newHookHost(t)
	if err := os.RemoveAll(h.path(networkManagerDir)); err != nil {
		t.Fatal(err)
	}
	onThread(func() {
		// itself, three folders and the link
		if err := mountDisk(h.path("etc"), "nr_inodes=5,mode=755"); err != nil {
			t.Error(err)
			return
		}
		before := h.tree()
		if err := h.InstallHook(h.exe); err == nil || len(fault.Hints(err)) != 1 {
			t.Error(err)
		}
		if got := h.tree(); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
	})
}

// A program that others than root can change is refused, because root would run it.
func TestHookProgram(t *testing.T) {
	needRoot(t)
	for name, test := range map[string]struct {
		spoil func(hookHost) (exe string, err error)
		want  string
	}{
		"relative":              {func(hookHost) (string, error) { return "nmgre", nil }, `"nmgre" is not a clean absolute path`},
		"with a way back":       {func(h hookHost) (string, error) { return h.root + "/usr/bin/../sbin/nmgre", nil }, "is not a clean absolute path"},
		"of two lines":          {func(h hookHost) (string, error) { return h.exe + "\nid", nil }, "is not a clean absolute path"},
		"gone":                  {func(h hookHost) (string, error) { return h.exe + "2", nil }, "it cannot be checked"},
		"a folder":              {func(h hookHost) (string, error) { return h.path("usr/sbin"), nil }, "is not a program"},
		"not executable":        {func(h hookHost) (string, error) { return h.exe, os.Chmod(h.exe, 0o644) }, "is not a program"},
		"writable by all":       {func(h hookHost) (string, error) { return h.exe, os.Chmod(h.exe, 0o757) }, "/usr/sbin/nmgre can be changed by others"},
		"another's":             {func(h hookHost) (string, error) { return h.exe, os.Chown(h.exe, 1, 0) }, "/usr/sbin/nmgre can be changed by others"},
		"in a folder for all":   {func(h hookHost) (string, error) { return h.exe, os.Chmod(h.path("usr/sbin"), 0o777|fs.ModeSticky) }, "/usr/sbin can be changed by others"},
		"in a folder for staff": {func(h hookHost) (string, error) { return h.exe, os.Chmod(h.path("usr"), 0o775|fs.ModeSetgid) }, "/usr can be changed by others"},
		"in another's folder":   {func(h hookHost) (string, error) { return h.exe, os.Chown(h.path("usr"), 1, 0) }, "/usr can be changed by others"},
		"a link": {func(h hookHost) (string, error) {
			return h.exe + "2", os.Symlink(h.exe, h.exe+"2")
		}, "is not a program"},
		"behind a link": {func(h hookHost) (string, error) {
			return h.path("bin/nmgre"), os.Symlink("usr/sbin", h.path("bin"))
		}, "/bin is not a folder"},
	} {
		h := newHookHost(t)
		before := h.tree()
		exe, err := test.spoil(h)
		if err != nil {
			t.Fatal(err)
		}
		err = h.InstallHook(exe)
		if !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), test.want) || len(fault.Hints(err)) != 1 || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%s: %v; want %s", name, err, test.want)
		}
		if strings.Contains(h.tree(), hookName) {
			t.Errorf("%s: something was installed\n%s, before\n%s", name, h.tree(), before)
		}
	}
	// A name with characters that are special to the shell still works.
	h := newHookHost(t)
	odd := h.path("usr/sbin/it's $(nmgre) \"2\"'")
	if err := os.Rename(h.exe, odd); err != nil {
		t.Fatal(err)
	}
	if err := h.InstallHook(odd); err != nil || h.missing() != "" {
		t.Error(err, h.missing())
	}
}

func TestHookMissing(t *testing.T) {
	needRoot(t)
	const notRun = "the dispatcher does not run /etc/NetworkManager/dispatcher.d/50-nmgre: it must be a regular file, owned by root"
	const another = "/etc/NetworkManager/dispatcher.d/50-nmgre differs from the hook of this version of nmgre"
	const preUp = "/etc/NetworkManager/dispatcher.d/pre-up.d/50-nmgre is not a link to the hook"
	const program = "/50-nmgre calls /usr/sbin/nmgre, which is not there, or can be changed by others than root"
	script, linkFile := dispatcherDir+"/"+hookName, preUpDir+"/"+hookName
	for name, test := range map[string]struct {
		spoil func(hookHost) error
		want  string
	}{
		"writable by the group": {func(h hookHost) error { return os.Chmod(h.path(script), 0o775) }, notRun},
		"writable by all":       {func(h hookHost) error { return os.Chmod(h.path(script), 0o757) }, notRun},
		"not executable":        {func(h hookHost) error { return os.Chmod(h.path(script), 0o655) }, notRun},
		"set-UID":               {func(h hookHost) error { return os.Chmod(h.path(script), 0o755|fs.ModeSetuid) }, notRun},
		"another's":             {func(h hookHost) error { return os.Chown(h.path(script), 1, 0) }, notRun},
		"a mask": {func(h hookHost) error {
			return errors.Join(os.Remove(h.path(script)), os.Symlink("/dev/null", h.path(script)))
		}, notRun},
		"edited":            {func(h hookHost) error { return appendTo(h.path(script), "exit 0\n") }, another},
		"cut":               {func(h hookHost) error { return os.Truncate(h.path(script), 200) }, another},
		"empty":             {func(h hookHost) error { return os.Truncate(h.path(script), 0) }, another},
		"very long":         {func(h hookHost) error { return os.Truncate(h.path(script), 1<<30) }, another},
		"without a program": {func(h hookHost) error { return os.Remove(h.exe) }, program},
		"a program of all":  {func(h hookHost) error { return os.Chmod(h.exe, 0o777) }, program},
		"without the link":  {func(h hookHost) error { return os.Remove(h.path(linkFile)) }, preUp},
		"another link": {func(h hookHost) error {
			return errors.Join(os.Remove(h.path(linkFile)), os.Symlink("/dev/null", h.path(linkFile)))
		}, preUp},
		"without a dispatcher": {func(h hookHost) error { return os.Remove(h.path("usr/libexec/nm-dispatcher")) },
			"NetworkManager's dispatcher is not installed; install it"},
	} {
		h := newHookHost(t)
		h.install()
		if err := test.spoil(h); err != nil {
			t.Fatal(err)
		}
		if got := h.missing(); !strings.Contains(got, test.want) || !strings.Contains(got, "; ") {
			t.Errorf("%s: %q; want %s", name, got, test.want)
		}
		if strings.HasPrefix(test.want, "NetworkManager's") || name == "a mask" || name == "another link" {
			continue
		}
		// The hint helps.
		if name == "without a program" || name == "a program of all" {
			write(t, h.exe, "#!/bin/sh\n", 0o755)
		}
		if err := h.InstallHook(h.exe); (err != nil) != (name == "empty") {
			t.Errorf("%s: %v", name, err)
		}
		if got := h.missing(); (got != "") != (name == "empty") {
			t.Errorf("%s: afterwards: %s", name, got)
		}
	}
}

func appendTo(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(old, text...), 0)
}

// The dispatcher is there in each of these places.
func TestHookDispatchers(t *testing.T) {
	for _, path := range dispatchers {
		h := newHookHost(t)
		h.install()
		if err := os.Remove(h.path("usr/libexec/nm-dispatcher")); err != nil {
			t.Fatal(err)
		}
		write(t, h.path(path), "", 0o755)
		if got := h.missing(); got != "" {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestHookSystemd has dispatchers that systemd certainly does not start, and others.
func TestHookSystemd(t *testing.T) {
	const service = "[D-BUS Service]\nName=org.freedesktop.nm_dispatcher\nExec=/usr/libexec/nm-dispatcher\nUser=root\nSystemdService=dbus-org.freedesktop.nm-dispatcher.service\n"
	const unit, alias = "NetworkManager-dispatcher.service", "dbus-org.freedesktop.nm-dispatcher.service"
	const disabled = unit + " is not enabled: NetworkManager calls no hooks; sudo systemctl enable " + unit
	const masked = unit + " is masked: NetworkManager calls no hooks; sudo systemctl unmask " + unit + "; sudo systemctl enable " + unit
	for name, test := range map[string]struct {
		files map[string]string // text, or -> and the target of a link
		want  string
	}{
		"enabled":               {map[string]string{"etc/systemd/system/" + alias: "-> /usr/lib/systemd/system/" + unit}, ""},
		"enabled by the vendor": {map[string]string{"usr/lib/systemd/system/" + alias: "-> " + unit}, ""},
		"enabled until reboot":  {map[string]string{"run/systemd/system/" + alias: "-> /usr/lib/systemd/system/" + unit}, ""},
		"disabled":              {nil, disabled},
		"masked":                {map[string]string{"etc/systemd/system/" + unit: "-> /dev/null"}, masked},
		"masked and enabled": {map[string]string{"etc/systemd/system/" + alias: "-> /usr/lib/systemd/system/" + unit,
			"etc/systemd/system/" + unit: "-> /dev/null"}, masked},
		"masked until reboot": {map[string]string{"etc/systemd/system/" + alias: "-> /usr/lib/systemd/system/" + unit,
			"run/systemd/system/" + unit: "-> /dev/null"}, masked},
		"a masked alias": {map[string]string{"etc/systemd/system/" + alias: "-> /dev/null"}, masked},
		"an empty unit":  {map[string]string{"etc/systemd/system/" + alias: "-> /usr/lib/systemd/system/" + unit, "etc/systemd/system/" + unit: ""}, masked},
		"changed by the administrator": {map[string]string{"etc/systemd/system/" + alias: "-> " + unit, "etc/systemd/system/" + unit: "[Service]\n",
			"usr/lib/systemd/system/" + alias: "-> /dev/null"}, ""},
		"another init":          {map[string]string{"-run/systemd/system": ""}, ""},
		"a bus of its own":      {map[string]string{busService: "[D-BUS Service]\nExec=/usr/libexec/nm-dispatcher\n"}, ""},
		"another way to say it": {map[string]string{busService: "[D-BUS Service]\nSystemdService=other.service\n"}, ""},
		"not known":             {map[string]string{"-" + busService: ""}, ""},
	} {
		h := newHookHost(t)
		h.startSystemd()
		h.install()
		write(t, h.path(busService), service, 0o644)
		write(t, h.path("usr/lib/systemd/system/"+unit), "[Service]\n", 0o644)
		for file, text := range test.files {
			if gone, found := strings.CutPrefix(file, "-"); found {
				if err := os.RemoveAll(h.path(gone)); err != nil {
					t.Fatal(err)
				}
			} else if target, found := strings.CutPrefix(text, "-> "); found {
				if filepath.IsAbs(target) && target != "/dev/null" {
					target = h.path(target)
				}
				link(t, target, h.path(file))
			} else {
				write(t, h.path(file), text, 0o644)
			}
		}
		if got := h.missing(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// TestHookNotRoot asks as somebody else.
func TestHookNotRoot(t *testing.T) {
	h := newHookHost(t)
	// the test's folder may be closed to others
	for path := h.root; path != "/"; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(path, info.Mode().Perm()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := h.tree()
	asNobody(t, func() {
		if err := h.InstallHook(h.exe); !errors.Is(err, fault.ErrNotPermitted) {
			t.Error(err)
		}
	})
	if got := h.tree(); got != before {
		t.Errorf("got\n%swant\n%s", got, before)
	}
	h.install()
	installed := h.tree()
	asNobody(t, func() {
		if err := h.RemoveHook(); !errors.Is(err, fault.ErrNotPermitted) {
			t.Error(err)
		}
		if got := h.missing(); got != "" {
			t.Error(got)
		}
	})
	if got := h.tree(); got != installed {
		t.Errorf("got\n%swant\n%s", got, installed)
	}
	if err := os.Chmod(h.path(dispatcherDir), 0o700); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		if err := h.HookMissing(context.Background()); !errors.Is(err, fault.ErrNotPermitted) {
			t.Error(err)
		}
		if err := h.InstallHook(h.exe); !errors.Is(err, fault.ErrNotPermitted) {
			t.Error(err)
		}
	})
}

func ExampleStore_InstallHook() {
	fmt.Print(New("/", 0).text(script{exe: "/usr/local/bin/nmgre"}))
	// Output:
	// #!/bin/sh
	// # Made by nmgre install-hook. It puts back what NetworkManager cannot hold of a tunnel; nmgre remove-hook removes it.
	// # systemd's nmgre-rules.service does so after a firewall was started anew.
	// case $2 in
	// pre-up | up | down | reapply | dhcp4-change | dhcp6-change | vpn-up | vpn-down) ;;
	// *) exit 0 ;;
	// esac
	// case $CONNECTION_UUID in
	// '' | *[!0123456789abcdefABCDEF-]*) kept= ;;
	// *) kept='/etc/nmgre/tunnels/'"$CONNECTION_UUID" ;;
	// esac
	// [ -e "$kept" ] || [ -e '/etc/nmgre/watch' ] || exit 0
	// [ -x '/usr/local/bin/nmgre' ] || exit 0
	// PATH=/usr/sbin:/usr/bin:/sbin:/bin
	// export PATH
	// unset DBUS_SYSTEM_BUS_ADDRESS
	// exec '/usr/local/bin/nmgre' hook -- "$1" "$2"
}
