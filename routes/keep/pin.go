package keep

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// pins adds, in front, a host route to each far end that a route of its own tunnel covers: by the
// way that leads there without nmgre and without tunnels, as it is now.
func (l *LocalKeeper) pins(ctx context.Context, s *scene, w *target) error {
	var routes []kernel.OwnRoute
	var origins []origin
	pinned := make(map[netip.Addr]bool)
	for i := range s.kept {
		k := &s.kept[i]
		if !k.Pin || !k.Remote.IsValid() {
			continue
		}
		w.watch = true
		if !s.isUp(*k) || pinned[k.Remote] {
			continue
		}
		pinned[k.Remote] = true
		r, err := PinFor(ctx, l.Kernel, s.links, k.Remote)
		if err != nil {
			return err
		}
		if r == nil {
			w.trouble = append(w.trouble, fmt.Sprintf("%s: nothing but a tunnel leads to the far end %s", fault.Printable(k.Name), k.Remote))
			continue
		}
		routes, origins = append(routes, *r), append(origins, origin{k, -1})
	}
	w.routes, w.origins = slices.Concat(routes, w.routes), slices.Concat(origins, w.origins)
	return nil
}

// PinFor returns the host route that keeps packets to the far end out of tunnels; nil if nothing
// else leads there.
func PinFor(ctx context.Context, kern kernel.Kernel, links []kernel.Link, remote netip.Addr) (*kernel.OwnRoute, error) {
	candidates, err := kern.RoutesTo(ctx, remote)
	if err != nil {
		return nil, err
	}
	var best *kernel.OwnRoute
	var bestRoute routes.Route
	for _, c := range candidates {
		link := kernel.Named(links, c.Dev)
		if c.Protocol == kernel.RouteProtocol || link == nil || link.GRE != nil || !link.Up {
			continue
		}
		if best != nil && !better(c.Route, bestRoute) {
			continue
		}
		via := c.Via
		if len(c.Nexthops) > 0 {
			via = c.Nexthops[0].Via
		}
		bestRoute = c.Route
		best = &kernel.OwnRoute{Dev: c.Dev, Route: &routes.Route{Dst: routes.HostPrefix(remote), Via: via, OnLink: c.OnLink && via.IsValid()}}
	}
	return best, nil
}

// better says whether the kernel would take a rather than b.
func better(a, b routes.Route) bool {
	if a.Dst.Bits() != b.Dst.Bits() {
		return a.Dst.Bits() > b.Dst.Bits()
	}
	return a.KernelMetric() < b.KernelMetric()
}
