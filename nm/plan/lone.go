package plan

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes"
)

// flatten makes those of the list plain routes that have a single nexthop. It notes the weights
// that are left out.
func (p *preflight) flatten(list []routes.Route) {
	for i := range list {
		if !list[i].IsLone(p.t.Name) {
			continue
		}
		only := list[i].Nexthops[0]
		if list[i] = list[i].By(only); only.Weight > 0 {
			p.note("%s: the weight of a single nexthop means nothing; for a route over several tunnels name all nexthops in it", list[i].Dst)
		}
	}
}

// flattened returns the change with plain routes instead of those with a single nexthop by the
// tunnel with that name, and notes about their weights.
func (c RouteChange) flattened(name string) (RouteChange, []string) {
	lone := func(r routes.Route) bool { return r.IsLone(name) }
	if c.Op == RouteDelete || !slices.ContainsFunc(c.Routes, lone) {
		return c, nil
	}
	p := &preflight{t: nm.Tunnel{Name: name}}
	c.Routes = slices.Clone(c.Routes)
	p.flatten(c.Routes)
	return c, p.notes
}
