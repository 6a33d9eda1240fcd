package wire

import (
	"cmp"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Set makes w the message for r, with nmgre's protocol number. It leaves Device and Hops empty: the
// caller knows the devices' indexes. w shares the memory of r's metrics and encap.
//
// Set fails with fault.ErrInvalid where r cannot be encoded, and where the kernel would accept a
// word and ignore it. The kernel checks the rest.
func (w *Route) Set(r *routes.Route) error {
	if !r.Dst.IsValid() {
		return invalid("the route has no destination")
	}
	if r.BareInTable() { // nothing else of it is to be encoded or checked
		*w = Route{Family: FamilyOf(r.Dst.Addr()), Dst: r.Dst.Masked(), Table: cmp.Or(r.Table, routes.MainTable), Protocol: kernel.RouteProtocol, Scope: uint8(r.ScopeOrDefault()), Type: unix.RTN_UNICAST}
		w.setMetric(r)
		return nil
	}
	*w = Route{
		Family: FamilyOf(r.Dst.Addr()), TOS: r.TOS, Dst: r.Dst.Masked(), Table: r.TableOrMain(), Protocol: kernel.RouteProtocol,
		Scope: uint8(r.ScopeOrDefault()), Type: uint8(r.Type) + unix.RTN_UNICAST, Via: r.Via, PrefSrc: r.Src, NexthopID: r.NexthopID,
		metrics: newRouteMetrics(r), Encap: r.Encap, flow: uint32(r.Realms), expires: r.Expires, Pref: r.Pref,
	}
	if r.From.IsValid() && r.From.Bits() > 0 {
		w.From = r.From.Masked()
	}
	w.setMetric(r)
	if r.OnLink {
		w.Flags = unix.RTNH_F_ONLINK
	}
	if r.TTLPropagate != nil {
		w.ttlPropagate = 1
		if *r.TTLPropagate {
			w.ttlPropagate = 2
		}
	}
	return w.check(r)
}

func (w *Route) setMetric(r *routes.Route) {
	if r.Metric != nil {
		w.Priority = *r.Metric
	}
}

// check returns the error for the route that w was made from.
func (w *Route) check(r *routes.Route) error {
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

// checkFamilies checks that the addresses are of the destination's family. Only the router of an
// IPv4 route may be of the other (RFC 5549).
func (w *Route) checkFamilies(r *routes.Route) error {
	if err := checkAddr(r.Via, w.Family == unix.AF_INET || !r.Via.Is4()); err != nil {
		return err
	}
	for i := range r.Nexthops {
		via := r.Nexthops[i].Via
		if err := checkAddr(via, w.Family == unix.AF_INET || !via.Is4()); err != nil {
			return err
		}
	}
	if err := checkAddr(r.Src, FamilyOf(r.Src) == w.Family); err != nil {
		return err
	}
	return checkAddr(r.From.Addr(), FamilyOf(r.From.Addr()) == w.Family)
}

func checkAddr(a netip.Addr, fits bool) error {
	if !a.IsValid() || fits && !a.Is4In6() {
		return nil
	}
	return invalid("%s is not of the destination's address family", fault.Printable(a.String()))
}

// checkFamilyWords refuses words of the other family. Kernels accept and ignore them: the route
// would then match more packets than it should, or never expire.
func (w *Route) checkFamilyWords(r *routes.Route) error {
	switch ipv4 := w.Family == unix.AF_INET; {
	case ipv4 && w.From.IsValid():
		return invalid("an IPv4 route cannot have a source prefix (from)")
	case ipv4 && r.Expires != 0:
		return invalid("an IPv4 route cannot expire")
	case !ipv4 && r.TOS != 0:
		return invalid("an IPv6 route cannot have a tos")
	}
	return nil
}

func checkPaths(r *routes.Route) error {
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

// maxRoute bounds a route's message, in bytes. So every attribute's length fits into its 16 bits.
const maxRoute = 60_000

func checkSize(r *routes.Route) error {
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

// Deviceless reports whether the route has no device of its own: its type is blackhole,
// unreachable, prohibit or throw, or it has a nexthop object.
func (w *Route) Deviceless() bool {
	switch w.Type {
	case unix.RTN_BLACKHOLE, unix.RTN_UNREACHABLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return true
	}
	return w.NexthopID != 0
}

// Held returns the route in nmgre's words, as seen from the device with the given index: nexthops
// into that device have no Dev. The names are those of devices by index. Held returns false when
// one of the route's devices has no name any more.
func (w *Route) Held(device int, names map[int]string) (kernel.HeldRoute, bool) {
	r := routes.Route{
		Type: routes.Type(w.Type - unix.RTN_UNICAST), Dst: w.Dst, From: w.From, TOS: w.TOS, Src: w.PrefSrc,
		Expires: w.expires, NexthopID: w.NexthopID,
	}
	r.MTU, r.MTULock, r.Metrics = w.metrics.split()
	if r.TableOrMain() != w.Table {
		r.Table = w.Table
	}
	if w.Priority != w.defaultMetric() {
		metric := w.Priority
		r.Metric = &metric
	}
	if w.Pref > routes.PrefMedium { // which every IPv6 route has
		r.Pref = w.Pref
	}
	if w.ttlPropagate != 0 {
		propagate := w.ttlPropagate == 2
		r.TTLPropagate = &propagate
	}
	named := w.Deviceless() || w.addPaths(&r, device, names)
	if scope := routes.Scope(w.Scope); scope != r.ScopeOrDefault() {
		r.Scope = &scope
	}
	return kernel.HeldRoute{Route: r, Protocol: int(w.Protocol)}, named
}

// addPaths adds the gateway or the nexthops to r. It returns false when a device has no name any
// more.
func (w *Route) addPaths(r *routes.Route, device int, names map[int]string) bool {
	r.Via, r.OnLink, r.Realms, r.Encap = w.Via, w.Flags&unix.RTNH_F_ONLINK != 0, routes.Realms(w.flow), w.Encap
	for _, hop := range w.Hops {
		if names[hop.Device] == "" {
			return false
		}
		next := routes.Nexthop{Via: hop.Via, OnLink: hop.Flags&unix.RTNH_F_ONLINK != 0, Realms: routes.Realms(hop.flow), Encap: hop.Encap}
		if hop.Device != device {
			next.Dev = names[hop.Device]
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

// defaultMetric6 (IP6_RT_PRIO_USER) is the metric of an IPv6 route that was added without one.
// IPv4's is 0.
const defaultMetric6 = 1024

// defaultMetric returns the metric that the kernel gives a route without one.
func (w *Route) defaultMetric() uint32 {
	if w.Family == unix.AF_INET6 {
		return defaultMetric6
	}
	return 0
}

// Normalise puts a route into the one form in which [Route.Same] compares: without flags about the
// state of devices, with the same value for a default and for its absence, and without the values
// that the kernel ignores.
func (w *Route) Normalise() {
	w.Flags &= unix.RTNH_F_ONLINK
	if w.Priority == 0 {
		w.Priority = w.defaultMetric()
	}
	if w.Family == unix.AF_INET6 {
		w.Scope, w.flow = unix.RT_SCOPE_UNIVERSE, 0
	} else {
		w.Pref = 0
	}
	if w.Pref == routes.PrefMedium {
		w.Pref = 0
	}
	w.expires = min(w.expires, 1) // the time that is left differs at every look
	w.ttlPropagate = 0            // only MPLS routes use it
	if len(w.Hops) == 1 {
		w.Flatten()
	}
	for i := range w.Hops {
		w.flow = 0 // each hop has its own
		w.Hops[i].Flags &= unix.RTNH_F_ONLINK
		if w.Family == unix.AF_INET6 {
			w.Hops[i].flow = 0
		}
	}
	if w.Deviceless() {
		w.Device, w.Via, w.Hops, w.Flags, w.Encap, w.flow = 0, netip.Addr{}, nil, 0, nil, 0
	}
	if w.NexthopID != 0 {
		w.Type = unix.RTN_UNICAST // a nexthop object can be a blackhole
	}
}

// Flatten turns a route with one hop into one without hops that has the hop's path itself.
func (w *Route) Flatten() {
	only := w.Hops[0]
	w.Device, w.Via, w.Encap, w.Hops = only.Device, only.Via, only.Encap, nil
	w.Flags = uint32(only.Flags)
	if only.flow != 0 {
		w.flow = only.flow
	}
}

// Same reports whether two normalised routes are the same to the kernel.
func (w *Route) Same(o *Route) bool {
	return w.Family == o.Family && w.TOS == o.TOS && w.Protocol == o.Protocol && w.Scope == o.Scope && w.Type == o.Type &&
		w.Flags == o.Flags && w.Dst == o.Dst && w.From == o.From && w.Table == o.Table && w.Priority == o.Priority &&
		w.Device == o.Device && w.Via == o.Via && w.PrefSrc == o.PrefSrc && w.NexthopID == o.NexthopID &&
		w.flow == o.flow && w.expires == o.expires && w.Pref == o.Pref && w.Foreign == o.Foreign &&
		w.metrics.same(o.metrics) && sameEncap(w.Encap, o.Encap) && sameHops(w.Hops, o.Hops)
}
