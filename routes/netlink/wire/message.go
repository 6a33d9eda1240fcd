package wire

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/kernel"
)

// Ours reports whether nmgre made the route, by its protocol number. A cached route is not ours,
// though it has the number of the route that it comes from.
func (w *Route) Ours() bool {
	return w.Protocol == kernel.RouteProtocol && w.Flags&unix.RTM_F_CLONED == 0
}

// OthersUnicast reports whether the route is a unicast route that a program or a person added:
// neither the kernel's own, nor cached, nor of the local table.
func (w *Route) OthersUnicast() bool {
	return w.Type == unix.RTN_UNICAST && w.Flags&unix.RTM_F_CLONED == 0 &&
		w.Protocol != unix.RTPROT_KERNEL && w.Table != unix.RT_TABLE_LOCAL
}

// Slot is the key by which the kernel tells routes apart: for IPv4 destination, TOS, metric and
// table; for IPv6 destination, source, metric and table. It can be compared.
type Slot struct {
	table, priority uint32
	dst, from       routes.PrefixKey
	tos             uint8
}

// Slot returns the route's slot. An absent metric counts as the kernel's default.
func (w *Route) Slot() Slot {
	s := Slot{w.Table, w.Priority, routes.KeyOf(w.Dst), routes.KeyOf(w.From), w.TOS}
	if s.priority == 0 {
		s.priority = w.defaultMetric()
	}
	return s
}

// IsSibling reports whether the route may be one path of an IPv6 route with several. Some kernels
// report each path of such a route in a message of its own.
func (w *Route) IsSibling() bool {
	return w.Family == unix.AF_INET6 && len(w.Hops) == 0 && w.Via.IsValid()
}

// Deletion returns the body of the RTM_DELROUTE message for this route and no other of ours. For
// IPv4 it holds only the slot: the kernel deletes our first route in it, which is the oldest. For
// IPv6 it holds the paths too, or the kernel would also delete paths that others added to the
// route.
func (w *Route) Deletion() *Route {
	d := &Route{Family: w.Family, TOS: w.TOS, Protocol: w.Protocol, Dst: w.Dst, From: w.From, Table: w.Table, Priority: w.Priority}
	if w.Family == unix.AF_INET {
		d.Scope = unix.RT_SCOPE_NOWHERE // any
		return d
	}
	d.Device, d.Via = w.Device, w.Via
	for _, hop := range w.Hops {
		d.Hops = append(d.Hops, Hop{Device: hop.Device, Via: hop.Via})
	}
	return d
}

// GivesWayTo reports whether the kernel can put another route of ours, o, into the place of w
// without a gap.
//
// IPv4 holds both routes in the slot for a moment; the second decides once the first is deleted.
// IPv6 replaces the first route of the metric that can have several paths if the new route can, and
// the first that cannot if it cannot. That route is surely w only when both can or both cannot.
func (w *Route) GivesWayTo(o *Route) bool {
	return w.Family == unix.AF_INET || len(w.Hops) == 0 && w.canHavePaths() == o.canHavePaths()
}

// canHavePaths reports whether IPv6 can add paths to the route.
func (w *Route) canHavePaths() bool {
	return !w.Deviceless() && (w.Via.IsValid() || len(w.Hops) > 0)
}

// smallTables is how many tables have a number that fits into a message's header. The numbers of
// the others stand in RTA_TABLE.
const smallTables = 256

// rtaNexthopID is RTA_NH_ID, which package unix lacks.
const rtaNexthopID = 30

// ticks is USER_HZ: the times of RTA_CACHEINFO count hundredths of a second.
const ticks = 100

