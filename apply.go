package nmgre

import (
	"context"
	"errors"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/nm/reconcile"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// PlanApply decides on the steps that give the host the wanted tunnels, as [reconcile.Make] does.
func (h *Host) PlanApply(ctx context.Context, wants []reconcile.Wanted, opts reconcile.Options) (reconcile.Plan, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return reconcile.Plan{}, fault.Ended(ctx, err)
	}
	return reconcile.Make(ctx, h.System, profiles, wants, opts)
}

// Applied is one tunnel after [Host.Apply], with the report that proves it; empty for one that is
// down, deleted or as it was.
type Applied struct {
	reconcile.Step
	Report verify.Report
}

// Apply carries out the whole plan or nothing, over all tunnels: when anything fails, or ctx ends,
// it undoes everything and then returns the error. If the process is killed, the next method that
// lists the profiles undoes everything, or does the rest where everything was proved.
func (h *Host) Apply(ctx context.Context, planned reconcile.Plan, noProbe bool) ([]Applied, error) {
	done := make([]Applied, len(planned.Steps))
	for i, s := range planned.Steps {
		done[i].Step = s
	}
	if !planned.Changed() {
		return done, nil
	}
	b, err := h.newBatch(ctx, planned.Changes, CreateOptions{NoProbe: noProbe})
	if err == nil {
		if err = b.carryOut(ctx); err != nil {
			err = b.undo(ctx, err)
		}
	}
	if err != nil {
		return nil, err
	}
	creates, edits := b.creates, b.edits // in the order of the steps
	for i := range done {
		switch done[i].Action {
		case reconcile.Create:
			done[i].Report, creates = creates[0].report, creates[1:]
		case reconcile.Change:
			done[i].Report, edits = edits[0].report, edits[1:]
		case reconcile.Delete, reconcile.None:
		}
	}
	return done, nil
}

// dropWork is a tunnel that is deleted together with others.
type dropWork struct {
	host        *Host
	profile     nm.Profile
	leader      string
	undoProfile func(context.Context) error // nil until the profile is marked
	down        bool                        // it may have been taken down
	gone        bool
}

func (d *dropWork) named() string            { return d.profile.Tunnel.Name }
func (d *dropWork) takes(string) bool        { return true }
func (d *dropWork) commands(string) []string { return nil }

func (d *dropWork) steps(ctx context.Context, p phase, first bool) []editStep {
	up := d.profile.State != nm.StateInactive || d.profile.Device != ""
	switch {
	case p == phaseBegin:
		return []editStep{{"", "made sure that nobody else has changed it", func() error { return d.mark(ctx) }}}
	case p == phaseDown && up:
		return []editStep{{plan.StepDown, "took it down", func() error {
			d.down = true
			if err := d.host.Profiles.Deactivate(ctx, d.profile.UUID); err != nil {
				return err
			}
			return d.host.waitGone(ctx, d.profile.Device)
		}}}
	case p == phaseAsk && first:
		return []editStep{{"", d.host.confirmName(), func() error { return d.host.asked(ctx, verify.Report{}) }}}
	case p == phaseDrop:
		return []editStep{{"", "deleted it", func() error { return d.drop(ctx) }}}
	}
	return nil
}

// mark makes sure that nobody has changed the tunnel since the plan was made, and has its profile
// say that it is to be deleted.
func (d *dropWork) mark(ctx context.Context) error {
	p, err := d.host.Profiles.Get(ctx, d.profile.UUID)
	if err != nil {
		return err
	}
	if err := find.InWork(p); err != nil {
		return err
	}
	t := d.profile.Tunnel
	t.Leader, t.Doomed = d.leader, true
	undo, err := d.host.Profiles.Update(ctx, p.UUID, &d.profile.Tunnel, t)
	if !errors.Is(err, fault.ErrChanged) { // then nothing has changed
		d.undoProfile = undo
	}
	return err
}

// drop deletes the tunnel. It is gone even if the answer is lost.
func (d *dropWork) drop(ctx context.Context) error {
	err := d.host.deleteWhole(ctx, d.profile)
	if err == nil {
		d.gone = true
		return nil
	}
	_, getErr := d.host.Profiles.Get(context.WithoutCancel(ctx), d.profile.UUID)
	d.gone = errors.Is(getErr, fault.ErrNotFound)
	return err
}

// undo brings the tunnel up again, and takes the mark away as the last: by it the next command
// knows that there is something to undo.
func (d *dropWork) undo(ctx context.Context, cause error) error {
	cause = fault.Ended(ctx, cause)
	if d.gone || d.undoProfile == nil {
		return cause
	}
	err := d.host.undo(ctx, "undid everything", func(ctx context.Context) error {
		var err error
		if d.down {
			err = d.host.undoDevice(ctx, d.profile, true, d.profile.Tunnel.Name)
		}
		if err == nil {
			err = d.undoProfile(ctx)
		}
		if err == nil && d.down {
			err = d.host.converge(ctx, d.profile.UUID)
		}
		return err
	})
	if err == nil {
		return cause
	}
	return errors.Join(cause, &fault.Error{What: "could not undo everything", Err: err, Hint: "bring it up again: nmgre up " + fault.Operand(d.profile.Tunnel.Name)})
}
