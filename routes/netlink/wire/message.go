package wire

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/kernel"
)

// Wrap puts what was tried before an error; it returns nil for nil.
func Wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Ours says whether the route is one that nmgre made. Cached ones have their origin's protocol.
func (w *Route) Ours() bool {
	return w.Protocol == kernel.RouteProtocol && w.Flags&unix.RTM_F_CLONED == 0
}

// OthersUnicast says whether the route leads packets on, and somebody has made it so.
func (w *Route) OthersUnicast() bool {
	return w.Kind == unix.RTN_UNICAST && w.Flags&unix.RTM_F_CLONED == 0 &&
		w.Protocol != unix.RTPROT_KERNEL && w.Table != unix.RT_TABLE_LOCAL
}

// Slot is what the kernel tells routes apart by: of IPv4 destination, TOS, metric and table, of
// IPv6 destination, source, metric and table.
type Slot struct {
	dst, from       netip.Prefix
	table, priority uint32
	tos             uint8
}

func (w *Route) Slot() Slot {
	s := Slot{w.Dst, w.From, w.Table, w.Priority, w.Tos}
	if s.priority == 0 {
		s.priority = w.defaultMetric()
	}
	return s
}

// IsSibling says whether the route may be one path of an IPv6 route with several, of which some
// kernels tell one by one.
func (w *Route) IsSibling() bool {
	return w.Family == unix.AF_INET6 && len(w.Hops) == 0 && w.Via.IsValid()
}

// Deletion returns what deletes the route and no other of ours. IPv4 gets no more than the slot:
// the kernel takes the first of ours in it, which is the oldest. IPv6 gets the paths too, or the
// kernel would delete those that others have added to the route.
func (w *Route) Deletion() *Route {
	d := &Route{Family: w.Family, Tos: w.Tos, Protocol: w.Protocol, Dst: w.Dst, From: w.From, Table: w.Table, Priority: w.Priority}
	if w.Family == unix.AF_INET {
		d.Scope = unix.RT_SCOPE_NOWHERE // any
		return d
	}
	d.Device, d.Via = w.Device, w.Via
	for _, hop := range w.Hops {
		d.Hops = append(d.Hops, WireHop{Device: hop.Device, Via: hop.Via})
	}
	return d
}

// GivesWayTo says whether the kernel can put another route of ours into this one's place. IPv4
// takes a second one into the slot, which decides when the first is deleted. IPv6 replaces the
// first with the metric that can have several paths, if the new one can, and else the first that
// cannot: only when both can or both cannot is that ours.
func (w *Route) GivesWayTo(o *Route) bool {
	return w.Family == unix.AF_INET || len(w.Hops) == 0 && w.canHavePaths() == o.canHavePaths()
}

// canHavePaths says whether IPv6 can add paths to the route.
func (w *Route) canHavePaths() bool {
	return !w.Deviceless() && (w.Via.IsValid() || len(w.Hops) > 0)
}

// smallTables is the number of tables whose number stands in a message's header; the others' is an
// attribute.
const smallTables = 256

// rtaNexthopID is RTA_NH_ID, which package unix lacks.
const rtaNexthopID = 30

// ticks is USER_HZ: how many units of RTA_CACHEINFO's times make a second.
const ticks = 100

// wireRoute is the body of an rtnetlink message about a route, with devices by index. The zero
// value of a field is not sent.
type Route struct {
	Family, Tos           uint8
	Protocol, Scope, Kind uint8 // kind is RTN_...
	Flags                 uint32
	Dst                   netip.Prefix // a route to everything when it is not valid
	From                  netip.Prefix // RTA_SRC; of a lookup, the packet's source address
	Table, Priority       uint32

	Device       int
	Via, PrefSrc netip.Addr
	Hops         []WireHop
	NexthopID    uint32

	Metrics      wireMetrics
	Encap        *routes.Encap // the route's that this was made from: not to be changed
	flow         uint32
	expires      uint32 // in seconds
	Pref         routes.Pref
	ttlPropagate uint8 // plus one

	// foreign says that the kernel's message has something that no nmgre.Route can say.
	Foreign bool
}

