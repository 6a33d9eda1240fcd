package cause

import (
	"encoding/json"
	"slices"
	"testing"

	"nmgre/nm"
	"nmgre/nm/verify/place"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// Each cause is whole, and there is one of each.
func TestCausesAreWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Causes() {
		if c.ID == "" || c.Means == "" || c.See == "" || c.Certainty != Proved && c.Certainty != Likely {
			t.Errorf("%+v", c)
		}
		if seen[c.ID] {
			t.Errorf("%s stands there twice", c.ID)
		}
		seen[c.ID] = true
		if !slices.Contains(place.Places(), place.Of(c.ID)) {
			t.Errorf("%s has no place: add it to placeOf in nm/verify/place", c.ID)
		}
	}
}

// tunnelTo is a tunnel whose far end does not answer.
func tunnelTo(remote string) Evidence {
	tunnel := nm.NewTunnel()
	tunnel.Name, tunnel.Remote, tunnel.PeerAddress = "gre1", want.Addr(remote), want.Addr("172.16.0.2")
	return Evidence{Tunnel: tunnel, Name: "gre1", Probe: kernel.ProbeResult{Sent: 2}, Grew: kernel.Counters{TxPackets: 2}}
}

// A finding fails, unless the far end answers or does not exist yet. A fault that holds all packets
// on this host fails all the same.
func TestWhatWarns(t *testing.T) {
	silent, down := tunnelTo("100.0.2.100"), tunnelTo("100.0.2.100")
	down.Under.Down = "eth0"
	for _, c := range []struct {
		name        string
		of          func(Evidence) *Finding
		ev          Evidence
		cause       string
		warns, made bool // made: while the tunnel is being made
	}{
		{"silence", OfProbe, silent, "silent", false, true},
		{"a device that is down", OfUnderlay, down, "device-down", false, false},
	} {
		now, early := c.of(c.ev), c.ev
		early.BeforeSave = true
		making := c.of(early)
		if now == nil || making == nil || now.ID != c.cause || now.Warns != c.warns || making.Warns != c.made {
			t.Errorf("%s: %+v, while it is made %+v", c.name, now, making)
		}
	}
}

// The commands of a hint are fields of the evidence, too.
func TestHints(t *testing.T) {
	s := said{advice: "look", here: "nmgre up gre1", there: "nmgre edit TUNNEL --ttl 64", create: "nmgre create"}
	want.Same(t, "the hint", s.hint(), "look; on this host: nmgre up gre1; or on the far end, where TUNNEL is the tunnel's own name: nmgre edit TUNNEL --ttl 64; "+
		"or if the far end does not exist yet, make it there: nmgre create")
	text, err := json.Marshal(s.commands())
	if err != nil {
		t.Fatal(err)
	}
	want.Same(t, "the facts", string(text), `{"make_there":"nmgre create","mend_here":"nmgre up gre1","mend_there":"nmgre edit TUNNEL --ttl 64"}`)
	if f := Warning("ttl-inherit", tunnelTo("100.0.2.100")); f != nil {
		t.Errorf("without a link nothing is known of its TTL: %+v", f)
	}
}

// A counter that grows is a finding although probes are answered.
func TestOfCounters(t *testing.T) {
	ev := tunnelTo("100.0.2.100")
	ev.Probe.Received, ev.Grew = 2, kernel.Counters{TxPackets: 2, RxPackets: 2, RxCRCErrors: 1}
	if f := OfCounters(ev); f == nil || f.ID != "checksum-differs" {
		t.Errorf("%+v", f)
	}
	ev.Grew.RxCRCErrors = 0
	if f := OfCounters(ev); f != nil {
		t.Errorf("%+v", f)
	}
}

// Another tunnel takes a packet only if the kernel prefers it to this one, whose index is 1. The
// packet comes in by the device 2, which leads to the far end, unless it is known to come by
// another.
func TestTaker(t *testing.T) {
	link := func(index int, name, remote string, parent int) kernel.Link {
		return kernel.Link{Index: index, Name: name, Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE, Local: want.Addr("100.0.1.100"), Remote: want.Addr(remote), Parent: parent}}
	}
	own := link(1, "gre1", "100.0.2.100", 0)
	fallback := kernel.Link{Index: 9, Name: "gre0", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE}}
	for _, c := range []struct {
		name  string
		links []kernel.Link
		from  string
		by    int
		taker string
	}{
		{"none but this one", []kernel.Link{own, fallback}, "100.0.2.100", 0, ""},
		{"the same, and newer", []kernel.Link{own, link(3, "gre2", "100.0.2.100", 0)}, "100.0.2.100", 0, ""},
		{"fewer addresses", []kernel.Link{own, link(3, "gre2", "0.0.0.0", 0)}, "100.0.2.100", 0, ""},
		{"bound to the device", []kernel.Link{own, link(3, "gre2", "100.0.2.100", 2)}, "100.0.2.100", 0, "gre2"},
		{"bound to another device", []kernel.Link{own, link(3, "gre2", "100.0.2.100", 7)}, "100.0.2.100", 0, ""},
		{"bound to another device, by which it comes", []kernel.Link{own, link(3, "gre2", "100.0.2.100", 7)}, "100.0.2.100", 7, "gre2"},
		{"of another host", []kernel.Link{own, link(3, "gre2", "100.0.2.101", 0)}, "100.0.2.101", 0, "gre2"},
		{"of another host, for none but the fallback", []kernel.Link{own, fallback}, "100.0.2.101", 0, ""},
	} {
		ev := tunnelTo("100.0.2.100")
		ev.Links = append(c.links, kernel.Link{Index: 2, Name: "eth0", Up: true})
		ev.Link, ev.Under.Hop.Dev = &ev.Links[0], "eth0"
		name := ""
		if l := ev.taker(kernel.Packet{From: want.Addr(c.from), To: want.Addr("100.0.1.100"), Index: c.by, Header: gre.Header{Protocol: 0x800}}); l != nil {
			name = l.Name
		}
		want.Same(t, c.name, name, c.taker)
	}
}
