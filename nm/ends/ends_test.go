package ends_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// A zone that firewalld does not have is refused with the nearest name, where firewalld answers.
func TestCheck(t *testing.T) {
	w := fake.NewWorld()
	sys := w.Start().Host().System
	for _, c := range []struct {
		zones        []string
		before, zone string
		want         string
	}{
		{nil, "", "office", ""}, {[]string{"public", "work"}, "", "work", ""}, {[]string{"public", "work"}, "", "", ""}, {[]string{"public", "work"}, "old", "old", ""},
		{[]string{"public", "work"}, "", "wirk", "did you mean work; the zones are public, work"}, {[]string{"public", "work"}, "", "x", "the zones are public, work"},
		{[]string{"drop", "public", "home"}, "", "hoem", "did you mean home; the zones are drop, public, home"},
	} {
		w.Zones = c.zones
		err := ends.Check(t.Context(), sys, nm.Tunnel{Zone: c.before}, nm.Tunnel{Zone: c.zone})
		if got := strings.Join(fault.Hints(err), "; "); (err != nil) != (c.want != "") || got != c.want {
			t.Errorf("%s: %v, %s", c.zone, err, got)
		}
	}
}

// A zone that cannot be compared is taken, and the note says why.
func TestZoneNotes(t *testing.T) {
	w := fake.NewWorld()
	sys := w.Start().Host().System
	note := func() string {
		notes, err := ends.Notes(t.Context(), sys, nm.Tunnel{}, nm.Tunnel{Zone: "work"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(notes, "\n")
	}
	if got := note(); got != "firewalld does not run: NetworkManager puts the tunnel into the zone work once it does" {
		t.Error(got)
	}
	w.Zones = []string{"work"}
	if got := note(); got != "" {
		t.Error(got)
	}
	sys.Zones = mute{}
	if got := note(); got != "firewalld does not answer: whether it has a zone work is not known" {
		t.Error(got)
	}
	if err := ends.Check(t.Context(), sys, nm.Tunnel{}, nm.Tunnel{Zone: "work"}); err != nil {
		t.Error(err)
	}
}

// mute is a firewalld that does not answer.
type mute struct{ nm.Zones }

func (mute) ZoneNames(context.Context) ([]string, error) { return nil, errors.New("no answer") }

// A leased address gets a note; one that stays, and any address, get none.
func TestLeased(t *testing.T) {
	w := fake.NewWorld()
	a, six, ppp := want.Addr("192.0.2.7"), want.Addr("2001:db8:7::7"), want.Addr("192.0.2.8")
	w.AddLink(kernel.Link{Name: "eth7", Up: true, Addresses: want.CIDRs("192.0.2.7/24", "2001:db8:7::7/64"), Leased: []netip.Addr{a, six}})
	w.AddLink(kernel.Link{Name: "ppp0", Kind: "ppp", Up: true, Addresses: want.CIDRs("192.0.2.8/32"), Leased: []netip.Addr{ppp}})
	for local, expected := range map[string]string{"192.0.2.7": "(DHCP, on eth7): when it changes", "192.0.2.8": "(PPP, on ppp0)", "100.0.1.100": "", "0.0.0.0": "", "2001:db8:7::7": "then type: nmgre edit gre1 --local auto"} {
		tunnel := nm.Tunnel{Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr(local)}
		if tunnel.Local.Is6() {
			tunnel.Mode = gre.ModeIP6GRE
		}
		notes, err := ends.Notes(t.Context(), w.Start().Host().System, nm.Tunnel{}, tunnel)
		if got := strings.Join(notes, "\n"); err != nil || !strings.Contains(got, expected) || expected == "" && got != "" {
			t.Errorf("%s: %q, %v", local, got, err)
		}
	}
}

// The way is asked for as the outer packets go; one by a table of its own is apart.
func TestWay(t *testing.T) {
	links := []kernel.Link{{Index: 1, Name: "eth0", Addresses: want.CIDRs("100.0.1.100/24")}, {Index: 2, Name: "gre7", GRE: &kernel.GRELink{Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.7.100"), Parent: 1}}}
	own := nm.Tunnel{Local: want.Addr("100.0.1.100"), Remote: want.Addr("100.0.2.100"), Parent: "eth0"}
	for end, expected := range map[string]kernel.Query{
		"100.0.2.100": {To: want.Addr("100.0.2.100"), From: want.Addr("100.0.1.100"), Dev: "eth0"}, "100.0.7.100": {To: want.Addr("100.0.7.100"), From: want.Addr("100.0.1.100"), Dev: "eth0"},
		"100.0.8.100": {To: want.Addr("100.0.8.100")},
	} {
		if got := ends.WayTo(links, own, want.Addr(end)); got != expected {
			t.Errorf("%s: %+v", end, got)
		}
	}
	for table, apart := range map[uint32]bool{0: false, 100: true, 253: false, 254: false} {
		if ends.Apart(kernel.Hop{Table: table}) != apart {
			t.Errorf("table %d", table)
		}
	}
}
