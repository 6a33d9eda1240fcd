package nmgre

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/crowd"
	"nmgre/nm/plan"
	"nmgre/nm/reconcile"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Plan decides everything about a new tunnel, and checks that this host can have it. It changes
// nothing. want has passed [nm.Tunnel.Validate]. Errors are [fault.ErrInvalid] for problems of the
// request, joined if there are several, and [fault.ErrUnsupported], [fault.ErrNotPermitted] and
// [fault.ErrNoNetworkManager] for problems of the host.
func (h *Host) Plan(ctx context.Context, want nm.Tunnel) (plan.Plan, error) {
	sys := h.System
	sys.Kernel = kernel.Once(sys.Kernel) // the notes look at the links once more
	return reconcile.PlanNew(ctx, sys, h.profiles, want)
}

// PlanAdopt is [adopt.Plan] on this host, for [Host.Create].
func (h *Host) PlanAdopt(ctx context.Context, dev string, opts adopt.Options) (adopt.Adoption, error) {
	planned, err := adopt.Plan(ctx, h.System, h.profiles, dev, opts)
	return planned, fault.Ended(ctx, err)
}

// CreateOptions are the user's choices for [Host.Create].
type CreateOptions struct {
	NoProbe bool                        // the far end is not probed
	Up      func(context.Context) error // if set, is called before a tunnel that is up is verified
}

// Created is a new tunnel with the report that proves it.
type Created struct {
	Status Status
	Report verify.Report
}

// Create carries out the whole plan or nothing: when anything fails, or ctx ends, it undoes
// everything and then returns the error. A silent far end is no failure. A process that is killed
// in the middle leaves a profile in memory, which is marked as on trial. The next method that lists
// the profiles removes it.
func (h *Host) Create(ctx context.Context, planned plan.Plan, opts CreateOptions) (Created, error) {
	b, err := h.newBatch(ctx, Changes{Create: []plan.Plan{planned}}, opts)
	if err != nil {
		return Created{}, err
	}
	if err := b.carryOut(ctx); err != nil {
		return Created{Report: b.creates[0].report}, b.undo(ctx, err)
	}
	done := b.created()[0]
	if done.Status.Link = done.Report.Link; !done.Status.Kept.Empty() {
		done.Status.KeptErr = h.Store.HookMissing(ctx)
	}
	return done, nil
}

// createWork is a new tunnel while it is made.
type createWork struct {
	host   *Host
	uuid   string
	tunnel nm.Tunnel
	plan   plan.Plan
	report verify.Report // of a tunnel that is made together with others
	batch  *batch
	// the undo waits until it is gone; empty until a device of that name may be the tunnel's
	device  string
	keeping bool // root's files may have something for the tunnel
	// the trial of the kept routes and rules, for a user without root: the helper drops it unasked
	trial  keep.Trial
	saving bool   // the profile may be on disk
	beside int    // how many other tunnels are made together with it
	file   string // the profile's file, once it is on disk
}

func (c *createWork) named() string     { return c.tunnel.Name }
func (c *createWork) takes(string) bool { return true }

// steps are the steps of a phase. Those of several tunnels get the names behind them in events.
func (c *createWork) steps(ctx context.Context, p phase, first bool) []editStep {
	h, b := c.host, c.batch
	added, free, kept := "added the profile "+c.tunnel.Name+", in memory", "made sure that the name is free", c.keepName()
	if len(b.works) > 1 {
		added, free, kept = "added the profile, in memory", "made sure that the names are free", "set what root keeps"
	}
	switch {
	case p == phaseAdd:
		return []editStep{{plan.StepProfile, added, func() error { return h.Profiles.Add(ctx, c.uuid, c.plan.Profile()) }}}
	case p == phaseClaim && c == b.creates[0]: // it looks for all
		return []editStep{{"", free, func() error { return claim(ctx, b.creates...) }}}
	case p == phaseChange:
		return []editStep{{plan.StepActivate, "brought it up", func() error {
			c.device = c.tunnel.Name
			return adopt.Activate(ctx, c.plan.Over, c.kept(), func() error { return h.Profiles.Activate(ctx, c.uuid) })
		}}}
	case p == phaseKeep && (!c.plan.Kept.Empty() || c.plan.Over != nil):
		return []editStep{{plan.StepRoute, kept, func() error { return adopt.After(ctx, c.plan.Over, c.keep(ctx)) }}}
	case p == phaseUp && b.opts.Up != nil:
		return []editStep{{"", "", func() error { return b.opts.Up(ctx) }}}
	case p == phaseCheck:
		return []editStep{{plan.StepCheck, "verified it", func() (err error) {
			c.report, err = c.check(ctx, b.looking, b.opts)
			return err
		}}}
	case p == phaseAsk && first:
		return []editStep{{"", h.confirmName(), func() error { return h.asked(ctx, c.report) }}}
	case p == phaseMark && !first:
		return []editStep{{"", "", func() error { c.saving = true; return h.Profiles.SaveWith(ctx, c.uuid, b.creates[0].uuid) }}}
	case p == phaseSave:
		return []editStep{{plan.StepSave, "wrote the profile to disk", func() error { return c.save(ctx) }}}
	}
	return nil
}

