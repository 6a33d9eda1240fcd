package routes

import (
	"fmt"
	"net/netip"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// maxNexthops is how many nexthops fit into one netlink message, each with all its attributes.
const maxNexthops = 256

// routeProblem is a fault of a route by itself.
type routeProblem struct {
	what string
	hint string
}

// Problems returns the faults of the route by itself, each a [fault.ErrInvalid] for the field
// "route". A route that [Parse] returned has none.
func (r Route) Problems() fault.List {
	var problems fault.List
	for _, p := range r.check() {
		what := p.what
		if r.Dst.IsValid() && r.Dst == r.Dst.Masked() {
			what = r.Dst.String() + ": " + what
		}
		problems.Add(fault.Invalid("route", p.hint, "%s", what))
	}
	return problems
}

// check finds everything that makes no sense, or that the kernel refuses whatever the state of the
// host.
func (r *Route) check() []routeProblem {
	if dst := r.Dst; !dst.IsValid() || dst != dst.Masked() || dst.Addr().Is4In6() {
		return []routeProblem{{"the destination is missing, or has host bits set", routeHint}}
	}
	c := routeCheck{r: r}
	c.destination()
	if r.Bare() { // nearly all routes of long lists
		return c.found
	}
	c.addresses()
	c.family()
	c.device()
	c.scope()
	c.table()
	c.metrics()
	c.nexthops()
	return c.found
}

// routeCheck collects the problems of a route.
type routeCheck struct {
	r     *Route
	found []routeProblem
}

// bad adds a problem.
func (c *routeCheck) bad(hint, format string, args ...any) {
	c.found = append(c.found, routeProblem{fmt.Sprintf(format, args...), hint})
}

func (c *routeCheck) destination() {
	r := c.r
	if !r.Type.Known() {
		c.bad("use one of iproute2's types", "the kernel has no %s", r.Type)
	}
	if r.Dst.Addr().IsMulticast() && r.Type != TypeMulticast {
		c.bad("routes into a tunnel lead to hosts and networks; for groups write multicast "+r.Dst.String(), "the destination is a multicast group")
	}
	if r.Type == TypeBroadcast && r.Dst.Addr().Is6() {
		c.bad("IPv6 has multicast instead", "IPv6 has no broadcast routes")
	}
}

func (c *routeCheck) addresses() {
	r := c.r
	c.host(r.Via, c.bad)
	c.host(r.Src, c.bad)
	if r.Src.IsValid() && r.Src.Is4() != r.Dst.Addr().Is4() {
		c.bad(familyHint, "%s is of another family than the destination", fault.Printable(r.Src.String()))
	}
	c.gateway(r.Via, c.bad)
	if from := r.From; from.IsValid() && (from.Addr().Is4() != r.Dst.Addr().Is4() || from.Addr().Is4In6() || from != from.Masked() || from.Bits() == 0) {
		c.bad("write it as from 2001:db8::/32, or leave it out for any", "its source is no network of the destination's family")
	}
	if r.OnLink && !r.Via.IsValid() {
		c.bad("onlink says that via is on the link: give a via, or leave it out", "onlink without via")
	}
}

// host refuses an address that no host has.
func (c *routeCheck) host(a netip.Addr, bad func(hint, format string, args ...any)) {
	if a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "") {
		bad("give a host's address", "%s is no host", fault.Printable(a.String()))
	}
}

// gateway refuses an IPv4 gateway of an IPv6 route. The opposite is possible (RFC 8950).
func (c *routeCheck) gateway(via netip.Addr, bad func(hint, format string, args ...any)) {
	if via.Is4() && c.r.Dst.Addr().Is6() {
		bad(familyHint, "%s is of another family than the destination", via)
	}
}

