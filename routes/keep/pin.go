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

// addPins adds, in front of the other routes, a host route to each far end that a route of its own
// tunnel covers. It leads the way that packets take at present without nmgre and without tunnels.
func (l *LocalKeeper) addPins(ctx context.Context, s *state, w *wanted) {
	var pins []kernel.OwnRoute
	var from []keptRoute
	pinned := make(map[netip.Addr]bool)
	for i := range s.kept {
		k := &s.kept[i]
		if !k.Pin || !k.Remote.IsValid() {
			continue
		}
		w.hookOthers = true
		if !s.isUp(*k) || pinned[k.Remote] {
			continue
		}
		pinned[k.Remote] = true
		switch pin, err := PinFor(ctx, l.Kernel, s.links, k.Remote); {
		case err != nil:
			w.routesStay = true
			w.problems.add(&fault.Error{What: fault.Printable(k.Name) + ": find the way to the far end " + k.Remote.String(), Err: err})
		case pin == nil:
			w.trouble = append(w.trouble, fmt.Sprintf("%s: nothing but a tunnel leads to the far end %s", fault.Printable(k.Name), k.Remote))
		default:
			pins, from = append(pins, *pin), append(from, keptRoute{k, -1})
		}
	}
	w.routes, w.from = slices.Concat(pins, w.routes), slices.Concat(from, w.from)
}

// PinFor returns the host route that keeps packets to the far end out of tunnels. It is nil if only
// tunnels lead there.
func PinFor(ctx context.Context, host kernel.Kernel, links []kernel.Link, remote netip.Addr) (*kernel.OwnRoute, error) {
	candidates, err := host.RoutesTo(ctx, remote)
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

// better reports whether the kernel prefers a to b.
func better(a, b routes.Route) bool {
	if a.Dst.Bits() != b.Dst.Bits() {
		return a.Dst.Bits() > b.Dst.Bits()
	}
	return a.KernelMetric() < b.KernelMetric()
}
