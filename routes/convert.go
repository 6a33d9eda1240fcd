package routes

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre"
)

// set makes w a route but for its devices. It checks what cannot be encoded, and what the kernel would take without doing it; the
// kernel checks the rest.
func (w *wireRoute) set(r *nmgre.Route) error {
	if !r.Dst.IsValid() {
		return invalid("the route has no destination")
	}
	*w = wireRoute{
		family: familyOf(r.Dst.Addr()), tos: r.TOS, dst: r.Dst.Masked(), table: r.TableOrMain(), protocol: nmgre.RouteProtocol,
		scope: uint8(r.ScopeOrDefault()), kind: uint8(r.Type) + unix.RTN_UNICAST, via: r.Via, prefSrc: r.Src, nexthopID: r.NexthopID,
		metrics: newWireMetrics(r), encap: r.Encap, flow: uint32(r.Realms), expires: r.Expires, pref: r.Pref,
	}
	if r.From.IsValid() && r.From.Bits() > 0 {
		w.from = r.From.Masked()
	}
	if r.Metric != nil {
		w.priority = *r.Metric
	}
	if r.OnLink {
		w.flags = unix.RTNH_F_ONLINK
	}
	if r.TTLPropagate != nil {
		w.ttlPropagate = 1
		if *r.TTLPropagate {
			w.ttlPropagate = 2
		}
	}
	return w.check(r)
}

// check says what is wrong with the route that w was made from.
func (w *wireRoute) check(r *nmgre.Route) error {
	if err := w.checkFamilies(r); err != nil {
		return err
	}
	if err := w.checkFamilyWords(r); err != nil {
		return err
	}
	if err := checkPaths(r); err != nil {
		return err
	}
	if err := checkSize(r); err != nil {
		return err
	}
	return checkEncap(r.Encap)
}

// checkFamilies sees that the addresses are of the destination's family. Only a router may be of another: an IPv6 one for IPv4.
func (w *wireRoute) checkFamilies(r *nmgre.Route) error {
	if err := checkAddr(r.Via, w.family == unix.AF_INET || !r.Via.Is4()); err != nil {
		return err
	}
	for i := range r.Nexthops {
		via := r.Nexthops[i].Via
		if err := checkAddr(via, w.family == unix.AF_INET || !via.Is4()); err != nil {
			return err
		}
	}
	if err := checkAddr(r.Src, familyOf(r.Src) == w.family); err != nil {
		return err
	}
	return checkAddr(r.From.Addr(), familyOf(r.From.Addr()) == w.family)
}

func checkAddr(a netip.Addr, fits bool) error {
	if !a.IsValid() || fits && !a.Is4In6() {
		return nil
	}
	return invalid("%s is not of the destination's address family", nmgre.Printable(a.String()))
}

// checkFamilyWords sees to the words of one family: kernels take them with the other and forget them, and the route would take more
// packets than it should, or stay for ever.
func (w *wireRoute) checkFamilyWords(r *nmgre.Route) error {
	switch ipv4 := w.family == unix.AF_INET; {
	case ipv4 && w.from.IsValid():
		return invalid("an IPv4 route cannot have a source prefix (from)")
	case ipv4 && r.Expires != 0:
		return invalid("an IPv4 route cannot expire")
	case !ipv4 && r.TOS != 0:
		return invalid("an IPv6 route cannot have a tos")
	}
	return nil
}

func checkPaths(r *nmgre.Route) error {
	switch {
	case len(r.Nexthops) > 0 && (r.Via.IsValid() || r.OnLink || r.NexthopID != 0):
		return invalid("a route has either nexthops or a gateway")
	case len(r.Nexthops) > 0 && r.Encap != nil:
		return invalid("the encap of a route with nexthops stands at each of them")
	}
	for i := range r.Nexthops {
		if weight := r.Nexthops[i].Weight; weight > 256 {
			return invalid("a nexthop's weight is %d, more than 256", weight)
		}
		if err := checkEncap(r.Nexthops[i].Encap); err != nil {
			return err
		}
	}
	return nil
}

// maxRoute bounds a route's message, in bytes, so that no attribute's length exceeds its 16 bits.
const maxRoute = 60_000

func checkSize(r *nmgre.Route) error {
	size := 512 + encapSize(r.Encap)
	for i := range r.Nexthops {
		size += 64 + encapSize(r.Nexthops[i].Encap)
	}
	if m := r.Metrics; m != nil && len(m.CongCtl) > maxCongCtl {
		return invalid("the congestion control algorithm's name has %d bytes, more than %d", len(m.CongCtl), maxCongCtl)
	}
	if size > maxRoute {
		return invalid("the route is longer than %d bytes in the kernel's form: it has too many nexthops", maxRoute)
	}
	return nil
}

// deviceless says whether the route leads into no device of its own: its type decides a packet's fate, or a nexthop object does.
func (w *wireRoute) deviceless() bool {
	switch w.kind {
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return true
	}
	return w.nexthopID != 0
}