// family refuses attributes of the other family.
func (c *routeCheck) family() {
	r := c.r
	if r.Dst.Addr().Is6() {
		c.only("tos", "IPv4", r.TOS != 0)
		c.only("scope", "IPv4", r.Scope != nil)
		c.only("realms", "IPv4", r.Realms != 0)
	} else {
		c.only("from", "IPv6", r.From.IsValid())
		c.only("expires", "IPv6", r.Expires != 0)
		c.only("pref", "IPv6", r.Pref != 0)
	}
	if r.TOS&3 != 0 {
		c.bad(fmt.Sprintf("the nearest that routes can have is %#x", r.TOS&^3), "tos %#x has the bits of ECN, which no route can choose by", r.TOS)
	}
	if r.Pref != 0 && !r.Pref.valid() {
		c.bad("pref is low, medium or high", "its preference is not possible")
	}
}

// only refuses an attribute that is set, and that only routes of one family have.
func (c *routeCheck) only(word, family string, set bool) {
	if !set {
		return
	}
	hint := "leave it out"
	if family == "IPv6" && c.r.Dst.Bits() == 0 {
		hint += ", or write ::/0 for the default route of IPv6"
	}
	c.bad(hint, "%s is for routes of %s only", word, family)
}

// scope keeps to the kernel's rules about the scopes of each type and of gateways: a gateway is
// nearer than the destination.
func (c *routeCheck) scope() {
	r := c.r
	if r.Dst.Addr().Is6() || !r.Type.HasDevice() || r.Type == TypeNAT {
		return
	}
	switch s := r.ScopeOrDefault(); {
	case s == ScopeNowhere:
		c.bad("leave it out", "scope nowhere is no scope of a route to a device")
	case r.Type == TypeLocal && s < ScopeHost:
		c.bad("leave it out: local routes have the scope host", "a local route cannot have the scope %s", s)
	case (r.Type == TypeBroadcast || r.Type == TypeAnycast) && s < ScopeLink:
		c.bad("leave it out: such routes have the scope link", "a route of type %s cannot have the scope %s", r.Type, s)
	case s >= ScopeLink && r.hasGateway(), s >= ScopeHost && len(r.Nexthops) > 0:
		c.bad("leave out either the gateway or the scope; a route with a gateway is of scope global", "a route with a gateway cannot have the scope %s", s)
	}
}

// hasGateway reports whether the route leads to an IPv4 gateway.
func (r *Route) hasGateway() bool {
	if r.Via.Is4() {
		return true
	}
	for i := range r.Nexthops {
		if r.Nexthops[i].Via.Is4() {
			return true
		}
	}
	return false
}

func (c *routeCheck) table() {
	if r := c.r; r.Table == LocalTable && r.DefaultTable() != LocalTable && r.Type != TypeMulticast {
		c.bad("use the main table, or one of your own", "table local is the kernel's own")
	}
}

func (c *routeCheck) metrics() {
	r, m := c.r, c.r.Metrics
	if r.MTULock && r.MTU == 0 {
		c.bad("write mtu lock N", "an mtu is locked but not given")
	}
	if r.MTU != 0 && (r.MTU < gre.MinMTU4 || r.MTU > maxRouteMTU) {
		c.bad(fmt.Sprintf("mtu takes %d to %d", gre.MinMTU4, maxRouteMTU), "an mtu of %d is not possible", r.MTU)
	}
	if m == nil {
		return
	}
	known := uint32(1<<MetricFeatures | 1<<MetricCongCtl)
	for i := range metricWords {
		w := &metricWords[i]
		known |= 1 << w.metric
		value, _ := m.Get(w.metric)
		switch {
		case value > w.max:
			c.bad(fmt.Sprintf("%s takes 0 to %d", w.name(), w.max), "%s %d is not possible", w.name(), value)
		case m.Locked(w.metric) && (value == 0 || !w.mayLock && w.metric != MetricRTOMin):
			c.bad("leave the lock out", "%s is locked", w.name())
		}
	}
	c.otherMetrics(m, known)
}

