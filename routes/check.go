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
	word string // the word of a SPEC that it is about; "" for the destination
	hop  int    // the nexthop that it is about; -1 for none
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
		return []routeProblem{{"", -1, "the destination is missing, or has host bits set", routeHint}}
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

// bad adds a problem of the attribute that word begins.
func (c *routeCheck) bad(word, hint, format string, args ...any) {
	c.found = append(c.found, routeProblem{word, -1, fmt.Sprintf(format, args...), hint})
}

// badHop adds a problem of a nexthop, or of the attribute that word begins if hop is -1.
func (c *routeCheck) badHop(word string, hop int, hint, format string, args ...any) {
	c.found = append(c.found, routeProblem{word, hop, fmt.Sprintf(format, args...), hint})
}

func (c *routeCheck) destination() {
	r := c.r
	if !r.Type.Known() {
		c.bad("", "use one of iproute2's types", "the kernel has no %s", r.Type)
	}
	if r.Dst.Addr().IsMulticast() && r.Type != TypeMulticast {
		c.bad("", "routes into a tunnel lead to hosts and networks; for groups write multicast "+r.Dst.String(), "a multicast destination")
	}
	if r.Type == TypeBroadcast && r.Dst.Addr().Is6() {
		c.bad("broadcast", "IPv6 has multicast instead", "a broadcast route of IPv6")
	}
}

func (c *routeCheck) addresses() {
	r := c.r
	for _, a := range [...]struct {
		word string
		addr netip.Addr
	}{{"via", r.Via}, {"src", r.Src}} {
		c.host(a.word, -1, a.addr)
	}
	if r.Src.IsValid() && r.Src.Is4() != r.Dst.Addr().Is4() {
		c.bad("src", familyHint, "%s is of another family than the destination", fault.Printable(r.Src.String()))
	}
	c.gateway("via", -1, r.Via)
	if from := r.From; from.IsValid() && (from.Addr().Is4() != r.Dst.Addr().Is4() || from.Addr().Is4In6() || from != from.Masked() || from.Bits() == 0) {
		c.bad("from", "write it as from 2001:db8::/32, or leave it out for any", "its source is no network of the destination's family")
	}
	if r.OnLink && !r.Via.IsValid() {
		c.bad("onlink", "onlink says that via is on the link: give a via, or leave it out", "onlink without via")
	}
}

// host refuses an address that no host has.
func (c *routeCheck) host(word string, hop int, a netip.Addr) {
	if a.IsValid() && (a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "") {
		c.badHop(word, hop, "give a host's address", "%s is no host", fault.Printable(a.String()))
	}
}

