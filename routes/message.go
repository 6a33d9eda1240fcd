package routes

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// smallTables is the number of tables whose number stands in a message's header; the others' is an attribute.
const smallTables = 256

// wireRoute is the body of an rtnetlink message about a route, with devices by index. The zero value of a field is not sent.
type wireRoute struct {
	family   uint8
	dst      netip.Prefix // a route to everything when it is not valid
	from     netip.Addr   // RTA_SRC: source address of a lookup
	table    uint32
	protocol uint8
	scope    uint8
	kind     uint8 // RTN_...
	flags    uint32

	device   int
	via      netip.Addr
	prefSrc  netip.Addr
	priority uint32
	mtu      uint32
	mtuLock  bool
	hops     []wireHop
}

// wireHop is a path of a multipath route.
type wireHop struct {
	device int
	via    netip.Addr
	weight uint8 // less one, as the kernel counts
	flags  uint8
}

// encode returns the body of the message.
func (w wireRoute) encode() []byte {
	var dstBits, fromBits, table uint8
	if w.dst.IsValid() {
		dstBits = uint8(w.dst.Bits())
	}
	if w.from.IsValid() {
		fromBits = uint8(w.from.BitLen())
	}
	if w.table < smallTables {
		table = uint8(w.table)
	}
	b := []byte{w.family, dstBits, fromBits, 0, table, w.protocol, w.scope, w.kind}
	return w.appendAttributes(native.AppendUint32(b, w.flags))
}

func (w wireRoute) appendAttributes(b []byte) []byte {
	if w.dst.IsValid() && w.dst.Bits() > 0 {
		b = appendAttribute(b, unix.RTA_DST, w.dst.Addr().AsSlice())
	}
	if w.from.IsValid() {
		b = appendAttribute(b, unix.RTA_SRC, w.from.AsSlice())
	}
	if w.table >= smallTables {
		b = appendUint32(b, unix.RTA_TABLE, w.table)
	}
	if w.priority != 0 {
		b = appendUint32(b, unix.RTA_PRIORITY, w.priority)
	}
	if w.prefSrc.IsValid() {
		b = appendAttribute(b, unix.RTA_PREFSRC, w.prefSrc.AsSlice())
	}
	if w.mtu != 0 {
		b = appendAttribute(b, unix.RTA_METRICS, w.metrics())
	}
	if w.device != 0 {
		b = appendUint32(b, unix.RTA_OIF, uint32(w.device))
	}
	b = appendGateway(b, w.family, w.via)
	if len(w.hops) > 0 {
		b = appendAttribute(b, unix.RTA_MULTIPATH, w.multipath())
	}
	return b
}

func (w wireRoute) metrics() []byte {
	b := appendUint32(nil, unix.RTAX_MTU, w.mtu)
	if w.mtuLock {
		b = appendUint32(b, unix.RTAX_LOCK, 1<<unix.RTAX_MTU)
	}
	return b
}

// multipath encodes the nexthops: struct rtnexthop, each with attributes of its own.
func (w wireRoute) multipath() []byte {
	var b []byte
	for _, hop := range w.hops {
		start := len(b)
		b = append(b, 0, 0, hop.flags, hop.weight)
		b = native.AppendUint32(b, uint32(hop.device))
		b = appendGateway(b, w.family, hop.via)
		native.PutUint16(b[start:], uint16(len(b)-start))
	}
	return b
}

// appendGateway appends a gateway; one of another family than the route's (IPv4 by an IPv6 router, RFC 5549) has an attribute of its own.
func appendGateway(b []byte, family uint8, via netip.Addr) []byte {
	switch {
	case !via.IsValid():
		return b
	case familyOf(via) == family:
		return appendAttribute(b, unix.RTA_GATEWAY, via.AsSlice())
	}
	return appendAttribute(b, unix.RTA_VIA, append(native.AppendUint16(nil, uint16(familyOf(via))), via.AsSlice()...))
}