// save ends the trial of the profile, and then that of the kept routes and rules.
func (c *createWork) save(ctx context.Context) (err error) {
	c.saving = true
	if c.plan.Over != nil { // with the mark, from here on the next command does the rest
		if err = c.host.Profiles.SaveWith(ctx, c.uuid, c.uuid); err != nil {
			return err
		}
		adopt.Done(ctx, c.plan.Over, c.host.warn)
	}
	switch c.file, err = c.host.Profiles.Save(ctx, c.uuid); {
	case err != nil && c.plan.Over != nil: // nothing could give the SNAT back that was made by hand
		c.host.warn("the profile is on disk, but the mark of its trial could not be removed: " + err.Error())
	case err != nil:
		return err
	}
	return saved(ctx, c.trial)
}

// commands returns the commands of the plan's steps that the step with that ID carries out.
func (c *createWork) commands(id string) []string {
	return plan.CommandsOf(c.plan.Steps, func(of string) bool { return plan.Covers(id, of) })
}

// claim makes sure that only one of two processes goes on that make tunnels of the same name at the
// same moment: the one whose profile NetworkManager got first. Each adds its own profiles before it
// looks, so the later process always sees the earlier one's.
func claim(ctx context.Context, works ...*createWork) error {
	alone, err := works[0].alone(ctx)
	if alone || err != nil {
		return err
	}
	// Listing also removes the profiles of killed processes, whose links would be in the way.
	profiles, err := works[0].host.profiles(ctx)
	for _, c := range works {
		err = cmp.Or(err, crowd.Claimed(profiles, c.uuid, c.tunnel.Name))
	}
	return err
}

// alone says whether this process alone has added profiles since the plan was made.
func (c *createWork) alone(ctx context.Context) (bool, error) {
	serials, err := c.host.Profiles.Serials(ctx)
	older := func(serial uint64) bool { return serial <= c.plan.Newest }
	return len(slices.DeleteFunc(serials, older)) == 1+c.beside, err
}

// keep has root keep the routes and rules that NetworkManager cannot hold, if there are any.
func (c *createWork) keep(ctx context.Context) error {
	k := c.kept()
	if k.Empty() {
		return nil
	}
	if !c.host.Kernel.CanChange() {
		var err error
		c.trial, err = c.host.try(ctx, k, true)
		return err
	}
	c.keeping = true
	up := c.asActivated().Running()
	k.Up = &up
	err := c.host.keep(ctx, k)
	// A step that changed nothing needs no undo, and no second question for root's rights.
	c.keeping = err == nil || errors.Is(err, fault.ErrLeftBehind)
	return err
}

// kept returns the part of the tunnel that root keeps.
func (c *createWork) kept() keep.Kept {
	k := c.plan.Kept
	k.UUID = c.uuid
	return k
}

// keepName names the step that sets the kept routes and rules, or is empty if there are none.
func (c *createWork) keepName() string {
	if c.plan.Kept.Empty() {
		return ""
	}
	return "set " + c.plan.Kept.Summary()
}

// asActivated returns the profile as it must be after a successful activation.
func (c *createWork) asActivated() nm.Profile {
	t := c.tunnel
	return nm.Profile{UUID: c.uuid, ID: t.ProfileName(), Alone: true, Tunnel: t, Adopts: t.Adopts, State: nm.StateActive, Device: t.Name, DeviceState: "activated", Unsaved: true, Trial: true}
}

// asSaved returns the profile as it must be after it has been written to disk.
func (c *createWork) asSaved() nm.Profile {
	p := c.asActivated()
	p.Tunnel, p.Path, p.Unsaved, p.Trial = c.plan.Profile(), c.file, false, false
	return p
}

// check verifies the tunnel before its profile is saved. A silent far end is a warning only: the
// first end of a tunnel is made before the second.
func (c *createWork) check(ctx context.Context, h *Host, opts CreateOptions) (verify.Report, error) {
	k := c.kept()
	report, err := h.verifyProfile(ctx, c.asActivated(), verify.Settings{Probe: !opts.NoProbe, BeforeSave: true, Want: &c.tunnel, Kept: &k, InCrowd: c.beside > 0})
	if err != nil {
		return report, err
	}
	if failures := report.Failures(); len(failures) > 0 {
		return report, cameUpWrong(failures[0])
	}
	return report, nil
}
