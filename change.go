package nmgre

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// ChangeRoutes adds, replaces or deletes routes of a tunnel, which stays up meanwhile. All of it or
// none of it: when anything fails, the end of ctx included, everything is undone. Its errors name
// the field "route"; those about a list name the line, too.
func (h *Host) ChangeRoutes(ctx context.Context, name string, change plan.RouteChange) (plan.RouteResult, error) {
	p, err := h.own(ctx, name)
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

// maxTries bounds how often a change is made anew because somebody else has changed the same tunnel
// meanwhile.
const maxTries = 5

func (h *Host) changeRoutes(ctx context.Context, p nm.Profile, change plan.RouteChange) (plan.RouteResult, error) {
	planned, err := plan.Routes(ctx, h.System, p, change)
	if err != nil {
		return plan.RouteResult{}, fault.Ended(ctx, err)
	}
	c := &routeWork{host: h, plan: planned, from: p.Tunnel.Routes}
	if err := c.carryOut(ctx); err != nil {
		return planned.Result, fault.Ended(ctx, c.nameLines(err))
	}
	planned.Result.Notes = append(planned.Result.Notes, plan.HookNote(ctx, h.System, planned.Kept)...)
	return planned.Result, nil
}

// routeWork is a change of routes while it is carried out.
type routeWork struct {
	host *Host
	plan *plan.ChangePlan
	// The profile's routes: before the change, while root makes its part, and after it.
	from, staying, to []routes.Route
	kept              bool // root has changed its part
}

// carryOut makes the change, root's part before the profile's new routes, since the kernel may
// refuse root's. A route that goes from the profile to root leaves the profile before: to the
// kernel both are the same one.
func (c *routeWork) carryOut(ctx context.Context) error {
	p := c.plan
	c.to = p.Owned(nm.OwnerProfile, c.from)
	// Where root asks, its part is set again though nothing of it changes.
	keeps := p.KeptDiffers() || c.host.Kernel.CanChange() && !p.Kept.Empty()
	c.staying = c.from
	if keeps {
		c.staying = common(c.from, c.to)
	}
	steps := []func() error{
		func() error { return c.changeProfile(ctx, c.from, c.staying) },
		func() error { return c.keep(ctx, keeps) },
		func() error { return c.changeProfile(ctx, c.staying, c.to) },
		func() error { return c.settle(ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return errors.Join(err, c.undo(ctx))
		}
	}
	return nil
}

// keep has root keep its part of the change, as a step.
func (c *routeWork) keep(ctx context.Context, keeps bool) error {
	if !keeps {
		return nil
	}
	e := Event{What: "set " + c.plan.Kept.Summary(), Commands: c.ipCommands(), Detail: true}
	err := c.host.step(ctx, e, func() error { return c.host.keep(ctx, c.plan.Kept) })
	c.kept = err == nil
	return err
}

// settle sets root's part again where NetworkManager has taken it along: before 1.56 it switches a
// device's IPv6 off and on at every change.
func (c *routeWork) settle(ctx context.Context) error {
	inner := c.plan.Profile.Tunnel.Addresses
	v6 := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if !v6 || c.plan.Kept.Empty() || routes.EqualLists(c.staying, c.to) || !c.host.Kernel.CanChange() {
		return nil // without root the hook does it, which NetworkManager calls for that
	}
	return c.host.converge(ctx, c.plan.Profile)
}

// changeProfile gives the profile other routes, as a step.
func (c *routeWork) changeProfile(ctx context.Context, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	e := Event{What: "changed the profile's routes, and had the device use them", Commands: c.nmcliCommands(from, to), Detail: true}
	return c.host.step(ctx, e, func() error { return c.setRoutes(ctx, from, to) })
}

func (c *routeWork) setRoutes(ctx context.Context, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if from == nil {
		from = []routes.Route{} // an empty list is expected; nil would stand for any
	}
	return c.host.Profiles.SetRoutes(ctx, c.plan.Profile.UUID, from, to)
}

// undo makes everything as it was.
func (c *routeWork) undo(ctx context.Context) error {
	err := c.host.undo(ctx, "", func(ctx context.Context) error {
		var err error
		if c.kept {
			err = c.undoKept(ctx)
		}
		return errors.Join(err, c.undoProfile(ctx))
	})
	if err == nil {
		return nil
	}
	return &fault.Error{What: "could not undo everything", Err: err, Hint: "see the routes with: nmgre route list " + fault.ShellWord(c.plan.Profile.Tunnel.Name)}
}

// undoKept undoes root's part of the change, and nothing that somebody else has changed since.
func (c *routeWork) undoKept(ctx context.Context) error {
	for try := 1; ; try++ {
		now, err := keep.Of(ctx, c.host.Store, c.plan.Profile.UUID)
		if err != nil {
			return err
		}
		before := c.plan.Before
		before.Stamp, before.Routes = now.Stamp, merged(now.Routes, c.plan.Kept.Routes, c.plan.Before.Routes)
		if err = c.host.keep(ctx, before); !errors.Is(err, fault.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// undoProfile gives the profile its old routes, if it has those of one of the change's states, and
// not those of somebody else.
func (c *routeWork) undoProfile(ctx context.Context) error {
	for _, state := range [][]routes.Route{c.to, c.staying, c.from} {
		err := c.setRoutes(ctx, state, c.from)
		if !errors.Is(err, fault.ErrChanged) {
			return err
		}
	}
	return nil
}

// ipCommands are the ip commands that do the same to the kernel's routes. It is empty for very many
// routes.
func (c *routeWork) ipCommands() []string {
	result := c.plan.Result.Routes
	if len(result) > keep.MaxRouteSteps {
		return nil
	}
	word := map[plan.RouteOp]string{plan.RouteAdd: "add", plan.RouteReplace: "replace", plan.RouteDelete: "del"}[c.plan.Change.Op]
	return keep.Kept{Name: c.plan.Profile.Tunnel.Name, Routes: nm.OwnedBy(result, nm.OwnerKernel)}.IPCommands(word)
}

// nmcliCommands are the nmcli commands that do the same to the profile.
func (c *routeWork) nmcliCommands(from, to []routes.Route) []string {
	p := c.plan.Profile
	before, after := p.Tunnel, p.Tunnel
	before.Routes, after.Routes = from, to
	commands := nm.ModifyCommand(p.UUID, before, after, false)
	if p.Device != "" {
		commands = append(commands, "nmcli device reapply "+fault.ShellWord(p.Device))
	}
	return commands
}

// nameLines adds the line of the list to the errors about routes of root's part that the kernel
// refused. Such an error has the route's place in that part.
func (c *routeWork) nameLines(err error) error {
	change := c.plan.Change
	if len(change.Lines) == 0 {
		return err
	}
	var of *list.Index[routes.Slot]
	fault.Walk(err, func(e *fault.Error) {
		if e.Item < 1 || e.Item > len(c.plan.Kept.Routes) {
			return
		}
		if of == nil {
			of = list.IndexOf(change.Routes)
		}
		refused := &c.plan.Kept.Routes[e.Item-1]
		if at, found := of.Find(refused.Slot()); found && change.Routes[at].Equal(refused) {
			e.Line = change.Lines[at]
		}
	})
	return err
}

// common returns the routes of from that to has, too.
func common(from, to []routes.Route) []routes.Route {
	in := list.IndexOf(to)
	var both []routes.Route
	for i := range from {
		if at, found := in.Find(from[i].Slot()); found && to[at].Equal(&from[i]) {
			both = append(both, from[i])
		}
	}
	return both
}

// merged returns the list now, in which the routes of the list old give way to those of the list
// wanted. Routes that somebody else has changed since stay.
func merged(now, old, wanted []routes.Route) []routes.Route {
	if routes.EqualLists(now, old) {
		return wanted
	}
	was, wish := list.IndexOf(old), list.IndexOf(wanted)
	var out []routes.Route
	for i := range now {
		r := &now[i]
		at, known := was.Find(r.Slot())
		if !known || !old[at].Equal(r) { // somebody else's
			out = append(out, *r)
		} else if at, stays := wish.Find(r.Slot()); stays {
			out = append(out, wanted[at])
		}
	}
	has := list.IndexOf(now)
	for i := range wanted {
		_, inOld := was.Find(wanted[i].Slot())
		if _, inNow := has.Find(wanted[i].Slot()); !inOld && !inNow {
			out = append(out, wanted[i])
		}
	}
	return out
}
