package nmgre

import (
	"context"
	"errors"
	"slices"
	"time"

	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/undo"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/list"
)

// undo calls steps, which undoes work, even if ctx has ended. While NetworkManager or the bus is
// away, because it was restarted, undo tries again, as [undo.Time] does: for [keep.UndoTimeout] at
// most without the time in which it is away, or until the time that several tunnels have together.
// It tells an event with that name, unless that is empty.
func (h *Host) undo(ctx context.Context, name string, steps func(context.Context) error) error {
	begin, given := time.Now(), h.undoTime
	if given == nil {
		given = undo.New(begin, keep.UndoTimeout)
	}
	err := given.Do(ctx, steps, func() { h.warn("NetworkManager is away: the undo waits for it") })
	if name != "" {
		h.tell(Event{What: name, Took: time.Since(begin), Err: err, Undo: true})
	}
	return err
}

// remove deletes a profile and waits until its link is gone, or is another profile's.
func (h *Host) remove(ctx context.Context, uuid, dev string) error {
	if err := h.Profiles.Delete(ctx, uuid); err != nil {
		return err
	}
	return h.waitGone(ctx, dev)
}

// undo removes everything that the work may have made. It returns cause, with the failures of the
// undo.
func (c *createWork) undo(ctx context.Context, cause error) error {
	cause = fault.Ended(ctx, cause)
	err := c.host.undo(ctx, "undid everything", c.remove)
	if err == nil {
		return cause
	}
	hint := "what is left is in memory only: the next nmgre command or a reboot removes it"
	if c.saving {
		hint = "the tunnel may be on disk: see nmgre list, and remove it with: nmgre delete " + fault.Operand(c.tunnel.Name)
	}
	return errors.Join(cause, &fault.Error{What: "could not undo everything", Err: err, Hint: hint})
}

// remove deletes the profile, and with it the link, its addresses and its routes. Root removes the
// kept routes and rules before that. Without root the helper, which was permitted to try them,
// drops them, or the hook does when the profile is gone: nobody is asked for root's rights again,
// since the person may not be there any more.
func (c *createWork) remove(ctx context.Context) error {
	h := c.host
	var err error
	if c.keeping {
		err = h.Keeper.Forget(ctx, c.uuid)
	}
	if c.plan.Over != nil {
		return adopt.Undo(ctx, c.plan.Over, func() error { return h.remove(ctx, c.uuid, "") })
	}
	err = errors.Join(err, h.remove(ctx, c.uuid, c.device))
	if c.trial != nil && c.trial.Drop(ctx) != nil && err == nil {
		err = undo.Forgotten(ctx, h.Store, c.uuid)
	}
	return err
}

// undo undoes the whole edit. It returns cause, with the failures of the undo.
func (e *editWork) undo(ctx context.Context, cause error) error {
	cause = fault.Ended(ctx, cause)
	if e.undoProfile == nil && e.trial == nil {
		return cause
	}
	err := e.host.undo(ctx, "undid everything", e.undoSteps)
	if err == nil {
		return cause
	}
	name := fault.Operand(e.plan.Before.Name)
	return errors.Join(cause, &fault.Error{What: "could not undo everything", Err: err,
		Hint: "the next nmgre command undoes the rest, or a reboot; see the tunnel: nmgre show " + name})
}

// undoSteps undoes the changes of the device and of root's files, and the profile's as the last: a
// process that is killed meanwhile leaves an edited profile, by which the next one knows that there
// is something to undo.
func (e *editWork) undoSteps(ctx context.Context) error {
	h, before := e.host, e.plan.Profile
	var err error
	if e.applied {
		err = h.undoDevice(ctx, before, !e.plan.Flaps && !e.plan.Raises, e.plan.After.Name)
	}
	switch {
	case e.trial != nil:
		// a profile that is not edited would prove it
		if dropErr := e.dropTrial(ctx); dropErr != nil {
			return errors.Join(err, dropErr)
		}
	case err == nil && e.applied:
		err = h.converge(ctx, before.UUID)
	}
	if !undo.IsAway(err) && ctx.Err() == nil && e.undoProfile != nil { // a failure for good does not stop it
		err = errors.Join(err, e.undoProfile(ctx))
	}
	return err
}

// dropTrial has root keep the routes and rules of before the edit.
func (e *editWork) dropTrial(ctx context.Context) error {
	err := e.trial.Drop(ctx)
	if e.kept {
		before := e.plan.KeptBefore
		before.Stamp = "" // the stamp is of the file before this edit
		err = errors.Join(err, e.host.keep(ctx, before))
	}
	return err
}

