package nm

import (
	"net/netip"

	"nmgre/routes"
	"nmgre/routes/gre"
)

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

// FarEnd returns the tunnel that the far end has to make. Local and remote change places, and so do
// input and output key, and inner address and peer address. Settings on which both ends must agree
// stay. The routes lead to lans, the networks behind this end.
//
// The parent device and the name are left out: they are the far end's own choice.
func (t Tunnel) FarEnd(lans []netip.Prefix) Tunnel {
	far := NewTunnel()
	far.Mode, far.TTL, far.TOS, far.NoPMTUD, far.MTU = t.Mode, t.TTL, t.TOS, t.NoPMTUD, t.MTU
	far.EncapLimit, far.FlowLabel, far.Flags = t.EncapLimit, t.FlowLabel, t.Flags
	far.Remote, far.Local = t.Local, t.Remote
	far.InputKey, far.OutputKey = gre.CloneKey(t.OutputKey), gre.CloneKey(t.InputKey)
	if own, ok := t.AddressTowardsPeer(); ok {
		far.Addresses = []netip.Prefix{netip.PrefixFrom(t.PeerAddress, own.Bits())}
		far.PeerAddress = own.Addr()
	}
	for _, lan := range lans {
		far.Routes = append(far.Routes, routes.Route{Dst: lan.Masked()})
	}
	return far
}

// AddressTowardsPeer returns the inner address from which this end reaches the peer address: the
// first one whose network contains it, or else the first one of its family.
func (t Tunnel) AddressTowardsPeer() (own netip.Prefix, ok bool) {
	if !t.PeerAddress.IsValid() {
		return own, false
	}
	for _, p := range t.Addresses {
		if p.Contains(t.PeerAddress) {
			return p, true
		}
	}
	for _, p := range t.Addresses {
		if p.Addr().Is4() == t.PeerAddress.Is4() {
			return p, true
		}
	}
	return own, false
}
