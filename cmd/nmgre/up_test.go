package main

import (
	"nmgre/nm/dbus/dbustest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A tunnel that comes up without all that root keeps for it has an exit code of its own.
func TestUpInPart(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	files, err := filepath.Glob(filepath.Join(w.root, "etc/nmgre/tunnels/*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{"interface gre7", "interface gre1\nroute nonsense"} {
		if err := os.WriteFile(files[0], []byte(strings.Replace(string(text), "interface gre1", change, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		w.must("down", "gre1")
		if o := w.run("up", "gre1"); o.code != exitHalf || !strings.Contains(o.stderr, "gre1 is up, but not everything is set") {
			t.Errorf("%q: exit %d\n%s", change, o.code, o.stderr)
		}
	}
}

// Where NetworkManager refuses, the hint is the whole line to type.
func TestRefusedSaysTheLine(t *testing.T) {
	for _, args := range [][]string{{"down", "gre1"}, {"delete", "gre1"}, {"up", "gre1"}} {
		w := newWorld(t)
		w.must(createArgs...)
		if args[0] == "up" {
			w.must("down", "gre1")
		}
		for _, method := range []string{"DeactivateConnection", "ActivateConnection", "Delete"} {
			w.bus.Break(method, dbustest.Fault{Error: "org.freedesktop.NetworkManager.PermissionDenied", Text: "Not authorized"})
		}
		o := w.run(args...)
		if line := "hint: run it as root: sudo "; o.code != exitNotPermitted || !strings.Contains(o.stderr, line) || !strings.Contains(o.stderr, strings.Join(args, " ")+"\n") {
			t.Errorf("%v: exit %d\n%s", args, o.code, o.stderr)
		}
	}
}
