package routes

import (
	"fmt"
	"net/netip"
	"slices"
)

// Route is a route into a tunnel, in the words of `ip route` (iproute2's iproute.c). Its device is
// the tunnel's, unless a nexthop names another. The zero value of a field means that the word is
// absent.
//
// The order of the fields leaves no padding: there are lists of a hundred thousand routes.
type Route struct {
	Dst  netip.Prefix // masked; 0.0.0.0/0 or ::/0 for "default"
	From netip.Prefix // IPv6: the route is for packets from this network only
	// Via is the gateway, zero for a route straight to the device. An IPv4 route may have an IPv6
	// gateway ("via inet6").
	Via    netip.Addr
	Src    netip.Addr // the source address of packets that this host sends by the route
	Metric *uint32    // nil for the default of NetworkManager or the kernel
	// Scope is IPv4's; nil for the default: global with a gateway, host for type local, otherwise
	// link.
	Scope        *Scope
	Metrics      *Metrics // the metrics without the MTU; nil if there are none
	Encap        *Encap   // the lightweight tunnel that packets are put into; nil for none
	TTLPropagate *bool    // MPLS: whether the TTL of the label is copied to the packet

	// Nexthops are those of a multipath route, two or more; Via and OnLink are then absent. A
	// single one with a weight makes the route a member of a multipath route over several tunnels,
	// which NetworkManager puts together (ECMP).
	Nexthops []Nexthop

	// Table is 0 for the default, which is local (255) for the types local, broadcast, anycast and
	// nat, and main (254) for the others.
	Table   uint32
	MTU     uint32 // the path MTU, in bytes
	Realms  Realms // of tc and rp_filter; 0 for absent
	Expires uint32 // IPv6: seconds until the kernel removes the route; 0 for never
	// NexthopID is the number of a nexthop object (`ip nexthop`). The route then has no gateway,
	// device or nexthops of its own.
	NexthopID uint32
	Type      Type  // TypeUnicast if absent
	TOS       uint8 // IPv4: the route is for packets with this TOS only; 0 for any
	Pref      Pref  // IPv6: the router preference (RFC 4191)
	OnLink    bool  // Via is on the link, even if no address of this host tells so
	MTULock   bool  // the MTU is not lowered by path MTU discovery ("mtu lock N")
}

// Bare reports whether the route is a unicast route with no more words than a destination and a
// metric. Such a route is possible wherever its destination is, which makes long lists fast.
func (r *Route) Bare() bool { return r.Table == 0 && r.BareInTable() }

// BareInTable is [Route.Bare] for a route in any table.
func (r *Route) BareInTable() bool {
	addresses := r.From.IsValid() || r.Via.IsValid() || r.Src.IsValid()
	pointers := r.Scope != nil || r.Metrics != nil || r.Encap != nil || r.TTLPropagate != nil || r.Nexthops != nil
	numbers := r.MTU | uint32(r.Realms) | r.Expires | r.NexthopID | uint32(r.Type) | uint32(r.TOS) | uint32(r.Pref)
	return !addresses && !pointers && numbers == 0 && !r.OnLink && !r.MTULock
}

// Nexthop is one of the paths of a multipath route.
type Nexthop struct {
	Via    netip.Addr // zero for a path straight to the device
	Dev    string     // empty for the tunnel itself
	Weight uint16     // 1 to 256; 0 for absent, which is 1
	OnLink bool
	Realms Realms
	Encap  *Encap
}

// Type is the fate of the packets that take a route (rtm_type).
type Type uint8

// The types; each is the kernel's RTN number less one.
const (
	TypeUnicast Type = iota
	TypeLocal
	TypeBroadcast
	TypeAnycast
	TypeMulticast
	TypeBlackhole
	TypeUnreachable
	TypeProhibit
	TypeThrow
	TypeNAT
)

// Known reports whether t is one of the types above.
func (t Type) Known() bool { return int(t) < len(typeNames) }

// HasDevice reports whether routes of this type lead to a device. The others decide a packet's fate
// by themselves.
func (t Type) HasDevice() bool { return t < TypeBlackhole || t == TypeNAT }

// typeNames are iproute2's words for the types, in their order.
var typeNames = [...]string{"unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat"}

