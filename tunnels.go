package nmgre

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Status is a tunnel as it stands: its profile, and what the kernel has of it.
type Status struct {
	nm.Profile
	Link *kernel.Link // nil when there is none
	Kept keep.Kept    // what root keeps for it; empty if nothing
	// KeptErr says why that cannot be told, or that what is kept will not come back by itself; nil
	// if all is well.
	KeptErr error
}

// profiles lists all profiles, after it has removed what killed processes and others have left
// behind.
func (h *Host) profiles(ctx context.Context) ([]nm.Profile, error) {
	list, err := h.Profiles.List(ctx)
	if err != nil {
		return nil, err
	}
	kept := list[:0]
	for _, p := range list {
		if !p.Trial || !p.Abandoned {
			kept = append(kept, p)
			continue
		}
		if err := h.remove(ctx, p.UUID, p.Device); err != nil {
			h.tell(Event{What: "could not remove " + fault.Printable(p.ID) + ", which an interrupted nmgre left behind", Err: err, Undo: true})
			kept = append(kept, p)
			continue
		}
		h.tell(Event{What: "removed " + fault.Printable(p.ID) + ", which an interrupted nmgre left behind", Undo: true})
	}
	h.sweep(ctx, kept)
	return kept, nil
}

// sweep has what is kept for profiles that are gone removed, where the caller is root. That it
// fails is no failure of what was asked for.
func (h *Host) sweep(ctx context.Context, profiles []nm.Profile) {
	if !h.Kernel.CanChange() {
		return
	}
	uuids, err := h.Store.UUIDs(ctx)
	orphan := func(uuid string) bool {
		return !slices.ContainsFunc(profiles, func(p nm.Profile) bool { return p.UUID == uuid })
	}
	if err != nil || !slices.ContainsFunc(uuids, orphan) {
		return
	}
	c, err := h.Keeper.Converge(ctx)
	if err == nil && c.Changed {
		h.tell(Event{What: "removed what had been kept for tunnels that are gone", Undo: true})
	}
}

// List returns every GRE tunnel, by name.
func (h *Host) List(ctx context.Context) ([]Status, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nil, err
	}
	kept, keptErr := h.Store.All(ctx)
	byUUID := make(map[string]keep.Kept, len(kept))
	for _, k := range kept {
		byUUID[k.UUID] = k
	}
	if keptErr != nil {
		h.tell(Event{What: "warning: " + keptErr.Error()})
	}
	var hook error
	if len(kept) > 0 {
		hook = h.Store.HookMissing(ctx)
	}
	var list []Status
	for _, p := range profiles {
		if p.Tunnel.Mode == 0 {
			continue
		}
		status := Status{Profile: p, Kept: byUUID[p.UUID]}
		if !status.Kept.Empty() {
			status.KeptErr = hook
		}
		list = append(list, status)
	}
	slices.SortFunc(list, func(a, b Status) int {
		if c := compareNames(a.Tunnel.Name, b.Tunnel.Name); c != 0 {
			return c
		}
		return strings.Compare(a.UUID, b.UUID)
	})
	return list, nil
}

// compareNames puts gre2 before gre10.
func compareNames(a, b string) int {
	stemA, stemB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if stemA == stemB && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// Find returns the tunnel that has name as its UUID, its interface's name or its profile's name, in
// this order. The error is an [ErrNotFound], or an [ErrInvalid] if several have it.
func (h *Host) Find(ctx context.Context, name string) (nm.Profile, error) {
	if h.Listed && keep.IsUUID(name) {
		if p, err := h.Profiles.Get(ctx, name); err == nil && p.Tunnel.Mode != 0 || err != nil && !errors.Is(err, fault.ErrNotFound) {
			return p, err
		}
	}
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nm.Profile{}, err
	}
	for _, matches := range []func(nm.Profile) bool{
		func(p nm.Profile) bool { return p.UUID == name },
		func(p nm.Profile) bool { return p.Tunnel.Name == name },
		func(p nm.Profile) bool { return p.ID == name },
	} {
		var found []nm.Profile
		for _, p := range profiles {
			if p.Tunnel.Mode != 0 && matches(p) {
				found = append(found, p)
			}
		}
		if len(found) == 0 {
			continue
		}
		one, err := theOne(found, name)
		if err != nil {
			return nm.Profile{}, err
		}
		return h.Profiles.Get(ctx, one.UUID)
	}
	return nm.Profile{}, h.notFound(profiles, name)
}

// theOne returns the only profile found, or the only one that is active.
func theOne(found []nm.Profile, name string) (nm.Profile, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var active []nm.Profile
	var uuids []string
	for _, p := range found {
		uuids = append(uuids, p.UUID)
		if p.State == nm.StateActive {
			active = append(active, p)
		}
	}
	if len(active) == 1 {
		return active[0], nil
	}
	return nm.Profile{}, fault.Invalid("", "give the UUID of the one that is meant: "+strings.Join(uuids, ", "), "%d tunnels have the name %s", len(found), fault.Printable(name))
}

func (h *Host) notFound(profiles []nm.Profile, name string) error {
	var names []string
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			names = append(names, fault.Printable(p.Tunnel.Name))
		} else if p.Tunnel.Name == name || p.ID == name {
			return &fault.Error{Kind: fault.ErrNotFound, What: fault.Printable(name) + " is a connection, but no GRE tunnel", Hint: "nmgre list shows the tunnels"}
		}
	}
	hint := "there are no tunnels yet: nmgre create makes one"
	if len(names) > 0 {
		slices.SortFunc(names, compareNames)
		hint = "there are: " + strings.Join(fault.FirstFew(names), ", ")
	}
	return &fault.Error{Kind: fault.ErrNotFound, What: fmt.Sprintf("no tunnel has the name \"%s\"", fault.Printable(name)), Hint: hint}
}

// Show returns everything there is to say of one tunnel.
func (h *Host) Show(ctx context.Context, name string) (Status, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return Status{}, err
	}
	return h.statusOf(ctx, p)
}

// status is Show for a tunnel whose UUID is known.
func (h *Host) status(ctx context.Context, uuid string) (Status, error) {
	p, err := h.Profiles.Get(ctx, uuid)
	if err != nil {
		return Status{}, err
	}
	return h.statusOf(ctx, p)
}

// statusOf adds to a profile what root keeps for it, and what the kernel has of it.
func (h *Host) statusOf(ctx context.Context, p nm.Profile) (Status, error) {
	status := Status{Profile: p}
	if status.Kept, status.KeptErr = keep.Of(ctx, h.Store, p.UUID); status.KeptErr == nil && !status.Kept.Empty() {
		status.KeptErr = h.Store.HookMissing(ctx)
	}
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return status, err
	}
	if p.Device != "" {
		status.Link = kernel.Named(links, p.Device)
	}
	return status, nil
}

// own finds a tunnel that NetworkManager holds, not one that it merely mirrors.
func (h *Host) own(ctx context.Context, name string) (nm.Profile, error) {
	p, err := h.Find(ctx, name)
	if err == nil && p.State == nm.StateExternal {
		dev := fault.ShellWord(p.Tunnel.Name)
		return nm.Profile{}, fault.Invalid("", "remove it with `ip link delete dev "+dev+"` and make it anew with nmgre create",
			"%s was made by hand: NetworkManager only mirrors it", fault.Printable(p.Tunnel.Name))
	}
	return p, err
}
