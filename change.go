package nmgre

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/nm/states"
	"nmgre/nm/weights"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
	"nmgre/routes/rule"
)

// ChangeRoutes adds, replaces or deletes routes of a tunnel, which stays up meanwhile. It makes the
// whole change or nothing: when anything fails, or ctx ends, everything is undone. Its errors name
// the field "route", and the line if the routes come from a list.
func (h *Host) ChangeRoutes(ctx context.Context, name string, change plan.RouteChange) (plan.RouteResult, error) {
	p, err := h.own(ctx, name)
	if err == nil {
		err = find.InWork(p)
	}
	if err != nil {
		return plan.RouteResult{}, err
	}
	for try := 1; ; try++ {
		result, err := h.changeRoutes(ctx, p, change)
		if !errors.Is(err, fault.ErrChanged) || try == maxTries || ctx.Err() != nil {
			return result, err
		}
		if p, err = h.Profiles.Get(ctx, p.UUID); err != nil {
			return plan.RouteResult{}, err
		}
	}
}

// maxTries is the highest number of tries of a change while others change the same tunnel.
const maxTries = 5

func (h *Host) changeRoutes(ctx context.Context, p nm.Profile, change plan.RouteChange) (plan.RouteResult, error) {
	planned, err := plan.Routes(ctx, h.System, p, change)
	if err != nil {
		return plan.RouteResult{}, fault.Ended(ctx, err)
	}
	if h, err = h.guarded(ctx, planned.Effect); err != nil {
		return plan.RouteResult{}, err
	}
	if h.Confirm != nil {
		err := h.changeOnTrial(ctx, planned)
		return planned.Result, err
	}
	c := &routeWork{host: h, plan: planned, from: p.Tunnel.Routes}
	if err := c.carryOut(ctx); err != nil {
		return planned.Result, fault.Ended(ctx, planned.NameLines(err))
	}
	planned.Result.Notes = append(planned.Result.Notes, planned.HookNote(ctx, h.System)...)
	return planned.Result, nil
}

