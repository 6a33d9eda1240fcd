package routes

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre"
)

// smallTables is the number of tables whose number stands in a message's header; the others' is an attribute.
const smallTables = 256

// rtaNexthopID is RTA_NH_ID, which package unix lacks.
const rtaNexthopID = 30

// ticks is USER_HZ: how many units of RTA_CACHEINFO's times make a second.
const ticks = 100

// wireRoute is the body of an rtnetlink message about a route, with devices by index. The zero value of a field is not sent.
type wireRoute struct {
	family, tos           uint8
	protocol, scope, kind uint8 // kind is RTN_...
	flags                 uint32
	dst                   netip.Prefix // a route to everything when it is not valid
	from                  netip.Prefix // RTA_SRC; of a lookup, the packet's source address
	table, priority       uint32

	device       int
	via, prefSrc netip.Addr
	hops         []wireHop
	nexthopID    uint32

	metrics      wireMetrics
	encap        *nmgre.Encap // the route's that this was made from: not to be changed
	flow         uint32
	expires      uint32 // in seconds
	pref         nmgre.Pref
	ttlPropagate uint8 // plus one

	// foreign says that the kernel's message has something that no nmgre.Route can say.
	foreign bool
}

// encode returns the body of the message.
func (w *wireRoute) encode() []byte { return w.append(nil) }

// append appends the body of the message to b. The order of the attributes is that of `ip route`'s words in their canonical order.
func (w *wireRoute) append(b []byte) []byte {
	var dstBits, fromBits, table uint8
	if w.dst.IsValid() {
		dstBits = uint8(w.dst.Bits())
	}
	if w.from.IsValid() {
		fromBits = uint8(w.from.Bits())
	}
	if w.table < smallTables {
		table = uint8(w.table)
	}
	b = append(b, w.family, dstBits, fromBits, w.tos, table, w.protocol, w.scope, w.kind)
	b = native.AppendUint32(b, w.flags)
	b = w.appendKey(b)
	return w.appendPath(w.appendRest(b))
}

// appendKey appends what the kernel tells routes apart by.
func (w *wireRoute) appendKey(b []byte) []byte {
	if w.dst.IsValid() {
		b = appendAddr(b, unix.RTA_DST, w.dst.Addr())
	}
	if w.from.IsValid() && w.from.Bits() > 0 {
		b = appendAddr(b, unix.RTA_SRC, w.from.Addr())
	}
	b = appendGateway(b, w.family, w.via)
	if w.prefSrc.IsValid() {
		b = appendAddr(b, unix.RTA_PREFSRC, w.prefSrc)
	}
	if w.priority != 0 {
		b = appendUint32(b, unix.RTA_PRIORITY, w.priority)
	}
	if w.table >= smallTables {
		b = appendUint32(b, unix.RTA_TABLE, w.table)
	}
	return b
}

func (w *wireRoute) appendRest(b []byte) []byte {
	if w.flow != 0 {
		b = appendUint32(b, unix.RTA_FLOW, w.flow)
	}
	if w.expires != 0 {
		b = appendUint32(b, unix.RTA_EXPIRES, w.expires)
	}
	if w.pref != 0 {
		b = appendUint8(b, unix.RTA_PREF, uint8(w.pref-1))
	}
	if w.ttlPropagate != 0 {
		b = appendUint8(b, unix.RTA_TTL_PROPAGATE, w.ttlPropagate-1)
	}
	b = appendEncap(b, w.encap)
	if w.nexthopID != 0 {
		b = appendUint32(b, rtaNexthopID, w.nexthopID)
	}
	return b
}

func (w *wireRoute) appendPath(b []byte) []byte {
	if w.device != 0 {
		b = appendUint32(b, unix.RTA_OIF, uint32(w.device))
	}
	b = w.metrics.append(b)
	return w.appendHops(b)
}

// appendGateway appends a gateway; one of another family than the route's (IPv4 by an IPv6 router, RFC 5549) has an attribute of its own.
func appendGateway(b []byte, family uint8, via netip.Addr) []byte {
	switch {
	case !via.IsValid():
		return b
	case familyOf(via) == family:
		return appendAddr(b, unix.RTA_GATEWAY, via)
	}
	return appendAttribute(b, unix.RTA_VIA, append(native.AppendUint16(nil, uint16(familyOf(via))), via.AsSlice()...))
}

