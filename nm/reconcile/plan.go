package reconcile

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/crowd"
	"nmgre/nm/ends"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/nm/resolve"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Plan has the steps that give a host the tunnels of a document. It is data only.
type Plan struct {
	// Steps has a step for each tunnel: those of the document in its order, then the pruned ones.
	// Want is the whole tunnel as it will be.
	Steps   []Step
	Changes Changes
	Notes   []string // for the user to read before anything is done
}

// Changed says whether the host is changed.
func (p Plan) Changed() bool {
	return len(p.Changes.Create)+len(p.Changes.Edit)+len(p.Changes.Delete) > 0
}

// Options are the user's choices for [Make].
type Options struct {
	Document string       // the document's name, which new tunnels remember
	Prune    bool         // tunnels that were made from the document, and are no longer in it, are deleted
	Own      []netip.Addr // this host's addresses, none of which is a far end
}

// Changes are tunnels to make, to change and to delete together.
type Changes struct {
	Create []plan.Plan
	Edit   []plan.EditPlan
	Delete []nm.Profile

	deleted []plan.Effect // the effects of Delete
}

// Effects are the effects of all changes on the ways of packets.
func (c Changes) Effects() []func() plan.Effect {
	var list []func() plan.Effect
	for _, planned := range c.Create {
		list = append(list, planned.Effect)
	}
	for _, planned := range c.Edit {
		list = append(list, planned.Effect)
	}
	for _, e := range c.deleted {
		list = append(list, func() plan.Effect { return e })
	}
	return list
}

