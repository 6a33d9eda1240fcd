package nm

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

const addressHint = "give this end's inner address with its prefix length, such as 172.16.0.1/30"

// CheckAddresses returns the problems of this end's inner addresses.
func CheckAddresses(t Tunnel) fault.List {
	if len(t.Addresses) == 0 && !t.Mode.Ethernet() {
		return fault.List{fault.Invalid("address", addressHint, "the inner address is missing")}
	}
	var problems fault.List
	for i, p := range t.Addresses {
		problems.Add(checkAddress(p))
		if slices.Contains(t.Addresses[:i], p) {
			problems.Add(fault.Invalid("address", "give each address once", "%s is given twice", p))
		}
	}
	return problems
}

func checkAddress(p netip.Prefix) *fault.Error {
	a := p.Addr()
	switch {
	case !p.IsValid():
		return fault.Invalid("address", addressHint, "an address is missing")
	case p.Bits() == 0:
		return fault.Invalid("address", addressHint, "%s would put all addresses into the tunnel's network", p)
	case !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() || a.Zone() != "":
		return fault.Invalid("address", addressHint, "%s is not an address that a host can have", fault.Printable(p.String()))
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return fault.Invalid("address", fmt.Sprintf("the first host of that network is %s", netip.PrefixFrom(a.Next(), p.Bits())),
			"%s is the address of the network, not of a host", p)
	case a.Is4() && p.Bits() < 31 && a == routes.LastAddr(p):
		return fault.Invalid("address", addressHint, "%s is the broadcast address of the network, not of a host", p)
	}
	return nil
}

// CheckBehind returns the problem of an address that is to be behind the far end: field is the
// option that it was given by.
func CheckBehind(t Tunnel, field string, a netip.Addr) error {
	const hint = "give the address of a host behind the far end, such as 10.10.2.100"
	switch {
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.Is4In6() || a.Zone() != "":
		return fault.Invalid(field, hint, "%s is not an address that a host behind the far end can have", fault.Printable(a.String()))
	case a == t.Remote || a == t.Local:
		return fault.Invalid(field, hint, "%s is an outer address of the tunnel", a)
	case slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr() == a }):
		return fault.Invalid(field, hint, "%s is this end's own inner address", a)
	case !slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() }):
		return fault.Invalid(field, hint, "%s is an address of another family than this end's inner addresses", a)
	}
	return nil
}

// MaxPeers is the highest number of the far end's inner addresses.
const MaxPeers = 16

// CheckPeerAddress returns the problems of the far end's inner addresses.
func CheckPeerAddress(t Tunnel) fault.List {
	var problems fault.List
	peers := t.Peers()
	if len(peers) > MaxPeers {
		problems.Add(fault.Invalid("peer-address", "give those that a probe proves something with", "%d addresses are more than the %d allowed", len(peers), MaxPeers))
	}
	for i, peer := range peers {
		if slices.Contains(peers[:i], peer) {
			problems.Add(fault.Invalid("peer-address", "give each address once", "%s is given twice", fault.Printable(peer.String())))
			continue
		}
		problems.Add(checkPeerAddress(t, peer)...)
	}
	return problems
}

// checkPeerAddress returns the problems of one of the far end's inner addresses.
func checkPeerAddress(t Tunnel, peer netip.Addr) fault.List {
	hint := "give the far end's inner address, such as 172.16.0.2"
	if peer.IsUnspecified() || peer.IsMulticast() || peer.IsLoopback() || peer.Is4In6() || peer.Zone() != "" {
		return fault.List{fault.Invalid("peer-address", hint, "%s is not an address that a host can have", fault.Printable(peer.String()))}
	}
	if peer == t.Remote {
		return fault.List{fault.Invalid("peer-address", hint, "%s is the far end's outer address: packets to it would loop through the tunnel", peer)}
	}
	sameFamily := false
	for _, p := range t.Addresses {
		if p.Addr() == peer {
			return fault.List{fault.Invalid("peer-address", hint, "%s is this end's own inner address", peer)}
		}
		if p.Addr().Is4() && p.Bits() < 31 && p.Contains(peer) && (peer == p.Masked().Addr() || peer == routes.LastAddr(p)) {
			return fault.List{fault.Invalid("peer-address", hint, "%s is the first or the last address of %s: no host can have it", peer, p.Masked())}
		}
		sameFamily = sameFamily || p.Addr().Is4() == peer.Is4()
	}
	if len(t.Addresses) > 0 && !sameFamily {
		return fault.List{fault.Invalid("peer-address", hint, "%s is an address of another family than this end's inner addresses", peer)}
	}
	return nil
}

// checkInnerAgainstOuter refuses an inner network that contains an outer address of the tunnel.
// Packets that carry the tunnel would be routed into it.
func checkInnerAgainstOuter(t Tunnel) fault.List {
	var problems fault.List
	for _, p := range t.Addresses {
		for _, outer := range []struct {
			whose string
			addr  netip.Addr
		}{{"the far end's outer address", t.Remote}, {"the local outer address", t.Local}} {
			if p.IsValid() && outer.addr.IsValid() && !outer.addr.IsUnspecified() && p.Contains(outer.addr) {
				problems.Add(fault.Invalid("address", "inner addresses need a network of their own, such as 172.16.0.0/30",
					"the inner network %s contains %s %s", p.Masked(), outer.whose, outer.addr))
			}
		}
	}
	return problems
}

