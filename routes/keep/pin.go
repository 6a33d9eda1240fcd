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

// addPins adds, in front of the other routes, a host route to each far end that a tunnel's route
// would lead into that tunnel. It leads the way that packets take at present without nmgre and
// without tunnels. Such a route is as wide as a default route, so it covers the far ends of other
// tunnels as well, whoever made them.
func (l *LocalKeeper) addPins(ctx context.Context, s *state, w *wanted) {
	p := pinning{keeper: l, state: s, wanted: w, done: make(map[netip.Addr]bool)}
	var wide []*Kept
	for i := range s.kept {
		k := &s.kept[i]
		if !k.Pin || !k.Remote.IsValid() {
			continue
		}
		w.hookOthers = true
		if s.isUp(*k) {
			p.pin(ctx, k, k.Remote)
			wide = append(wide, k)
		}
	}
	if len(wide) > 0 {
		p.pinOthers(ctx, wide)
	}
	if len(p.pins) > 0 {
		w.routes = slices.Concat(p.pins, w.routes)
		w.from.precede(p.from)
	}
}

// pinning collects the pins.
type pinning struct {
	keeper *LocalKeeper
	state  *state
	wanted *wanted
	done   map[netip.Addr]bool // by far end
	pins   []kernel.OwnRoute
	from   []keptRoute
}

// pin pins a far end, for a route of the tunnel k.
func (p *pinning) pin(ctx context.Context, k *Kept, remote netip.Addr) {
	if p.done[remote] {
		return
	}
	p.done[remote] = true
	switch pin, err := PinFor(ctx, p.keeper.Kernel, p.state.links, remote); {
	case err != nil:
		p.fail(k, remote, err)
	case pin == nil:
		p.wanted.trouble = append(p.wanted.trouble, fmt.Sprintf("%s: nothing but a tunnel leads to the far end %s", fault.Printable(k.Name), remote))
	default:
		p.pins, p.from = append(p.pins, *pin), append(p.from, keptRoute{k, -1})
	}
}

// fail leaves all routes as they are: without its pin a route could lead a tunnel into itself.
func (p *pinning) fail(k *Kept, remote netip.Addr, err error) {
	p.wanted.routesStay = true
	p.wanted.problems.add(&fault.Error{What: fault.Printable(k.Name) + ": find the way to the far end " + remote.String(), Err: err})
}

// pinOthers pins the far ends of other tunnels that are up, as far as a route of the wide tunnels
// leads there.
func (p *pinning) pinOthers(ctx context.Context, wide []*Kept) {
	for i := range p.state.links {
		remote, has := p.state.links[i].FarEnd()
		if !has || p.done[remote] {
			continue
		}
		k, err := p.leading(ctx, wide, remote)
		if err != nil {
			p.fail(wide[0], remote, err)
			return
		}
		if k != nil {
			p.pin(ctx, k, remote)
		}
	}
}

// IsWide reports whether a route to dst, into a tunnel with this far end, is meant for everything,
// and so not for the packets that carry other tunnels: it covers the far end as well, or it is a
// default route, or a half of one, of whichever family.
func IsWide(dst netip.Prefix, remote netip.Addr) bool { return dst.Bits() <= 1 || dst.Contains(remote) }

// leading returns the tunnel whose route packets to a far end would follow, if the route is wide.
// It returns nil if they go another way: a narrow route into a tunnel that covers the other far end
// alone is meant so.
func (p *pinning) leading(ctx context.Context, wide []*Kept, remote netip.Addr) (*Kept, error) {
	candidates, err := p.keeper.Kernel.RoutesTo(ctx, remote)
	if err != nil {
		return nil, err
	}
	var best *kernel.DeviceRoute
	for i := range candidates {
		c := &candidates[i]
		ownPin := c.Protocol == kernel.RouteProtocol && c.Dst.IsSingleIP()
		if !ownPin && (best == nil || better(c.Route, best.Route)) {
			best = c
		}
	}
	for _, own := range p.wanted.routes { // those that are set together with the pins
		if r := own.Route; r.TableOrMain() == routes.MainTable && r.Dst.Contains(remote) && (best == nil || better(*r, best.Route)) {
			best = &kernel.DeviceRoute{Dev: own.Dev, HeldRoute: kernel.HeldRoute{Route: *r}}
		}
	}
	for _, k := range wide {
		if best != nil && best.Dev == k.Name && IsWide(best.Dst, k.Remote) {
			return k, nil
		}
	}
	return nil, nil
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
