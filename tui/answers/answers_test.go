package answers

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/tui/tuitest"
)

func known() Host {
	return Host{Version: nm.Version{Major: 1, Minor: 42}, Names: routes.Names{Tables: map[string]uint32{"vpn": 100}}}
}

func (a *Answers) typed(id, value string) { a.get(id).SetText(value) }

// The answers are read into a tunnel, field by field.
func TestTunnel(t *testing.T) {
	a := New(known)
	a.typed("peer", "100.0.2.7")
	a.typed("address", "172.16.0.1/30")
	a.typed("more", "fd00::1/64, 172.17.0.1/24")
	a.get("keys").Choose("two")
	a.typed("input-key", "0x2a")
	a.typed("output-key", "0.0.0.7")
	a.typed("ttl", "inherit")
	a.typed("tos", "0x10")
	a.typed("mtu", "1400")
	a.typed("route", "10.20.0.0/16 table vpn")
	a.typed("snat", "10.10.1.0/24=masquerade")
	got, bad := a.Tunnel()
	if len(bad) > 0 {
		t.Fatalf("%+v", bad[0].err)
	}
	if got.Remote != tuitest.Addr("100.0.2.7") || len(got.Addresses) != 3 || gre.KeyText(got.InputKey) != "42" || gre.KeyText(got.OutputKey) != "7" || got.TTL != 0 || got.TOS != 16 || got.MTU != 1400 {
		t.Errorf("%+v", got)
	}
	if len(got.Routes) != 1 || got.Routes[0].Table != 100 || len(got.SNAT) != 1 {
		t.Errorf("routes %v, SNAT %v", got.Routes, got.SNAT)
	}
}

// An answer that cannot be read is left out of the tunnel. Its field shows the error once the
// person has left it.
func TestErrorsAtTheirFields(t *testing.T) {
	for _, tc := range []struct{ id, value string }{
		{"peer", "100.0.2.300"}, {"address", "172.16.0.1"}, {"ttl", "256"}, {"tos", "-1"}, {"mtu", "67"}, {"route", "10.0.0.0/8 table nowhere"},
		{"snat", "x"}, {"name", "a/b"},
	} {
		a := New(known)
		if tc.id != "peer" {
			a.typed("peer", "100.0.2.7")
		}
		a.typed(tc.id, tc.value)
		if a.Refresh(); a.get(tc.id).Problem != "" {
			t.Errorf("%s: %q is shown while it is typed", tc.id, a.get(tc.id).Problem)
		}
		a.get(tc.id).Touched = true
		if a.Refresh(); a.get(tc.id).Problem == "" {
			t.Errorf("%s: %s has no error", tc.id, tc.value)
		}
		if _, f := a.Problem(); f != a.get(tc.id) {
			t.Errorf("%s: another field has the first error", tc.id)
		}
	}
}

// The host's refusal is shown at its field until the field is changed.
func TestRefusals(t *testing.T) {
	a := New(known)
	a.typed("peer", "100.0.2.7")
	a.typed("address", "172.16.0.1/30")
	a.Submit()
	a.Refuse(errors.Join(&fault.Error{Field: "name", What: "gre1 is taken", Hint: "give another --name"}, &fault.Error{What: "of no field"}))
	if f := a.get("name"); f.Problem != "gre1 is taken" || f.Hint != "give another name" {
		t.Errorf("problem %q, hint %q", f.Problem, f.Hint)
	}
	if a.Changed(a.get("name")); a.get("name").Problem != "" {
		t.Errorf("still %q", a.get("name").Problem)
	}
}

// A new tunnel gets the first network that is free on this host.
func TestProposedNetwork(t *testing.T) {
	other := tuitest.Tunnel("gre1", 0) // 172.16.0.0/30
	a := New(func() Host {
		return Host{Tunnels: []nmgre.Status{{Profile: nm.Profile{Tunnel: other}}}}
	})
	a.SetLinks([]kernel.Link{{Name: "eth0", Addresses: []netip.Prefix{tuitest.Prefix("172.16.0.5/30")}}})
	if got := a.value("address"); got != "172.16.0.9/30" {
		t.Errorf("proposed %s", got)
	}
	if a.Dirty() {
		t.Error("a proposal counts as typed")
	}
}

// The kernel is asked again only after a change that may change the way to the far end.
func TestWayIsAskedAgain(t *testing.T) {
	a := New(known)
	if _, ok := a.WayQuery(); ok {
		t.Error("there is nothing to ask yet")
	}
	a.typed("peer", "100.0.2.7")
	q, ok := a.WayQuery()
	if !ok || q.To != tuitest.Addr("100.0.2.7") {
		t.Errorf("%+v %v", q, ok)
	}
	var asks []string
	for _, id := range []string{"peer", "local", "mode", "mtu", "route"} {
		if a.Changed(a.get(id)) {
			asks = append(asks, id)
		}
	}
	if !slices.Equal(asks, []string{"peer", "local", "mode"}) {
		t.Errorf("asked after %v", asks)
	}
	a.SetWay(q, kernel.Hop{}, fault.ErrUnreachable)
	if got := a.get("peer").Note; got != "this host has no route to it now" {
		t.Errorf("note %q", got)
	}
}
