package nm

import (
	"cmp"
	"fmt"
	"slices"

	"nmgre/routes"
)

// Owner says who holds a route: NetworkManager, in the profile, or nmgre itself, in the kernel.
type Owner string

// The two owners.
const (
	OwnerProfile Owner = "profile"
	OwnerKernel  Owner = "kernel"
)

// KeptWhy says why nmgre keeps a route itself.
func KeptWhy(r routes.Route, v Version) string {
	if owner, why := RouteOwner(r, v); owner == OwnerKernel {
		return why
	}
	return longListWhy
}

// MaxProfileRoutes is how many routes nmgre puts into one profile. NetworkManager takes 260 µs and
// more for each of its routes at every activation, a netlink batch a few µs; what comes in longer
// lists is held by nmgre.
const MaxProfileRoutes = 500

// longListWhy is the reason why the kernel half has routes that NetworkManager could hold.
var longListWhy = fmt.Sprintf("NetworkManager is slow with more than %d routes in a profile", MaxProfileRoutes)

// Owned is a route with its owner, and why.
type Owned struct {
	Route *routes.Route // of a list, not to be changed
	Owner Owner
	Why   string
}

// RouteOwner decides who holds a route, and says why in a few words: NetworkManager wherever its
// version v can express the route, and nmgre's kernel half for the rest. It is a pure function of
// the two.
//
// The table follows NetworkManager's ip_route_attribute_spec, which has not changed from 1.42 on. A
// profile says nothing about what has no attribute there, and NetworkManager would set the route
// without it.
func RouteOwner(r routes.Route, v Version) (Owner, string) {
	if routeIsPlain(&r) && !v.Before(plainVersion) {
		return OwnerProfile, profileWhy
	}
	return ownerOf(r, v)
}

const profileWhy = "NetworkManager can hold it"

// ownerOf is RouteOwner for routes that are not plain. It is a function of its own since its route
// goes to the heap.
func ownerOf(r routes.Route, v Version) (Owner, string) {
	if what := routeKernelOnly(&r); what != "" {
		return OwnerKernel, "a NetworkManager profile cannot hold " + what
	}
	for _, a := range profileAttributes {
		if v.Before(a.since) && a.has(&r) {
			return OwnerKernel, fmt.Sprintf("NetworkManager %d.%d cannot hold %s; %d.%d can", v.Major, v.Minor, a.name, a.since.Major, a.since.Minor)
		}
	}
	return OwnerProfile, profileWhy
}

// plainVersion is the first NetworkManager that can hold all that isPlain lets pass.
var plainVersion = Version{1, 18, 0}

// routeIsPlain says whether the route has nothing but what nearly all routes have. It is the short
// way for long lists.
func routeIsPlain(r *routes.Route) bool {
	return r.Type == routes.TypeUnicast && !r.From.IsValid() && r.TOS == 0 && r.Scope == nil && r.Metrics == nil && r.Realms == 0 && r.Expires == 0 && r.Pref == 0 &&
		r.TTLPropagate == nil && r.Encap == nil && r.NexthopID == 0 && len(r.Nexthops) == 0 && (!r.Via.IsValid() || r.Via.Is4() == r.Dst.Addr().Is4())
}

// profileMetric is a metric that a profile can hold.
type profileMetric struct {
	metric routes.Metric
	name   string // in route-data
	lock   bool   // lock-NAME is there too
}

// profileMetrics are all of them but the MTU.
var profileMetrics = [...]profileMetric{
	{routes.MetricAdvMSS, "advmss", true}, {routes.MetricWindow, "window", true}, {routes.MetricCwnd, "cwnd", true}, {routes.MetricInitCwnd, "initcwnd", true},
	{routes.MetricInitRwnd, "initrwnd", true}, {routes.MetricRTOMin, "rto_min", false}, {routes.MetricQuickACK, "quickack", false},
}

// profileAttribute is an attribute that a profile can hold since some version.
type profileAttribute struct {
	name  string
	since Version
	has   func(*routes.Route) bool
}