// route returns the route in the domain's words, as seen from one of its devices. It is false when a device has no name any more.
func (w *wireRoute) route(device int, names map[int]string) (nmgre.KernelRoute, bool) {
	r := nmgre.Route{
		Type: nmgre.RouteType(w.kind - unix.RTN_UNICAST), Dst: w.dst, From: w.from, TOS: w.tos, Src: w.prefSrc,
		Expires: w.expires, NexthopID: w.nexthopID,
	}
	r.MTU, r.MTULock, r.Metrics = w.metrics.split()
	if r.TableOrMain() != w.table {
		r.Table = w.table
	}
	if w.priority != w.defaultMetric() {
		metric := w.priority
		r.Metric = &metric
	}
	if w.pref > nmgre.PrefMedium { // which every IPv6 route has
		r.Pref = w.pref
	}
	if w.ttlPropagate != 0 {
		propagate := w.ttlPropagate == 2
		r.TTLPropagate = &propagate
	}
	named := w.deviceless() || w.addPaths(&r, device, names)
	if scope := nmgre.Scope(w.scope); scope != r.ScopeOrDefault() {
		r.Scope = &scope
	}
	return nmgre.KernelRoute{Route: r, Protocol: int(w.protocol)}, named
}

// addPaths adds where the route leads to. It is false when a device has no name any more.
func (w *wireRoute) addPaths(r *nmgre.Route, device int, names map[int]string) bool {
	r.Via, r.OnLink, r.Realms, r.Encap = w.via, w.flags&unix.RTNH_F_ONLINK != 0, nmgre.Realms(w.flow), w.encap
	for _, hop := range w.hops {
		if names[hop.device] == "" {
			return false
		}
		next := nmgre.Nexthop{Via: hop.via, OnLink: hop.flags&unix.RTNH_F_ONLINK != 0, Realms: nmgre.Realms(hop.flow), Encap: hop.encap}
		if hop.device != device {
			next.Dev = names[hop.device]
		}
		if hop.weight > 0 {
			next.Weight = uint16(hop.weight) + 1
		}
		r.Nexthops = append(r.Nexthops, next)
	}
	if len(r.Nexthops) == 1 { // a nexthop group of one
		only := r.Nexthops[0]
		r.Via, r.OnLink, r.Realms, r.Encap, r.Nexthops = only.Via, only.OnLink, only.Realms, only.Encap, nil
	}
	return names[device] != ""
}

// defaultMetric6 (IP6_RT_PRIO_USER) is the metric that the kernel gives an IPv6 route without one. IPv4 has 0.
const defaultMetric6 = 1024

// defaultMetric is the metric of a route that was added without one.
func (w *wireRoute) defaultMetric() uint32 {
	if w.family == unix.AF_INET6 {
		return defaultMetric6
	}
	return 0
}

// normalise puts a route into the one form in which it is compared: what the kernel says of devices' state goes, and defaults and
// what the kernel ignores are made the same.
func (w *wireRoute) normalise() {
	w.flags &= unix.RTNH_F_ONLINK
	if w.priority == 0 {
		w.priority = w.defaultMetric()
	}
	if w.family == unix.AF_INET6 {
		w.scope, w.flow = unix.RT_SCOPE_UNIVERSE, 0
	} else {
		w.pref = 0
	}
	if w.pref == nmgre.PrefMedium {
		w.pref = 0
	}
	w.expires = min(w.expires, 1) // how long is left says nothing
	w.ttlPropagate = 0            // is for routes of MPLS
	if len(w.hops) == 1 {
		w.flatten()
	}
	for i := range w.hops {
		w.flow = 0 // stands at the paths
		w.hops[i].flags &= unix.RTNH_F_ONLINK
		if w.family == unix.AF_INET6 {
			w.hops[i].flow = 0
		}
	}
	if w.deviceless() {
		w.device, w.via, w.hops, w.flags, w.encap, w.flow = 0, netip.Addr{}, nil, 0, nil, 0
	}
	if w.nexthopID != 0 {
		w.kind = unix.RTN_UNICAST // a nexthop object can be a blackhole
	}
}

// flatten makes the only path of a route the route's own.
func (w *wireRoute) flatten() {
	only := w.hops[0]
	w.device, w.via, w.encap, w.hops = only.device, only.via, only.encap, nil
	w.flags = uint32(only.flags)
	if only.flow != 0 {
		w.flow = only.flow
	}
}

// same says whether two routes, both normalised, are one to the kernel.
func (w *wireRoute) same(o *wireRoute) bool {
	return w.family == o.family && w.tos == o.tos && w.protocol == o.protocol && w.scope == o.scope && w.kind == o.kind &&
		w.flags == o.flags && w.dst == o.dst && w.from == o.from && w.table == o.table && w.priority == o.priority &&
		w.device == o.device && w.via == o.via && w.prefSrc == o.prefSrc && w.nexthopID == o.nexthopID &&
		w.flow == o.flow && w.expires == o.expires && w.pref == o.pref && w.foreign == o.foreign &&
		w.metrics.same(o.metrics) && sameEncap(w.encap, o.encap) && sameHops(w.hops, o.hops)
}