func (c *routeCheck) otherMetrics(m *Metrics, known uint32) {
	mask, _ := m.Get(MetricFeatures)
	for _, f := range features {
		mask &^= f.bit
	}
	if mask != 0 {
		c.bad("the features are ecn and tcp_usec_ts", "it has a feature that is neither")
	}
	if m.CongCtl != "" && !isCongCtl(m.CongCtl) || m.CongCtl == "" && m.Locked(MetricCongCtl) {
		c.bad("a name has 1 to 15 letters, digits and signs, such as bbr", "its congestion control algorithm is not possible")
	}
	if (m.Set|m.Lock)&^known != 0 || m.Locked(MetricFeatures) {
		c.bad("use the metrics that iproute2 has", "it has a metric that does not exist, or a lock where none is possible")
	}
}

// device checks the attributes that lead the packets on: they fit the type, and exclude each other.
func (c *routeCheck) device() {
	r := c.r
	leads := []struct {
		word string
		set  bool
	}{{"via", r.Via.IsValid()}, {"onlink", r.OnLink}, {"encap", r.Encap != nil}, {"nexthop", len(r.Nexthops) > 0}, {"nhid", r.NexthopID != 0}, {"realms", r.Realms != 0}}
	for _, lead := range leads[:5] {
		if lead.set && !r.Type.HasDevice() {
			c.bad("leave it out: such a route decides the packet's fate by itself", "a route of type %s cannot have %s", r.Type, lead.word)
		}
		if lead.set && r.Type == TypeLocal && (lead.word == "via" || lead.word == "nexthop") {
			c.bad("leave it out: a local route ends on this host", "a local route cannot have %s", lead.word)
		}
	}
	for _, lead := range leads[:4] {
		if lead.set && r.NexthopID != 0 {
			c.bad("leave it out: the nexthop object says where packets go", "%s cannot stand beside nhid", lead.word)
		}
	}
	for _, lead := range leads {
		if lead.set && len(r.Nexthops) > 0 && lead.word != "nexthop" && lead.word != "nhid" {
			c.bad("write it into each nexthop: nexthop "+lead.word+" ...", "%s cannot stand beside nexthop", lead.word)
		}
	}
	r.Encap.check(r.Dst.Addr().Is6(), func(hint, format string, args ...any) { c.bad(hint, format, args...) })
}

func (c *routeCheck) nexthops() {
	hops := c.r.Nexthops
	switch {
	case len(hops) == 1 && (hops[0].Weight == 0 || c.r.Dst.Addr().Is6()):
		c.bad("write it without the word nexthop, or add another nexthop; for IPv4 a single one with a weight is a member of a multipath route over several tunnels",
			"one nexthop is no multipath route")
	case len(hops) > maxNexthops:
		c.bad(fmt.Sprintf("a route has up to %d nexthops", maxNexthops), "it has %d nexthops", len(hops))
	}
	for i := range hops {
		c.nexthop(i, &hops[i])
	}
}

func (c *routeCheck) nexthop(i int, hop *Nexthop) {
	bad := func(hint, format string, args ...any) {
		c.bad(hint, "nexthop %d: %s", i+1, fmt.Sprintf(format, args...))
	}
	c.host(hop.Via, bad)
	c.gateway(hop.Via, bad)
	if hop.OnLink && !hop.Via.IsValid() {
		bad("onlink says that via is on the link: give a via, or leave it out", "onlink without via")
	}
	if hop.Weight > maxWeight {
		bad("a weight is 1 to 256", "the weight %d is not possible", hop.Weight)
	}
	if hop.Dev != "" && !IsDevice(hop.Dev) {
		bad("an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", fault.Printable(hop.Dev))
	}
	if hop.Realms != 0 && c.r.Dst.Addr().Is6() {
		bad("leave it out", "realms are for routes of IPv4 only")
	}
	hop.Encap.check(c.r.Dst.Addr().Is6(), bad)
}
