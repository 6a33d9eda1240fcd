package nmgre

import (
	"fmt"
	"net/netip"
	"slices"
)

const addressHint = "give this end's inner address with the length of its network, such as 172.16.0.1/30"

// checkAddresses looks at this end's inner addresses.
func checkAddresses(t Tunnel) []*Error {
	if len(t.Addresses) == 0 && !t.Mode.Ethernet() {
		return []*Error{invalid("address", addressHint, "the inner address is missing")}
	}
	var problems []*Error
	for i, p := range t.Addresses {
		problems = appendProblem(problems, checkAddress(p))
		if slices.Contains(t.Addresses[:i], p) {
			problems = append(problems, invalid("address", "give each address once", "%s is there twice", p))
		}
	}
	return problems
}

func checkAddress(p netip.Prefix) *Error {
	a := p.Addr()
	switch {
	case !p.IsValid():
		return invalid("address", addressHint, "an address is missing")
	case p.Bits() == 0:
		return invalid("address", addressHint, "%s would put the whole internet into the tunnel's network", p)
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() || a.Zone() != "":
		return invalid("address", addressHint, "%s is no address of a host", Printable(p.String()))
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return invalid("address", fmt.Sprintf("the first host of that network is %s", netip.PrefixFrom(a.Next(), p.Bits())),
			"%s is the network's own address, not a host's", p)
	case a.Is4() && p.Bits() < 31 && a == lastAddr(p):
		return invalid("address", addressHint, "%s is the network's broadcast address, not a host's", p)
	}
	return nil
}

// lastAddr returns the last address of p's network.
func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := range raw {
		if hostBits := (i+1)*8 - p.Bits(); hostBits >= 8 {
			raw[i] = 0xff
		} else if hostBits > 0 {
			raw[i] |= 1<<hostBits - 1
		}
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

// checkPeerAddress looks at the far end's inner address.
func checkPeerAddress(t Tunnel) []*Error {
	peer := t.PeerAddress
	if !peer.IsValid() {
		return nil
	}
	hint := "give the far end's inner address, such as 172.16.0.2"
	if peer.IsUnspecified() || peer.IsMulticast() || peer.IsLoopback() || peer.Is4In6() || peer.Zone() != "" {
		return []*Error{invalid("peer-address", hint, "%s is no address of a host", Printable(peer.String()))}
	}
	if peer == t.Remote {
		return []*Error{invalid("peer-address", hint, "%s is the far end's outer address: packets to it would go round in circles", peer)}
	}
	sameFamily := false
	for _, p := range t.Addresses {
		if p.Addr() == peer {
			return []*Error{invalid("peer-address", hint, "%s is this end's own inner address", peer)}
		}
		if p.Addr().Is4() && p.Bits() < 31 && p.Contains(peer) && (peer == p.Masked().Addr() || peer == lastAddr(p)) {
			return []*Error{invalid("peer-address", hint, "%s is the first or the last address of %s, which no host has", peer, p.Masked())}
		}
		sameFamily = sameFamily || p.Addr().Is4() == peer.Is4()
	}
	if len(t.Addresses) > 0 && !sameFamily {
		return []*Error{invalid("peer-address", hint, "%s is of another family than this end's inner addresses", peer)}
	}
	return nil
}

// checkInnerAgainstOuter refuses an inner network that would swallow the addresses which carry the tunnel.
func checkInnerAgainstOuter(t Tunnel) []*Error {
	var problems []*Error
	for _, p := range t.Addresses {
		for _, outer := range []struct {
			whose string
			addr  netip.Addr
		}{{"the far end's outer address", t.Remote}, {"the local outer address", t.Local}} {
			if p.IsValid() && outer.addr.IsValid() && !outer.addr.IsUnspecified() && p.Contains(outer.addr) {
				problems = append(problems, invalid("address", "inner addresses need a network of their own, such as 172.16.0.0/30",
					"the inner network %s contains %s %s", p.Masked(), outer.whose, outer.addr))
			}
		}
	}
	return problems
}

// checkRoutes looks at each route and for two that are one to the kernel.
func checkRoutes(t Tunnel) []*Error {
	var problems []*Error
	seen := newSlotIndex(len(t.Routes), func(i int32) *Route { return &t.Routes[i] })
	for i := range t.Routes {
		r := &t.Routes[i]
		problems = append(problems, r.problems()...)
		problems = appendProblem(problems, checkGateways(&t, r))
		problems = appendProblem(problems, checkRouteFamily(&t, r))
		if _, again := seen.find(r.slot()); again {
			problems = append(problems, invalid("route", "give each destination once, or with different metrics", "%s is there twice", r.Dst))
		}
		seen.put(int32(i)) //nolint:gosec // far fewer
	}
	return problems
}

// checkGateways refuses a gateway that the kernel would not find on the tunnel's link.
func checkGateways(t *Tunnel, r *Route) *Error {
	hops := r.Nexthops
	if len(hops) == 0 {
		hops = []Nexthop{{Via: r.Via, OnLink: r.OnLink}}
	}
	for _, hop := range hops {
		if !hop.Via.IsValid() || hop.OnLink || hop.Dev != "" && hop.Dev != t.Name {
			continue
		}
		if t.hasAddress(hop.Via) {
			return invalid("route", "via is the far end's inner address", "the gateway of %s, %s, is this end's own address", r.Dst, hop.Via)
		}
		if !t.onLink(hop.Via) {
			return invalid("route", "leave via out to send straight into the tunnel, name the far end with --peer-address, or add onlink", "the gateway of %s, %s, is in none of the tunnel's networks", r.Dst, hop.Via)
		}
	}
	return nil
}

// checkRouteFamily refuses a route for whose family NetworkManager is told to do nothing on the tunnel: it would not be set.
func checkRouteFamily(t *Tunnel, r *Route) *Error {
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == r.Dst.Addr().Is4() }
	if !r.Dst.IsValid() || slices.ContainsFunc(t.Addresses, sameFamily) {
		return nil
	}
	return invalid("route", "give the tunnel an inner address of that family with --address", "%s: the tunnel has no inner address of its family", r.Dst)
}

func (t *Tunnel) hasAddress(a netip.Addr) bool {
	return slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
}

// onLink says whether a is in one of the tunnel's networks, or is its peer, to which a route is made.
func (t *Tunnel) onLink(a netip.Addr) bool {
	return a == t.PeerAddress || a.Is6() && a.IsLinkLocalUnicast() ||
		slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}
