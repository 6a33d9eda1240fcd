package nm

import (
	"fmt"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// Owner says who holds a route: NetworkManager in the profile, or nmgre itself in the kernel.
type Owner string

// The two owners.
const (
	OwnerProfile Owner = "profile"
	OwnerKernel  Owner = "kernel"
)

// WhyKernel says why nmgre holds r itself, for a route that NetworkManager does not hold: a profile
// of version v cannot, or the list that r came in was too long.
func WhyKernel(r routes.Route, v Version) string {
	if owner, why := RouteOwner(r, v); owner == OwnerKernel {
		return why
	}
	return longListWhy
}

// MaxProfileRoutes is the highest number of routes that nmgre puts into one profile. At every
// activation NetworkManager takes 260 µs and more for each of its routes, a netlink batch a few µs.
// So nmgre itself holds the routes of longer lists.
const MaxProfileRoutes = 500

// longListWhy is the reason why nmgre holds routes that NetworkManager could hold.
var longListWhy = fmt.Sprintf("NetworkManager is slow with more than %d routes in a profile", MaxProfileRoutes)

// Owned is a route with its owner.
type Owned struct {
	Route *routes.Route // points into a list; read only
	Owner Owner
	Why   string // a few words: why nmgre holds the route, or when NetworkManager sets it
}

// RouteOwner returns who holds a route, with a few words for the user. NetworkManager holds each
// route that its version v can express in a profile, but for those with a weight; nmgre holds the
// others itself. The result depends on r and v only.
//
// A profile can express the attributes of NetworkManager's ip_route_attribute_spec, which has not
// changed from 1.42 on. NetworkManager would set a route without its other attributes.
func RouteOwner(r routes.Route, v Version) (Owner, string) {
	if isPlain(&r) && !v.Before(plainVersion) {
		return OwnerProfile, profileWhy
	}
	return ownerOf(r, v)
}

const profileWhy = "set whenever the tunnel comes up"

// weightWhy is the reason why no profile gets a route with a weight. It was seen with 1.42.4 and
// with 1.52.1.
const weightWhy = "NetworkManager joins routes with a weight over several tunnels, and loses all of them when one tunnel goes down"

// ownerOf is RouteOwner for routes that are not plain. It is a function of its own since unfit
// moves its route to the heap.
func ownerOf(r routes.Route, v Version) (Owner, string) {
	switch why := unfit(r, v); {
	case why != "":
		return OwnerKernel, why
	case IsWeighted(&r):
		return OwnerKernel, weightWhy
	}
	return OwnerProfile, profileWhy
}

// Holds says whether a profile of version v can hold the route. Of those that one can, nmgre gives
// it no route with a weight: see [RouteOwner].
func Holds(r routes.Route, v Version) bool {
	return isPlain(&r) && !v.Before(plainVersion) || unfit(r, v) == ""
}

// unfit says why a profile of version v cannot hold the route. It is empty if one can.
func unfit(r routes.Route, v Version) string {
	if part := kernelOnly(&r); part != "" {
		return "a NetworkManager profile cannot hold " + part
	}
	for _, a := range profileAttributes {
		if v.Before(a.since) && a.has(&r) {
			return fmt.Sprintf("NetworkManager %d.%d cannot hold %s; %d.%d can", v.Major, v.Minor, a.name, a.since.Major, a.since.Minor)
		}
	}
	return ""
}

// IsWeighted says whether r has a single nexthop with a weight, as a profile's route may. Of those
// of several tunnels NetworkManager makes one multipath route.
func IsWeighted(r *routes.Route) bool { return len(r.Nexthops) == 1 && r.Nexthops[0].Weight > 0 }

// WhyProfile says when NetworkManager sets r, which the profile of the tunnel with that name holds.
// Of a route that does not belong there it says why, with the command that moves it.
func WhyProfile(r routes.Route, name string) string {
	if IsWeighted(&r) {
		return weightWhy + "; to move it: " + KeepCommand(name)
	}
	return profileWhy
}

// KeepCommand is the command that moves the routes with a weight out of the tunnel's profile.
func KeepCommand(name string) string { return "nmgre route keep " + fault.Operand(name) }

// plainVersion is the first NetworkManager that can hold every route for which isPlain is true.
var plainVersion = Version{1, 18, 0}

// isPlain says whether the route has only the attributes that nearly all routes have. It makes the
// decision for long lists fast.
func isPlain(r *routes.Route) bool {
	return r.Type == routes.TypeUnicast && !r.From.IsValid() && r.TOS == 0 && r.Scope == nil && r.Metrics == nil && r.Realms == 0 && r.Expires == 0 && r.Pref == 0 &&
		r.TTLPropagate == nil && r.Encap == nil && r.NexthopID == 0 && len(r.Nexthops) == 0 && (!r.Via.IsValid() || r.Via.Is4() == r.Dst.Addr().Is4())
}

// ProfileMetric is a metric that a profile can hold.
type ProfileMetric struct {
	Metric routes.Metric
	Name   string // in the profile's route-data
	Lock   bool   // route-data has lock-NAME too
}

// ProfileMetrics are all metrics that a profile can hold, except the MTU.
var ProfileMetrics = [...]ProfileMetric{
	{routes.MetricAdvMSS, "advmss", true}, {routes.MetricWindow, "window", true}, {routes.MetricCwnd, "cwnd", true}, {routes.MetricInitCwnd, "initcwnd", true},
	{routes.MetricInitRwnd, "initrwnd", true}, {routes.MetricRTOMin, "rto_min", false}, {routes.MetricQuickACK, "quickack", false},
}

// profileAttribute is an attribute that a profile can hold from the version since on.
type profileAttribute struct {
	name  string
	since Version
	has   func(*routes.Route) bool
}

// profileAttributes are the attributes that are newer than the first ones, which came with 1.8.
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
	{"a weight", Version{1, 42, 0}, IsWeighted},
}