// Make decides on the steps that give the host the wanted tunnels, and checks that it can have
// them. It changes nothing. Its errors are those of [plan.Create] and [plan.Edit], joined.
func Make(ctx context.Context, sys nm.System, profiles []nm.Profile, wants []Wanted, opts Options) (Plan, error) {
	a := applier{host: sys, profiles: profiles, opts: opts, edits: make(map[*Step]plan.EditPlan)}
	if err := a.look(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	wants, err := a.resolved(ctx, wants)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	prune := ""
	if opts.Prune {
		prune = opts.Document
	}
	if a.plan.Steps, err = Decide(wants, a.have, a.links, prune); err != nil {
		return Plan{}, err
	}
	err = a.decide(ctx)
	return a.plan, fault.Ended(ctx, err)
}

// applier makes the plan for a document.
type applier struct {
	host     nm.System
	opts     Options
	sys      nm.System // one look at the kernel, without the tunnels to delete
	links    []kernel.Link
	profiles []nm.Profile
	have     []Have
	plan     Plan
	edits    map[*Step]plan.EditPlan
}

// look reads the tunnels of the host.
func (a *applier) look(ctx context.Context) (err error) {
	kept, err := a.host.Store.All(ctx)
	if err != nil {
		return err
	}
	a.sys = crowd.View(a.host, crowd.Least)
	if a.links, err = kernel.Once(a.sys.Kernel).Links(ctx); err != nil {
		return err
	}
	for _, p := range a.profiles {
		if p.Tunnel.Mode == 0 {
			continue
		}
		one := Have{Profile: p}
		if i := slices.IndexFunc(kept, func(k keep.Kept) bool { return k.UUID == p.UUID }); i >= 0 {
			one.Kept = kept[i]
		}
		a.have = append(a.have, one)
	}
	return nil
}

// resolved looks up the far ends that are given by their names, unless the tunnel is there with
// that name: to move it is follow's work.
func (a *applier) resolved(ctx context.Context, wants []Wanted) ([]Wanted, error) {
	wants = slices.Clone(wants)
	var errs []error
	for i := range wants {
		t := &wants[i].Tunnel
		if wants[i].Absent || t.Remote.IsValid() {
			continue
		}
		known := slices.IndexFunc(a.have, func(h Have) bool {
			return h.Profile.Tunnel.Name == t.Name && h.Profile.Tunnel.PeerName == t.PeerName && t.Mode.Fits(h.Profile.Tunnel.Remote)
		})
		if known >= 0 {
			t.Remote = a.have[known].Profile.Tunnel.Remote
			continue
		}
		found, err := resolve.Peer(ctx, a.host.Resolver, resolve.Asked{Name: t.PeerName, V6: t.Mode.IPv6Outer(), Own: a.opts.Own})
		if err != nil {
			errs = append(errs, fault.About(t.Name, err))
		}
		t.Remote = found
	}
	return wants, errors.Join(errs...)
}

// decide plans each step.
func (a *applier) decide(ctx context.Context) error {
	a.hide()
	var errs []error
	var after []nm.Tunnel
	var made []bool
	for i := range a.plan.Steps {
		s := &a.plan.Steps[i]
		if err := a.step(ctx, s); err != nil {
			errs = append(errs, fault.About(s.Name, err))
		}
		if s.Action != Delete && s.Want.Remote.IsValid() {
			after, made = append(after, s.Want), append(made, s.Action == Create)
		}
		if ctx.Err() != nil {
			return fault.Interrupted(ctx.Err())
		}
	}
	if len(errs) == 0 {
		errs = append(errs, Twins(after), Beside(after, func(i int) bool { return made[i] }), a.mend(ctx))
	}
	return errors.Join(errs...)
}

// mend plans to mend the drift of those tunnels whose settings are as wanted, and puts all edits
// into the plan, in the order of the steps.
func (a *applier) mend(ctx context.Context) error {
	var steps []*Step
	var tunnels []Have
	for i := range a.plan.Steps {
		switch s := &a.plan.Steps[i]; {
		case s.Action == None && s.isDown():
			a.mendOne(s, []Drift{{What: "it is down, and is to be up (autoconnect)", by: byLink}})
		case s.Action == None && s.Have.Profile.State == nm.StateActive:
			steps, tunnels = append(steps, s), append(tunnels, s.Have)
		}
	}
	found, err := drift(ctx, a.host, a.links, tunnels)
	if err != nil {
		return err
	}
	for i, s := range steps {
		a.mendOne(s, found[i])
	}
	for i := range a.plan.Steps {
		if planned, is := a.edits[&a.plan.Steps[i]]; is {
			a.plan.Changes.Edit = append(a.plan.Changes.Edit, planned)
		}
	}
	return nil
}

// mendOne plans to mend the drift of one tunnel. A caller without root is told of the part that
// root alone can mend.
func (a *applier) mendOne(s *Step, found []Drift) {
	if !a.host.Kernel.CanChange() {
		if roots := onlyRoots(found); len(roots) > 0 {
			a.plan.Notes = append(a.plan.Notes, notesOf(s.Name, []string{Words(roots) + "; only root can set it again: sudo nmgre up " + fault.Operand(s.Name)})...)
		}
		found = slices.DeleteFunc(found, func(d Drift) bool { return d.by == byKeeper })
	}
	if len(found) == 0 {
		return
	}
	s.Action, s.Drift, s.Want = Change, found, s.Have.Whole()
	a.edits[s] = mendPlan(s.Have, found)
}

// hide takes the tunnels to delete away from the profiles and links that the plans see.
func (a *applier) hide() {
	gone := func(name string) bool {
		return slices.ContainsFunc(a.plan.Steps, func(s Step) bool { return s.Action == Delete && s.Name == name })
	}
	a.profiles = slices.DeleteFunc(slices.Clone(a.profiles), func(p nm.Profile) bool { return p.Tunnel.Mode != 0 && gone(p.Tunnel.Name) })
	left := slices.DeleteFunc(slices.Clone(a.links), func(l kernel.Link) bool { return gone(l.Name) })
	if len(left) < len(a.links) {
		a.sys.Kernel = withLinks{a.sys.Kernel, left}
	}
}

// withLinks is a kernel without some of its devices.
type withLinks struct {
	kernel.Kernel
	left []kernel.Link
}

// Links implements [kernel.Kernel].
func (k withLinks) Links(context.Context) ([]kernel.Link, error) { return k.left, nil }

// step plans one step, and writes the decisions into it.
func (a *applier) step(ctx context.Context, s *Step) error {
	profiles := func(context.Context) ([]nm.Profile, error) { return a.profiles, nil }
	before := s.Have.Whole()
	if s.Have.Profile.UUID != "" {
		if err := find.InWork(s.Have.Profile); err != nil {
			return err
		}
	}
	switch s.Action {
	case Create:
		s.Want.Document = a.opts.Document
		planned, err := PlanNew(ctx, a.sys, profiles, s.Want)
		if err != nil {
			return err
		}
		s.Want = planned.Tunnel
		a.plan.Changes.Create, a.plan.Notes = append(a.plan.Changes.Create, planned), append(a.plan.Notes, notesOf(s.Name, planned.Notes)...)
	case Change:
		planned, err := plan.Edit(ctx, a.sys, profiles, s.Have.Profile, func(t *nm.Tunnel) error { *t = s.Want; return nil })
		if err != nil {
			return err
		}
		if planned, err = WithEnds(ctx, a.sys, planned); err != nil {
			return err
		}
		if s.Want = planned.After; len(planned.Changes) == 0 {
			s.Action = None
			return nil
		}
		if s.isDown() {
			planned = planned.Raised()
			planned.Notes = append(planned.Notes, "it is down, and is brought up, since it is to be up (autoconnect)")
		}
		a.edits[s], a.plan.Notes = planned, append(a.plan.Notes, notesOf(s.Name, planned.Notes)...)
	case Delete:
		s.Want = before
		if !s.Have.Kept.Empty() {
			if err := a.host.Keeper.MayKeep(); err != nil {
				return &fault.Error{Kind: fault.ErrNotPermitted, What: "only root can remove the routes and rules that nmgre keeps for " + fault.Printable(s.Name), Err: err}
			}
		}
		a.plan.Changes.Delete = append(a.plan.Changes.Delete, s.Have.Profile)
		a.plan.Changes.deleted = append(a.plan.Changes.deleted, plan.DownEffect(s.Have.Profile, s.Have.Kept))
	case None:
	}
	return nil
}

func notesOf(name string, notes []string) []string {
	out := make([]string, len(notes))
	for i, note := range notes {
		out[i] = fault.Printable(name) + ": " + note
	}
	return out
}

// PlanNew decides everything about a new tunnel, and checks that this host can have it, with its
// ends. It is [plan.Create] otherwise.
func PlanNew(ctx context.Context, sys nm.System, profiles plan.Profiles, want nm.Tunnel) (plan.Plan, error) {
	if err := ends.Check(ctx, sys, nm.Tunnel{}, want); err != nil {
		return plan.Plan{}, fault.Ended(ctx, err)
	}
	planned, err := plan.Create(ctx, sys, profiles, want)
	if err != nil {
		return planned, err
	}
	notes, err := ends.Notes(ctx, sys, nm.Tunnel{}, planned.Tunnel, !want.Local.IsValid())
	if err != nil {
		return plan.Plan{}, fault.Ended(ctx, err)
	}
	far := ends.FarEndNotes(planned.Tunnel, planned.FarEnd)
	planned.FarEnd.Notes = append(planned.FarEnd.Notes, far...)
	planned.Notes = slices.Concat(planned.Notes, notes, far)
	return planned, nil
}

// WithEnds checks the ends of an edited tunnel, and adds the notes about them.
func WithEnds(ctx context.Context, sys nm.System, planned plan.EditPlan) (plan.EditPlan, error) {
	if err := ends.Check(ctx, sys, planned.Before, planned.After); err != nil {
		return plan.EditPlan{}, fault.Ended(ctx, err)
	}
	notes, err := ends.Notes(ctx, sys, planned.Before, planned.After, false)
	if err != nil {
		return plan.EditPlan{}, fault.Ended(ctx, err)
	}
	planned.Notes = slices.Concat(planned.Notes, notes)
	return planned, nil
}
