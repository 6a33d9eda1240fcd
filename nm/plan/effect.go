package plan

import (
	"cmp"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// Effect is the part of a change that decides about the ways of packets.
type Effect struct {
	// Device is the tunnel's device before the change; empty if it has none.
	Device string
	Gone   bool // the device goes, for a moment or for good
	// Before and After are the whole tunnel as far as the kernel has it: with the routes that lead
	// through other devices only while the tunnel is down.
	Before, After nm.Tunnel
}

// Effect returns the effect of a new tunnel.
func (p Plan) Effect() Effect {
	if p.Over != nil {
		return Effect{Device: p.Tunnel.Name, Gone: true, Before: p.Tunnel, After: p.Tunnel}
	}
	return Effect{After: p.Tunnel}
}

// Effect returns the effect of the edit.
func (p EditPlan) Effect() Effect {
	if len(p.Changes) == 0 && !p.Mends() {
		return Effect{}
	}
	if p.Raises {
		return Effect{Device: p.Profile.Device, After: p.After}
	}
	before := p.Before
	if !p.Pending.None() {
		before = p.Pending.Before(p.Profile.Tunnel).WithKept(p.KeptBefore)
	}
	return effectOn(p.Profile, p.Flaps, before, p.After)
}

// Effect returns the effect of the change of routes.
func (c *ChangePlan) Effect() Effect {
	after := c.Profile.Tunnel
	after.Routes = c.Owned(nm.OwnerProfile, after.Routes)
	return effectOn(c.Profile, false, c.Profile.Tunnel.WithKept(c.Before), after.WithKept(c.Kept))
}

// UpEffect returns the effect of bringing the tunnel p up, or, if it is up, of giving it the
// pending settings waiting, and those routes of k that the kernel lacks: has reports whether it has
// the one with that index.
func UpEffect(p nm.Profile, waiting nm.Pending, k keep.Kept, has func(i int) bool) Effect {
	whole := p.Tunnel.WithKept(k)
	if p.State != nm.StateActive {
		return Effect{Device: p.Device, After: whole}
	}
	held := k
	held.Routes = nil
	for i, r := range k.Routes {
		if has(i) {
			held.Routes = append(held.Routes, r)
		}
	}
	before := waiting.Before(p.Tunnel)
	return Effect{Device: before.Name, Gone: waiting.NewLink != "", Before: before.WithKept(held), After: whole}
}

// DownEffect returns the effect of taking the tunnel p down, or of deleting it, with all that root
// keeps for it.
func DownEffect(p nm.Profile, k keep.Kept) Effect {
	return Effect{Device: p.Device, Gone: true, Before: p.Tunnel.WithKept(k)}
}

// effectOn returns the effect of a change of the tunnel p.
func effectOn(p nm.Profile, gone bool, before, after nm.Tunnel) Effect {
	if p.State != nm.StateInactive {
		return Effect{Device: p.Device, Gone: gone, Before: before, After: after}
	}
	return Effect{Before: elsewhere(before), After: elsewhere(after)}
}

// elsewhere returns the part of a tunnel that the kernel has while the tunnel is down: multipath
// routes with a nexthop by another device.
func elsewhere(t nm.Tunnel) nm.Tunnel {
	t.Addresses, t.Rules = nil, nil
	t.Routes = slices.DeleteFunc(slices.Clone(t.Routes), func(r routes.Route) bool { return !namesDevice(r) })
	return t
}

// Way is the present way of packets to an address.
type Way struct {
	To  netip.Addr
	Hop kernel.Hop
	// Rank is the metric of the route that decides, or the highest number if it is not known.
	Rank uint32
}

// Moves says whether packets may go another way after the change.
func (e Effect) Moves(w Way) bool {
	to, hop := w.To, w.Hop
	if e.Device != "" && hop.Dev == e.Device {
		return e.Gone || e.Before.Mode != 0 && (e.Before.MTU != e.After.MTU || !slices.Equal(e.Before.Addresses, e.After.Addresses)) || e.rerouted(to)
	}
	for _, own := range e.After.Addresses {
		if own.Contains(to) && w.LosesTo(&routes.Route{Dst: own}) && !slices.Contains(e.Before.Addresses, own) {
			return true
		}
	}
	if routes.EqualLists(e.Before.Routes, e.After.Routes) {
		return false
	}
	_, fresh := list.NewSet(e.Before.Routes).Split(e.After.Routes)
	return slices.ContainsFunc(fresh, func(r routes.Route) bool {
		return r.TableOrMain() == routes.MainTable && r.Dst.Contains(to) && w.LosesTo(&r)
	})
}

// LosesTo says whether the kernel may prefer r, whose destination has the address. A route without
// a metric gets one that NetworkManager or the kernel chooses.
func (w Way) LosesTo(r *routes.Route) bool {
	if r.Dst.Bits() != w.Hop.Match.Bits() {
		return r.Dst.Bits() > w.Hop.Match.Bits()
	}
	return r.Metric == nil || r.KernelMetric() <= w.Rank
}

// rerouted says whether the tunnel leads packets to an address in another manner after the change,
// or not at all.
func (e Effect) rerouted(to netip.Addr) bool {
	before, after := leading(e.Before, to), leading(e.After, to)
	switch {
	case after == nil: // without before, somebody else's route leads there
		return before != nil
	case before != nil && before.Equal(after):
		return false
	}
	// a point-to-point tunnel has one far end, whatever the gateway
	plain := func(r *routes.Route) bool {
		return r == nil || r.Type == routes.TypeUnicast && r.Encap == nil && len(r.Nexthops) == 0 && r.NexthopID == 0
	}
	return e.After.Mode.Ethernet() || !plain(before) || !plain(after)
}

// leading returns the tunnel's best route to an address, or nil. The network of an inner address
// counts as a route.
func leading(t nm.Tunnel, to netip.Addr) *routes.Route {
	var best *routes.Route
	better := func(r *routes.Route) bool {
		return best == nil || cmp.Or(cmp.Compare(r.Dst.Bits(), best.Dst.Bits()), cmp.Compare(best.KernelMetric(), r.KernelMetric())) > 0
	}
	for _, own := range t.Addresses {
		if r := (&routes.Route{Dst: own.Masked()}); own.Contains(to) && better(r) {
			best = r
		}
	}
	for i := range t.Routes {
		if r := &t.Routes[i]; r.TableOrMain() == routes.MainTable && r.Dst.Contains(to) && better(r) {
			best = r
		}
	}
	return best
}
