package nmgre

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// ChangeRoutes adds, replaces or deletes routes of a tunnel, which stays up meanwhile. All of it or
// nothing: what was done is taken back when anything fails, the end of ctx included.
func (h *Host) ChangeRoutes(ctx context.Context, name string, change plan.RouteChange) (plan.RouteChanged, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return plan.RouteChanged{}, err
	}
	for try := 1; ; try++ {
		changed, err := h.changeRoutes(ctx, p, change)
		if !errors.Is(err, fault.ErrChanged) || try == maxTries || ctx.Err() != nil {
			return changed, err
		}
		if p, err = h.Profiles.Get(ctx, p.UUID); err != nil {
			return plan.RouteChanged{}, err
		}
	}
}

// maxTries is how often a change is made anew because somebody else has changed the same tunnel
// meanwhile.
const maxTries = 5

func (h *Host) changeRoutes(ctx context.Context, p nm.Profile, change plan.RouteChange) (plan.RouteChanged, error) {
	c, err := plan.Routes(ctx, h.System, p, change)
	if err != nil {
		return plan.RouteChanged{}, fault.Ended(ctx, err)
	}
	if err := routeChangeApply(c, ctx, h); err != nil {
		return c.Result, fault.Ended(ctx, routeChangeAtLine(c, err))
	}
	c.Result.Notes = append(c.Result.Notes, plan.HookNote(ctx, h.System, c.Kept)...)
	return c.Result, nil
}

// routeChangeApply makes the change, root's part before what is new in the profile, since the
// kernel may refuse it. A route that goes from the profile to root has to be out of the way before:
// to the kernel it is the same one.
func routeChangeApply(c *plan.ChangePlan, ctx context.Context, h *Host) error {
	from := c.Profile.Tunnel.Routes
	to := c.Owned(nm.OwnerProfile, from)
	// Where root asks, what is kept is put back too, though nothing of it changes.
	keeps := c.KeptDiffers() || h.Kernel.CanChange() && !c.Kept.Empty()
	staying := from
	if keeps {
		staying = common(from, to)
	}
	kept := false
	steps := []func() error{
		func() error { return routeChangeChangeProfile(c, ctx, h, from, staying) },
		func() error {
			if !keeps {
				return nil
			}
			e := Event{What: "set " + c.Kept.Summary(), Commands: routeChangeIpCommands(c), Detail: true}
			err := h.step(ctx, e, func() error { return h.keep(ctx, c.Kept) })
			kept = err == nil
			return err
		},
		func() error { return routeChangeChangeProfile(c, ctx, h, staying, to) },
		func() error { return routeChangeSettle(c, ctx, h, staying, to) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return errors.Join(err, routeChangeTakeBack(c, ctx, h, [][]routes.Route{to, staying, from}, kept))
		}
	}
	return nil
}

// routeChangeSettle puts back what is kept where NetworkManager has taken it along: before 1.56 it
// switches the IPv6 of a device off and on at every change.
func routeChangeSettle(c *plan.ChangePlan, ctx context.Context, h *Host, from, to []routes.Route) error {
	inner := c.Profile.Tunnel.Addresses
	v6 := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if !v6 || c.Kept.Empty() || routes.EqualLists(from, to) || !h.Kernel.CanChange() {
		return nil // without root the hook does it, which NetworkManager calls for that
	}
	return h.converge(ctx, c.Profile)
}

// common returns those of from that to has too.
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

// routeChangeChangeProfile gives the profile other routes, as a step.
func routeChangeChangeProfile(c *plan.ChangePlan, ctx context.Context, h *Host, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	e := Event{What: "changed the profile's routes, and had the device use them", Commands: routeChangeNmcliCommands(c, from, to), Detail: true}
	return h.step(ctx, e, func() error { return routeChangeSetRoutes(c, ctx, h, from, to) })
}

func routeChangeSetRoutes(c *plan.ChangePlan, ctx context.Context, h *Host, from, to []routes.Route) error {
	if routes.EqualLists(from, to) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if from == nil {
		from = []routes.Route{} // none at all, which is not the same as any
	}
	return h.Profiles.SetRoutes(ctx, c.Profile.UUID, from, to)
}