// Encode returns the body of the message.
func (w *Route) Encode() []byte { return w.Append(nil) }

// Append appends the body of the message to b. The order of the attributes is that of `ip route`'s
// words in their canonical order.
func (w *Route) Append(b []byte) []byte {
	var dstBits, fromBits, table uint8
	if w.Dst.IsValid() {
		dstBits = uint8(w.Dst.Bits())
	}
	if w.From.IsValid() {
		fromBits = uint8(w.From.Bits())
	}
	if w.Table < smallTables {
		table = uint8(w.Table)
	}
	b = append(b, w.Family, dstBits, fromBits, w.Tos, table, w.Protocol, w.Scope, w.Kind)
	b = Native.AppendUint32(b, w.Flags)
	b = w.appendKey(b)
	return w.appendPath(w.appendRest(b))
}

// appendKey appends what the kernel tells routes apart by.
func (w *Route) appendKey(b []byte) []byte {
	if w.Dst.IsValid() {
		b = appendAddr(b, unix.RTA_DST, w.Dst.Addr())
	}
	if w.From.IsValid() && w.From.Bits() > 0 {
		b = appendAddr(b, unix.RTA_SRC, w.From.Addr())
	}
	b = appendGateway(b, w.Family, w.Via)
	if w.PrefSrc.IsValid() {
		b = appendAddr(b, unix.RTA_PREFSRC, w.PrefSrc)
	}
	if w.Priority != 0 {
		b = AppendUint32(b, unix.RTA_PRIORITY, w.Priority)
	}
	if w.Table >= smallTables {
		b = AppendUint32(b, unix.RTA_TABLE, w.Table)
	}
	return b
}

func (w *Route) appendRest(b []byte) []byte {
	if w.flow != 0 {
		b = AppendUint32(b, unix.RTA_FLOW, w.flow)
	}
	if w.expires != 0 {
		b = AppendUint32(b, unix.RTA_EXPIRES, w.expires)
	}
	if w.Pref != 0 {
		b = appendUint8(b, unix.RTA_PREF, uint8(w.Pref-1))
	}
	if w.ttlPropagate != 0 {
		b = appendUint8(b, unix.RTA_TTL_PROPAGATE, w.ttlPropagate-1)
	}
	b = appendEncap(b, w.Encap)
	if w.NexthopID != 0 {
		b = AppendUint32(b, rtaNexthopID, w.NexthopID)
	}
	return b
}

func (w *Route) appendPath(b []byte) []byte {
	if w.Device != 0 {
		b = AppendUint32(b, unix.RTA_OIF, uint32(w.Device))
	}
	b = w.Metrics.append(b)
	return w.appendHops(b)
}

// appendGateway appends a gateway; one of another family than the route's (IPv4 by an IPv6 router,
// RFC 5549) has an attribute of its own.
func appendGateway(b []byte, family uint8, via netip.Addr) []byte {
	switch {
	case !via.IsValid():
		return b
	case FamilyOf(via) == family:
		return appendAddr(b, unix.RTA_GATEWAY, via)
	}
	return AppendAttribute(b, unix.RTA_VIA, append(Native.AppendUint16(nil, uint16(FamilyOf(via))), via.AsSlice()...))
}

// ParseRoute reads the body of an RTM_NEWROUTE message of IPv4 or IPv6.
func ParseRoute(body []byte) (Route, error) {
	if len(body) < unix.SizeofRtMsg {
		return Route{}, fmt.Errorf("%w: a route of %d bytes", ErrMalformed, len(body))
	}
	p := routeParser{w: Route{
		Family: body[0], Tos: body[3], Table: uint32(body[4]), Protocol: body[5], Scope: body[6], Kind: body[7], Flags: Native.Uint32(body[8:]),
	}}
	if p.w.Family != unix.AF_INET && p.w.Family != unix.AF_INET6 {
		return Route{}, fmt.Errorf("%w: a route of family %d", ErrMalformed, p.w.Family)
	}
	p.dst = netip.IPv4Unspecified()
	if p.w.Family == unix.AF_INET6 {
		p.dst = netip.IPv6Unspecified()
	}
	p.from = p.dst
	a := attributes{rest: body[unix.SizeofRtMsg:]}
	for a.next() && p.Err == nil {
		p.take(a.kind, a.value)
	}
	if a.err != nil {
		return Route{}, a.err
	}
	p.finish(int(body[1]), int(body[2]))
	return p.w, p.Err
}

