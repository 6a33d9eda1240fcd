package wire

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes"
)

// Hop is one path of a route with several (struct rtnexthop).
type Hop struct {
	Device int           // the device's index
	Via    netip.Addr    // the gateway; not valid if there is none
	Encap  *routes.Encap // shared with the route that this was made from: not to be changed
	Flags  uint8         // RTNH_F_...
	weight uint8         // minus one, as in the message
	flow   uint32        // realms
}

// NewHop returns the hop for a nexthop, whose weight is at most 256, into the device with the given
// index.
func NewHop(device int, next *routes.Nexthop) Hop {
	hop := Hop{Device: device, Via: next.Via, flow: uint32(next.Realms), Encap: next.Encap}
	if next.Weight > 0 {
		hop.weight = uint8(next.Weight - 1) //nolint:gosec // at most 256, as check has seen
	}
	if next.OnLink {
		hop.Flags = unix.RTNH_F_ONLINK
	}
	return hop
}

// appendHops appends RTA_MULTIPATH, in which each path has its own attributes; nothing if there are
// no hops.
func (w *Route) appendHops(b []byte) []byte {
	if len(w.Hops) == 0 {
		return b
	}
	b, start := openAttribute(b, unix.RTA_MULTIPATH)
	for _, hop := range w.Hops {
		at := len(b)
		b = append(b, 0, 0, hop.Flags, hop.weight)
		b = Native.AppendUint32(b, uint32(hop.Device))
		b = appendGateway(b, w.Family, hop.Via)
		if hop.flow != 0 {
			b = AppendUint32(b, unix.RTA_FLOW, hop.flow)
		}
		b = appendEncap(b, hop.Encap)
		Native.PutUint16(b[at:], uint16(len(b)-at)) //nolint:gosec // checkSize has seen to it
	}
	return closeAttribute(b, start)
}

// hops reads RTA_MULTIPATH.
func (p *routeParser) hops(family uint8, b []byte) []Hop {
	var hops []Hop
	for len(b) >= unix.SizeofRtNexthop && p.Err == nil {
		size := int(Native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			p.fail("a nexthop of %d bytes where %d are left", size, len(b))
			return nil
		}
		hops = append(hops, p.hop(family, b[:size]))
		b = b[min(Align(size), len(b)):]
	}
	return hops
}

// hop reads a struct rtnexthop with its attributes.
func (p *routeParser) hop(family uint8, b []byte) Hop {
	hop := Hop{Flags: b[2], weight: b[3], Device: p.Int(b[4:])}
	var encapType uint16
	var encap []byte
	a := attributes{rest: b[unix.SizeofRtNexthop:]}
	for a.next() && p.Err == nil {
		switch a.kind {
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			hop.Via = p.gateway(family, a.kind, a.value)
		case unix.RTA_FLOW:
			hop.flow = p.Uint32(a.value)
		case unix.RTA_ENCAP_TYPE:
			encapType = p.uint16(a.value)
		case unix.RTA_ENCAP:
			encap = a.value
		case unix.RTA_NEWDST:
			p.w.Foreign = true
		}
	}
	if p.Err == nil {
		p.Err = a.err
	}
	if encapType != 0 {
		hop.Encap = p.parseEncap(encapType, encap, &p.w.Foreign)
	}
	return hop
}

// WithoutPath returns a copy of a route with one path (see [Route.IsSibling]), to which
// [Route.AddPath] adds paths.
func (w *Route) WithoutPath() *Route {
	c := *w
	c.Device, c.Via, c.Flags, c.Encap = 0, netip.Addr{}, 0, nil
	return &c
}

// AddPath adds the one path of a normalised route (see [Route.IsSibling]) to the paths of w.
func (w *Route) AddPath(sibling *Route) {
	hop := Hop{Device: sibling.Device, Via: sibling.Via, Flags: uint8(sibling.Flags), Encap: sibling.Encap} //nolint:gosec // flags are normalised
	w.Hops = append(w.Hops, hop)
}

// Devices returns the indexes of the devices that the route leads into, each once, in ascending
// order.
func (w *Route) Devices() []int {
	if len(w.Hops) == 0 {
		return []int{w.Device}
	}
	devices := make([]int, 0, len(w.Hops))
	for i := range w.Hops {
		devices = append(devices, w.Hops[i].Device)
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

// LeadsInto reports whether the route has a path into the device with the given index.
func (w *Route) LeadsInto(device int) bool {
	return w.Device == device || slices.ContainsFunc(w.Hops, func(h Hop) bool { return h.Device == device })
}

// sameHops reports whether two routes have the same paths, in any order. The kernel does not
// promise one: IPv6's changes when a path is removed.
func sameHops(a, b []Hop) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortStableFunc(a, Hop.compare)
	slices.SortStableFunc(b, Hop.compare)
	return slices.EqualFunc(a, b, Hop.same)
}

func (h Hop) compare(o Hop) int {
	return cmp.Or(cmp.Compare(h.Device, o.Device), h.Via.Compare(o.Via), cmp.Compare(h.weight, o.weight), cmp.Compare(h.flow, o.flow))
}

func (h Hop) same(o Hop) bool {
	return h.compare(o) == 0 && h.Flags == o.Flags && sameEncap(h.Encap, o.Encap)
}
