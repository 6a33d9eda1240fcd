package nmgre

import (
	"context"
	"errors"
	"slices"
	"time"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/nm/reconcile"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// PlanEdit decides everything about an edit, and checks that this host can have the result. It
// changes nothing on the host. change gets the whole tunnel, with the routes and rules that root
// keeps, and changes its fields.
//
// Fields that were derived from changed ones are derived again: the peer address if it came from
// the inner addresses, routes by way of the peer address, and the MTU if it came from the way to
// the far end. The errors are those of [Host.Plan]. A problem that the tunnel had before is no
// error.
func (h *Host) PlanEdit(ctx context.Context, name string, change func(*nm.Tunnel) error) (plan.EditPlan, error) {
	p, all, err := h.find(ctx, name, find.ByName)
	if p, err = find.NotByHand(p, err); err != nil {
		return plan.EditPlan{}, fault.Ended(ctx, err)
	}
	if err := find.InWork(p); err != nil {
		return plan.EditPlan{}, err
	}
	profiles := h.profiles
	if all != nil { // they have just been listed
		profiles = func(context.Context) ([]nm.Profile, error) { return all, nil }
	}
	sys := h.System
	sys.Kernel = kernel.Once(sys.Kernel)
	planned, err := plan.Edit(ctx, sys, profiles, p, change)
	if err != nil {
		return plan.EditPlan{}, err
	}
	return reconcile.WithEnds(ctx, sys, planned)
}

// EditOptions are the user's choices for [Host.Edit].
type EditOptions struct {
	NoProbe bool // the far end is not probed
	// Confirm, if it is set, takes the place of the Host's.
	Confirm func(ctx context.Context, applied verify.Report) error
	faulty  bool // a check that fails does not undo the edit
}

// Edited is the tunnel after an edit.
type Edited struct {
	Status Status
	Report verify.Report // empty if the tunnel is down
}

// Edit carries out the whole plan of an edit or nothing: when anything fails, or ctx ends, it
// undoes everything and then returns the error. A tunnel that was up is then up again. A silent far
// end is no failure.
//
// The profile is changed in memory only, and root's part is on trial, until everything is verified
// and, with Confirm, confirmed. If the process is killed before, the next method that lists the
// profiles undoes the edit, and so does a reboot.
func (h *Host) Edit(ctx context.Context, planned plan.EditPlan, opts EditOptions) (Edited, error) {
	done, err := h.EditTogether(ctx, []plan.EditPlan{planned}, opts)
	return done[0], err
}

// edited returns the tunnel after its edit.
func (e *editWork) edited(ctx context.Context) Edited {
	status, err := e.host.status(ctx, e.plan.Profile.UUID)
	if err != nil { // the edit is done, though its result cannot be shown
		p := e.plan.Profile
		p.Tunnel = e.plan.ProfileAfter()
		status = Status{Profile: p, Kept: e.plan.Kept}
	}
	e.report.Saved(status.Profile)
	return Edited{Status: status, Report: e.report}
}

// editWork is an edit while it is carried out.
type editWork struct {
	host *Host
	plan plan.EditPlan

	failed  map[string]bool // the IDs of the checks that failed before the edit
	assumed bool            // a long list of routes that the edit leaves alone was not compared before
	// undoProfile gives the profile its old settings. It is nil until the profile is changed.
	undoProfile func(context.Context) error
	applied     bool       // the device may have other settings than before
	trial       keep.Trial // of the kept routes and rules after the edit; nil if they stay as they are
	kept        bool       // the tunnel's kept file may have those of the trial
	report      verify.Report

	joins   bool   // it is one of several, and its profile is marked even if it stays as it is
	leader  string // of them; empty for the leader itself
	noProbe bool
	faulty  bool // a check that fails does not undo the edit
}

func (e *editWork) named() string { return e.plan.Before.Name }

// steps are the steps of a phase.
func (e *editWork) steps(ctx context.Context, p phase, first bool) []editStep {
	switch {
	case p == phaseBegin:
		return []editStep{{"", "made sure that nobody else has changed it", func() error { return e.unchanged(ctx) }}}
	case p == phaseChange:
		return e.change(ctx)
	case p == phaseKeep:
		return []editStep{{plan.StepRoute, e.keepName(), func() error { return e.keep(ctx) }}}
	case p == phaseCheck:
		return []editStep{{plan.StepCheck, "verified it", func() (err error) { e.report, err = e.check(ctx); return err }}}
	case p == phaseAsk && first:
		return []editStep{{"", e.host.confirmName(), func() error { return e.host.asked(ctx, e.report) }}}
	case p == phaseSave:
		return e.save(ctx)
	}
	return nil
}

// editStep is a step of an edit, or of a new tunnel. Its ID is empty if no plan has it.
type editStep struct {
	id, what string
	do       func() error
}

// change are the steps that change the profile in memory, and its device.
func (e *editWork) change(ctx context.Context) []editStep {
	h, planned, uuid := e.host, e.plan, e.plan.Profile.UUID
	return []editStep{
		{plan.StepProfile, "changed the profile, in memory", func() error {
			after := planned.ProfileAfter()
			after.Leader = e.leader
			undo, err := h.Profiles.Update(ctx, uuid, &planned.Profile.Tunnel, after)
			// then nothing has changed, and another's change stays
			if !errors.Is(err, fault.ErrChanged) {
				e.undoProfile = undo
			}
			return err
		}},
		{plan.StepApply, "applied it while the tunnel is up", func() error { e.applied = true; return h.Profiles.Reapply(ctx, uuid, planned.Mends()) }},
		{plan.StepDown, "took it down", func() error { e.applied = true; return e.down(ctx, uuid) }},
		{plan.StepActivate, "brought it up", func() error { e.applied = true; return h.Profiles.Activate(ctx, uuid) }},
	}
}

// save are the steps that make the edit last.
func (e *editWork) save(ctx context.Context) []editStep {
	return []editStep{
		{plan.StepSave, "wrote the profile to disk", func() error { _, err := e.host.Profiles.Save(ctx, e.plan.Profile.UUID); return err }},
		{"", "", func() error { return e.endTrial(ctx) }},
	}
}

// takes says whether the edit has the step with that ID. The kept routes and rules are also set
// again when the device has changed, unless all of them were there and stay.
func (e *editWork) takes(id string) bool {
	if id == plan.StepRoute {
		return e.plan.KeptDiffers() || e.plan.Mends() && !e.plan.Kept.Empty() || e.applied && (len(e.failed) > 0 || !e.plan.KeptStays())
	}
	return id == "" || e.joins && (id == plan.StepProfile || id == plan.StepSave) || slices.ContainsFunc(e.plan.Steps, func(s plan.Step) bool { return s.ID == id })
}

// commands returns the commands of the plan's steps that the step with that ID carries out.
func (e *editWork) commands(id string) []string {
	return plan.CommandsOf(e.plan.Steps, func(of string) bool { return plan.Covers(id, of) })
}

// keepName names the step that changes the kept file, or is empty if the file stays.
func (e *editWork) keepName() string {
	switch {
	case e.plan.Mends():
		return "set again what root keeps for it"
	case !e.plan.KeptDiffers():
		return ""
	case e.plan.Kept.Empty():
		return "removed " + e.plan.KeptBefore.Summary()
	}
	return "set " + e.plan.Kept.Summary()
}

// unchanged makes sure that nobody has changed the tunnel since the plan was made. It also notes
// the checks that fail already.
func (e *editWork) unchanged(ctx context.Context) error {
	h, planned := e.host, e.plan
	p, err := h.Profiles.Get(ctx, planned.Profile.UUID)
	if err != nil {
		return err
	}
	kept, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		return err
	}
	up := p.State != nm.StateInactive
	if !p.Tunnel.SameInProfile(planned.Profile.Tunnel) || p.ID != planned.Profile.ID || up != planned.Up() || !keep.Same(kept, planned.KeptBefore) {
		return &fault.Error{Kind: fault.ErrChanged, What: "somebody else has changed " + fault.Printable(planned.Before.Name) + " meanwhile", Hint: "see its present state, and try again"}
	}
	e.failed = make(map[string]bool)
	if err := e.nameFree(ctx); err != nil || !up {
		return err
	}
	report, err := h.verifyProfile(ctx, p, verify.Settings{NoLongList: e.assumed, FailuresOnly: true})
	for _, c := range report.Failures() {
		e.failed[c.ID] = true
	}
	return err
}

