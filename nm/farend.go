package nm

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// FarEnd is the tunnel that the far end has to make, with notes for the person who makes it.
type FarEnd struct {
	Tunnel
	// Missing says why nmgre cannot make the far end, or why it is not known. It is empty if
	// [FarEnd.CreateCommand] makes it.
	Missing string
	Notes   []string // for the person who makes it
}

// CreateCommand returns the nmgre command that makes the far end. It is empty if there is none.
func (f FarEnd) CreateCommand() string {
	if f.Missing != "" {
		return ""
	}
	return f.Tunnel.CreateCommand()
}

// Told returns the notes, and why there is no command.
func (f FarEnd) Told() []string {
	if f.Missing == "" {
		return f.Notes
	}
	return append(slices.Clone(f.Notes), "there is no command for the far end: "+f.Missing)
}

// IPCommands returns the ip commands that make the far end. There are none if its addresses are not
// known.
func (f FarEnd) IPCommands() []string {
	if !known(f.Remote) {
		return nil
	}
	return f.Tunnel.IPCommands()
}

// known says whether a is the address of one host.
func known(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// FarEnd returns the tunnel that the far end has to make. Local and remote change places, and so do
// input and output key, and inner address and peer address. Settings on which both ends must agree
// stay. The routes lead to lans, the networks behind this end, and to addresses that this end alone
// has.
//
// The parent device and the name are left out: they are the far end's own choice.
func (t Tunnel) FarEnd(lans []netip.Prefix) FarEnd {
	far := FarEnd{Tunnel: NewTunnel()}
	far.Mode, far.TTL, far.TOS, far.NoPMTUD, far.MTU = t.Mode, t.TTL, t.TOS, t.NoPMTUD, t.MTU
	far.EncapLimit, far.FlowLabel, far.Flags, far.Link, far.Remote = t.EncapLimit, t.FlowLabel, t.Flags, t.Link, t.Local
	if known(t.Remote) {
		far.Local = t.Remote
	}
	far.InputKey, far.OutputKey, far.Controller = gre.CloneKey(t.OutputKey), gre.CloneKey(t.InputKey), t.Controller
	if far.Controller != "" {
		far.note("the far end's bridge may have another name than %s: give it there with --controller", fault.Printable(far.Controller))
	}
	far.setAddresses(t)
	for _, lan := range lans {
		far.addRoute(lan.Masked())
	}
	switch {
	case !known(far.Remote):
		far.Missing = "this end's outer address is not known"
	case len(far.Addresses) == 0 && !far.Mode.Ethernet():
		far.Missing = "the far end's inner address is not known"
	}
	return far
}

// setAddresses gives the far end an inner address in each network that it shares with t, and routes
// to the addresses that t alone has.
func (f *FarEnd) setAddresses(t Tunnel) {
	var alone []netip.Prefix
	for _, own := range t.Addresses {
		peers, before := t.peersBehind(own), len(f.Addresses)
		switch {
		case len(peers) == 0 && own.Addr().IsLinkLocalUnicast() && slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() }):
			// each end has its own, and nobody needs it to be known
		case len(peers) > 0:
			for _, peer := range peers {
				f.Addresses = append(f.Addresses, netip.PrefixFrom(peer, own.Bits()))
			}
		case t.isAlone(own):
			alone = append(alone, own.Masked())
		case slices.ContainsFunc(f.Addresses, func(p netip.Prefix) bool { return p.Masked() == own.Masked() }):
			// it is there already
		default:
			f.propose(t, own)
		}
		if len(f.Addresses) > before && !f.PeerAddress.IsValid() || slices.Contains(peers, t.PeerAddress) {
			f.PeerAddress = own.Addr()
		}
	}
	for _, p := range alone {
		f.addRoute(p)
	}
}

// propose gives the far end an address in own's network, and notes it where there is a choice.
func (f *FarEnd) propose(t Tunnel, own netip.Prefix) {
	if peer := otherHost(own); peer.IsValid() {
		f.Addresses = append(f.Addresses, netip.PrefixFrom(peer, own.Bits()))
		return
	}
	peer, via, tell := routes.Neighbour(own), t.gateway(), ""
	if own.Contains(via) && via != own.Addr() { // this end's routes name it
		peer = via
	}
	if !t.PeerAddress.IsValid() {
		tell = fmt.Sprintf(". Nothing is probed until this end knows the address: nmgre edit %s --peer-address %s", fault.Operand(t.Name), peer)
	}
	switch {
	case !peer.IsValid():
		f.note("the far end's inner address beside %s is not known: give it with --peer-address", own)
	case t.Mode.Ethernet(): // any host of the network may have it
		f.note("the far end needs an inner address only if it takes part in %s itself: give it a free one there with --address", own.Masked())
	default:
		f.Addresses = append(f.Addresses, netip.PrefixFrom(peer, own.Bits()))
		if peer != via || tell != "" {
			f.note("the far end may have any other address of %s: its line proposes %s%s", own.Masked(), peer, tell)
		}
	}
}

func (f *FarEnd) note(format string, args ...any) {
	f.Notes = append(f.Notes, fmt.Sprintf(format, args...))
}

// addRoute adds a route to dst, unless the far end has no inner address of the family.
func (f *FarEnd) addRoute(dst netip.Prefix) {
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == dst.Addr().Is4() }
	if slices.ContainsFunc(f.Addresses, sameFamily) && !slices.ContainsFunc(f.Routes, func(r routes.Route) bool { return r.Dst == dst }) {
		f.Routes = append(f.Routes, routes.Route{Dst: dst})
	}
}

// peersBehind returns the far end's inner addresses that this end reaches from own.
func (t Tunnel) peersBehind(own netip.Prefix) []netip.Addr {
	return slices.DeleteFunc(t.Peers(), func(peer netip.Addr) bool {
		from, ok := t.addressTowards(peer)
		return !ok || from != own
	})
}

// isAlone says whether own is routed to this end rather than shared with the far end: a single
// address beside a network, or a public network beside a private one.
func (t Tunnel) isAlone(own netip.Prefix) bool {
	return slices.ContainsFunc(t.Addresses, func(o netip.Prefix) bool {
		return o.Addr().Is4() == own.Addr().Is4() && !o.IsSingleIP() && (own.IsSingleIP() || !IsPrivate(own.Addr()) && IsPrivate(o.Addr()))
	})
}

// IsPrivate says whether the Internet does not route a: it is private (RFC 1918, RFC 4193),
// link-local, or behind a carrier's NAT (RFC 6598).
func IsPrivate(a netip.Addr) bool {
	carrierNAT := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10)
	return a.IsPrivate() || a.IsLinkLocalUnicast() || carrierNAT.Contains(a)
}
