package nmgre

import (
	"context"
	"errors"
	"time"
)

// EditOptions say how an edit is carried out.
type EditOptions struct {
	NoProbe bool // the far end is not probed
	// Confirm, if it is set, is asked when everything is applied and verified, and nothing is on disk yet. Unless it returns nil, everything is
	// put back, and Edit returns its error. It has to end when its context does.
	Confirm func(ctx context.Context, applied Report) error
}

// Edited is the tunnel after an edit.
type Edited struct {
	Status Status
	Report Report // empty if the tunnel is down
}

// Edit carries out the plan of an edit: all of it or none of it. Whatever fails, the end of ctx included, the profile, what root keeps and
// the device are put back as they were before Edit returns the error; and if the tunnel was up, it is again. A silent far end is no failure.
//
// Until everything is verified, and confirmed where that is asked for, the change of the profile is in memory only: what a process that is
// killed leaves behind, [Host.Verify] shows as not being on disk, and a reboot brings back the profile as it was.
func (h *Host) Edit(ctx context.Context, plan EditPlan, opts EditOptions) (Edited, error) {
	if len(plan.Changes) == 0 {
		status, err := h.status(ctx, plan.Profile.UUID)
		return Edited{Status: status}, withContext(ctx, err)
	}
	e := &edit{host: h, plan: plan}
	report, err := e.carryOut(ctx, opts)
	if err != nil {
		return Edited{Report: report}, e.undo(ctx, err)
	}
	status, err := h.status(ctx, plan.Profile.UUID)
	if err != nil { // it is done for good: that it cannot be shown is no failure
		p := plan.Profile
		p.Tunnel = plan.profileAfter()
		status = Status{Profile: p, Kept: plan.Kept}
	}
	report.replace((&verifier{profile: status.Profile}).checkProfile()) // it is on disk now
	return Edited{Status: status, Report: report}, nil
}

// edit is an edit while it is carried out.
type edit struct {
	host *Host
	plan EditPlan

	failed  map[string]bool             // the checks that failed before
	back    func(context.Context) error // puts the profile back; nil as long as nothing of it is changed
	applied bool                        // the device may run with something else than before
	keeping bool                        // root may keep something else than before
}

func (e *edit) carryOut(ctx context.Context, opts EditOptions) (report Report, err error) {
	h, plan, uuid := e.host, e.plan, e.plan.Profile.UUID
	steps := []struct {
		id, what string
		do       func() error
	}{
		{"", "made sure that nobody else has changed it", func() error { return e.look(ctx) }},
		{StepProfile, "changed the profile, in memory", func() error {
			e.back, err = h.Profiles.Update(ctx, uuid, plan.profileAfter())
			return err
		}},
		{StepApply, "applied it while the tunnel is up", func() error { e.applied = true; return h.Profiles.Reapply(ctx, uuid) }},
		{StepDown, "took it down", func() error { e.applied = true; return e.down(ctx, uuid) }},
		{StepActivate, "brought it up", func() error { return h.Profiles.Activate(ctx, uuid) }},
		{StepRoute, e.keepName(), func() error { return e.keep(ctx) }},
		{StepCheck, "verified it", func() error { report, err = e.check(ctx, opts); return err }},
		{"", e.confirmName(opts), func() error { return e.confirm(ctx, opts, report) }},
		{StepSave, "wrote the profile to disk", func() error { return h.Profiles.Save(ctx, uuid) }},
	}
	for _, s := range steps {
		if !e.takes(s.id) {
			continue
		}
		if err := h.step(ctx, Event{What: s.what, Commands: e.commands(s.id)}, s.do); err != nil {
			return report, err
		}
	}
	return report, nil
}

// takes says whether the edit has that step. What root keeps is looked after whenever the device was changed.
func (e *edit) takes(id string) bool {
	if id == "" {
		return true
	}
	if id == StepRoute {
		return e.applied || e.plan.keptDiffers()
	}
	for _, s := range e.plan.Steps {
		if s.ID == id {
			return true
		}
	}
	return false
}

// commands are those of the plan's steps with that ID; all that concern what root keeps belong to one step.
func (e *edit) commands(id string) []string {
	return commandsOf(e.plan.Steps, func(of string) bool { return of == id || id == StepRoute && keptStep(of) })
}

// keepName says what is done to what root keeps; nothing if that stays.
func (e *edit) keepName() string {
	if !e.plan.keptDiffers() {
		return ""
	}
	if e.plan.Kept.Empty() {
		return "removed " + e.plan.before.summary()
	}
	return "set " + e.plan.Kept.summary()
}

func (e *edit) confirmName(opts EditOptions) string {
	if opts.Confirm == nil {
		return ""
	}
	return "asked whether to keep it"
}

