package remember

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const one, two = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"

func none(string) bool { return false }

func TestRemember(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_STATE_HOME", "relative is to be ignored")
	n := Ours()
	if got := n.Of(one); got != "" {
		t.Errorf("nothing was chosen, got %q", got)
	}
	for _, c := range []struct{ uuid, kind string }{{one, "cisco-ios"}, {two, "netplan"}, {one, "vyos"}} {
		if err := n.Set(c.uuid, c.kind, none); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(home, ".local/state/nmgre/notations")
	text, err := os.ReadFile(file)
	if err != nil || string(text) != two+" netplan\n"+one+" vyos\n" {
		t.Errorf("the file: %q, %v", text, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	// The tunnel two has gone, and one has nothing chosen: nothing is left.
	if err := Ours().Set(one, "", func(uuid string) bool { return uuid == two }); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := Ours().Set(one, "", none); err != nil {
		t.Error(err)
	}
}

// A file that is a link, and lines that are no choices, count as nothing.
func TestRememberHostileFile(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	n := Ours()
	if err := os.Mkdir(filepath.Dir(n.file), 0o700); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 2*maxFile)
	for _, text := range []string{"", "\x00", one, one + " ", one + " no-such", "x vyos", one + " \x1b[2J", long, long + "\n" + one + " vyos"} {
		if err := os.WriteFile(n.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := n.Of(one); got != "" {
			t.Errorf("%.60q: %q", text, got)
		}
	}
	if err := os.Remove(n.file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.file+"2", []byte(one+" vyos\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(n.file+"2", n.file); err != nil {
		t.Fatal(err)
	}
	if got := n.Of(one); got != "" {
		t.Errorf("followed a link: %q", got)
	}
	// A choice takes the link's place, and its target stays.
	if err := n.Set(two, "junos", none); err != nil || n.Of(two) != "junos" {
		t.Error(err, n.Of(two))
	}
	if text, err := os.ReadFile(n.file + "2"); err != nil || string(text) != one+" vyos\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// A folder of somebody else's, or none, is not written to.
func TestRememberNowhere(t *testing.T) {
	for _, folder := range []string{"/proc/version", "/proc/version/x", "/proc/\x01"} {
		t.Setenv("XDG_STATE_HOME", folder)
		n := Ours()
		if err := n.Set(one, "vyos", none); err == nil || n.Of(one) != "" {
			t.Errorf("%s: %v", folder, err)
		}
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if n := Ours(); n.file != "" {
		t.Errorf("without a home: %q", n.file)
	}
	folder := t.TempDir()
	if os.Geteuid() != 0 {
		t.Setenv("HOME", "/") // root's
	} else if err := os.Chown(folder, 1234, 1234); err != nil {
		t.Fatal(err)
	} else {
		t.Setenv("HOME", folder)
	}
	if n := Ours(); n.file != "" {
		t.Errorf("in somebody else's folder: %q", n.file)
	}
}
