package routes

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre"
)

// wireHop is a path of a multipath route (struct rtnexthop).
type wireHop struct {
	device int
	via    netip.Addr
	weight uint8 // less one, as the kernel counts
	flags  uint8
	flow   uint32
	encap  *nmgre.Encap // the route's that this was made from: not to be changed
}

// newWireHop encodes a nexthop.
func newWireHop(device int, next *nmgre.Nexthop) wireHop {
	hop := wireHop{device: device, via: next.Via, flow: uint32(next.Realms), encap: next.Encap}
	if next.Weight > 0 {
		hop.weight = uint8(next.Weight - 1) //nolint:gosec // at most 256, as check has seen
	}
	if next.OnLink {
		hop.flags = unix.RTNH_F_ONLINK
	}
	return hop
}

// appendHops appends RTA_MULTIPATH, if there are paths: each with attributes of its own.
func (w *wireRoute) appendHops(b []byte) []byte {
	if len(w.hops) == 0 {
		return b
	}
	b, start := openAttribute(b, unix.RTA_MULTIPATH)
	for _, hop := range w.hops {
		at := len(b)
		b = append(b, 0, 0, hop.flags, hop.weight)
		b = native.AppendUint32(b, uint32(hop.device))
		b = appendGateway(b, w.family, hop.via)
		if hop.flow != 0 {
			b = appendUint32(b, unix.RTA_FLOW, hop.flow)
		}
		b = appendEncap(b, hop.encap)
		native.PutUint16(b[at:], uint16(len(b)-at)) //nolint:gosec // checkSize has seen to it
	}
	return closeAttribute(b, start)
}

// hops reads RTA_MULTIPATH.
func (p *routeParser) hops(family uint8, b []byte) []wireHop {
	var hops []wireHop
	for len(b) >= unix.SizeofRtNexthop && p.err == nil {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			p.fail("a nexthop of %d bytes where %d are left", size, len(b))
			return nil
		}
		hops = append(hops, p.hop(family, b[:size]))
		b = b[min(aligned(size), len(b)):]
	}
	return hops
}

// hop reads a struct rtnexthop with its attributes.
func (p *routeParser) hop(family uint8, b []byte) wireHop {
	hop := wireHop{flags: b[2], weight: b[3], device: p.index(b[4:])}
	var encapType uint16
	var encap []byte
	a := attributes{rest: b[unix.SizeofRtNexthop:]}
	for a.next() && p.err == nil {
		switch a.kind {
		case unix.RTA_GATEWAY, unix.RTA_VIA:
			hop.via = p.gateway(family, a.kind, a.value)
		case unix.RTA_FLOW:
			hop.flow = p.uint32(a.value)
		case unix.RTA_ENCAP_TYPE:
			encapType = p.uint16(a.value)
		case unix.RTA_ENCAP:
			encap = a.value
		case unix.RTA_NEWDST:
			p.w.foreign = true
		}
	}
	if p.err == nil {
		p.err = a.err
	}
	if encapType != 0 {
		hop.encap = p.parseEncap(encapType, encap, &p.w.foreign)
	}
	return hop
}

// devices returns the indexes of the devices that the route leads into, each once.
func (w *wireRoute) devices() []int {
	if len(w.hops) == 0 {
		return []int{w.device}
	}
	devices := make([]int, 0, len(w.hops))
	for i := range w.hops {
		devices = append(devices, w.hops[i].device)
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

// leadsInto says whether the route has a path into a device.
func (w *wireRoute) leadsInto(device int) bool {
	return w.device == device || slices.ContainsFunc(w.hops, func(h wireHop) bool { return h.device == device })
}

// sameHops says whether two routes have the same paths. Their order is none of the kernel's promises: IPv6's changes when a path is
// taken away.
func sameHops(a, b []wireHop) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortStableFunc(a, wireHop.compare)
	slices.SortStableFunc(b, wireHop.compare)
	return slices.EqualFunc(a, b, wireHop.same)
}

func (h wireHop) compare(o wireHop) int {
	return cmp.Or(cmp.Compare(h.device, o.device), h.via.Compare(o.via), cmp.Compare(h.weight, o.weight), cmp.Compare(h.flow, o.flow))
}

func (h wireHop) same(o wireHop) bool {
	return h.compare(o) == 0 && h.flags == o.flags && sameEncap(h.encap, o.encap)
}
