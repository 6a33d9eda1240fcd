package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
)

// startSystemd makes systemd the host's first process.
func (h hookHost) startSystemd() {
	h.t.Helper()
	if err := os.MkdirAll(h.path("run/systemd/system"), 0o755); err != nil {
		h.t.Fatal(err)
	}
}

// Where systemd runs, the unit comes and goes with the hook. Its absence is said.
func TestUnit(t *testing.T) {
	withUmask(t, 0o077)
	h := newHookHost(t)
	h.install()
	if got := h.tree(); strings.Contains(got, UnitName) {
		t.Errorf("without systemd:\n%s", got)
	}
	if err := h.RemoveHook(); err != nil {
		t.Fatal(err)
	}
	h.startSystemd()
	before := h.tree()
	for range 2 { // the second installation knows the folders that the first one made
		h.install()
	}
	if got := h.missing(); got != "" {
		t.Error(got)
	}
	text, err := os.ReadFile(h.path(unitDir, UnitName))
	if err != nil || string(text) != unitText(h.exe) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, link := range unitLinks() {
		if text, err := os.ReadFile(h.path(link)); err != nil || string(text) != unitText(h.exe) {
			t.Errorf("%s: %v", link, err)
		}
		if err := os.Remove(h.path(link)); err != nil {
			t.Fatal(err)
		}
		if got := h.missing(); !strings.Contains(got, "the rules do not return when a firewall flushes them") || !strings.HasSuffix(got, "sudo nmgre install-hook") {
			t.Error(got)
		}
		h.install()
	}
	for _, spoil := range []string{"", "# Made by nmgre install-hook. An older one.\n"} {
		write(t, h.path(unitDir, UnitName), spoil, 0o644)
		if spoil == "" {
			_ = os.Remove(h.path(unitDir, UnitName))
		}
		if h.missing() == "" {
			t.Errorf("nothing is missing with %q", spoil)
		}
		h.install()
		if got := h.missing(); got != "" {
			t.Error(got)
		}
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

// In an image systemd is there and does not run yet. The unit is there at its first boot, and goes
// with the hook.
func TestUnitOfImage(t *testing.T) {
	for _, program := range []string{"usr/lib/systemd/systemd", "lib/systemd/systemd"} {
		h := newHookHost(t)
		if err := os.MkdirAll(filepath.Dir(h.path(program)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, h.path(program), "", 0o755)
		before := h.tree()
		h.install()
		if h.HasUnit() {
			t.Error("systemd does not run, and has the unit")
		}
		h.startSystemd()
		if got := h.missing(); got != "" || !h.HasUnit() {
			t.Errorf("at the first boot: %q", got)
		}
		if err := os.RemoveAll(h.path("run")); err != nil {
			t.Fatal(err)
		}
		if err := h.RemoveHook(); err != nil {
			t.Fatal(err)
		}
		if got := h.tree(); got != before {
			t.Errorf("got\n%swant\n%s", got, before)
		}
	}
}

// A unit that is not ours is neither overwritten nor removed. A mask says that nobody wants it.
func TestUnitOfOthers(t *testing.T) {
	path := unitDir + "/" + UnitName
	for name, c := range map[string]struct {
		make func(hookHost)
		ok   bool
	}{
		"a unit":   {func(h hookHost) { write(h.t, h.path(path), "[Service]\nExecStart=/bin/true\n", 0o644) }, false},
		"a link":   {func(h hookHost) { link(h.t, h.exe, h.path(path)) }, false},
		"a folder": {func(h hookHost) { _ = os.MkdirAll(h.path(path), 0o755) }, false},
		"a pipe":   {func(h hookHost) { _ = os.MkdirAll(h.path(unitDir), 0o755); _ = unix.Mkfifo(h.path(path), 0o644) }, false},
		"a mask":   {func(h hookHost) { link(h.t, "/dev/null", h.path(path)) }, true},
	} {
		h := newHookHost(t)
		h.startSystemd()
		c.make(h)
		before := h.tree()
		err := h.InstallHook(h.exe)
		if (err == nil) != c.ok || !c.ok && (!errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), UnitName+" is not nmgre's")) {
			t.Errorf("%s: InstallHook: %v", name, err)
		}
		if got := h.tree(); !c.ok && got != before {
			t.Errorf("%s: got\n%swant\n%s", name, got, before)
		}
		if c.ok && h.missing() != "" {
			t.Errorf("%s: %s", name, h.missing())
		}
		if err := h.RemoveHook(); err != nil {
			t.Errorf("%s: RemoveHook: %v", name, err)
		}
		if got := h.tree(); got != before {
			t.Errorf("%s: got\n%swant\n%s", name, got, before)
		}
	}
	// Another's file in the place of a link stays.
	h := newHookHost(t)
	h.startSystemd()
	write(t, h.path(unitLinks()[0]), "another's", 0o644)
	before := h.tree()
	h.install()
	if err := h.RemoveHook(); err != nil || h.tree() != before {
		t.Errorf("%v\n%s", err, h.tree())
	}
}

// systemd understands the unit, whatever the program's path is.
func TestUnitText(t *testing.T) {
	for _, exe := range []string{"/usr/bin/true", `/tmp/a "b" $c %d \e/nmgre`} {
		text := unitText(exe)
		for _, part := range []string{"\nExecStart=-\"", "\nExecReload=-\"", "\" hook -- none firewall\n", "\nAfter=nftables.service firewalld.service\n", "\nRemainAfterExit=yes\n"} {
			if !strings.Contains(text, part) {
				t.Errorf("it lacks %q:\n%s", part, text)
			}
		}
	}
	if got := unitText(`/a b%$\"`); !strings.Contains(got, `ExecStart=-"/a b%%$$\\\"" hook`) {
		t.Error(got)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // where it is there, it has the last word
	}
	file := t.TempDir() + "/" + UnitName
	write(t, file, unitText("/usr/bin/true"), 0o644)
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), UnitName) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