// CheckRoutes returns the problems of each route, and a problem for each that the kernel could not
// tell from an earlier one.
func CheckRoutes(t Tunnel) fault.List {
	var problems fault.List
	seen := list.NewIndex(len(t.Routes), func(i int) routes.Slot { return t.Routes[i].Slot() })
	for i := range t.Routes {
		r := &t.Routes[i]
		problems.Add(r.Problems()...)
		problems.Add(CheckGateways(&t, r))
		problems.Add(CheckRouteFamily(&t, r))
		if _, again := seen.Add(r.Slot(), i); again {
			problems.Add(fault.Invalid("route", "give each destination once, or with different metrics", "%s is given twice", r.Dst))
		}
	}
	return problems
}

// CheckGateways refuses a gateway that is not on the tunnel's link: the kernel would refuse the
// route.
func CheckGateways(t *Tunnel, r *routes.Route) *fault.Error {
	hops := r.Nexthops
	if len(hops) == 0 {
		hops = []routes.Nexthop{{Via: r.Via, OnLink: r.OnLink}}
	}
	for _, hop := range hops {
		if !hop.Via.IsValid() || hop.OnLink || hop.Dev != "" && hop.Dev != t.Name {
			continue
		}
		if t.hasAddress(hop.Via) {
			return fault.Invalid("route", "give the far end's inner address as the gateway", "the gateway of %s, %s, is this end's own address", r.Dst, hop.Via)
		}
		if !t.onLink(hop.Via) {
			return fault.Invalid("route", "leave via out, name the far end with --peer-address, or add onlink",
				"the gateway of %s, %s, is in none of the tunnel's networks", r.Dst, hop.Via)
		}
	}
	return nil
}

// CheckRouteFamily refuses a route of a family that the tunnel's profile disables, since it has no
// inner address of that family. NetworkManager would not set the route.
func CheckRouteFamily(t *Tunnel, r *routes.Route) *fault.Error {
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == r.Dst.Addr().Is4() }
	if !r.Dst.IsValid() || slices.ContainsFunc(t.Addresses, sameFamily) {
		return nil
	}
	more := map[string]string{"0.0.0.0/0": "; the default route of IPv6 is ::/0"}[r.Dst.String()]
	return fault.Invalid("route", "give the tunnel an inner address of that family with --address"+more, "%s: the tunnel has no inner address of the same family", routes.Route{Dst: r.Dst})
}

func (t *Tunnel) hasAddress(a netip.Addr) bool {
	return slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
}

// onLink says whether the tunnel's link leads to a: a is in one of the tunnel's networks, is
// link-local, or is a peer address, which gets a route.
func (t *Tunnel) onLink(a netip.Addr) bool {
	return slices.Contains(t.Peers(), a) || a.Is6() && a.IsLinkLocalUnicast() || slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// CheckForwarding returns the problems of the tunnel's SNAT and forwarding that can be seen without
// looking at the host.
func CheckForwarding(t Tunnel) fault.List {
	var problems fault.List
	for i, s := range t.SNAT {
		switch {
		case !s.Dst.IsValid() || s.Dst != s.Dst.Masked():
			problems.Add(fault.Invalid("snat", "give the network's own address, such as 10.10.2.0/24=10.10.2.1", "the destination has host bits set"))
		case s.Source.IsValid() && s.Source.Is4() != s.Dst.Addr().Is4():
			problems.Add(fault.Invalid("snat", "give a source of the destination's family", "%s: the source %s is an address of another family", s.Dst, s.Source))
		case !slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == s.Dst.Addr().Is4() }):
			problems.Add(fault.Invalid("snat", "give the tunnel an inner address of that family", "%s: the tunnel has no inner address of the same family", s.Dst))
		case slices.ContainsFunc(t.SNAT[:i], func(o keep.SNAT) bool { return o.Dst == s.Dst }):
			problems.Add(fault.Invalid("snat", "give each destination once", "%s is given twice", s.Dst))
		}
	}
	if t.Forward && len(t.IPv4Addresses()) == 0 {
		problems.Add(fault.Invalid("forward", "IPv6 forwarding is a setting of the whole host: sysctl -w net.ipv6.conf.all.forwarding=1",
			"the tunnel has no IPv4 inner address"))
	}
	return problems
}

// CheckSNATSource refuses a source address that none of the links has.
func CheckSNATSource(links []kernel.Link, s keep.SNAT) *fault.Error {
	if !s.Source.IsValid() || kernel.Holding(links, s.Source) != nil {
		return nil
	}
	return fault.Invalid("snat", fmt.Sprintf("give an address that this host has in that network, or write %s=masquerade", s.Dst),
		"%s is not an address of this host: answers would not come back", s.Source)
}