// nameFree makes sure that a new name is still free. Otherwise the undo would wait for a device to
// go that is not the tunnel's.
func (e *editWork) nameFree(ctx context.Context) error {
	name := e.plan.After.Name
	if name == e.plan.Before.Name {
		return nil
	}
	links, err := e.host.Kernel.Links(ctx)
	if err == nil && kernel.Named(links, name) != nil {
		err = &fault.Error{Kind: fault.ErrChanged, Field: "name", What: "the device " + name + " exists by now", Hint: "choose another name"}
	}
	return err
}

// down takes the tunnel down and waits until its link is gone.
func (e *editWork) down(ctx context.Context, uuid string) error {
	if err := e.host.Profiles.Deactivate(ctx, uuid); err != nil {
		return err
	}
	return e.host.waitGone(ctx, e.plan.Profile.Device)
}

// keep changes the kept routes and rules. If they stay the same, it sets them in the kernel again,
// since the link may be a new one.
func (e *editWork) keep(ctx context.Context) (err error) {
	if !e.plan.KeptDiffers() {
		return e.host.converge(ctx, e.plan.Profile.UUID)
	}
	e.trial, err = e.host.try(ctx, e.plan.Kept, e.joins || e.plan.ProfileDiffers())
	return err
}

// endTrial ends the trial of a profile that stays in memory, as it was before, and makes root's
// trial the tunnel's kept file. A process that is killed between the two leaves a trial that the
// next keeper saves.
func (e *editWork) endTrial(ctx context.Context) error {
	if e.undoProfile != nil && !e.takes(plan.StepSave) {
		if _, err := e.host.Profiles.Save(ctx, e.plan.Profile.UUID); err != nil {
			return err
		}
	}
	e.kept = e.trial != nil
	return saved(ctx, e.trial)
}