// look makes sure that the tunnel is what the plan was made for, and notes what is wrong with it already.
func (e *edit) look(ctx context.Context) error {
	h, plan := e.host, e.plan
	p, err := h.Profiles.Get(ctx, plan.Profile.UUID)
	if err != nil {
		return err
	}
	kept, err := keptOf(ctx, h.Store, p.UUID)
	if err != nil {
		return err
	}
	up := p.State != StateInactive
	if !sameTunnel(p.Tunnel, plan.Profile.Tunnel) || p.ID != plan.Profile.ID || up != plan.up() || !sameKept(kept, plan.before) {
		return &Error{Kind: ErrChanged, What: "somebody else has changed " + Printable(plan.Before.Name) + " meanwhile", Hint: "look at it, and try again"}
	}
	if err := e.nameFree(ctx); err != nil || !up {
		return err
	}
	report, err := h.verify(ctx, p, verifyOptions{})
	e.failed = make(map[string]bool)
	for _, c := range report.Failures() {
		e.failed[c.ID] = true
	}
	return err
}

// nameFree makes sure that a new name is still free: what has it then is not the tunnel's, and is not to be waited for.
func (e *edit) nameFree(ctx context.Context) error {
	name := e.plan.After.Name
	if name == e.plan.Before.Name {
		return nil
	}
	links, err := e.host.Kernel.Links(ctx)
	if err == nil && findLink(links, name) != nil {
		err = &Error{Kind: ErrChanged, Field: "name", What: "there is a device " + name + " by now", Hint: "choose another with --name"}
	}
	return err
}

// down takes the tunnel down and waits until its link is gone.
func (e *edit) down(ctx context.Context, uuid string) error {
	if err := e.host.Profiles.Deactivate(ctx, uuid); err != nil {
		return err
	}
	return e.host.waitGone(ctx, e.plan.Profile.Device)
}

// keep has root keep what it shall. Where that is what it keeps already, the kernel has to get it again, since the link is another one.
func (e *edit) keep(ctx context.Context) error {
	if !e.plan.keptDiffers() {
		return e.host.converge(ctx, e.after())
	}
	e.keeping = true
	return e.host.keep(ctx, e.plan.Kept)
}

// after is the profile as it is known to be when everything is applied.
func (e *edit) after() Profile {
	p := e.plan.Profile
	p.Tunnel = e.plan.profileAfter()
	if p.ID == e.plan.Before.Name {
		p.ID = p.Tunnel.Name
	}
	p.State, p.Device, p.DeviceState = StateActive, p.Tunnel.Name, "activated"
	return p
}

// check verifies the tunnel. What was wrong before is not the edit's fault.
func (e *edit) check(ctx context.Context, opts EditOptions) (Report, error) {
	report, err := e.host.verify(ctx, e.after(), verifyOptions{probe: !opts.NoProbe, beforeSave: true, kept: &e.plan.Kept})
	if err != nil {
		return report, err
	}
	for _, c := range report.Failures() {
		if e.failed[c.ID] {
			continue
		}
		what := "the tunnel came up wrong: " + c.Summary
		if c.Evidence != "" {
			what += " (" + c.Evidence + ")"
		}
		return report, &Error{What: what, Hint: c.Hint}
	}
	return report, nil
}

func (e *edit) confirm(ctx context.Context, opts EditOptions, report Report) error {
	if opts.Confirm == nil {
		return nil
	}
	return opts.Confirm(ctx, report)
}

// undo puts everything back after cause. While NetworkManager is away, it waits for it.
func (e *edit) undo(ctx context.Context, cause error) error {
	cause = withContext(ctx, cause)
	if e.back == nil && !e.keeping {
		return cause
	}
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	begin := time.Now()
	err := e.putBack(undoing)
	for (errors.Is(err, ErrNoNetworkManager) || errors.Is(err, ErrTimeout)) && undoing.Err() == nil {
		pause(undoing, undoRetry)
		err = e.putBack(undoing)
	}
	e.host.tell(Event{What: "put back what was there before", Took: time.Since(begin), Err: err, Undo: true})
	if err == nil {
		return cause
	}
	name := shellQuote(e.plan.Before.Name)
	return errors.Join(cause, &Error{What: "could not put back everything", Err: err,
		Hint: "see what is there with: nmgre show " + name + "; a profile that is not on disk as it stands is brought back by a reboot"})
}

// putBack makes the profile, the device and what root keeps as they were.
func (e *edit) putBack(ctx context.Context) error {
	var err error
	if e.back != nil {
		err = e.back(ctx)
	}
	if err == nil && e.applied {
		err = e.restore(ctx)
	}
	if e.keeping {
		before := e.plan.before
		before.Stamp = "" // the file is ours now
		return errors.Join(err, e.host.keep(ctx, before))
	}
	if err == nil && e.applied {
		err = e.host.converge(ctx, e.plan.Profile)
	}
	return err
}

// restore has the device run with the old profile: as it is, if that is possible, else by a link made anew.
func (e *edit) restore(ctx context.Context) error {
	h, before := e.host, e.plan.Profile
	p, err := h.Profiles.Get(ctx, before.UUID)
	if err != nil {
		return err
	}
	if !e.plan.Flaps && p.State == StateActive {
		return h.Profiles.Reapply(ctx, p.UUID)
	}
	if err := h.Profiles.Deactivate(ctx, p.UUID); err != nil {
		return err
	}
	for _, dev := range []string{before.Device, e.plan.After.Name} {
		if err := h.waitGone(ctx, dev); err != nil {
			return err
		}
	}
	return h.Profiles.Activate(ctx, p.UUID)
}
