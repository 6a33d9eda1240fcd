// Package states tells the present state of a tunnel: its link, and whether its routes and rules
// are set. It is pure. Begin at [List] and at [Routes].
package states

import (
	"context"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// The states of a route.
const (
	Set     = "set"
	Missing = "missing"
	Down    = "down"
)

// Route is a route of a tunnel with its present state.
type Route struct {
	nm.Owned
	State string // Set, Missing, or Down if the tunnel is down
}

// Routes lists the routes of a tunnel, each with its owner and its state: the profile's routes,
// then the kept ones.
func Routes(ctx context.Context, h nm.System, p nm.Profile) ([]Route, error) {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return nil, err
	}
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		return nil, err
	}
	missing, err := keep.Missing(ctx, h.Kernel, p.Running(), k)
	if err != nil {
		return nil, err
	}
	held, err := heldBy(ctx, h.Kernel, p)
	if err != nil {
		return nil, err
	}
	inProfile := func(r *routes.Route) bool { return held(*r) || !r.Type.HasDevice() }
	list := make([]Route, 0, len(p.Tunnel.Routes)+len(k.Routes))
	state := func(inKernel bool) string {
		switch {
		case p.Device == "":
			return Down
		case inKernel:
			return Set
		}
		return Missing
	}
	own := len(p.Tunnel.Routes)
	for i, o := range Owners(p.Tunnel.Name, p.Tunnel.Routes, k.Routes, m.Version) {
		list = append(list, Route{o, state(i < own && inProfile(o.Route) || i >= own && !missing[i-own])})
	}
	return list, nil
}

// Owners returns the routes of the tunnel with that name, each with its owner: those of the
// profile, then those that root keeps. v is the version of NetworkManager. No route is copied:
// there may be very many.
func Owners(name string, inProfile, kept []routes.Route, v nm.Version) []nm.Owned {
	all := make([]nm.Owned, 0, len(inProfile)+len(kept))
	for i := range inProfile {
		all = append(all, nm.Owned{Route: &inProfile[i], Owner: nm.OwnerProfile, Why: nm.WhyProfile(inProfile[i], name)})
	}
	for i := range kept {
		all = append(all, nm.Owned{Route: &kept[i], Owner: nm.OwnerKernel, Why: nm.WhyKernel(kept[i], v)})
	}
	return all
}

// heldBy returns a function that says whether the kernel has a route of the profile. Of a tunnel in
// a VRF it looks in the table in which NetworkManager sets the route.
func heldBy(ctx context.Context, k kernel.Kernel, p nm.Profile) (func(routes.Route) bool, error) {
	if p.Device == "" || len(p.Tunnel.Routes) == 0 {
		return func(routes.Route) bool { return false }, nil
	}
	inKernel, err := k.Routes(ctx, p.Device, kernel.OneOf(p.Tunnel.Routes))
	if err != nil {
		return nil, err
	}
	links, err := k.Links(ctx)
	if err != nil {
		return nil, err
	}
	slots, vrf := kernel.HeldSlots(inKernel), kernel.VRF(links, kernel.Named(links, p.Device))
	return func(r routes.Route) bool { return slots[policy.InVRF([]routes.Route{r}, vrf)[0].Slot()] }, nil
}

// Rule is a rule of a tunnel with its present state.
type Rule struct {
	nm.OwnedRule
	State string // Set, Missing, or Down if the tunnel is down
}

// Rules lists the rules of a tunnel, each with its owner and its state: the profile's rules, then
// the kept ones.
func Rules(ctx context.Context, h nm.System, p nm.Profile) ([]Rule, error) {
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		return nil, err
	}
	held, err := h.Kernel.Rules(ctx)
	if err != nil {
		return nil, err
	}
	all := policy.Assign(p.Tunnel.WithKept(k).Rules, p.Tunnel.Rules, k.Policy)
	list := make([]Rule, len(all))
	there := kernel.RulesOf(held)
	for i, o := range all {
		list[i] = Rule{o, Missing}
		switch {
		case p.Device == "":
			list[i].State = Down
		case there[o.Rule]:
			list[i].State = Set
		}
	}
	return list, nil
}
