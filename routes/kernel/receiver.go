package kernel

import (
	"net/netip"

	"nmgre/routes/gre"
)

// Arrival is a GRE packet of version 0 as it comes in.
type Arrival struct {
	From, To netip.Addr // outer
	Key      *gre.Key
	Dev      int  // the index of the device that it comes in by
	Ethernet bool // it carries an Ethernet frame, as gretap and ip6gretap do
}

// Receiver returns the tunnel that the kernel gives the packet to, or nil if there is none. The
// order is that of Linux's ip_tunnel_lookup and ip6gre_tunnel_lookup: tunnels with both addresses,
// then those with the remote one alone, the local one, and none. In each of these rounds a tunnel
// that is bound to the device of the arrival wins at once, even over one of an earlier round that
// is bound to none. Where no tunnel is bound to the device, the earliest round wins.
func Receiver(links []Link, p Arrival) *Link {
	var candidate *Link
	for _, round := range []func(GRELink) bool{
		func(g GRELink) bool { return g.Local == p.To && g.Remote == p.From },
		func(g GRELink) bool { return isAny(g.Local) && g.Remote == p.From },
		func(g GRELink) bool { return isAny(g.Remote) && g.Local == p.To },
		func(g GRELink) bool { return isAny(g.Remote) && isAny(g.Local) },
	} {
		var best *Link
		for i := range links {
			l := &links[i]
			if !p.mayEnter(l) || l.GRE.External || !round(*l.GRE) {
				continue
			}
			if l.GRE.Parent == p.Dev {
				return l
			}
			if best == nil || p.isSeenBefore(l, best) {
				best = l
			}
		}
		if candidate == nil {
			candidate = best
		}
	}
	if candidate == nil {
		return p.external(links)
	}
	return candidate
}

// mayEnter reports whether the link is a tunnel that is up, of the packet's family and kind, with
// its key.
func (p Arrival) mayEnter(l *Link) bool {
	g := l.GRE
	return g != nil && l.Up && g.Mode.IPv6Outer() == p.From.Is6() && g.Mode.Ethernet() == p.Ethernet && (g.External || gre.SameKey(g.InputKey, p.Key))
}

// isSeenBefore reports whether the kernel prefers a to b, of two that fit alike and are bound to
// other devices, or to none. It looks at the newest first. Of IPv4 tunnels with both addresses it
// takes the last.
func (p Arrival) isSeenBefore(a, b *Link) bool {
	older := a.Index < b.Index
	if p.From.Is4() && !isAny(a.GRE.Local) && !isAny(a.GRE.Remote) {
		return older
	}
	return !older
}

// external returns the tunnel that takes the packets that no other one takes: one that gets its far
// ends from routes.
func (p Arrival) external(links []Link) *Link {
	for i := range links {
		if l := &links[i]; p.mayEnter(l) && l.GRE.External {
			return l
		}
	}
	return nil
}

func isAny(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
