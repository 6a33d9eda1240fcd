package nmgre

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"nmgre/nm"
	"nmgre/nm/crowd"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/nm/weights"
	"nmgre/routes/fault"
)

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
	if err != nil {
		return nil, fault.Ended(ctx, err)
	}
	kept, err := h.Store.All(ctx)
	if err != nil {
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

// EditTogether is [Host.Edit] for several tunnels: all of the edits are carried out, or none. There
// must be at least one. The first one's far end is probed, if it has one, and with Confirm its
// report is confirmed for all.
func (h *Host) EditTogether(ctx context.Context, plans []plan.EditPlan, opts EditOptions) ([]Edited, error) {
	done := make([]Edited, len(plans))
	if len(plans) == 1 && len(plans[0].Changes) == 0 {
		status, err := h.status(ctx, plans[0].Profile.UUID)
		done[0].Status = status
		return done, fault.Ended(ctx, err)
	}
	if opts.Confirm != nil {
		confirmed := *h
		confirmed.Confirm, h = opts.Confirm, &confirmed
	}
	h, err := h.guardedAll(ctx, plans)
	if err != nil {
		return done, err
	}
	var work together
	for _, planned := range plans {
		work = append(work, &editWork{host: h, plan: planned})
	}
	if err := work.carryOut(ctx, opts); err != nil {
		done[0].Report = work[0].report
		return done, work.undo(ctx, err)
	}
	for i, e := range work {
		done[i] = e.edited(ctx)
	}
	return done, nil
}

// guardedAll is guarded for several edits. A confirmation that one of them needs is for all.
func (h *Host) guardedAll(ctx context.Context, plans []plan.EditPlan) (*Host, error) {
	guarded := h
	for i := range plans {
		safe, err := h.guarded(ctx, plans[i].Effect)
		if err != nil {
			return nil, err
		}
		if guarded == h || safe.Confirm != nil {
			guarded = safe
		}
	}
	return guarded, nil
}

// together are edits that are carried out as one. The first one's tunnel gets what the others lose.
type together []*editWork

// carryOut takes each step for all tunnels before it takes the next one. The first tunnel is saved
// first: if the process is killed then, nothing is lost that another tunnel had.
func (t together) carryOut(ctx context.Context, opts EditOptions) error {
	rest := opts
	rest.NoProbe = true
	phases := []func(i int) []editStep{
		func(i int) []editStep { return t[i].begin(ctx) },
		func(i int) []editStep { return t[i].change(ctx) },
		func(i int) []editStep {
			if i > 0 {
				return t[i].prove(ctx, rest)
			}
			return t[i].prove(ctx, opts)
		},
		func(i int) []editStep {
			if i > 0 {
				return nil
			}
			return []editStep{{"", t[0].host.confirmName(), func() error { return t[0].host.asked(ctx, t[0].report) }}}
		},
		func(i int) []editStep { return t[i].save(ctx) },
	}
	for _, steps := range phases {
		for i, e := range t {
			if err := e.take(ctx, t.named(i, steps(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

// named adds to each step of the i-th tunnel which one it is about, if there are several.
func (t together) named(i int, steps []editStep) []editStep {
	for j := range steps {
		if len(t) > 1 && steps[j].what != "" {
			steps[j].what += ": " + fault.Printable(t[i].plan.Before.Name)
		}
	}
	return steps
}

// undo undoes all edits, the first one before the others. It returns cause, with the failures of
// the undo.
func (t together) undo(ctx context.Context, cause error) error {
	for _, e := range t {
		cause = e.undo(ctx, cause)
	}
	return cause
}

// PlanAll is [Host.Plan] for several new tunnels, which are made together. The errors of all of
// them are joined.
func (h *Host) PlanAll(ctx context.Context, wants []nm.Tunnel) ([]plan.Plan, error) {
	var listed []nm.Profile
	once := func(ctx context.Context) (_ []nm.Profile, err error) {
		if listed == nil {
			listed, err = h.profiles(ctx)
		}
		return listed, err
	}
	plans, sys := make([]plan.Plan, len(wants)), crowd.View(h.System, len(wants))
	var errs []error
	for i, want := range wants {
		planned, err := plan.Create(ctx, sys, once, want)
		if err != nil {
			errs = append(errs, &fault.Error{What: fault.Printable(want.Name), Err: err})
		}
		if ctx.Err() != nil {
			return nil, fault.Ended(ctx, err)
		}
		plans[i] = planned
		h.advanced("planned", i+1, len(wants))
	}
	return plans, errors.Join(errs...)
}

// CreateAll is [Host.Create] for several tunnels: all of them are made, or none. Each step is taken
// for all tunnels before the next one, and for many of them together.
func (h *Host) CreateAll(ctx context.Context, plans []plan.Plan, opts CreateOptions) ([]Created, error) {
	guarded := *h
	for _, planned := range plans {
		safe, err := h.guarded(ctx, planned.Effect)
		if err != nil {
			return nil, err
		}
		if safe.Confirm != nil {
			guarded.Confirm = safe.Confirm
		}
	}
	var mu sync.Mutex // steps of several tunnels end at the same time
	if tell := h.Progress; tell != nil {
		guarded.Progress = func(e Event) { mu.Lock(); defer mu.Unlock(); tell(e) }
	}
	if tell := h.Checked; tell != nil {
		guarded.Checked = func(c verify.Check) { mu.Lock(); defer mu.Unlock(); tell(c) }
	}
	works := make([]*createWork, len(plans))
	for i, planned := range plans {
		works[i] = &createWork{host: &guarded, uuid: nm.NewUUID(), tunnel: planned.Tunnel, plan: planned, beside: len(plans) - 1}
	}
	done, err := createAll(ctx, &guarded, works, opts)
	if err != nil {
		return nil, undoAll(ctx, works, err)
	}
	return done, nil
}

// createAll takes each step for all tunnels. The last ones make it all or nothing even if the
// process is killed: every profile but the first is written with the mark that it belongs to the
// first one, then the first one is written, and that decides for all. The marks are taken off then,
// by this process or by the next command.
func createAll(ctx context.Context, h *Host, works []*createWork, opts CreateOptions) ([]Created, error) {
	var turn sync.Mutex // root's files have one lock
	looking := *h
	one, rest := works[:1], works[1:]
	for _, phase := range []struct {
		id, what string
		of       []*createWork
		do       func(c *createWork) error
	}{
		{plan.StepProfile, "added the profile, in memory", works, func(c *createWork) error { return h.Profiles.Add(ctx, c.uuid, c.plan.Profile()) }},
		{"", "made sure that the names are free", one, func(*createWork) error { return claim(ctx, works...) }},
		{plan.StepActivate, "brought it up", works, func(c *createWork) error {
			c.device = c.tunnel.Name
			return h.Profiles.Activate(ctx, c.uuid)
		}},
		{plan.StepRoute, "set what root keeps", keeping(works), func(c *createWork) error { turn.Lock(); defer turn.Unlock(); return c.keep(ctx) }},
		{"", "", one, func(*createWork) error { looking.System = crowd.View(h.System, len(works)); return nil }},
		{plan.StepCheck, "verified it", works, func(c *createWork) (err error) { c.report, err = c.check(ctx, &looking, opts); return err }},
		{"", h.confirmName(), one, func(c *createWork) error { return h.asked(ctx, c.report) }},
		{"", "", rest, func(c *createWork) error { c.saving = true; return h.Profiles.SaveWith(ctx, c.uuid, one[0].uuid) }},
		{plan.StepSave, "wrote the profile to disk", one, func(c *createWork) error { return c.save(ctx) }},
		{plan.StepSave, "wrote the profile to disk", rest, func(c *createWork) error { return c.save(ctx) }},
	} {
		err := crowd.Take(len(phase.of), func(i int) error {
			c := phase.of[i]
			e := Event{Step: phase.id, What: phase.what, Commands: c.commands(phase.id), Detail: len(works) > 1 && (phase.id != plan.StepSave || len(works) >= crowd.Told)}
			if e.What != "" {
				e.What += ": " + fault.Printable(c.tunnel.Name)
			}
			return c.failed(h.step(ctx, e, func() error { return phase.do(c) }))
		}, func(n int) { h.advanced(phase.what, n, len(phase.of)) })
		if err != nil {
			return nil, err
		}
	}
	done := make([]Created, len(works))
	for i, c := range works {
		done[i] = Created{Status{Profile: c.asSaved(), Kept: c.kept()}, c.report}
		done[i].Report.Saved(done[i].Status.Profile)
	}
	return done, nil
}

// failed adds which tunnel failed to an error, if there are others that fail with it.
func (c *createWork) failed(err error) error {
	if err == nil {
		return nil
	}
	return errors.Join(err, &fault.Error{What: "the tunnel " + fault.Printable(c.tunnel.Name) + " failed, so none of the " + strconv.Itoa(c.beside+1) + " was made"})
}

// keeping returns those of the works for which root is to keep something.
func keeping(works []*createWork) []*createWork {
	return slices.DeleteFunc(slices.Clone(works), func(c *createWork) bool { return c.plan.Kept.Empty() })
}

// advanced tells the progress of a step for many tunnels.
func (h *Host) advanced(what string, done, total int) {
	if line := crowd.Progress(what, done, total); line != "" {
		h.tell(Event{What: line})
	}
}

// undoAll undoes everything that the works may have made. The first one decides for all: if the
// process is killed meanwhile, the next command undoes the others.
func undoAll(ctx context.Context, works []*createWork, cause error) error {
	cause = works[0].undo(ctx, cause)
	rest, errs := works[1:], make([]error, len(works))
	if slices.ContainsFunc(rest, func(c *createWork) bool { return c.keeping || c.trial != nil }) {
		for _, c := range rest {
			cause = c.undo(ctx, cause)
		}
		return cause
	}
	_ = crowd.Take(len(rest), func(i int) error { errs[i] = rest[i].undo(ctx, nil); return nil }, func(int) {}) // they do not fail
	return errors.Join(append([]error{cause}, errs...)...)
}