// String returns iproute2's word for the type.
func (t Type) String() string {
	if t.Known() {
		return typeNames[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Scope is the distance to a route's destination (rtm_scope).
type Scope uint8

// The scopes that have names.
const (
	ScopeGlobal  Scope = 0
	ScopeSite    Scope = 200
	ScopeLink    Scope = 253
	ScopeHost    Scope = 254
	ScopeNowhere Scope = 255
)

// Realms are the source realm (upper 16 bits) and the destination realm (lower 16 bits) of a route,
// as in RTA_FLOW.
type Realms uint32

// Pref is one more than the number of a router preference (RFC 4191). 0 is absent.
type Pref uint8

// The preferences.
const (
	PrefMedium Pref = 1
	PrefHigh   Pref = 2
	PrefLow    Pref = 4
)

// Metrics are a route's metrics (RTA_METRICS) without the MTU. To the kernel a value of 0 is the
// same as no metric: it does not return it, and [Parse] leaves it out.
type Metrics struct {
	Set    uint32               // the metrics that are there: bit 1<<metric
	Lock   uint32               // the metrics that the kernel does not adapt: bit 1<<metric
	Values [metricsCount]uint32 // by metric; 0 for those that are not there
	// the congestion control algorithm, 1 to 15 bytes; empty for absent
	CongCtl string
}

// Metric is the kernel's number of a metric of a route (RTAX_...).
type Metric uint8

// The metrics of a route, with the units of their values.
const (
	MetricLock       Metric = 1  // not a metric: the bits of the locks
	MetricMTU        Metric = 2  // is in Route.MTU, not in Metrics
	MetricWindow     Metric = 3  // bytes
	MetricRTT        Metric = 4  // eighths of a millisecond
	MetricRTTVar     Metric = 5  // quarters of a millisecond
	MetricSSThresh   Metric = 6  // segments
	MetricCwnd       Metric = 7  // segments
	MetricAdvMSS     Metric = 8  // bytes
	MetricReordering Metric = 9  // packets
	MetricHopLimit   Metric = 10 // 0 to 255
	MetricInitCwnd   Metric = 11 // segments
	MetricFeatures   Metric = 12 // bits: 1 is ECN, 16 is TCP timestamps in microseconds
	MetricRTOMin     Metric = 13 // milliseconds; always locked, or it counts for nothing
	MetricInitRwnd   Metric = 14 // segments
	MetricQuickACK   Metric = 15 // 0 or 1
	MetricCongCtl    Metric = 16 // is in Metrics.CongCtl
	MetricFastOpen   Metric = 17 // fastopen_no_cookie: 0 or 1

	metricsCount = 18
)

// Get returns the value of a metric, and whether it is there. m may be nil.
func (m *Metrics) Get(metric Metric) (uint32, bool) {
	if m == nil || m.Set&(1<<metric) == 0 {
		return 0, false
	}
	return m.Values[metric], true
}

// Put sets a metric.
func (m *Metrics) Put(metric Metric, value uint32) {
	m.Set |= 1 << metric
	m.Values[metric] = value
}

// Locked reports whether a metric is locked. m may be nil.
func (m *Metrics) Locked(metric Metric) bool { return m != nil && m.Lock&(1<<metric) != 0 }

// EncapType is the kind of a lightweight tunnel (lwtunnel_encap_types).
type EncapType uint8

// The kinds, by the kernel's numbers.
const (
	EncapMPLS EncapType = 1
	EncapIP   EncapType = 2
	EncapIP6  EncapType = 4
	EncapSEG6 EncapType = 5
)

// Encap is a lightweight tunnel of a route.
type Encap struct {
	Type EncapType

	// ip and ip6
	ID       *uint64    // the tunnel identifier
	Dst, Src netip.Addr // zero for absent
	TOS      *uint8     // "tos" of ip, "tc" of ip6
	TTL      *uint8     // "ttl" of ip and mpls, "hoplimit" of ip6
	Key      bool       // the packet carries a key
	Csum     bool       // the packet carries a checksum
	Seq      bool       // the packet carries a sequence number

	Labels []uint32 // mpls: 1 to 30 of 20 bits each, outermost first

	Mode     SEG6Mode     // seg6
	Segments []netip.Addr // seg6: IPv6, in the order of travel
	HMAC     uint32       // seg6: the number of the HMAC key; 0 for none
}

// SEG6Mode is the way in which a segment routing header is added.
type SEG6Mode uint8

// The modes, by the kernel's numbers. Those with "red" (reduced) leave the first segment out of the
// header, and need Linux 6.0.
const (
	SEG6Inline     SEG6Mode = 0
	SEG6Encap      SEG6Mode = 1
	SEG6L2Encap    SEG6Mode = 2
	SEG6EncapRed   SEG6Mode = 3
	SEG6L2EncapRed SEG6Mode = 4
)

// The numbers of the tables that every host has.
const (
	MainTable  = 254 // looked up for every packet
	LocalTable = 255 // the kernel's own: local and broadcast addresses
)

// Clone returns a copy that shares nothing with r.
func (r Route) Clone() Route {
	r.Metric, r.Scope, r.TTLPropagate, r.Metrics = cloned(r.Metric), cloned(r.Scope), cloned(r.TTLPropagate), cloned(r.Metrics)
	r.Encap = r.Encap.clone()
	r.Nexthops = slices.Clone(r.Nexthops)
	for i := range r.Nexthops {
		r.Nexthops[i].Encap = r.Nexthops[i].Encap.clone()
	}
	return r
}

// IsLone says whether r has a single nexthop, by the tunnel with that name: it is a plain route in
// other words.
func (r *Route) IsLone(name string) bool {
	return len(r.Nexthops) == 1 && (r.Nexthops[0].Dev == "" || r.Nexthops[0].Dev == name)
}

// By returns the route with the nexthop in place of all of its own, as a plain route. The weight of
// a single nexthop means nothing, nor does the kernel keep it. The nexthop's device is left out.
func (r Route) By(hop Nexthop) Route {
	r.Nexthops, r.Via, r.OnLink = nil, hop.Via, hop.OnLink
	if hop.Realms != 0 {
		r.Realms = hop.Realms
	}
	if hop.Encap != nil {
		r.Encap = hop.Encap
	}
	return r
}

func (e *Encap) clone() *Encap {
	if e == nil {
		return nil
	}
	c := *e
	c.ID, c.TOS, c.TTL = cloned(e.ID), cloned(e.TOS), cloned(e.TTL)
	c.Labels, c.Segments = slices.Clone(e.Labels), slices.Clone(e.Segments)
	return &c
}

// cloned returns a pointer to a copy of *p, or nil for nil.
func cloned[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// TableOrMain returns the number of the route's table, with the default of its type in the place
// of 0.
func (r Route) TableOrMain() uint32 {
	if r.Table != 0 {
		return r.Table
	}
	return r.DefaultTable()
}

// DefaultTable returns the table of a route of this type that names none, as iproute2 chooses it.
func (r *Route) DefaultTable() uint32 {
	if r.Type == TypeLocal || r.Type == TypeBroadcast || r.Type == TypeAnycast || r.Type == TypeNAT {
		return LocalTable
	}
	return MainTable
}

// ScopeOrDefault returns the route's scope, or the default that iproute2 chooses for it.
func (r Route) ScopeOrDefault() Scope {
	switch {
	case r.Scope != nil:
		return *r.Scope
	case r.Dst.Addr().Is6():
		return ScopeGlobal
	case r.Type == TypeLocal || r.Type == TypeNAT:
		return ScopeHost
	case r.Type == TypeBroadcast || r.Type == TypeMulticast || r.Type == TypeAnycast:
		return ScopeLink
	case r.Type == TypeUnicast && !r.Via.IsValid() && len(r.Nexthops) == 0 && r.NexthopID == 0:
		return ScopeLink
	}
	return ScopeGlobal
}

// KernelMetric returns the metric under which the kernel holds the route. The kernel's default is 0
// for IPv4 and 1024 for IPv6 (IP6_RT_PRIO_USER).
func (r Route) KernelMetric() uint32 {
	switch {
	case r.Metric != nil && *r.Metric != 0:
		return *r.Metric
	case r.Dst.Addr().Is6():
		return 1024 // for 0 too
	}
	return 0
}

// Reroute replaces a gateway, where old is one, and a device name. It writes to the nexthops of r,
// which r must share with no other route.
func (r *Route) Reroute(old, now netip.Addr, oldDev, dev string) {
	if old.IsValid() && r.Via == old {
		r.Via = now
	}
	for i := range r.Nexthops {
		hop := &r.Nexthops[i]
		if old.IsValid() && hop.Via == old {
			hop.Via = now
		}
		if hop.Dev == oldDev {
			hop.Dev = dev
		}
	}
}
