package answers

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/form"
	"nmgre/tui/tuitest"
)

// The port of a bridge has no inner address: the network that is proposed to a new tunnel is not
// used. An address that somebody has typed is, and is refused.
func TestPortOfABridge(t *testing.T) {
	begin := func() *Answers {
		a := New(known)
		a.SetLinks([]kernel.Link{{Name: "eth0", Addresses: []netip.Prefix{netip.MustParsePrefix("100.0.1.100/24")}}, {Name: "br0", Kind: "bridge"}})
		a.typed("peer", "100.0.2.100")
		a.get("mode").Choose("gretap")
		a.Changed(a.get("mode"))
		return a
	}
	a := begin()
	if got, _ := a.Tunnel(); len(got.Addresses) != 1 {
		t.Fatalf("the proposal is %v", got.Addresses)
	}
	a.get("controller").Choose("br0")
	a.Submit()
	got, bad := a.Tunnel()
	if _, f := a.Problem(); f != nil || len(bad) > 0 || got.Controller != "br0" || len(got.Addresses) > 0 || got.PeerAddress.IsValid() {
		t.Errorf("a port of a bridge: %+v, %v, %v", got, bad, f)
	}
	if a.get("address").Why == "" || a.get("network").Why == "" {
		t.Error("it does not say why the address is not used")
	}
	a.get("controller").Choose("")
	a.Refresh()
	if got, _ := a.Tunnel(); len(got.Addresses) != 1 || a.get("address").Why != "" {
		t.Errorf("no port: %v, %q", got.Addresses, a.get("address").Why)
	}

	a = begin()
	a.typed("address", "10.9.9.1/30")
	a.get("controller").Choose("br0")
	a.Submit()
	if _, f := a.Problem(); f == nil || f.ID != "address" {
		t.Errorf("an address that was typed: %+v", f)
	}
}

// A far end's name is looked up; of several addresses one is chosen, and an edit keeps the present
// one until the person chooses.
func TestPeerName(t *testing.T) {
	a := New(known)
	a.typed("peer", "gw.example.org")
	name, v6, ok := a.NameQuery()
	if !ok || name != "gw.example.org" || v6 {
		t.Fatalf("it asks for %q, %v, %v", name, v6, ok)
	}
	if got, bad := a.Tunnel(); len(bad) == 0 || got.Remote.IsValid() {
		t.Errorf("before the answer there is %v", got.Remote)
	}
	a.SetName(name, v6, []netip.Addr{tuitest.Addr("100.0.2.100"), tuitest.Addr("100.0.2.101")}, nil)
	if _, _, again := a.NameQuery(); again || a.get("answer").Why != "" || a.get("follow").Why != "" {
		t.Errorf("asked again: %v, which %q, follow %q", again, a.get("answer").Why, a.get("follow").Why)
	}
	a.get("answer").Choose("100.0.2.101")
	a.get("follow").Answer("y")
	if got, bad := a.Tunnel(); len(bad) > 0 || got.Remote != tuitest.Addr("100.0.2.101") || got.PeerName != "gw.example.org" || !got.Follow {
		t.Errorf("%+v, %v", got, bad)
	}
	a.typed("peer", "100.0.2.7")
	if got, _ := a.Tunnel(); got.PeerName != "" || got.Follow || got.Remote != tuitest.Addr("100.0.2.7") {
		t.Errorf("an address after a name: %+v", got)
	}
	a.typed("peer", "nobody")
	a.get("peer").Touched = true
	a.SetName("nobody", false, nil, &fault.Error{Kind: fault.ErrInvalid, Field: "peer", What: "nobody has no IPv4 address (A)"})
	if a.Refresh(); !strings.Contains(a.get("peer").Problem, "nobody has no IPv4 address") {
		t.Errorf("the problem is %q", a.get("peer").Problem)
	}
	a.SetName("nobody", false, nil, errors.New("an error of another kind"))
	if got, _ := a.Tunnel(); got.Remote.IsValid() {
		t.Errorf("an error gives %v", got.Remote)
	}

	there := tuitest.Tunnel("gre1", 0)
	there.PeerName = "gw.example.org"
	a = Edit(there, known)
	if got, bad := a.Tunnel(); len(bad) > 0 || got.Remote != there.Remote || a.value("peer") != "gw.example.org" {
		t.Errorf("an edit begins with %v, %v", got.Remote, bad)
	}
	a.SetName("gw.example.org", false, []netip.Addr{tuitest.Addr("100.0.9.9")}, nil)
	if got, _ := a.Tunnel(); got.Remote != there.Remote || a.Dirty() || !strings.Contains(a.get("peer").Note, "leads to 100.0.9.9 now: choose below") {
		t.Errorf("the name leads elsewhere: %v, %v, %q", got.Remote, a.Dirty(), a.get("peer").Note)
	}
	a.get("answer").Choose("100.0.9.9")
	if got, _ := a.Tunnel(); got.Remote != tuitest.Addr("100.0.9.9") {
		t.Errorf("chosen: %v", got.Remote)
	}
}

// The zones are firewalld's, where it runs; a tunnel keeps one that is not among them.
func TestZonesAndProbes(t *testing.T) {
	a := New(known)
	if a.SetZones(nil); a.get("zone").Why != noFirewalld {
		t.Errorf("without firewalld: %q", a.get("zone").Why)
	}
	a.SetZones([]string{"public", "work"})
	a.get("zone").Choose("work")
	a.get("no-probe").Answer(form.YesNo(false))
	if got, _ := a.Tunnel(); got.Zone != "work" || !got.NoProbe || a.get("zone").Why != "" {
		t.Errorf("%+v", got)
	}
	there := tuitest.Tunnel("gre1", 0)
	there.Zone, there.NoProbe = "old", true
	a = Edit(there, known)
	a.SetZones([]string{"public"})
	if got, _ := a.Tunnel(); got.Zone != "old" || !got.NoProbe || nm.ProbeWord(got.NoProbe) != nm.Always {
		t.Errorf("%+v", got)
	}
}
