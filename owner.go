package nmgre

import "fmt"

// RouteOwner decides who holds a route, and says why in a few words: NetworkManager wherever it can express the route, in every
// version since [MinVersion], and nmgre's kernel half for the rest.
//
// The table follows NetworkManager's ip_route_attribute_spec, which has not changed from 1.42 on: it has no attribute for a list
// of nexthops, and its weight merges routes of several profiles only.
func RouteOwner(r Route) (Owner, string) {
	if n := len(r.Nexthops); n > 0 {
		return OwnerKernel, fmt.Sprintf("a NetworkManager profile cannot hold a route with %d nexthops", n)
	}
	return OwnerProfile, "NetworkManager can hold it"
}

// RoutesOf returns those of the tunnel's routes that belong to owner, in their order.
func (t Tunnel) RoutesOf(owner Owner) []Route {
	var routes []Route
	for _, r := range t.Routes {
		if o, _ := RouteOwner(r); o == owner {
			routes = append(routes, r)
		}
	}
	return routes
}
