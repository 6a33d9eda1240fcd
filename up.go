package nmgre

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/nmcli"
	"nmgre/nm/plan"
	"nmgre/nm/undo"
	"nmgre/nm/verify"
	"nmgre/nm/whole"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Up brings a tunnel up. It returns when the addresses, and the routes and rules that root keeps,
// are set. A tunnel that does not come up is taken down again. One that is up and does not run with
// the whole of its profile gets the rest: by a new link if there must be one. Where the tunnel's
// routes lead its own packets into it, root keeps a host route to the far end from then on.
func (h *Host) Up(ctx context.Context, name string) (nm.Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	waiting, err := h.pending(ctx, p)
	if errors.Is(err, fault.ErrNotPermitted) {
		h.warn("NetworkManager does not tell you whether " + fault.Printable(p.Tunnel.Name) + " runs with the whole of its profile")
	} else if err != nil {
		return p, err
	}
	if h, err = h.guarded(ctx, func() plan.Effect { return h.upEffect(ctx, p, waiting) }); err != nil {
		return p, err
	}
	back := func(ctx context.Context) error { return h.deactivate(ctx, p) }
	var half error
	same := p.State == nm.StateActive && waiting.None()
	switch {
	case same:
		half, back = h.complete(ctx, p), func(context.Context) error { return nil }
	case p.State == nm.StateActive:
		half = h.applyPending(ctx, p, waiting)
		back = func(ctx context.Context) error { return h.runAgain(ctx, p, waiting) }
	default:
		half = h.activate(ctx, p)
	}
	if half != nil && !errors.Is(half, fault.ErrHalfDone) {
		return p, half
	}
	unpin, err := whole.Pin(ctx, h.System, p, h.warn)
	if err != nil && half == nil {
		half = halfDone(p, "is up, but its far end has no host route", fault.Ended(ctx, err))
	}
	if unpin == nil && same {
		return p, half
	}
	return p, cmp.Or(h.confirmed(ctx, func(ctx context.Context) error {
		err := back(ctx)
		if unpin != nil {
			err = errors.Join(err, unpin(ctx))
		}
		return err
	}), half)
}

// pending returns the settings that the profile of a tunnel that is up has, and its device not.
func (h *Host) pending(ctx context.Context, p nm.Profile) (nm.Pending, error) {
	if p.State != nm.StateActive || p.Edit != nil {
		return nm.Pending{}, nil
	}
	waiting, err := h.Profiles.Pending(ctx, p.UUID)
	return waiting, fault.Ended(ctx, err)
}

// applyPending makes a tunnel that is up run with its whole profile. If that fails, it runs as
// before again.
func (h *Host) applyPending(ctx context.Context, p nm.Profile, waiting nm.Pending) error {
	what, name := "the profile has changes that the tunnel does not run with: "+waiting.String(), waiting.Before(p.Tunnel).Name
	if waiting.NewLink == "" {
		h.tell(Event{What: what + "; it stays up"})
		e := Event{What: "applied them", Commands: []string{"nmcli device reapply " + fault.ShellWord(name)}, Detail: true}
		if err := h.step(ctx, e, func() error { return h.Profiles.Reapply(ctx, p.UUID, false) }); err != nil {
			return fault.Ended(ctx, err)
		}
		return h.complete(ctx, p)
	}
	h.tell(Event{What: what + "; it goes down and up, since " + waiting.NewLink + " needs a new link"})
	old := p
	old.Tunnel.Name = name
	err := h.deactivate(ctx, old)
	if err == nil {
		if err = h.activate(ctx, p); err == nil || errors.Is(err, fault.ErrHalfDone) {
			return err
		}
	}
	return errors.Join(err, h.undo(ctx, "brought it up as it was before", func(ctx context.Context) error { return h.runAgain(ctx, p, waiting) }))
}

