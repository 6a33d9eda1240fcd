package wire

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre/routes"
)

// WireHop is a path of a multipath route (struct rtnexthop).
type WireHop struct {
	Device int
	Via    netip.Addr
	weight uint8 // less one, as the kernel counts
	Flags  uint8
	flow   uint32
	Encap  *routes.Encap // the route's that this was made from: not to be changed
}

// NewWireHop encodes a nexthop.
func NewWireHop(device int, next *routes.Nexthop) WireHop {
	hop := WireHop{Device: device, Via: next.Via, flow: uint32(next.Realms), Encap: next.Encap}
	if next.Weight > 0 {
		hop.weight = uint8(next.Weight - 1) //nolint:gosec // at most 256, as check has seen
	}
	if next.OnLink {
		hop.Flags = unix.RTNH_F_ONLINK
	}
	return hop
}

// appendHops appends RTA_MULTIPATH, if there are paths: each with attributes of its own.
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
func (p *routeParser) hops(family uint8, b []byte) []WireHop {
	var hops []WireHop
	for len(b) >= unix.SizeofRtNexthop && p.Err == nil {
		size := int(Native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			p.fail("a nexthop of %d bytes where %d are left", size, len(b))
			return nil
		}
		hops = append(hops, p.hop(family, b[:size]))
		b = b[min(Aligned(size), len(b)):]
	}
	return hops
}

// hop reads a struct rtnexthop with its attributes.
func (p *routeParser) hop(family uint8, b []byte) WireHop {
	hop := WireHop{Flags: b[2], weight: b[3], Device: p.Index(b[4:])}
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

// Devices returns the indexes of the devices that the route leads into, each once.
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

// LeadsInto says whether the route has a path into a device.
func (w *Route) LeadsInto(device int) bool {
	return w.Device == device || slices.ContainsFunc(w.Hops, func(h WireHop) bool { return h.Device == device })
}

// sameHops says whether two routes have the same paths. Their order is none of the kernel's
// promises: IPv6's changes when a path is taken away.
func sameHops(a, b []WireHop) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortStableFunc(a, WireHop.compare)
	slices.SortStableFunc(b, WireHop.compare)
	return slices.EqualFunc(a, b, WireHop.same)
}

func (h WireHop) compare(o WireHop) int {
	return cmp.Or(cmp.Compare(h.Device, o.Device), h.Via.Compare(o.Via), cmp.Compare(h.weight, o.weight), cmp.Compare(h.flow, o.flow))
}

func (h WireHop) same(o WireHop) bool {
	return h.compare(o) == 0 && h.Flags == o.Flags && sameEncap(h.Encap, o.Encap)
}
