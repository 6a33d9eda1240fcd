package pair

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Theirs returns the far end's tunnels that lead to this host and have no other end here, as far as
// they fit the wish. With a name, it returns those of that name.
func (w *Wish) Theirs(near, far *Hello, name string) []Ends {
	var found []Ends
	for _, e := range far.Ends {
		t := nm.Tunnel{Local: e.Remote, Remote: e.Local, InputKey: w.Near.InputKey, OutputKey: w.Near.OutputKey}
		keyed := t.InputKey != nil || t.OutputKey != nil
		switch {
		case e.Trial, name != "" && e.Name != name:
		case !leadsTo(e, near, far), w.Near.Remote.IsValid() && isHost(e.Local) && e.Local != w.Near.Remote:
		case isHost(w.Near.Local) && e.Remote != w.Near.Local && near.has(e.Remote):
		case keyed && !e.Mirrors(t):
		case slices.ContainsFunc(near.Ends, func(n Ends) bool { return n.mirrors(e) }):
		default:
			found = append(found, e)
		}
	}
	return found
}

// has says whether one of the host's devices that is no tunnel has the address.
func (h *Hello) has(a netip.Addr) bool {
	return slices.ContainsFunc(h.Nets, func(n Net) bool { return !n.Tunnel && n.Address.Addr() == a })
}

// leadsTo says whether the far end's tunnel leads to this host: to one of its addresses, or to the
// one that a router shows in its place.
func leadsTo(e Ends, near, far *Hello) bool {
	return isHost(e.Remote) && (near.has(e.Remote) || e.Remote == far.Client)
}

// mirrors says whether the ends are the two of one tunnel.
func (e Ends) mirrors(other Ends) bool {
	same := func(a, b netip.Addr) bool { return a == b || !isHost(a) || !isHost(b) }
	return same(e.Local, other.Remote) && same(e.Remote, other.Local) && e.Input == other.Output && e.Output == other.Input
}

// Match makes the wish for the near end fit the far end's tunnel theirs: mirror is the near end of
// that tunnel. Settings that the near end may choose by itself stay as they are wished. It fails
// with [fault.ErrInvalid] where the wish contradicts the far end's tunnel.
func (w *Wish) Match(host string, theirs Ends, mirror nm.Tunnel, near, far *Hello) (notes []string, err error) {
	t, plain := &w.Near, nm.NewTunnel()
	differs := func(flag, has string) error {
		return fault.Invalid(flag, "leave --"+flag+" out, change it at "+fault.Printable(host)+" first, or make a second tunnel, with --key",
			"%s is there at %s already, with %s, and pair makes this end to match", fault.Printable(theirs.Name), fault.Printable(host), has)
	}
	switch {
	case t.Mode != plain.Mode && t.Mode != mirror.Mode:
		return nil, differs("mode", mirror.Mode.String())
	case len(t.Addresses) > 0 && !sameAddresses(t.Addresses, mirror.Addresses):
		return nil, differs("address", "the other end of "+fmt.Sprint(mirror.Addresses))
	case len(t.Peers()) > 0 && !slices.Equal(t.Peers(), mirror.Peers()):
		return nil, differs("peer-address", fmt.Sprint(mirror.Peers()))
	}
	t.Mode, t.Remote = mirror.Mode, mirror.Remote
	if near.has(mirror.Local) {
		t.Local = mirror.Local
	} else { // a router shows it in the place of an address of this host
		w.FarPeer = mirror.Local
	}
	t.InputKey, t.OutputKey = gre.CloneKey(mirror.InputKey), gre.CloneKey(mirror.OutputKey)
	t.Link.Checksum, t.Link.Sequence = mirror.Link.Checksum, mirror.Link.Sequence
	t.Addresses = slices.Clone(mirror.Addresses)
	t.SetPeers(mirror.Peers())
	if t.TTL == plain.TTL {
		t.TTL = mirror.TTL
	}
	t.NoPMTUD = t.NoPMTUD || mirror.NoPMTUD
	if t.Name == "" && !slices.Contains(near.Names, theirs.Name) {
		t.Name = theirs.Name
	}
	if !w.Routed && t.Controller == "" {
		notes = w.routesTo(host, mirror.Routes, near, far)
	}
	return notes, nil
}

// routesTo gives the near end the routes to the networks behind the far one.
func (w *Wish) routesTo(host string, list []routes.Route, near, far *Hello) (notes []string) {
	toFar := leadsToAny(far, w.Near.Remote)
	for _, r := range list {
		if own(near, r.Dst) && !r.Dst.IsSingleIP() {
			notes = append(notes, fmt.Sprintf("no route to %s here: this host has that network, or a part of it, itself", r.Dst))
			continue
		}
		if carrier := near.carrier(r.Dst, toFar); carrier != "" {
			notes = append(notes, notTwice(r.Dst, "here", carrier, "route"))
			continue
		}
		w.Near.Routes = append(w.Near.Routes, r)
		notes = append(notes, fmt.Sprintf("route %s here: %s has that network", r.Dst, fault.Printable(host)))
	}
	return notes
}

func sameAddresses(a, b []netip.Prefix) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(p netip.Prefix) bool { return !slices.Contains(b, p) })
}
