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

const addressHint = "give this end's inner address with the length of its network, such as 172.16.0.1/30"

// checkAddresses looks at this end's inner addresses.
func checkAddresses(t Tunnel) fault.List {
	if len(t.Addresses) == 0 && !t.Mode.Ethernet() {
		return fault.List{fault.Invalid("address", addressHint, "the inner address is missing")}
	}
	var problems fault.List
	for i, p := range t.Addresses {
		problems.Add(checkAddress(p))
		if slices.Contains(t.Addresses[:i], p) {
			problems.Add(fault.Invalid("address", "give each address once", "%s is there twice", p))
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
		return fault.Invalid("address", addressHint, "%s would put the whole internet into the tunnel's network", p)
	case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.Is4In6() || a.Zone() != "":
		return fault.Invalid("address", addressHint, "%s is no address of a host", fault.Printable(p.String()))
	case a.Is4() && p.Bits() < 31 && a == p.Masked().Addr():
		return fault.Invalid("address", fmt.Sprintf("the first host of that network is %s", netip.PrefixFrom(a.Next(), p.Bits())),
			"%s is the network's own address, not a host's", p)
	case a.Is4() && p.Bits() < 31 && a == routes.LastAddr(p):
		return fault.Invalid("address", addressHint, "%s is the network's broadcast address, not a host's", p)
	}
	return nil
}

// CheckPeerAddress looks at the far end's inner address.
func CheckPeerAddress(t Tunnel) fault.List {
	peer := t.PeerAddress
	if !peer.IsValid() {
		return nil
	}
	hint := "give the far end's inner address, such as 172.16.0.2"
	if peer.IsUnspecified() || peer.IsMulticast() || peer.IsLoopback() || peer.Is4In6() || peer.Zone() != "" {
		return fault.List{fault.Invalid("peer-address", hint, "%s is no address of a host", fault.Printable(peer.String()))}
	}
	if peer == t.Remote {
		return fault.List{fault.Invalid("peer-address", hint, "%s is the far end's outer address: packets to it would go round in circles", peer)}
	}
	sameFamily := false
	for _, p := range t.Addresses {
		if p.Addr() == peer {
			return fault.List{fault.Invalid("peer-address", hint, "%s is this end's own inner address", peer)}
		}
		if p.Addr().Is4() && p.Bits() < 31 && p.Contains(peer) && (peer == p.Masked().Addr() || peer == routes.LastAddr(p)) {
			return fault.List{fault.Invalid("peer-address", hint, "%s is the first or the last address of %s, which no host has", peer, p.Masked())}
		}
		sameFamily = sameFamily || p.Addr().Is4() == peer.Is4()
	}
	if len(t.Addresses) > 0 && !sameFamily {
		return fault.List{fault.Invalid("peer-address", hint, "%s is of another family than this end's inner addresses", peer)}
	}
	return nil
}

// checkInnerAgainstOuter refuses an inner network that would swallow the addresses which carry the
// tunnel.
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

// CheckRoutes looks at each route and for two that are one to the kernel.
func CheckRoutes(t Tunnel) fault.List {
	var problems fault.List
	seen := list.NewIndex(len(t.Routes), func(i int) routes.Slot { return t.Routes[i].Slot() })
	for i := range t.Routes {
		r := &t.Routes[i]
		problems.Add(r.Problems()...)
		problems.Add(CheckGateways(&t, r))
		problems.Add(CheckRouteFamily(&t, r))
		if _, again := seen.Add(r.Slot(), i); again {
			problems.Add(fault.Invalid("route", "give each destination once, or with different metrics", "%s is there twice", r.Dst))
		}
	}
	return problems
}

// CheckGateways refuses a gateway that the kernel would not find on the tunnel's link.
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
			return fault.Invalid("route", "via is the far end's inner address", "the gateway of %s, %s, is this end's own address", r.Dst, hop.Via)
		}
		if !t.onLink(hop.Via) {
			return fault.Invalid("route", "leave via out to send straight into the tunnel, name the far end with --peer-address, or add onlink", "the gateway of %s, %s, is in none of the tunnel's networks", r.Dst, hop.Via)
		}
	}
	return nil
}

// CheckRouteFamily refuses a route for whose family NetworkManager is told to do nothing on the
// tunnel: it would not be set.
func CheckRouteFamily(t *Tunnel, r *routes.Route) *fault.Error {
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == r.Dst.Addr().Is4() }
	if !r.Dst.IsValid() || slices.ContainsFunc(t.Addresses, sameFamily) {
		return nil
	}
	return fault.Invalid("route", "give the tunnel an inner address of that family with --address", "%s: the tunnel has no inner address of its family", r.Dst)
}

func (t *Tunnel) hasAddress(a netip.Addr) bool {
	return slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
}

// onLink says whether a is in one of the tunnel's networks, or is its peer, to which a route is
// made.
func (t *Tunnel) onLink(a netip.Addr) bool {
	return a == t.PeerAddress || a.Is6() && a.IsLinkLocalUnicast() ||
		slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(a) })
}

// InnerNetworks are the networks whose packets SNAT is for: the tunnel's own, and the far end's
// host where no network has it.
func InnerNetworks(t Tunnel) []netip.Prefix {
	var networks []netip.Prefix
	add := func(n netip.Prefix) {
		if !slices.Contains(networks, n) {
			networks = append(networks, n)
		}
	}
	for _, own := range t.Addresses {
		add(own.Masked())
	}
	if peer := t.PeerAddress; peer.IsValid() && !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(peer) }) {
		add(routes.HostPrefix(peer))
	}
	return networks
}

func Ipv4Of(list []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(list), func(p netip.Prefix) bool { return !p.Addr().Is4() })
}

// CheckForwarding returns what is wrong with the SNAT and forwarding that are wanted, as far as the
// request itself tells.
func CheckForwarding(t Tunnel) fault.List {
	var problems fault.List
	for i, s := range t.SNAT {
		switch {
		case !s.Dst.IsValid() || s.Dst != s.Dst.Masked():
			problems.Add(fault.Invalid("snat", "write it as 10.10.2.0/24=10.10.2.1", "the destination has bits behind its length"))
		case s.Source.IsValid() && s.Source.Is4() != s.Dst.Addr().Is4():
			problems.Add(fault.Invalid("snat", "the destination and the source are of one family", "%s: %s is of another family", s.Dst, s.Source))
		case !slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == s.Dst.Addr().Is4() }):
			problems.Add(fault.Invalid("snat", "give the tunnel an inner address of that family", "%s: the tunnel has no inner address of its family", s.Dst))
		case slices.ContainsFunc(t.SNAT[:i], func(o keep.SNAT) bool { return o.Dst == s.Dst }):
			problems.Add(fault.Invalid("snat", "give each destination once", "%s is given twice", s.Dst))
		}
	}
	if t.Forward && len(Ipv4Of(t.Addresses)) == 0 {
		problems.Add(fault.Invalid("forward", "IPv6 is forwarded host-wide only: sysctl -w net.ipv6.conf.all.forwarding=1",
			"the tunnel has no IPv4 inner address"))
	}
	return problems
}

// SourceNotHere returns what is wrong with a source that none of the links has.
func SourceNotHere(links []kernel.Link, s keep.SNAT) *fault.Error {
	if !s.Source.IsValid() || kernel.Holding(links, s.Source) != nil {
		return nil
	}
	return fault.Invalid("snat", fmt.Sprintf("use an address that this host has in that network, or write %s=masquerade", s.Dst),
		"%s is not an address of this host: answers to it would not come back here", s.Source)
}