// profileAttributes are those of NetworkManager's attributes that came after the first routes with
// attributes (1.8).
var profileAttributes = [...]profileAttribute{
	{"a table", Version{1, 10, 0}, func(r *routes.Route) bool { return r.Table != 0 }},
	{"onlink", Version{1, 12, 0}, func(r *routes.Route) bool { return routeHop(r).OnLink }},
	{"onlink in an IPv6 route", Version{1, 18, 0}, func(r *routes.Route) bool { return routeHop(r).OnLink && r.Dst.Addr().Is6() }},
	{"a scope", Version{1, 22, 0}, func(r *routes.Route) bool { return r.Scope != nil }},
	{"the type local", Version{1, 26, 0}, func(r *routes.Route) bool { return r.Type == routes.TypeLocal }},
	{"the types blackhole, unreachable and prohibit", Version{1, 36, 0}, func(r *routes.Route) bool {
		return r.Type == routes.TypeBlackhole || r.Type == routes.TypeUnreachable || r.Type == routes.TypeProhibit
	}},
	{"the type throw", Version{1, 38, 0}, func(r *routes.Route) bool { return r.Type == routes.TypeThrow }},
	{"advmss, quickack or rto_min", Version{1, 40, 0}, func(r *routes.Route) bool {
		return r.Metrics != nil && r.Metrics.Set&(1<<routes.MetricAdvMSS|1<<routes.MetricQuickACK|1<<routes.MetricRTOMin) != 0
	}},
	{"a weight", Version{1, 42, 0}, func(r *routes.Route) bool { return len(r.Nexthops) > 0 }},
}

// routeHop is the way that a route of one way takes.
func routeHop(r *routes.Route) routes.Nexthop {
	if len(r.Nexthops) == 1 {
		return r.Nexthops[0]
	}
	return routes.Nexthop{Via: r.Via, OnLink: r.OnLink, Encap: r.Encap, Realms: r.Realms}
}

// routeKernelOnly names the first thing in the route that no NetworkManager's profile can hold; ""
// if there is none.
func routeKernelOnly(r *routes.Route) string {
	hop := routeHop(r)
	switch {
	case len(r.Nexthops) > 1:
		return fmt.Sprintf("a route with %d nexthops", len(r.Nexthops))
	case !r.Type.Known():
		return r.Type.String()
	case r.Type == routes.TypeBroadcast || r.Type == routes.TypeMulticast || r.Type == routes.TypeAnycast || r.Type == routes.TypeNAT:
		return "the type " + r.Type.String()
	case len(r.Nexthops) == 1 && r.Dst.Addr().Is6():
		return "the weight of an IPv6 route"
	case hop.Dev != "":
		return "a nexthop with a device of its own"
	case r.NexthopID != 0:
		return "nhid"
	case hop.Encap != nil:
		return "encap " + hop.Encap.Type.String()
	case hop.Via.IsValid() && hop.Via.Is4() != r.Dst.Addr().Is4():
		return "a gateway of another family (via inet6)"
	case hop.Realms != 0 || r.Realms != 0:
		return "realms"
	}
	return routeKernelOnlyAttribute(r)
}

func routeKernelOnlyAttribute(r *routes.Route) string {
	switch ipv6 := r.Dst.Addr().Is6(); {
	case r.Expires != 0:
		return "expires"
	case r.Pref != 0:
		return "pref"
	case r.TTLPropagate != nil:
		return "ttl-propagate"
	case r.Scope != nil && ipv6:
		return "the scope of an IPv6 route"
	case r.Scope != nil && *r.Scope == routes.ScopeNowhere:
		return "the scope nowhere" // which is how NetworkManager says that there is none
	case r.TOS != 0 && ipv6:
		return "the tos of an IPv6 route"
	case r.From.IsValid() && !ipv6:
		return "from in an IPv4 route"
	}
	return routeMetricsKernelOnly(r.Metrics)
}