// Route is the body of an rtnetlink message about a route: struct rtmsg and its attributes. It has
// the indexes of devices instead of their names. The zero value of a field is not sent.
type Route struct {
	Family       uint8       // AF_INET or AF_INET6
	TOS          uint8       // of IPv4; 0 for any
	Protocol     uint8       // RTPROT_...; nmgre's is 213
	Scope        uint8       // RT_SCOPE_...
	Type         uint8       // RTN_...
	Pref         routes.Pref // router preference (RFC 4191); IPv6 only
	ttlPropagate uint8       // plus one
	// Foreign is true when the kernel's message has a part that no routes.Route can hold.
	Foreign bool

	Flags     uint32 // RTNH_F_... and RTM_F_...
	Table     uint32 // RT_TABLE_..., or a number of the host's own
	Priority  uint32 // the metric; 0 for the kernel's default
	NexthopID uint32 // a nexthop object (RTA_NH_ID)
	flow      uint32 // realms
	expires   uint32 // in seconds

	Dst     netip.Prefix // not valid for a route to everything
	From    netip.Prefix // RTA_SRC; of a lookup, the packet's source address
	PrefSrc netip.Addr   // the source address that packets get

	// Device and Via are the path of a route with one: the device's index (RTA_OIF) and the
	// gateway, which may be of the other family (RTA_GATEWAY, RTA_VIA). A route with several paths
	// has Hops.
	Device int
	Via    netip.Addr
	Hops   []Hop

	Encap   *routes.Encap // shared with the route that this was made from: not to be changed
	metrics routeMetrics
}

// Encode returns the body of the message, without struct nlmsghdr.
func (w *Route) Encode() []byte { return w.Append(nil) }

// Append appends the body of the message, without struct nlmsghdr, to b. The attributes stand in
// the order in which `ip route` sends them for words in their canonical order.
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
	b = append(b, w.Family, dstBits, fromBits, w.TOS, table, w.Protocol, w.Scope, w.Type)
	b = Native.AppendUint32(b, w.Flags)
	b = w.appendKey(b)
	return w.appendPath(w.appendRest(b))
}

// appendKey appends the addresses, the metric and the table.
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
	b = w.metrics.append(b)
	return w.appendHops(b)
}

// appendGateway appends a gateway. One of the other family (IPv4 by an IPv6 router, RFC 5549) has
// an attribute of its own.
func appendGateway(b []byte, family uint8, via netip.Addr) []byte {
	switch {
	case !via.IsValid():
		return b
	case FamilyOf(via) == family:
		return appendAddr(b, unix.RTA_GATEWAY, via)
	}
	return AppendAttribute(b, unix.RTA_VIA, append(Native.AppendUint16(nil, uint16(FamilyOf(via))), via.AsSlice()...))
}

// ParseRoute reads the body of an RTM_NEWROUTE message, without struct nlmsghdr. It fails with
// [ErrMalformed], also for a family that is neither IPv4 nor IPv6. The route keeps no part of body.
func ParseRoute(body []byte) (Route, error) {
	if len(body) < unix.SizeofRtMsg {
		return Route{}, fmt.Errorf("%w: a route of %d bytes", ErrMalformed, len(body))
	}
	p := routeParser{w: Route{
		Family: body[0], TOS: body[3], Table: uint32(body[4]), Protocol: body[5], Scope: body[6], Type: body[7], Flags: Native.Uint32(body[8:]),
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
	Reader
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
		p.w.Device = p.Int(v)
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
		p.w.metrics = p.metrics(v, &p.w.Foreign)
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

// finish combines the values that stand in several places of the message.
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

// expiry reads from struct rta_cacheinfo after how many seconds the route expires; 0 for never. One
// that expires within this second, or should be gone already, has one second left.
func (p *routeParser) expiry(v []byte) uint32 {
	const at = 8
	left := int32(p.Uint32(p.Bytes(v, at+4)[at:])) //nolint:gosec // it is signed
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
func (r *Reader) gateway(family uint8, kind uint16, v []byte) netip.Addr {
	if kind == unix.RTA_GATEWAY {
		return r.Addr(family, v)
	}
	other := r.uint16(v)
	if r.Err != nil || other > unix.AF_INET6 {
		return netip.Addr{} // neither IPv4 nor IPv6
	}
	return r.Addr(uint8(other), v[2:])
}