// parseRoute reads the body of an RTM_NEWROUTE message of IPv4 or IPv6.
func parseRoute(body []byte) (wireRoute, error) {
	if len(body) < unix.SizeofRtMsg {
		return wireRoute{}, fmt.Errorf("%w: a route of %d bytes", errMalformed, len(body))
	}
	p := routeParser{w: wireRoute{
		family: body[0], table: uint32(body[4]), protocol: body[5], scope: body[6], kind: body[7], flags: native.Uint32(body[8:]),
	}}
	if p.w.family != unix.AF_INET && p.w.family != unix.AF_INET6 {
		return wireRoute{}, fmt.Errorf("%w: a route of family %d", errMalformed, p.w.family)
	}
	p.dst = netip.IPv4Unspecified()
	if p.w.family == unix.AF_INET6 {
		p.dst = netip.IPv6Unspecified()
	}
	err := eachAttribute(body[unix.SizeofRtMsg:], p.take)
	p.w.dst = netip.PrefixFrom(p.dst, int(body[1])).Masked()
	if err == nil && !p.w.dst.IsValid() {
		err = fmt.Errorf("%w: a destination of %d bits", errMalformed, body[1])
	}
	return p.w, err
}

// routeParser is a route while its attributes are read.
type routeParser struct {
	values
	w   wireRoute
	dst netip.Addr
}

func (p *routeParser) take(kind uint16, v []byte) error {
	var err error
	switch kind {
	case unix.RTA_DST:
		p.dst = p.addr(p.w.family, v)
	case unix.RTA_SRC:
		p.w.from = p.addr(p.w.family, v)
	case unix.RTA_TABLE:
		p.w.table = p.uint32(v)
	case unix.RTA_PRIORITY:
		p.w.priority = p.uint32(v)
	case unix.RTA_PREFSRC:
		p.w.prefSrc = p.addr(p.w.family, v)
	case unix.RTA_OIF:
		p.w.device = p.index(v)
	case unix.RTA_METRICS:
		err = eachAttribute(v, p.takeMetric)
	case unix.RTA_GATEWAY, unix.RTA_VIA:
		p.w.via = p.gateway(kind, v)
	case unix.RTA_MULTIPATH:
		p.w.hops, err = p.nexthops(v)
	}
	if err == nil {
		err = p.err
	}
	return err
}

func (p *routeParser) takeMetric(kind uint16, v []byte) error {
	switch kind {
	case unix.RTAX_MTU:
		p.w.mtu = p.uint32(v)
	case unix.RTAX_LOCK:
		p.w.mtuLock = p.uint32(v)&(1<<unix.RTAX_MTU) != 0
	}
	return p.err
}

// gateway reads RTA_GATEWAY, or struct rtvia of RTA_VIA: a family and an address.
func (p *routeParser) gateway(kind uint16, v []byte) netip.Addr {
	if kind == unix.RTA_GATEWAY {
		return p.addr(p.w.family, v)
	}
	family := native.Uint16(p.need(v, 2))
	if p.err != nil || family > unix.AF_INET6 {
		return netip.Addr{} // of a family that is no IP
	}
	return p.addr(uint8(family), v[2:])
}

func (p *routeParser) nexthops(b []byte) ([]wireHop, error) {
	var hops []wireHop
	for len(b) >= unix.SizeofRtNexthop {
		size := int(native.Uint16(b))
		if size < unix.SizeofRtNexthop || size > len(b) {
			return nil, fmt.Errorf("%w: a nexthop of %d bytes where %d are left", errMalformed, size, len(b))
		}
		hop := wireHop{flags: b[2], weight: b[3], device: p.index(b[4:])}
		err := eachAttribute(b[unix.SizeofRtNexthop:size], func(kind uint16, v []byte) error {
			if kind == unix.RTA_GATEWAY || kind == unix.RTA_VIA {
				hop.via = p.gateway(kind, v)
			}
			return p.err
		})
		if err != nil {
			return nil, err
		}
		hops = append(hops, hop)
		b = b[min(aligned(size), len(b)):]
	}
	return hops, nil
}