// activate brings a tunnel up, or takes it down again.
func (h *Host) activate(ctx context.Context, p nm.Profile) error {
	err := h.step(ctx, Event{What: "brought it up", Commands: nmcli.Connection("up", p.Nmcli()), Detail: true}, func() error { return h.Profiles.Activate(ctx, p.UUID) })
	if err != nil {
		err = fault.Ended(ctx, err)
		down := func(ctx context.Context) error { return h.Profiles.Deactivate(ctx, p.UUID) }
		if downErr := h.undo(ctx, "", down); downErr != nil {
			h.tell(Event{What: "could not take " + fault.Printable(p.ID) + " down again", Err: downErr, Undo: true})
		}
		if hint := find.NeverUp(p.Tunnel, p.Nmcli()); hint != "" { // no other hint helps then
			err = &fault.Error{What: err.Error(), Hint: hint}
		}
		return err
	}
	if t := p.Tunnel; len(t.Addresses) == 0 && !t.Mode.Ethernet() { // a method such as auto finds none in a tunnel
		h.warn(fault.Printable(t.Name) + " has no inner address of its own; give it one: nmgre edit " + fault.Operand(t.Name) + " --address CIDR")
	}
	return h.complete(ctx, p)
}

// complete sets the kept routes and rules of a tunnel that is up. It fails with [fault.ErrHalfDone]
// if one of them is missing then.
func (h *Host) complete(ctx context.Context, p nm.Profile) error {
	err := h.converge(ctx, p.UUID)
	if err == nil {
		err = whole.Lacking(ctx, h.System, p)
	}
	if err == nil {
		return nil
	}
	return halfDone(p, "is up, but not everything is set that root keeps for it", fault.Ended(ctx, err))
}

// halfDone is the error about a tunnel that is up, or down, but not wholly so.
func halfDone(p nm.Profile, what string, err error) error {
	name := p.Tunnel.Name
	return &fault.Error{Kind: fault.ErrHalfDone, What: fault.Printable(name) + " " + what, Err: err, Hint: "see what is there: nmgre verify " + fault.Operand(name)}
}

// Down takes a tunnel down and returns when its link is gone. Its profile stays, and so do the
// routes and rules that root keeps.
func (h *Host) Down(ctx context.Context, name string) (nm.Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	return p, h.down(ctx, p)
}

// down is Down for a tunnel that is known.
func (h *Host) down(ctx context.Context, p nm.Profile) error {
	// a tunnel that is still going down has a device
	if p.State == nm.StateInactive && p.Device == "" {
		return nil
	}
	h, err := h.guarded(ctx, func() plan.Effect { return h.downEffect(ctx, p) })
	if err != nil {
		return err
	}
	if err := h.deactivate(ctx, p); err != nil {
		return err
	}
	return h.confirmed(ctx, func(ctx context.Context) error { return h.activate(ctx, p) })
}

// deactivate takes a tunnel down. It fails with [fault.ErrHalfDone] if something is left of it.
func (h *Host) deactivate(ctx context.Context, p nm.Profile) error {
	down := false
	err := h.step(ctx, Event{What: "took it down", Commands: nmcli.Connection("down", p.Nmcli()), Detail: true}, func() error {
		if err := h.Profiles.Deactivate(ctx, p.UUID); err != nil {
			return err
		}
		down = true
		return h.waitGone(ctx, p.Tunnel.Name)
	})
	if err == nil {
		err = h.converge(ctx, p.UUID)
	}
	if err == nil || !down {
		return err
	}
	return halfDone(p, "is down, but not everything is gone that belongs to it", fault.Ended(ctx, err))
}

// converge makes the kernel have the kept routes and rules, after the tunnel with that UUID has
// come up or gone down. A failure for another tunnel is only told. A caller without root leaves all
// of that to the hook.
func (h *Host) converge(ctx context.Context, uuid string) error {
	uuids, err := h.Store.UUIDs(ctx)
	if err != nil || len(uuids) == 0 {
		return err
	}
	if !h.Kernel.CanChange() {
		return nil
	}
	c, err := h.Keeper.Converge(ctx, uuid)
	h.warn(c.Trouble...)
	return err
}

// Delete removes a tunnel: the routes and rules that root keeps, and the profile, and with the
// profile its link, addresses and routes. With a question to confirm, the tunnel is taken down
// first. It is deleted when that was confirmed, and brought up again otherwise. It fails with
// [fault.ErrInvalid] if several tunnels have the name.
func (h *Host) Delete(ctx context.Context, name string) (nm.Profile, error) {
	p, _, err := h.find(ctx, name, find.Only)
	if p, err = find.NotByHand(p, err); err != nil {
		return p, err
	}
	if err := h.agree(ctx, p); err != nil {
		return p, err
	}
	return p, h.deleteWhole(ctx, p)
}

