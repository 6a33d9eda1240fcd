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

// RouteState is a route of a tunnel as it stands.
type RouteState struct {
	nm.Owned
	State string // "set", "missing", or "down" when the tunnel is
}

// Routes lists the routes of a tunnel, with who holds each and why, and whether the kernel has it.
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
	state := func(is bool) string {
		switch {
		case p.Device == "":
			return RouteDown
		case is:
			return RouteSet
		}
		return RouteMissing
	}
	for i := range p.Tunnel.Routes {
		r := &p.Tunnel.Routes[i]
		_, why := nm.RouteOwner(*r, m.Version)
		list = append(list, RouteState{nm.Owned{Route: r, Owner: nm.OwnerProfile, Why: why}, state(held[profileSlot(*r)] || !r.Type.HasDevice())})
	}
	for i := range k.Routes { // not one is copied: there may be very many
		r := &k.Routes[i]
		list = append(list, RouteState{nm.Owned{Route: r, Owner: nm.OwnerKernel, Why: nm.KeptWhy(*r, m.Version)}, state(!missing[i])})
	}
	return p, list, nil
}

// profileSlot is a route's slot without the metric where NetworkManager chooses it.
func profileSlot(r routes.Route) routes.Slot {
	s := r.Slot()
	s.TOS = r.TOS
	return s
}

// heldBy returns the slots of those routes into the tunnel's device that go where one of the
// profile's does, each with its metric and without.
func (h *Host) heldBy(ctx context.Context, p nm.Profile) (map[routes.Slot]bool, error) {
	held := make(map[routes.Slot]bool)
	if p.Device == "" || len(p.Tunnel.Routes) == 0 {
		return held, nil
	}
	set, err := h.Kernel.Routes(ctx, p.Device, kernel.OneOf(p.Tunnel.Routes))
	if err != nil {
		return nil, err
	}
	for _, r := range set {
		s := r.Slot()
		s.Metric = int64(r.KernelMetric())
		held[s] = true
		s.Metric = -1
		held[s] = true
	}
	return held, nil
}