// routeHop returns the only next hop of a route that has one.
func routeHop(r *routes.Route) routes.Nexthop {
	if len(r.Nexthops) == 1 {
		return r.Nexthops[0]
	}
	return routes.Nexthop{Via: r.Via, OnLink: r.OnLink, Encap: r.Encap, Realms: r.Realms}
}

// kernelOnly names the first part of the route that no NetworkManager profile can hold. It returns
// the empty string if a profile can hold all of it.
func kernelOnly(r *routes.Route) string {
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
	return kernelOnlyAttribute(r)
}

func kernelOnlyAttribute(r *routes.Route) string {
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
		return "the scope nowhere" // NetworkManager's value for a route without a scope
	case r.TOS != 0 && ipv6:
		return "the tos of an IPv6 route"
	case r.From.IsValid() && !ipv6:
		return "from in an IPv4 route"
	}
	return kernelOnlyMetric(r.Metrics)
}

// kernelOnlyMetric names the first metric, or lock of one, that no profile can hold. m may be nil.
func kernelOnlyMetric(m *routes.Metrics) string {
	if m == nil {
		return ""
	}
	set, lock := m.Set, m.Lock&^(1<<routes.MetricRTOMin) // NetworkManager always locks rto_min
	for _, p := range ProfileMetrics {
		set &^= 1 << p.Metric
		if p.Lock {
			lock &^= 1 << p.Metric
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

// AssignRoutes decides who holds routes that are added to a profile with held routes. nmgre holds
// the whole list if the profile would have more than [MaxProfileRoutes].
func AssignRoutes(added []routes.Route, held int, v Version) []Owned {
	list := make([]Owned, len(added))
	full := ProfileOverflows(added, held, v)
	for i := range added {
		owner, why := RouteOwner(added[i], v)
		if owner == OwnerProfile && full {
			owner, why = OwnerKernel, longListWhy
		}
		list[i] = Owned{&added[i], owner, why}
	}
	return list
}

// ProfileOverflows says whether a profile with held routes would have more than [MaxProfileRoutes]
// with those of added that it can hold.
func ProfileOverflows(added []routes.Route, held int, v Version) bool {
	for i := range added {
		if owner, _ := RouteOwner(added[i], v); owner == OwnerProfile {
			held++
		}
	}
	return held > MaxProfileRoutes
}

// OwnedBy returns the routes of the list that owner holds, in their order.
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
	held := make([]routes.Route, 0, n) // a long list that grew would be copied again and again
	for i := range list {
		if list[i].Owner == owner {
			held = append(held, *list[i].Route)
		}
	}
	return held
}

// RoutesOf returns the tunnel's routes that owner holds with NetworkManager's version v, in their
// order.
func (t Tunnel) RoutesOf(owner Owner, v Version) []routes.Route {
	return OwnedBy(AssignRoutes(t.Routes, 0, v), owner)
}