// gateway refuses an IPv4 gateway of an IPv6 route. The opposite is possible (RFC 8950).
func (c *routeCheck) gateway(word string, hop int, via netip.Addr) {
	if via.Is4() && c.r.Dst.Addr().Is6() {
		c.badHop(word, hop, familyHint, "%s is of another family than the destination", via)
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
		c.bad("tos", fmt.Sprintf("the nearest that routes can have is %#x", r.TOS&^3), "tos %#x has the bits of ECN, which no route can choose by", r.TOS)
	}
	if r.Pref != 0 && !r.Pref.valid() {
		c.bad("pref", "pref is low, medium or high", "its preference is not possible")
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
	c.bad(word, hint, "%s is for routes of %s only", word, family)
}

// scope keeps to the kernel's rules about the scopes of each type and of gateways: a gateway is
// nearer than the destination.
func (c *routeCheck) scope() {
	r := c.r
	if r.Dst.Addr().Is6() || !r.Type.HasDevice() || r.Type == TypeNAT {
		return
	}
	word := "scope"
	if r.Scope == nil {
		word = r.Type.String()
	}
	switch s := r.ScopeOrDefault(); {
	case s == ScopeNowhere:
		c.bad(word, "leave it out", "scope nowhere is no scope of a route to a device")
	case r.Type == TypeLocal && s < ScopeHost:
		c.bad(word, "leave it out: local routes have the scope host", "a local route of scope %s", s)
	case (r.Type == TypeBroadcast || r.Type == TypeAnycast) && s < ScopeLink:
		c.bad(word, "leave it out: such routes have the scope link", "a route of type %s and scope %s", r.Type, s)
	case s >= ScopeLink && r.hasGateway(), s >= ScopeHost && len(r.Nexthops) > 0:
		c.bad(word, "leave out either the gateway or the scope; a route with a gateway is of scope global", "a gateway, and the scope %s", s)
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
		c.bad("table", "use the main table, or one of your own", "table local is the kernel's own")
	}
}

func (c *routeCheck) metrics() {
	r, m := c.r, c.r.Metrics
	if r.MTULock && r.MTU == 0 {
		c.bad("mtu", "write mtu lock N", "an mtu is locked but not given")
	}
	if r.MTU != 0 && (r.MTU < gre.MinMTU4 || r.MTU > maxRouteMTU) {
		c.bad("mtu", fmt.Sprintf("mtu takes %d to %d", gre.MinMTU4, maxRouteMTU), "an mtu of %d", r.MTU)
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
			c.bad(w.name(), fmt.Sprintf("%s takes 0 to %d", w.name(), w.max), "%s %d is not possible", w.name(), value)
		case m.Locked(w.metric) && (value == 0 || !w.mayLock && w.metric != MetricRTOMin):
			c.bad(w.name(), "leave the lock out", "%s is locked", w.name())
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
		c.bad("features", "the features are ecn and tcp_usec_ts", "a feature that is neither")
	}
	if m.CongCtl != "" && !isCongCtl(m.CongCtl) || m.CongCtl == "" && m.Locked(MetricCongCtl) {
		c.bad("congctl", "a name has 1 to 15 letters, digits and signs, such as bbr", "its congestion control algorithm is not possible")
	}
	if (m.Set|m.Lock)&^known != 0 || m.Locked(MetricFeatures) {
		c.bad("", "use the metrics that iproute2 has", "a metric that does not exist, or a lock where none is possible")
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
			c.bad(lead.word, "leave it out: such a route decides the packet's fate by itself", "%s with the type %s", lead.word, r.Type)
		}
		if lead.set && r.Type == TypeLocal && (lead.word == "via" || lead.word == "nexthop") {
			c.bad(lead.word, "leave it out: a local route ends on this host", "%s with the type local", lead.word)
		}
	}
	for _, lead := range leads[:4] {
		if lead.set && r.NexthopID != 0 {
			c.bad(lead.word, "leave it out: the nexthop object says where packets go", "%s beside nhid", lead.word)
		}
	}
	for _, lead := range leads {
		if lead.set && len(r.Nexthops) > 0 && lead.word != "nexthop" && lead.word != "nhid" {
			c.bad(lead.word, "write it into each nexthop: nexthop "+lead.word+" ...", "%s beside nexthop", lead.word)
		}
	}
	r.Encap.check(r.Dst.Addr().Is6(), func(hint, format string, args ...any) { c.bad("encap", hint, format, args...) })
}

func (c *routeCheck) nexthops() {
	hops := c.r.Nexthops
	switch {
	case len(hops) == 1 && (hops[0].Weight == 0 || c.r.Dst.Addr().Is6()):
		c.bad("nexthop", "write it without the word nexthop, or add another nexthop; for IPv4 a single one with a weight is a member of a multipath route over several tunnels",
			"one nexthop is no multipath route")
	case len(hops) > maxNexthops:
		c.bad("nexthop", fmt.Sprintf("a route has up to %d nexthops", maxNexthops), "%d nexthops", len(hops))
	}
	for i := range hops {
		c.nexthop(i, &hops[i])
	}
}

func (c *routeCheck) nexthop(i int, hop *Nexthop) {
	bad := func(hint, format string, args ...any) {
		c.badHop("nexthop", i, hint, format, args...)
	}
	c.host("nexthop", i, hop.Via)
	c.gateway("nexthop", i, hop.Via)
	if hop.OnLink && !hop.Via.IsValid() {
		bad("onlink says that via is on the link: give a via, or leave it out", "onlink without via in a nexthop")
	}
	if hop.Weight > maxWeight {
		bad("a weight is 1 to 256", "a weight out of range")
	}
	if hop.Dev != "" && !IsDevice(hop.Dev) {
		bad("an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", fault.Printable(hop.Dev))
	}
	if hop.Realms != 0 && c.r.Dst.Addr().Is6() {
		bad("leave it out", "realms are for routes of IPv4 only")
	}
	hop.Encap.check(c.r.Dst.Addr().Is6(), bad)
}
