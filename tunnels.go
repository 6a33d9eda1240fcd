package nmgre

import (
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/nm/find"
	"nmgre/nm/states"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Status is the present state of a tunnel. [Host.Show] alone looks for its pending settings.
type Status = states.Status

// profiles lists all profiles. Before that it removes the remains of killed processes, and files of
// profiles that are gone.
func (h *Host) profiles(ctx context.Context) ([]nm.Profile, error) {
	list, err := h.Profiles.List(ctx)
	if err != nil {
		return nil, err
	}
	gone, now := make(map[string]bool), slices.Clone(list)
	// those who have a leader first: once the leader is undone, nothing tells of it
	for _, leads := range []bool{false, true} {
		for i, p := range list {
			if p.Abandoned && leads == (p.Tunnel.Leader == "") {
				now[i], gone[p.UUID] = h.recovered(ctx, p, list)
			}
		}
	}
	left := slices.DeleteFunc(now, func(p nm.Profile) bool { return gone[p.UUID] })
	h.sweep(ctx, left)
	return left, nil
}

// recovered undoes the work of a process that is gone, or does the rest of it, where everything was
// decided. It returns the profile as it is then, or true if it is gone.
func (h *Host) recovered(ctx context.Context, p nm.Profile, all []nm.Profile) (now nm.Profile, gone bool) {
	called, committed := fault.Printable(p.ID), p.Committed(all)
	switch {
	case p.Trial && p.Adopts && adopt.Recover(ctx, h.System, p, h.warn):
		return p, false
	case p.Edit != nil && !committed:
		return h.undone(ctx, p, all), false
	case !p.Trial && !p.Tunnel.Doomed: // it was made or changed with others, and that has been decided
		return h.finished(ctx, p), false
	}
	if err := h.remove(ctx, p.UUID, p.Device); err != nil {
		h.tell(Event{What: "could not remove " + called + ", which an interrupted nmgre left behind", Err: err, Undo: true})
		return p, false
	}
	h.tell(Event{What: "removed " + called + ", which an interrupted nmgre left behind", Undo: true})
	return nm.Profile{UUID: p.UUID}, true
}

// finished does the last step of a process that is gone: a profile whose tunnel was made with
// others still has the mark of that.
func (h *Host) finished(ctx context.Context, p nm.Profile) nm.Profile {
	_, err := h.Profiles.Save(ctx, p.UUID)
	if err == nil && p.Edit != nil {
		err = h.converge(ctx, p.UUID)
	}
	if err != nil {
		h.tell(Event{What: "could not finish " + fault.Printable(p.ID) + ", which an interrupted nmgre made", Err: err})
		return p
	}
	h.tell(Event{What: "finished " + fault.Printable(p.ID) + ", which an interrupted nmgre made"})
	p.With, p.Abandoned, p.Edit, p.Tunnel.Leader = "", false, nil, ""
	return p
}

// undone undoes the edit of a process that is gone, and returns the profile as it is then.
func (h *Host) undone(ctx context.Context, p nm.Profile, all []nm.Profile) nm.Profile {
	err := h.undoKilled(ctx, p, all)
	if err != nil {
		h.tell(Event{What: "could not undo the change of " + fault.Printable(p.ID) + ", which an interrupted nmgre left behind", Err: err, Undo: true})
	}
	now, getErr := h.Profiles.Get(ctx, p.UUID)
	if err != nil || getErr != nil {
		return p
	}
	h.tell(Event{What: "undid the change of " + fault.Printable(now.ID) + ", which an interrupted nmgre left behind", Undo: true})
	return now
}

// sweep removes the kept routes and rules of profiles that are gone, and finishes the work of a
// process that was killed while it made the kernel agree with the files, if the caller is root. The
// request does not fail if that fails.
func (h *Host) sweep(ctx context.Context, profiles []nm.Profile) {
	if !h.Kernel.CanChange() {
		return
	}
	uuids, err := h.Store.UUIDs(ctx)
	orphan := func(uuid string) bool {
		return !slices.ContainsFunc(profiles, func(p nm.Profile) bool { return p.UUID == uuid })
	}
	orphans := slices.ContainsFunc(uuids, orphan)
	if err != nil || !orphans && !h.Store.Interrupted(ctx) {
		return
	}
	c, err := h.Keeper.Converge(ctx, "")
	switch {
	case err != nil || !c.Changed:
	case orphans:
		h.tell(Event{What: "removed the routes and rules of tunnels that are gone", Undo: true})
	default:
		h.tell(Event{What: "set the routes and rules that an interrupted nmgre had not set", Undo: true})
	}
}

// List returns every GRE tunnel, sorted by name.
func (h *Host) List(ctx context.Context) ([]Status, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nil, err
	}
	list, trouble, err := states.List(ctx, h.System, profiles)
	if trouble != nil {
		h.warn(trouble.Error())
	}
	return list, err
}

// Find returns the tunnel with that UUID, interface name or profile name; the first kind of name
// that fits counts. It fails with [fault.ErrNotFound] if there is no such tunnel, and with
// [fault.ErrInvalid] if several tunnels have the name, unless exactly one of them is active, or
// exactly one has the name as its profile's, too.
func (h *Host) Find(ctx context.Context, name string) (nm.Profile, error) {
	p, _, err := h.find(ctx, name, find.ByName)
	return p, err
}

// find is Find, with the function that finds one among the profiles. It returns all of them, too,
// if it has listed them.
func (h *Host) find(ctx context.Context, name string, among func([]nm.Profile, string) (nm.Profile, error)) (p nm.Profile, all []nm.Profile, err error) {
	if h.Listed && keep.IsUUID(name) {
		if p, err = h.Profiles.Get(ctx, name); err == nil && p.Tunnel.Mode != 0 || err != nil && !errors.Is(err, fault.ErrNotFound) {
			return p, nil, err
		}
	}
	if all, err = h.profiles(ctx); err != nil {
		return nm.Profile{}, nil, err
	}
	if p, err = among(all, name); err != nil {
		return nm.Profile{}, nil, adopt.NotFound(ctx, h.Kernel, name, all, err)
	}
	if p.Path == "" { // on hosts with very many tunnels the list has no details
		p, err = h.Profiles.Get(ctx, p.UUID)
	}
	return p, all, err
}

// Show returns the present state of one tunnel.
func (h *Host) Show(ctx context.Context, name string) (Status, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return Status{}, err
	}
	s, err := states.Of(ctx, h.System, p)
	if err != nil {
		return s, err
	}
	m, err := h.Profiles.Manager(ctx)
	// whoever only looks is not asked for a password
	if err == nil && m.Control == nm.PermissionYes {
		s.Pending, err = h.pending(ctx, p)
	}
	return s, err
}

// status is Show for a tunnel whose UUID is known.
func (h *Host) status(ctx context.Context, uuid string) (Status, error) {
	p, err := h.Profiles.Get(ctx, uuid)
	if err != nil {
		return Status{}, err
	}
	return states.Of(ctx, h.System, p)
}

// own finds a tunnel, and refuses one that was made by hand: NetworkManager only mirrors it.
func (h *Host) own(ctx context.Context, name string) (nm.Profile, error) {
	return find.NotByHand(h.Find(ctx, name))
}
