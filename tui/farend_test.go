package tui

import (
	"strings"
	"testing"

	"nmgre/nm/notation"
	"nmgre/nm/notation/every"
	"nmgre/tui/tuitest"
)

// Each notation can be chosen on the far end's tab. It shows the output of show --as, y copies
// that, and the choice is there again for this tunnel alone.
func TestFarEndNotations(t *testing.T) {
	for i, kind := range every.Kinds() {
		t.Run(kind.Name, func(t *testing.T) {
			f := tuitest.New().WithTunnels()
			near := f.Tunnels[0].Tunnel
			end, _ := f.FarEnd(t.Context(), near)
			text, err := every.Write(notation.NewLink(near, end), kind.Name, "far")
			if err != nil {
				t.Fatal(err)
			}
			d := drive(t, f, Options{}, 200, 100)
			d.keys("5", "enter", "o")
			for range i + 1 {
				d.keys("down")
			}
			d.keys("enter", "y")
			if want := strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\t", "    "); d.copy != want {
				t.Errorf("copied:\n%s\nwant:\n%s", d.copy, want)
			}
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); len(line) < 150 && !strings.Contains(d.screen(), strings.ReplaceAll(line, "\t", "    ")) {
					t.Errorf("the screen has no line %q:\n%s", line, d.screen())
				}
			}
			d.keys("esc", "j", "k", "enter")
			if got := f.Chosen; len(got) != 1 || got[tuitest.UUID(1)] != kind.Name || d.m.detail.far.Kind != kind.Name {
				t.Errorf("remembered %v, shown %q", got, d.m.detail.far.Kind)
			}
		})
	}
}

// A choice that cannot be remembered counts all the same, and says so. A notation that cannot hold
// the tunnel has nothing to copy. The key of the list says why it does nothing on other tabs.
func TestFarEndNotationTrouble(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Chosen = nil
	d := drive(t, f, Options{}, 120, 40)
	d.keys("o")
	d.shows("5 opens the far end's tab")
	d.keys("j", "5", "enter", "o", "end", "enter")
	d.shows("does not remember")
	d.keys("o", "home")
	for d.m.screens[0].(interface{ At() string }).At() != "routeros" {
		d.keys("down")
	}
	d.keys("enter")
	d.shows("RouterOS cannot hold this tunnel")
	d.copy = ""
	d.keys("y")
	if d.copy != "" {
		t.Errorf("copied %q", d.copy)
	}
	d.shows("key")
	d.keys("o", "home", "enter", "y")
	if !strings.HasPrefix(d.copy, "nmgre create --peer") {
		t.Errorf("copied %q", d.copy)
	}
}

// shows fails unless the text is on the screen.
func (d *driver) shows(text string) {
	d.t.Helper()
	if screen := d.screen(); !strings.Contains(screen, text) {
		d.t.Errorf("the screen has no %q:\n%s", text, screen)
	}
}
