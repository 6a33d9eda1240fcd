package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// swallows refuses inner networks and routes that would lead the outer packets of a tunnel into a
// tunnel: this one's, or another's.
func (p *preflight) swallows(ctx context.Context, addresses []netip.Prefix, list []routes.Route) error {
	ends := []netip.Addr{p.t.Remote}
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.Remote.IsUnspecified() {
			ends = append(ends, link.GRE.Remote)
		}
	}
	var errs []error
	check := func(field string, r *routes.Route) {
		for _, end := range ends {
			if err := p.swallow(ctx, field, r, end); err != nil {
				errs = append(errs, err)
				return
			}
		}
	}
	for _, own := range addresses {
		check("address", &routes.Route{Dst: own.Masked()})
	}
	for i := range list {
		check("route", &list[i])
	}
	return errors.Join(errs...)
}

// swallow returns an error if r would take over the way to end, unless the route that leads there
// now is more specific. A route that takes over the way to the tunnel's own far end is accepted all
// the same, if a host route can keep the far end out of it.
func (p *preflight) swallow(ctx context.Context, field string, r *routes.Route, end netip.Addr) error {
	if r.TableOrMain() != routes.MainTable || !r.Dst.Contains(end) || !r.Type.HasDevice() {
		return nil
	}
	hop, err := p.sys.Kernel.Lookup(ctx, kernel.Query{To: end})
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return err
	}
	if err == nil && hop.Match.IsValid() && hop.Match.Bits() > r.Dst.Bits() {
		own, err := p.isOwnPin(ctx, hop, end)
		if !own || err != nil {
			return err
		}
	}
	if field == "route" && end == p.t.Remote && !r.Dst.IsSingleIP() {
		pin, err := keep.PinFor(ctx, p.sys.Kernel, p.links, end)
		if err != nil {
			return err
		}
		if pin != nil {
			p.pinned(*r, *pin)
			return nil
		}
	}
	way := "give the far end a route of its own first"
	if err == nil && hop.Via.IsValid() {
		way = fmt.Sprintf("give the far end a route of its own first: ip route add %s via %s dev %s", end, hop.Via, fault.Printable(hop.Dev))
	}
	return fault.Invalid(field, way, "%s covers the far end's outer address %s: the tunnel's own packets would go into the tunnel", r.Dst, end)
}

// isOwnPin says whether the way to end is a host route of nmgre's own, which is there because of
// such a route.
func (p *preflight) isOwnPin(ctx context.Context, hop kernel.Hop, end netip.Addr) (bool, error) {
	if !hop.Match.IsSingleIP() {
		return false, nil
	}
	there, err := p.sys.Kernel.RoutesTo(ctx, end)
	return slices.ContainsFunc(there, func(r kernel.DeviceRoute) bool { return r.Dst == hop.Match && r.Protocol == kernel.RouteProtocol }), err
}

// pinned notes that the far end gets a host route.
func (p *preflight) pinned(r routes.Route, pin kernel.OwnRoute) {
	if !p.pin {
		p.note("%s covers the far end's outer address: a host route keeps it reachable, now: %s dev %s", r.Dst, pin.Route, fault.Printable(pin.Dev))
	}
	p.pin = true
}