// undoDevice gives the profile its old settings, in memory, and the device, too: by a new link if
// it cannot be done while the tunnel is up. before is the profile before its edit, and name the
// name of its device after it.
func (h *Host) undoDevice(ctx context.Context, before nm.Profile, up bool, name string) error {
	if _, err := h.Profiles.Update(ctx, before.UUID, nil, before.Tunnel); err != nil {
		return err
	}
	p, err := h.Profiles.Get(ctx, before.UUID)
	if err != nil {
		return err
	}
	if up && p.State == nm.StateActive {
		err := h.Profiles.Reapply(ctx, p.UUID, false)
		if err == nil || undo.IsAway(err) || ctx.Err() != nil {
			return err
		}
	}
	if err := h.Profiles.Deactivate(ctx, p.UUID); err != nil {
		return err
	}
	for _, dev := range []string{name, before.Tunnel.Name} {
		err := h.waitGone(ctx, dev)
		// A link with the old name may be the profile's already: NetworkManager may make it as soon
		// as the profile has that name again.
		if err != nil && (dev == name || !errors.Is(err, fault.ErrTimeout) || ctx.Err() != nil) {
			return err
		}
	}
	if before.State == nm.StateInactive {
		return nil
	}
	return h.Profiles.Activate(ctx, p.UUID)
}

// undoKilled undoes the edit of a process that is gone. Root's trial for it is dropped first, so
// without root such an edit is left to root, and to the hook. all are the profiles of the host.
func (h *Host) undoKilled(ctx context.Context, p nm.Profile, all []nm.Profile) error {
	err := undo.DropDead(ctx, h.System, p.UUID)
	if err != nil {
		return err
	}
	before := p
	before.Tunnel, before.State = p.Edit.Before, nm.StateInactive
	if p.Edit.Up {
		before.State = nm.StateActive
	}
	// any user may have written the note of an edit into a profile with the name of another tunnel
	if slices.ContainsFunc(all, func(o nm.Profile) bool {
		return o.UUID != p.UUID && o.Device != "" && (o.Device == p.Tunnel.Name || o.Device == before.Tunnel.Name)
	}) {
		return h.Profiles.Revert(ctx, p.UUID)
	}
	flaps := slices.ContainsFunc(nm.Diff(before.Tunnel, p.Tunnel), func(c nm.FieldChange) bool { return !c.IsReapplied() })
	err = h.undoDevice(ctx, before, !flaps && p.Edit.Up, p.Tunnel.Name)
	if undo.IsAway(err) || errors.Is(err, fault.ErrNotPermitted) || ctx.Err() != nil {
		return err
	}
	if h.Kernel.CanChange() {
		err = errors.Join(err, h.converge(ctx, p.UUID))
	}
	return errors.Join(err, h.Profiles.Revert(ctx, p.UUID)) // a failure for good does not stop it
}

// runAgain makes a tunnel run with the settings of before its pending changes, which wait in the
// profile again then.
func (h *Host) runAgain(ctx context.Context, p nm.Profile, waiting nm.Pending) error {
	undoProfile, err := h.Profiles.Update(ctx, p.UUID, nil, waiting.Before(p.Tunnel))
	if err == nil && waiting.NewLink == "" {
		err = h.Profiles.Reapply(ctx, p.UUID, false)
	} else if err == nil {
		if err = h.Profiles.Deactivate(ctx, p.UUID); err == nil {
			err = h.waitGone(ctx, p.Tunnel.Name)
		}
		if err == nil {
			err = h.Profiles.Activate(ctx, p.UUID)
		}
	}
	err = errors.Join(err, undoProfile(ctx))
	if err == nil {
		err = h.converge(ctx, p.UUID)
	}
	return err
}

// undo undoes the whole change.
func (c *routeWork) undo(ctx context.Context) error {
	err := c.host.undo(ctx, "", func(ctx context.Context) error {
		var err error
		switch {
		case c.kept:
			err = c.undoKept(ctx)
		case c.trial != nil:
			err = c.trial.Drop(ctx)
		}
		return errors.Join(err, c.undoProfile(ctx))
	})
	if err == nil {
		return nil
	}
	return &fault.Error{What: "could not undo everything", Err: err, Hint: "see the routes: nmgre route list " + fault.Operand(c.plan.Profile.Tunnel.Name)}
}

// undoKept undoes the change of the kept routes. Changes that others have made since stay.
func (c *routeWork) undoKept(ctx context.Context) error {
	for try := 1; ; try++ {
		now, err := keep.Of(ctx, c.host.Store, c.plan.Profile.UUID)
		if err != nil {
			return err
		}
		before := c.plan.Before
		before.Stamp, before.Routes = now.Stamp, list.Merged(now.Routes, c.plan.Kept.Routes, c.plan.Before.Routes)
		if err = c.host.keep(ctx, before); !errors.Is(err, fault.ErrChanged) || try == maxTries {
			return err
		}
	}
}

// undoProfile gives the profile its old routes, unless somebody else has changed its routes since.
func (c *routeWork) undoProfile(ctx context.Context) error {
	for _, state := range [][]routes.Route{c.to, c.staying, c.from} {
		err := c.setRoutes(ctx, state, c.from)
		if !errors.Is(err, fault.ErrChanged) {
			return err
		}
	}
	return nil
}
