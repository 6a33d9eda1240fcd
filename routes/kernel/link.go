package kernel

import (
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/gre"
)

// Link is a network device.
type Link struct {
	Index int
	Name  string
	Kind  string // the kernel's word, such as "gre" or "veth"; empty for hardware
	Up    bool   // administratively up, whatever the far end does
	MTU   int    // in bytes
	// NoCarrier is set for a device that is up, and whose lower layer is not: its cable is out.
	NoCarrier bool
	Multicast bool // the flag MULTICAST

	Table      uint32    // the table of a VRF; 0 for other devices
	Controller int       // index of the device whose port this one is, such as a bridge; 0 for none
	Port       PortState // its state as the port of a bridge; PortNone for no bridge

	// Addresses have the length of their network. Of an address with a peer, it is the address.
	Addresses []netip.Prefix
	// Leased are the addresses that may go by themselves: their life time has an end, as with DHCP
	// and IPv6's router advertisements, or the far end of PPP has given them.
	Leased   []netip.Addr
	GRE      *GRELink // set for the GRE modes only
	Counters Counters
}

// PointToPoint says whether the link is one of PPP.
func (l Link) PointToPoint() bool { return l.Kind == "ppp" }

// GRELink is the kernel's settings of a GRE device.
type GRELink struct {
	Mode                gre.Mode
	Local, Remote       netip.Addr // the unspecified address for any
	Parent              int        // index of the device that carries it; 0 for any
	InputKey, OutputKey *gre.Key
	TTL, TOS            uint8
	PMTUD               bool
	EncapLimit          uint8     // IPv6 modes; without a meaning if FlagIgnEncapLimit is set
	FlowLabel           uint32    // IPv6 modes
	Flags               gre.Flags // IPv6 modes; the kernel does not have all of the flags
	Checksum, Sequence  bool      // in either direction; NetworkManager cannot hold them
	OneWay              bool      // one of the two is in one direction only
	IgnoreDF            bool      // IPv4 modes: the inner DF bit is not obeyed; NetworkManager cannot hold it
	// External is set for a device that takes its far end from routes or a bridge ("external"). It
	// is not a tunnel of two ends.
	External bool
}

// Counters are the kernel's counters of a device (IFLA_STATS64).
type Counters struct {
	RxPackets, TxPackets, RxBytes, TxBytes uint64
	RxErrors, TxErrors, RxDropped          uint64
	TxDropped                              uint64 // this host refused them after encapsulation
	// TxCarrierErrors of a GRE device had no route to the far end, or no local address on this
	// host.
	TxCarrierErrors uint64
	// Collisions of a GRE device had a route to the far end through the tunnel itself.
	Collisions   uint64
	RxCRCErrors  uint64 // of a GRE device: the far end's checksum option differs
	RxFIFOErrors uint64 // of a GRE device: the packets were out of sequence
}

// FarEnd returns the outer address of the far end, without a zone, if the link is a tunnel that is
// up and has one far end.
func (l Link) FarEnd() (remote netip.Addr, has bool) {
	g := l.GRE
	if g == nil || !l.Up || g.External || isAny(g.Remote) || g.Remote.IsMulticast() {
		return remote, false
	}
	return g.Remote.WithZone(""), true
}

// IsFallback reports whether the link is the kernel's own fallback tunnel, such as gre0: it has no
// addresses and no key.
func (l Link) IsFallback() bool {
	g := l.GRE
	return g != nil && isAny(g.Local) && isAny(g.Remote) && g.InputKey == nil && g.Parent == 0 && !g.External
}

// Given returns the link's addresses without those that it gives itself: link-local ones of IPv6
// that are not among chosen. Those of IPv4 (169.254.0.0/16) are given, as by providers of tunnels.
func (l Link) Given(chosen []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(l.Addresses), func(p netip.Prefix) bool {
		return p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() && !slices.Contains(chosen, p)
	})
}

// Named returns the link with that name, or nil.
func Named(links []Link, name string) *Link {
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &links[i]
}

// VRF returns the VRF that a link of the list is, or is in. It is nil if there is none, or no link.
func VRF(links []Link, l *Link) *Link {
	if l == nil {
		return nil
	}
	i := slices.IndexFunc(links, func(of Link) bool { return of.Kind == "vrf" && (of.Index == l.Index || of.Index == l.Controller) })
	if i < 0 {
		return nil
	}
	return &links[i]
}

// InVRF returns the route as it is set for a device in a VRF: unless it names another table, that
// of the VRF takes the place of the main one, as NetworkManager does it. Otherwise, and if vrf is
// nil, it is r itself.
func InVRF(r *routes.Route, vrf *Link) *routes.Route {
	if vrf == nil || r.Table != 0 || r.TableOrMain() != routes.MainTable {
		return r
	}
	in := *r
	in.Table = vrf.Table
	return &in
}

// Carries says whether a GRE tunnel among the links leaves from an address in n: its far end lies
// beyond that network.
func Carries(links []Link, n netip.Prefix) bool {
	return slices.ContainsFunc(links, func(l Link) bool { return l.GRE != nil && n.Contains(l.GRE.Local) })
}

// Holding returns the link that has the address a, or nil.
func Holding(links []Link, a netip.Addr) *Link {
	i := slices.IndexFunc(links, func(l Link) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	})
	if i < 0 {
		return nil
	}
	return &links[i]
}

// Since returns the difference between the counters and those of a moment before.
func (c Counters) Since(before Counters) Counters {
	return Counters{
		RxPackets: c.RxPackets - before.RxPackets, TxPackets: c.TxPackets - before.TxPackets,
		RxBytes: c.RxBytes - before.RxBytes, TxBytes: c.TxBytes - before.TxBytes,
		RxErrors: c.RxErrors - before.RxErrors, TxErrors: c.TxErrors - before.TxErrors,
		RxDropped: c.RxDropped - before.RxDropped, TxDropped: c.TxDropped - before.TxDropped,
		TxCarrierErrors: c.TxCarrierErrors - before.TxCarrierErrors, Collisions: c.Collisions - before.Collisions,
		RxCRCErrors: c.RxCRCErrors - before.RxCRCErrors, RxFIFOErrors: c.RxFIFOErrors - before.RxFIFOErrors,
	}
}

// UnderlayOf returns the question for the way of the packets that carry those of a tunnel's device.
// Its To is the zero Addr if the device is no tunnel to one far end.
func UnderlayOf(links []Link, dev string) Query {
	link := Named(links, dev)
	if link == nil || link.GRE == nil || !link.GRE.Remote.IsValid() || link.GRE.Remote.IsUnspecified() {
		return Query{}
	}
	q := Query{To: link.GRE.Remote}
	if link.GRE.Local.IsValid() && !link.GRE.Local.IsUnspecified() {
		q.From = link.GRE.Local
	}
	for _, l := range links {
		if l.Index == link.GRE.Parent {
			q.Dev = l.Name
		}
	}
	return q
}