// routeMetricsKernelOnly names the first metric, or lock, that no profile can hold. m may be nil.
func routeMetricsKernelOnly(m *routes.Metrics) string {
	if m == nil {
		return ""
	}
	set, lock := m.Set, m.Lock&^(1<<routes.MetricRTOMin) // which NetworkManager locks always
	for _, p := range profileMetrics {
		set &^= 1 << p.metric
		if p.lock {
			lock &^= 1 << p.metric
		}
	}
	if m.CongCtl != "" {
		return routes.MetricCongCtl.String()
	}
	for metric := routes.Metric(0); set|lock != 0; metric++ {
		switch bit := uint32(1) << metric; {
		case set&bit != 0:
			return metric.String()
		case lock&bit != 0:
			return "the lock of " + metric.String()
		}
	}
	return ""
}

// AssignRoutes decides for routes that are added to a profile which holds held routes already. A
// list that would make the profile hold more than [MaxProfileRoutes] is the kernel half's as a
// whole.
func AssignRoutes(set []routes.Route, held int, v Version) []Owned {
	list := make([]Owned, len(set))
	profile := 0
	for i := range set {
		owner, why := RouteOwner(set[i], v)
		list[i] = Owned{&set[i], owner, why}
		if owner == OwnerProfile {
			profile++
		}
	}
	if held+profile <= MaxProfileRoutes {
		return list
	}
	for i := range list {
		if list[i].Owner == OwnerProfile {
			list[i].Owner, list[i].Why = OwnerKernel, longListWhy
		}
	}
	return list
}

// OwnedBy returns those routes of the list that belong to owner, in their order.
func OwnedBy(list []Owned, owner Owner) []routes.Route {
	n := 0
	for i := range list {
		if list[i].Owner == owner {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	set := make([]routes.Route, 0, n) // a long list that grows would be copied again and again
	for i := range list {
		if list[i].Owner == owner {
			set = append(set, *list[i].Route)
		}
	}
	return set
}

// ECMPOffer says how NetworkManager itself could hold a multipath route over several tunnels: a
// route for each of the tunnels, with a weight, and with one metric for all. It is empty where
// NetworkManager's version v or its ECMP cannot express the route. dev is the tunnel that the route
// is asked for; each entry is a tunnel and the SPEC to add to it. That the devices are tunnels is
// for the caller to see to.
func ECMPOffer(r routes.Route, dev string, v Version) []ECMPMember {
	if len(r.Nexthops) < 2 || r.Dst.Addr().Is6() {
		return nil
	}
	members := make([]ECMPMember, len(r.Nexthops))
	for i, hop := range r.Nexthops {
		m := &members[i]
		m.Dev = cmp.Or(hop.Dev, dev)
		if slices.ContainsFunc(members[:i], func(o ECMPMember) bool { return o.Dev == m.Dev }) {
			return nil // one profile cannot have both
		}
		m.Route = r.Clone()
		// NetworkManager's default is another for each device, and ECMP needs equal ones
		if m.Route.Metric == nil {
			m.Route.Metric = new(uint32)
			*m.Route.Metric = ecmpMetric
		}
		hop.Dev, hop.Weight = "", max(hop.Weight, 1)
		m.Route.Nexthops = []routes.Nexthop{hop}
		if owner, _ := RouteOwner(m.Route, v); owner != OwnerProfile {
			return nil
		}
	}
	return members
}

// ecmpMetric is the metric of ECMP routes that have none. NetworkManager's own defaults for tunnels
// are higher.
const ecmpMetric = 50

// ECMPMember is the part of a multipath route that one tunnel's profile holds.
type ECMPMember struct {
	Dev   string
	Route routes.Route
}

// RoutesOf returns those of the tunnel's routes that belong to owner under NetworkManager's version
// v, in their order.
func (t Tunnel) RoutesOf(owner Owner, v Version) []routes.Route {
	return OwnedBy(AssignRoutes(t.Routes, 0, v), owner)
}
