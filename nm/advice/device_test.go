package advice

import (
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/gre"
)

// A port with a small MTU gets the remedy, but never an option that its mode cannot have.
func TestPortNote(t *testing.T) {
	for mode, ignores := range map[gre.Mode]bool{gre.ModeGRETAP: true, gre.ModeIP6GRETAP: false} {
		n := nm.Tunnel{Mode: mode, Controller: "br0", MTU: 1434}
		notes := portNote(n, 1500)
		if len(notes) != 1 || !strings.Contains(notes[0], "Give these hosts an MTU of 1434") || strings.Contains(notes[0], "--ignore-df") != ignores {
			t.Errorf("%s: %q", mode, notes)
		}
	}
}
