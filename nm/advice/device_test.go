package advice

import (
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
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

// A tunnel for routing protocols without IPv6 is told how those over IPv6 begin, once.
func TestLinkLocalNote(t *testing.T) {
	const note = "--address fe80::1/64"
	four, six := nm.Tunnel{Mode: gre.ModeGRE, TTL: 64, Addresses: want.CIDRs("10.0.0.2/30")}, nm.Tunnel{Mode: gre.ModeGRE, TTL: 64, Addresses: want.CIDRs("10.0.0.2/30", "fe80::1/64")}
	four.Link.Multicast, six.Link.Multicast = true, true
	plain := four
	plain.Link.Multicast = false
	for _, c := range []struct {
		after, before nm.Tunnel
		told          bool
	}{{four, nm.Tunnel{}, true}, {six, nm.Tunnel{}, false}, {plain, nm.Tunnel{}, false}, {four, four, false}, {four, plain, true}, {four, six, true}} {
		if notes := strings.Join(Device(c.after, c.before, 0), "\n"); strings.Contains(notes, note) != c.told {
			t.Errorf("%+v after %+v: %q", c.after.Addresses, c.before.Addresses, notes)
		}
	}
}