// changeOnTrial makes the change as an edit, which waits to be confirmed before it is on disk.
func (h *Host) changeOnTrial(ctx context.Context, planned *plan.ChangePlan) error {
	edit, err := h.PlanEdit(ctx, planned.Profile.UUID, func(t *nm.Tunnel) error {
		t.Routes = slices.Concat(planned.Owned(nm.OwnerProfile, nil), planned.Kept.Routes)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = h.Edit(ctx, edit, EditOptions{NoProbe: true, faulty: true})
	return err
}

// routeWork is a change of routes while it is carried out.
type routeWork struct {
	host *Host
	plan *plan.ChangePlan
	// The profile's routes: before the change, while the kept routes change, and after the change.
	from, staying, to []routes.Route
	kept              bool // the kept routes have changed
	// the trial of the kept routes and rules, for a user without root: the helper drops it unasked
	trial keep.Trial
}

// carryOut makes the change. The kept routes change before the profile gets its new ones, since the
// kernel may refuse a kept route. A route that moves from the profile to the kept ones leaves the
// profile first: the kernel cannot have both.
func (c *routeWork) carryOut(ctx context.Context) error {
	p := c.plan
	c.to = p.Owned(nm.OwnerProfile, c.from)
	// For root the kept routes are set again even if they do not change.
	keeps := p.KeptDiffers() || c.host.Kernel.CanChange() && !p.Kept.Empty()
	c.staying = c.from
	if keeps {
		c.staying, _ = list.NewSet(c.to).Split(c.from)
	}
	steps := []func() error{
		func() error { return c.changeProfile(ctx, c.from, c.staying) },
		func() error { return c.keep(ctx, keeps) },
		func() error { return c.changeProfile(ctx, c.staying, c.to) },
		func() error { return c.settle(ctx) },
		func() error { return saved(ctx, c.trial) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return errors.Join(err, c.undo(ctx))
		}
	}
	return nil
}

// keep is the step that changes the kept routes.
func (c *routeWork) keep(ctx context.Context, keeps bool) error {
	if !keeps {
		return nil
	}
	e := Event{What: "set " + c.plan.Kept.Summary(), Commands: c.plan.IPCommands(), Detail: true}
	err := c.host.step(ctx, e, func() (err error) {
		if c.host.Kernel.CanChange() {
			return c.host.keep(ctx, c.plan.Kept)
		}
		c.trial, err = c.host.try(ctx, c.plan.Kept, false)
		return err
	})
	// A step that changed nothing needs no undo.
	c.kept = c.host.Kernel.CanChange() && (err == nil || errors.Is(err, fault.ErrLeftBehind))
	return err
}

// settle sets the kept routes again after a change of the profile's routes. NetworkManager before
// 1.56 removes them, since it switches the device's IPv6 off and on.
func (c *routeWork) settle(ctx context.Context) error {
	inner := c.plan.Profile.Tunnel.Addresses
	v6 := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if !v6 || c.plan.Kept.Empty() || routes.EqualLists(c.staying, c.to) || !c.host.Kernel.CanChange() {
		return nil // without root, NetworkManager's dispatcher runs the hook, which sets them
	}
	return c.host.converge(ctx, c.plan.Profile.UUID)
}

// changeProfile is the step that changes the profile's routes.
func (c *routeWork) changeProfile(ctx context.Context, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	e := Event{What: "changed the profile's routes, and applied them to the device", Commands: c.plan.NmcliCommands(from, to), Detail: true}
	return c.host.step(ctx, e, func() error { return c.setRoutes(ctx, from, to) })
}

// setRoutes changes the profile's routes, unless somebody else has changed them.
func (c *routeWork) setRoutes(ctx context.Context, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if from == nil {
		from = []routes.Route{} // the profile must have no routes; nil would allow any
	}
	return c.host.Profiles.SetRoutes(ctx, c.plan.Profile.UUID, from, to)
}

// The states of a route or a rule.
const (
	RouteSet     = states.Set
	RouteMissing = states.Missing
	RouteDown    = states.Down
)

// RouteState is a route of a tunnel with its present state.
type RouteState = states.Route

// RuleState is a rule of a tunnel with its present state.
type RuleState = states.Rule

// Routes lists the routes of a tunnel, as [states.Routes] does.
func (h *Host) Routes(ctx context.Context, name string) (nm.Profile, []RouteState, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return p, nil, err
	}
	list, err := states.Routes(ctx, h.System, p)
	return p, list, err
}

// Rules lists the rules of a tunnel, as [states.Rules] does.
func (h *Host) Rules(ctx context.Context, name string) ([]RuleState, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	return states.Rules(ctx, h.System, p)
}

// ChangeRules changes the rules of a tunnel by an edit, which checks the tunnel only where it has
// to be confirmed, and does not undo the change for a check that fails.
func (h *Host) ChangeRules(ctx context.Context, name string, change func([]rule.Rule) ([]rule.Rule, error)) (plan.EditPlan, error) {
	planned, err := h.PlanEdit(ctx, name, func(t *nm.Tunnel) (err error) {
		t.Rules, err = change(t.Rules)
		return err
	})
	if err != nil || len(planned.Changes) == 0 {
		return planned, err
	}
	_, err = h.Edit(ctx, planned, EditOptions{NoProbe: true, faulty: true})
	return planned, err
}

// PlanKeepRoutes decides how the routes with a weight leave the tunnel's profile, and those of
// other tunnels that NetworkManager joins with them. It returns the edits of all these tunnels, for
// [Host.EditTogether]; there are none if there is nothing to move. It changes nothing on the host.
// The errors are those of [Host.PlanEdit].
func (h *Host) PlanKeepRoutes(ctx context.Context, name string) ([]plan.EditPlan, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return nil, fault.Ended(ctx, err)
	}
	all, err := h.Profiles.List(ctx)
	kept, keptErr := h.Store.All(ctx)
	if err := errors.Join(err, keptErr); err != nil {
		return nil, fault.Ended(ctx, err)
	}
	var plans []plan.EditPlan
	for _, c := range weights.Changes(p, all, kept) {
		planned, err := h.PlanEdit(ctx, c.UUID, c.Make)
		if err != nil {
			return nil, err
		}
		plans = append(plans, planned)
	}
	return plans, nil
}
