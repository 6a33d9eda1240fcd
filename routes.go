package nmgre

import (
	"context"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// The states of a route.
const (
	RouteSet     = "set"
	RouteMissing = "missing"
	RouteDown    = "down"
)

// RouteState is a route of a tunnel with its present state.
type RouteState struct {
	nm.Owned
	State string // RouteSet, RouteMissing, or RouteDown if the tunnel is down
}

// Routes lists the routes of a tunnel, each with its owner and its state: the profile's routes,
// then the kept ones.
func (h *Host) Routes(ctx context.Context, name string) (nm.Profile, []RouteState, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return p, nil, err
	}
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return p, nil, err
	}
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		return p, nil, err
	}
	missing, err := keep.Missing(ctx, h.Kernel, p.Running(), k)
	if err != nil {
		return p, nil, err
	}
	held, err := h.heldBy(ctx, p)
	if err != nil {
		return p, nil, err
	}
	list := make([]RouteState, 0, len(p.Tunnel.Routes)+len(k.Routes))
	state := func(inKernel bool) string {
		switch {
		case p.Device == "":
			return RouteDown
		case inKernel:
			return RouteSet
		}
		return RouteMissing
	}
	for i := range p.Tunnel.Routes {
		r := &p.Tunnel.Routes[i]
		_, why := nm.RouteOwner(*r, m.Version)
		list = append(list, RouteState{nm.Owned{Route: r, Owner: nm.OwnerProfile, Why: why}, state(held[r.Slot()] || !r.Type.HasDevice())})
	}
	for i := range k.Routes { // none is copied: there may be very many
		r := &k.Routes[i]
		list = append(list, RouteState{nm.Owned{Route: r, Owner: nm.OwnerKernel, Why: nm.WhyKernel(*r, m.Version)}, state(!missing[i])})
	}
	return p, list, nil
}

// heldBy returns the slots of the kernel's routes into the tunnel's device to destinations of the
// profile's routes: each slot with its metric, and once more with the metric -1.
func (h *Host) heldBy(ctx context.Context, p nm.Profile) (map[routes.Slot]bool, error) {
	held := make(map[routes.Slot]bool)
	if p.Device == "" || len(p.Tunnel.Routes) == 0 {
		return held, nil
	}
	inKernel, err := h.Kernel.Routes(ctx, p.Device, kernel.OneOf(p.Tunnel.Routes))
	if err != nil {
		return nil, err
	}
	for _, r := range inKernel {
		s := r.Slot()
		s.Metric = int64(r.KernelMetric())
		held[s] = true
		s.Metric = -1
		held[s] = true
	}
	return held, nil
}
