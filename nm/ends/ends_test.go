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
		notes, err := ends.Notes(t.Context(), sys, nm.Tunnel{}, nm.Tunnel{Zone: "work"}, true)
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

// A tunnel in another zone than its profile's gets a hint that mends it. A zone that firewalld does
// not have cannot be applied again: one is to be chosen, or made.
func TestZoned(t *testing.T) {
	w := fake.NewWorld()
	sys := w.Start().Host().System
	w.Zones = []string{"public", "work"}
	for wanted, expected := range map[string]string{
		"work": "firewalld has the tunnel in its zone public, and the profile says work\nNetworkManager puts it there again, while it stays up: nmcli device reapply gre1; or keep the zone that it is in: nmgre edit office --zone public",
		"wrok": "firewalld has no zone wrok, which the profile names: the tunnel is in its zone public\ngive it one of public, work: nmgre edit office --zone ZONE; or make that zone: sudo firewall-cmd --permanent --new-zone=wrok; sudo firewall-cmd --reload", //nolint:misspell // on purpose
	} {
		summary, hint := ends.Zoned(t.Context(), sys.Zones, "office", "gre1", wanted, nm.Zone{Name: "public"})
		if got := summary + "\n" + hint; got != expected {
			t.Errorf("%s: %s", wanted, got)
		}
	}
	if summary, _ := ends.Zoned(t.Context(), mute{}, "office", "gre1", "work", nm.Zone{Name: "public"}); !strings.Contains(summary, "the profile says work") {
		t.Errorf("a firewalld that does not name its zones: %s", summary)
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
		notes, err := ends.Notes(t.Context(), w.Start().Host().System, nm.Tunnel{}, tunnel, true)
		if got := strings.Join(notes, "\n"); err != nil || !strings.Contains(got, expected) || expected == "" && got != "" {
			t.Errorf("%s: %q, %v", local, got, err)
		}
	}
}

// Packets that leave by another device than the one that has their address are told of, unless the
// kernel chose the address, or the tunnel is bound.
func TestAstray(t *testing.T) {
	w := fake.NewWorld()
	w.AddLink(kernel.Link{Name: "eth9", Up: true, MTU: 1400, Addresses: want.CIDRs("100.0.9.100/24", "2001:db8:9::100/64")})
	w.AddLink(kernel.Link{Name: "dummy0", Kind: "dummy", Up: true, MTU: 1500, Addresses: want.CIDRs("100.0.8.100/32")})
	red := w.AddLink(kernel.Link{Name: "red", Kind: "vrf", Up: true, MTU: 65575})
	w.AddLink(kernel.Link{Name: "eth7", Up: true, MTU: 1500, Controller: red.Index, Addresses: want.CIDRs("100.0.7.100/24")})
	const rule = "warning: the local address 100.0.9.100 is on eth9, but its packets leave by eth0: whoever provides that way may drop them; where eth9 has a gateway of its own, a rule leads them there: ip rule add from 100.0.9.100 table TABLE"
	for _, c := range []struct {
		local, remote, parent string
		auto                  bool
		want                  string
	}{
		{"100.0.1.100", "100.0.2.100", "", false, ""},
		{"100.0.9.100", "100.0.2.100", "", false, rule},
		{"100.0.9.100", "100.0.2.100", "", true, ""},
		{"100.0.9.100", "100.0.2.100", "eth0", false, ""},
		{"100.0.9.100", "100.0.9.7", "", false, ""},
		{"100.0.9.100", "0.0.0.0", "", false, ""},
		{"0.0.0.0", "100.0.2.100", "", false, ""},
		{"100.0.8.100", "100.0.2.100", "", false, ""},
		{"203.0.113.9", "100.0.2.100", "", false, ""},
		{"2001:db8:9::100", "2001:db8:2::100", "", false, "warning: the local address 2001:db8:9::100 is on eth9, but its packets leave by eth0: whoever provides that way may drop them; where eth9 has a gateway of its own, a rule leads them there: ip -6 rule add from 2001:db8:9::100 table TABLE"},
		{"100.0.7.100", "100.0.2.100", "", false, "warning: the local address 100.0.7.100 is on eth7, but its packets leave by eth0, outside the VRF red: that VRF takes no answers from there; bind the tunnel to its device: --parent eth7"},
	} {
		tunnel := nm.Tunnel{Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr(c.local), Remote: want.Addr(c.remote), Parent: c.parent}
		notes, err := ends.Notes(t.Context(), w.Start().Host().System, nm.Tunnel{}, tunnel, c.auto)
		if got := strings.Join(notes, "\n"); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
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
