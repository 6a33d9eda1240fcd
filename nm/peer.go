package nm

import (
	"net/netip"
	"slices"
)

// Peers returns all inner addresses of the far end that are known, the main one first.
func (t Tunnel) Peers() []netip.Addr {
	if !t.PeerAddress.IsValid() {
		return nil
	}
	return append([]netip.Addr{t.PeerAddress}, t.MorePeers...)
}

// SetPeers makes the first of the addresses the main one.
func (t *Tunnel) SetPeers(peers []netip.Addr) {
	t.PeerAddress, t.MorePeers = netip.Addr{}, nil
	if len(peers) > 0 {
		t.PeerAddress, t.MorePeers = peers[0], append([]netip.Addr(nil), peers[1:]...)
	}
}

// ChoosePeer returns the far end's inner address where the tunnel's routes and addresses leave no
// choice: the gateway of its routes, or the other host of the first network of two hosts that is
// not routed to this end. It returns the zero Addr if there is no such address.
func (t Tunnel) ChoosePeer() netip.Addr {
	if via := t.gateway(); via.IsValid() {
		return via
	}
	return DerivePeer(t.sharedAddresses())
}

// PeerChoices returns the far end's possible inner addresses if there are several of one family,
// none of which the routes name.
func (t Tunnel) PeerChoices() []netip.Addr {
	if t.gateway().IsValid() {
		return nil
	}
	var choices []netip.Addr
	for _, own := range t.sharedAddresses() {
		if peer := otherHost(own); peer.IsValid() && (len(choices) == 0 || peer.Is4() == choices[0].Is4()) && !slices.Contains(choices, peer) {
			choices = append(choices, peer)
		}
	}
	if len(choices) < 2 {
		return nil
	}
	return choices
}

// sharedAddresses are the inner addresses whose networks the far end shares.
func (t Tunnel) sharedAddresses() []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(t.Addresses), t.isAlone)
}

// gateway returns the first gateway of a route that is in one of the inner networks. On Ethernet a
// gateway may be any host, so that only the other one of two is the far end.
func (t Tunnel) gateway() netip.Addr {
	isPeer := func(a netip.Addr) bool {
		return a.IsValid() && !t.hasAddress(a) && slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool {
			return p.Contains(a) && (!t.Mode.Ethernet() || otherHost(p) == a)
		})
	}
	for i := range t.Routes {
		r := &t.Routes[i]
		if isPeer(r.Via) {
			return r.Via
		}
		for _, hop := range r.Nexthops {
			if (hop.Dev == "" || hop.Dev == t.Name) && isPeer(hop.Via) {
				return hop.Via
			}
		}
	}
	return netip.Addr{}
}

// DerivePeer returns the far end's inner address where this end's addresses leave no choice: the
// other host of the first /30 or /31 (RFC 3021), /126 or /127 (RFC 6164) among them. It returns the
// zero Addr if there is no such network.
func DerivePeer(addresses []netip.Prefix) netip.Addr {
	for _, p := range addresses {
		if peer := otherHost(p); peer.IsValid() {
			return peer
		}
	}
	return netip.Addr{}
}

// otherHost returns the other host of p's network. It returns the zero Addr unless the network has
// exactly two hosts.
func otherHost(p netip.Prefix) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	first := p.Masked().Addr()
	switch p.Addr().BitLen() - p.Bits() {
	case 1: // both addresses are hosts
		return other(p.Addr(), first, first.Next())
	// the first address is the network's own (IPv6: the routers' anycast address), the last one is
	// for broadcast (IPv6: left unused likewise)
	case 2:
		return other(p.Addr(), first.Next(), first.Next().Next())
	}
	return netip.Addr{}
}

// other returns b if own is a, a if own is b, and the zero Addr otherwise.
func other(own, a, b netip.Addr) netip.Addr {
	switch own {
	case a:
		return b
	case b:
		return a
	}
	return netip.Addr{}
}

// AddressTowardsPeer returns the inner address from which this end reaches the peer address: the
// first one whose network contains it, or else the first one of its family.
func (t Tunnel) AddressTowardsPeer() (own netip.Prefix, ok bool) {
	return t.addressTowards(t.PeerAddress)
}

// addressTowards returns the inner address from which this end reaches the address peer.
func (t Tunnel) addressTowards(peer netip.Addr) (own netip.Prefix, ok bool) {
	if !peer.IsValid() {
		return own, false
	}
	for _, p := range t.Addresses {
		if p.Contains(peer) {
			return p, true
		}
	}
	for _, p := range t.Addresses {
		if p.Addr().Is4() == peer.Is4() {
			return p, true
		}
	}
	return own, false
}