// deleteWhole removes a tunnel's profile, and its kept file, if there is one.
func (h *Host) deleteWhole(ctx context.Context, p nm.Profile) error {
	uuids, err := h.Store.UUIDs(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(uuids, p.UUID) {
		return h.deleteProfile(ctx, p)
	}
	if err := h.Keeper.MayKeep(); err != nil {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "only root can remove the routes and rules that nmgre keeps for " + fault.Printable(p.Tunnel.Name), Err: err}
	}
	if disk, checks := h.Store.(interface{ Writable() error }); checks && h.Kernel.CanChange() {
		if err := disk.Writable(); err != nil { // the profile goes first, and cannot be brought back
			return err
		}
	}
	kept, err := h.Store.Get(ctx, p.UUID)
	if err != nil { // a file that cannot be read is removed all the same
		kept = keep.Kept{UUID: p.UUID}
	}
	return h.deleteBoth(ctx, p, kept)
}

// deleteBoth removes a tunnel's profile, and its kept routes and rules with their file. The profile
// goes first: if nmgre is killed then, the hook or the next command removes the routes and rules of
// a profile that is gone. A user without root is asked before that, and may say no.
func (h *Host) deleteBoth(ctx context.Context, p nm.Profile, kept keep.Kept) error {
	if !h.Kernel.CanChange() {
		return h.deleteByHelper(ctx, p, kept)
	}
	if err := h.deleteProfile(ctx, p); err != nil {
		return err
	}
	left := kept // the others have gone with the link
	left.Routes = slices.DeleteFunc(slices.Clone(kept.Routes), func(r routes.Route) bool { return r.Type.HasDevice() })
	return h.step(ctx, forgetEvent(left), func() error { return h.Keeper.Forget(ctx, p.UUID) })
}

// deleteByHelper is deleteBoth without root: the helper removes the kept routes and rules on trial,
// until the profile is gone. If this process is killed before, the helper undoes its part.
func (h *Host) deleteByHelper(ctx context.Context, p nm.Profile, kept keep.Kept) error {
	var trial keep.Trial
	err := h.step(ctx, forgetEvent(kept), func() (err error) {
		none := keep.Kept{UUID: p.UUID, Name: cmp.Or(kept.Name, p.Tunnel.Name), Remote: p.Tunnel.Remote}
		trial, err = h.try(ctx, none, false)
		return err
	})
	if err == nil {
		err = h.deleteProfile(ctx, p)
	}
	if err != nil {
		return errors.Join(err, h.undoForget(ctx, p.UUID, trial))
	}
	if saved(ctx, trial) == nil {
		return nil
	}
	return undo.Forgotten(ctx, h.Store, p.UUID)
}

// forgetEvent is the step that removes the kept routes and rules.
func forgetEvent(kept keep.Kept) Event {
	return Event{What: "removed the routes and rules that were kept for it", Commands: kept.IPCommands("del"), Detail: true}
}

// agree refuses to delete a tunnel if that may cut the session off, or the person does not confirm
// that it is gone.
func (h *Host) agree(ctx context.Context, p nm.Profile) error {
	down := p.State == nm.StateInactive && p.Device == ""
	h, err := h.guarded(ctx, func() plan.Effect { return h.downEffect(ctx, p) })
	switch {
	case err != nil || h.Confirm == nil:
		return err
	case down:
		return h.asked(ctx, verify.Report{})
	}
	return h.down(ctx, p)
}

// deleteProfile removes a tunnel's profile, and with it its link.
func (h *Host) deleteProfile(ctx context.Context, p nm.Profile) error {
	e := Event{What: "deleted the profile, and with it the link", Commands: nmcli.Connection("delete", p.Nmcli()), Detail: true}
	return h.step(ctx, e, func() error { return h.remove(ctx, p.UUID, p.Device) })
}

// undoForget has root keep again the routes and rules that the helper has removed, if the tunnel
// still exists. Without a helper, the hook or the next command of root's does so.
func (h *Host) undoForget(ctx context.Context, uuid string, trial keep.Trial) error {
	if trial == nil {
		return nil // nothing has changed, so nobody is asked again
	}
	return h.undo(ctx, "", func(ctx context.Context) error {
		_, err := h.Profiles.Get(ctx, uuid)
		switch {
		case undo.IsAway(err) && ctx.Err() == nil: // a helper whose caller ends undoes its part
			return err
		case errors.Is(err, fault.ErrNotFound):
			return trial.Save(ctx)
		}
		return trial.Drop(ctx)
	})
}