// routeParser is a route while its attributes are read.
type routeParser struct {
	Values
	w         Route
	dst, from netip.Addr
	encapType uint16
	encap     []byte
}

func (p *routeParser) take(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_DST:
		p.dst = p.Addr(p.w.Family, v)
	case unix.RTA_SRC:
		p.from = p.Addr(p.w.Family, v)
	case unix.RTA_TABLE:
		p.w.Table = p.Uint32(v)
	case unix.RTA_PRIORITY:
		p.w.Priority = p.Uint32(v)
	case unix.RTA_PREFSRC:
		p.w.PrefSrc = p.Addr(p.w.Family, v)
	case unix.RTA_OIF:
		p.w.Device = p.Index(v)
	case unix.RTA_GATEWAY, unix.RTA_VIA:
		p.w.Via = p.gateway(p.w.Family, kind, v)
	case unix.RTA_MULTIPATH:
		p.w.Hops = p.hops(p.w.Family, v)
	case rtaNexthopID:
		p.w.NexthopID = p.Uint32(v)
	default:
		p.takeRest(kind, v)
	}
}

func (p *routeParser) takeRest(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_METRICS:
		p.w.Metrics = p.metrics(v, &p.w.Foreign)
	case unix.RTA_FLOW:
		p.w.flow = p.Uint32(v)
	case unix.RTA_EXPIRES:
		p.w.expires = p.Uint32(v)
	case unix.RTA_CACHEINFO:
		p.w.expires = p.expiry(v)
	case unix.RTA_PREF:
		p.w.Pref = p.pref(v)
	case unix.RTA_TTL_PROPAGATE:
		p.w.ttlPropagate = min(p.uint8(v), 1) + 1
	case unix.RTA_ENCAP_TYPE:
		p.encapType = p.uint16(v)
	case unix.RTA_ENCAP:
		p.encap = v
	case unix.RTA_NEWDST:
		p.w.Foreign = true
	}
}

// finish puts together what stands in several places of the message.
func (p *routeParser) finish(dstBits, fromBits int) {
	p.w.Dst = netip.PrefixFrom(p.dst, dstBits).Masked()
	if fromBits > 0 {
		p.w.From = netip.PrefixFrom(p.from, fromBits).Masked()
	}
	if !p.w.Dst.IsValid() || fromBits > p.from.BitLen() {
		p.fail("a destination of %d bits, a source of %d", dstBits, fromBits)
	}
	if p.encapType != 0 {
		p.w.Encap = p.parseEncap(p.encapType, p.encap, &p.w.Foreign)
	}
}

// expiry reads when the route goes: struct rta_cacheinfo. One that goes within this second, or
// should have gone, has a second left.
func (p *routeParser) expiry(v []byte) uint32 {
	const at = 8
	left := int32(p.Uint32(p.Need(v, at+4)[at:])) //nolint:gosec // it is signed
	if left == 0 {
		return 0
	}
	return max(uint32(max(left, 0))/ticks, 1)
}

// pref reads a router preference. RFC 4191 has no fourth.
func (p *routeParser) pref(v []byte) routes.Pref {
	switch pref := p.uint8(v); pref {
	case uint8(routes.PrefMedium - 1), uint8(routes.PrefHigh - 1), uint8(routes.PrefLow - 1):
		return routes.Pref(pref + 1)
	}
	p.w.Foreign = true
	return 0
}

// gateway reads RTA_GATEWAY, or struct rtvia of RTA_VIA: a family and an address.
func (r *Values) gateway(family uint8, kind uint16, v []byte) netip.Addr {
	if kind == unix.RTA_GATEWAY {
		return r.Addr(family, v)
	}
	other := r.uint16(v)
	if r.Err != nil || other > unix.AF_INET6 {
		return netip.Addr{} // of a family that is no IP
	}
	return r.Addr(uint8(other), v[2:])
}