// after returns the profile as it must be when everything is applied.
func (e *editWork) after() nm.Profile {
	p := e.plan.Profile
	p.Tunnel = e.plan.ProfileAfter()
	if p.ID == e.plan.Before.Name {
		p.ID = p.Tunnel.Name
	}
	p.State, p.Device, p.DeviceState = nm.StateActive, p.Tunnel.Name, "activated"
	return p
}

// settleTimeout is how long a device may take to get all addresses and routes after Reapply has
// returned.
const settleTimeout = 3 * time.Second

// settle waits for the addresses and routes of a device that was changed while it is up.
// NetworkManager may set them after Reapply has returned, and tells nobody when. It was seen on
// slow machines: with 1.42.4 for an IPv6 route by a gateway, which waits until the device's address
// is usable, and with 1.52.1 for an IPv4 address. The check after it reports those that are still
// missing.
func (e *editWork) settle(ctx context.Context) error {
	if !e.applied || e.plan.Flaps || e.plan.Raises {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		report, err := verify.Run(ctx, e.host.System, e.after(), verify.Settings{BeforeSave: true, Kept: e.plan.Settling()})
		if err != nil || e.newFailure(report) == nil || waiting.Err() != nil {
			return err
		}
		fault.Pause(waiting, kernel.GonePoll)
	}
}

// check verifies the tunnel. A check that failed before the edit may fail again. Where addresses
// and routes stay as they are, nothing is waited for unless a check fails.
func (e *editWork) check(ctx context.Context) (verify.Report, error) {
	if !e.plan.Mends() && e.plan.KeptStays() && routes.EqualLists(e.plan.ProfileAfter().Routes, e.plan.Profile.Tunnel.Routes) {
		report, err := e.verify(ctx)
		if err != nil || e.newFailure(report) == nil {
			return report, err
		}
	}
	if err := e.settle(ctx); err != nil {
		return verify.Report{}, err
	}
	if e.plan.Mends() {
		if err := reconcile.Mended(ctx, e.host.System, e.after(), e.plan.Kept); err != nil {
			return verify.Report{}, err
		}
	}
	report, err := e.verify(ctx)
	if err == nil && !e.faulty {
		err = e.newFailure(report)
	}
	return report, err
}

// verify verifies the tunnel as the edit leaves it. Routes that the kernel lacks of a list that was
// not compared before were missing then, too: they are set, and those that cannot be set are no new
// failure.
func (e *editWork) verify(ctx context.Context) (verify.Report, error) {
	for {
		report, err := e.host.verifyProfile(ctx, e.after(), verify.Settings{Probe: !e.noProbe, BeforeSave: true, Kept: &e.plan.Kept})
		if err == nil && e.assumed && report.LacksRoutes() {
			e.assumed, e.failed[verify.LongListID] = false, true
			if err = e.host.converge(ctx, e.plan.Profile.UUID); err == nil {
				continue
			}
		}
		return report, err
	}
}

// newFailure returns the first check that failed now and had not failed before the edit, as an
// error.
func (e *editWork) newFailure(report verify.Report) error {
	for _, c := range report.Failures() {
		if !e.failed[c.ID] {
			return cameUpWrong(c)
		}
	}
	return nil
}
