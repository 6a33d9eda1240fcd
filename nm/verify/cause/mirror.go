package cause

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// peerHere are the causes on a host that has the far end's inner address itself.
var peerHere = []row{
	{
		Cause: Cause{"peer-address-here", Proved, "this host itself has the far end's inner address: its own kernel answers for the far end, and nothing goes into the tunnel",
			"ip address show to PEER; ip route get PEER (local)"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { l, _ := ev.peerHolder(); return ev.isOwn(l) },
		tell: func(ev Evidence) said { return ev.peerHereSaid() },
	},
	{ // another VRF may have the same address
		Cause: Cause{"peer-address-here", Likely, "", ""},
		when:  func(ev Evidence) bool { l, _ := ev.peerHolder(); return l != nil },
		tell:  func(ev Evidence) said { return ev.peerHereSaid() },
	},
}

// PeerHere returns the fault of a tunnel whose own link has the far end's inner address. It returns
// nil if it has not. A probe would be answered by this host.
func PeerHere(ev Evidence) *Finding { return firstOf(peerHere[:1], ev) }

// isOwn reports whether a link is the tunnel's. The link may be nil.
func (ev Evidence) isOwn(l *kernel.Link) bool {
	return l != nil && ev.Link != nil && l.Index == ev.Link.Index
}

// peerHolder returns the device of this host that has the far end's inner address, the tunnel's own
// first, and the address with its length. It returns nil if there is none.
func (ev Evidence) peerHolder() (holder *kernel.Link, as netip.Prefix) {
	for i := range ev.Links {
		l := &ev.Links[i]
		at := slices.IndexFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == ev.Tunnel.PeerAddress })
		if at >= 0 && (holder == nil || ev.isOwn(l)) {
			holder, as = l, l.Addresses[at]
		}
	}
	return holder, as
}

// peerHereSaid tells which device has the address.
func (ev Evidence) peerHereSaid() said {
	l, as := ev.peerHolder()
	dev := fault.Printable(l.Name)
	s := said{summary: fmt.Sprintf("this host itself has the far end's inner address %s, on %s", as.Addr(), dev), evidence: fmt.Sprintf("%s has %s: packets to it do not leave this host", dev, as),
		facts: Facts{"address": as.Addr().String(), "device": dev}}
	if ev.isOwn(l) && slices.Contains(ev.Tunnel.Addresses, as) {
		s.advice = "give the far end's own inner address with --peer-address"
		return s
	}
	s.here = fmt.Sprintf("sudo ip address del %s dev %s", as, fault.ShellWord(l.Name))
	return s
}
