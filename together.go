package nmgre

import (
	"context"

	"nmgre/nm/plan"
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
