package nm

import (
	"net/netip"

	"nmgre/routes"
	"nmgre/routes/gre"
)

// DerivePeer returns the far end's inner address where the own ones leave no choice: the other host
// of the first /30 or /31 (RFC 3021), /126 or /127 (RFC 6164). It returns the zero Addr if there is
// no such network.
func DerivePeer(addresses []netip.Prefix) netip.Addr {
	for _, p := range addresses {
		if peer := otherHost(p); peer.IsValid() {
			return peer
		}
	}
	return netip.Addr{}
}

// otherHost returns the other of the two hosts of p's network, the zero Addr if it has not just
// two.
func otherHost(p netip.Prefix) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	first := p.Masked().Addr()
	switch p.Addr().BitLen() - p.Bits() {
	case 1: // both addresses are hosts
		return other(p.Addr(), first, first.Next())
	// the first is the network or the routers' anycast, the last is for broadcast or kept like it
	case 2:
		return other(p.Addr(), first.Next(), first.Next().Next())
	}
	return netip.Addr{}
}

// other returns the one of a and b that own is not, the zero Addr if own is neither.
func other(own, a, b netip.Addr) netip.Addr {
	switch own {
	case a:
		return b
	case b:
		return a
	}
	return netip.Addr{}
}

// FarEnd returns the tunnel as its other end has to make it: local and remote, input and output
// key, inner address and peer change places; what both ends must agree on stays. Its routes lead to
// lans, the networks behind this end.
//
// What only concerns one host is left out: the parent device, and the name, which the far end may
// choose.
func (t Tunnel) FarEnd(lans []netip.Prefix) Tunnel {
	far := NewTunnel()
	far.Mode, far.TTL, far.TOS, far.NoPMTUD, far.MTU = t.Mode, t.TTL, t.TOS, t.NoPMTUD, t.MTU
	far.EncapLimit, far.FlowLabel, far.Flags = t.EncapLimit, t.FlowLabel, t.Flags
	far.Remote, far.Local = t.Local, t.Remote
	far.InputKey, far.OutputKey = gre.CloneKey(t.OutputKey), gre.CloneKey(t.InputKey)
	if own, ok := t.OwnTowardsPeer(); ok {
		far.Addresses = []netip.Prefix{netip.PrefixFrom(t.PeerAddress, own.Bits())}
		far.PeerAddress = own.Addr()
	}
	for _, lan := range lans {
		far.Routes = append(far.Routes, routes.Route{Dst: lan.Masked()})
	}
	return far
}

// OwnTowardsPeer returns the inner address from which the peer is reached: the one in whose network
// it is, else the first of its family.
func (t Tunnel) OwnTowardsPeer() (own netip.Prefix, ok bool) {
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