// parseRoute reads the body of an RTM_NEWROUTE message of IPv4 or IPv6.
func parseRoute(body []byte) (wireRoute, error) {
	if len(body) < unix.SizeofRtMsg {
		return wireRoute{}, fmt.Errorf("%w: a route of %d bytes", errMalformed, len(body))
	}
	p := routeParser{w: wireRoute{
		family: body[0], tos: body[3], table: uint32(body[4]), protocol: body[5], scope: body[6], kind: body[7], flags: native.Uint32(body[8:]),
	}}
	if p.w.family != unix.AF_INET && p.w.family != unix.AF_INET6 {
		return wireRoute{}, fmt.Errorf("%w: a route of family %d", errMalformed, p.w.family)
	}
	p.dst = netip.IPv4Unspecified()
	if p.w.family == unix.AF_INET6 {
		p.dst = netip.IPv6Unspecified()
	}
	p.from = p.dst
	a := attributes{rest: body[unix.SizeofRtMsg:]}
	for a.next() && p.err == nil {
		p.take(a.kind, a.value)
	}
	if a.err != nil {
		return wireRoute{}, a.err
	}
	p.finish(int(body[1]), int(body[2]))
	return p.w, p.err
}

// routeParser is a route while its attributes are read.
type routeParser struct {
	values
	w         wireRoute
	dst, from netip.Addr
	encapType uint16
	encap     []byte
}

func (p *routeParser) take(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_DST:
		p.dst = p.addr(p.w.family, v)
	case unix.RTA_SRC:
		p.from = p.addr(p.w.family, v)
	case unix.RTA_TABLE:
		p.w.table = p.uint32(v)
	case unix.RTA_PRIORITY:
		p.w.priority = p.uint32(v)
	case unix.RTA_PREFSRC:
		p.w.prefSrc = p.addr(p.w.family, v)
	case unix.RTA_OIF:
		p.w.device = p.index(v)
	case unix.RTA_GATEWAY, unix.RTA_VIA:
		p.w.via = p.gateway(p.w.family, kind, v)
	case unix.RTA_MULTIPATH:
		p.w.hops = p.hops(p.w.family, v)
	case rtaNexthopID:
		p.w.nexthopID = p.uint32(v)
	default:
		p.takeRest(kind, v)
	}
}

func (p *routeParser) takeRest(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_METRICS:
		p.w.metrics = p.metrics(v, &p.w.foreign)
	case unix.RTA_FLOW:
		p.w.flow = p.uint32(v)
	case unix.RTA_EXPIRES:
		p.w.expires = p.uint32(v)
	case unix.RTA_CACHEINFO:
		p.w.expires = p.expiry(v)
	case unix.RTA_PREF:
		p.w.pref = p.pref(v)
	case unix.RTA_TTL_PROPAGATE:
		p.w.ttlPropagate = min(p.uint8(v), 1) + 1
	case unix.RTA_ENCAP_TYPE:
		p.encapType = p.uint16(v)
	case unix.RTA_ENCAP:
		p.encap = v
	case unix.RTA_NEWDST:
		p.w.foreign = true
	}
}

// finish puts together what stands in several places of the message.
func (p *routeParser) finish(dstBits, fromBits int) {
	p.w.dst = netip.PrefixFrom(p.dst, dstBits).Masked()
	if fromBits > 0 {
		p.w.from = netip.PrefixFrom(p.from, fromBits).Masked()
	}
	if !p.w.dst.IsValid() || fromBits > p.from.BitLen() {
		p.fail("a destination of %d bits, a source of %d", dstBits, fromBits)
	}
	if p.encapType != 0 {
		p.w.encap = p.parseEncap(p.encapType, p.encap, &p.w.foreign)
	}
}

// expiry reads when the route goes: struct rta_cacheinfo. One that goes within this second, or should have gone, has a second left.
func (p *routeParser) expiry(v []byte) uint32 {
	const at = 8
	left := int32(p.uint32(p.need(v, at+4)[at:])) //nolint:gosec // it is signed
	if left == 0 {
		return 0
	}
	return max(uint32(max(left, 0))/ticks, 1)
}

// pref reads a router preference. RFC 4191 has no fourth.
func (p *routeParser) pref(v []byte) nmgre.Pref {
	switch pref := p.uint8(v); pref {
	case uint8(nmgre.PrefMedium - 1), uint8(nmgre.PrefHigh - 1), uint8(nmgre.PrefLow - 1):
		return nmgre.Pref(pref + 1)
	}
	p.w.foreign = true
	return 0
}

// gateway reads RTA_GATEWAY, or struct rtvia of RTA_VIA: a family and an address.
func (r *values) gateway(family uint8, kind uint16, v []byte) netip.Addr {
	if kind == unix.RTA_GATEWAY {
		return r.addr(family, v)
	}
	other := r.uint16(v)
	if r.err != nil || other > unix.AF_INET6 {
		return netip.Addr{} // of a family that is no IP
	}
	return r.addr(uint8(other), v[2:])
}