// routeChangeTakeBack makes everything as it was. The profile may have any of the states.
func routeChangeTakeBack(c *plan.ChangePlan, ctx context.Context, h *Host, states [][]routes.Route, kept bool) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), keep.UndoTimeout)
	defer cancel()
	var err error
	if kept {
		err = routeChangeUnkeep(c, undoing, h)
	}
	err = errors.Join(err, routeChangeRestore(c, undoing, h, states))
	if err != nil {
		err = &fault.Error{What: "could not put back what was there before", Err: err, Hint: "see what is there with: nmgre route list " + fault.ShellWord(c.Profile.Tunnel.Name)}
	}
	return err
}

// routeChangeUnkeep takes back what root keeps of the change, and nothing that somebody else has
// changed since.
func routeChangeUnkeep(c *plan.ChangePlan, ctx context.Context, h *Host) error {
	for try := 1; ; try++ {
		now, err := keep.Of(ctx, h.Store, c.Profile.UUID)
		if err != nil {
			return err
		}
		back := c.Before
		back.Stamp, back.Routes = now.Stamp, merged(now.Routes, c.Kept.Routes, c.Before.Routes)
		if err = h.keep(ctx, back); !errors.Is(err, fault.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// merged returns the list now with what has been made of the list old turned into what is in the
// list wanted, where it is still that.
func merged(now, old, wanted []routes.Route) []routes.Route {
	if routes.EqualLists(now, old) {
		return wanted
	}
	was, shall := list.IndexOf(old), list.IndexOf(wanted)
	var out []routes.Route
	for i := range now {
		r := &now[i]
		at, known := was.Find(r.Slot())
		if !known || !old[at].Equal(r) { // somebody else's
			out = append(out, *r)
		} else if at, stays := shall.Find(r.Slot()); stays {
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

// routeChangeRestore gives the profile its old routes, if it has those of one of the states, and
// not what somebody else has given it.
func routeChangeRestore(c *plan.ChangePlan, ctx context.Context, h *Host, states [][]routes.Route) error {
	for _, state := range states {
		err := routeChangeSetRoutes(c, ctx, h, state, c.Profile.Tunnel.Routes)
		if !errors.Is(err, fault.ErrChanged) {
			return err
		}
	}
	return nil
}

// routeChangeIpCommands are the ip commands that do the same to the kernel's routes; none for very
// many.
func routeChangeIpCommands(c *plan.ChangePlan) []string {
	if len(c.Result.Routes) > keep.MaxRouteSteps {
		return nil
	}
	word := map[plan.RouteOp]string{plan.RouteAdd: "add", plan.RouteReplace: "replace", plan.RouteDelete: "del"}[c.Change.Op]
	return keep.Kept{Name: c.Profile.Tunnel.Name, Routes: nm.OwnedBy(c.Result.Routes, nm.OwnerKernel)}.IPCommands(word)
}

// routeChangeNmcliCommands are the nmcli commands that do the same to the profile.
func routeChangeNmcliCommands(c *plan.ChangePlan, from, to []routes.Route) []string {
	before, after := c.Profile.Tunnel, c.Profile.Tunnel
	before.Routes, after.Routes = from, to
	commands := nm.ModifyCommand(c.Profile.UUID, before, after, false)
	if c.Profile.Device != "" {
		commands = append(commands, "nmcli device reapply "+fault.ShellWord(c.Profile.Device))
	}
	return commands
}

// routeChangeAtLine puts the line into the errors about routes that the kernel refused.
func routeChangeAtLine(c *plan.ChangePlan, err error) error {
	if len(c.Change.Lines) == 0 {
		return err
	}
	byText := make(map[string]int, len(c.Change.Routes))
	fault.Walk(err, func(e *fault.Error) {
		if e.Field != "route" {
			return
		}
		if len(byText) == 0 {
			for i, r := range c.Change.Routes {
				byText[r.String()] = c.Change.Lines[i]
			}
		}
		if line := byText[e.What]; line > 0 {
			e.What = "line " + strconv.Itoa(line) + ": " + e.What
		}
	})
	return err
}

// The states of a route.
const (
	RouteSet     = "set"
	RouteMissing = "missing"
	RouteDown    = "down"
)
