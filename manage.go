package nmgre

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Status is a tunnel as it stands: its profile, and what the kernel has of it.
type Status struct {
	Profile
	Link *Link // nil when there is none
	Kept Kept  // what root keeps for it; empty if nothing
	// KeptErr says why that cannot be told, or that what is kept will not come back by itself; nil if all is well.
	KeptErr error
}

// profiles lists all profiles, after it has removed what killed processes and others have left behind.
func (h *Host) profiles(ctx context.Context) ([]Profile, error) {
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
			h.tell(Event{What: "could not remove " + Printable(p.ID) + ", which an interrupted nmgre left behind", Err: err, Undo: true})
			kept = append(kept, p)
			continue
		}
		h.tell(Event{What: "removed " + Printable(p.ID) + ", which an interrupted nmgre left behind", Undo: true})
	}
	h.sweep(ctx, kept)
	return kept, nil
}

// sweep has what is kept for profiles that are gone removed, where the caller is root. That it fails is no failure of what was asked for.
func (h *Host) sweep(ctx context.Context, profiles []Profile) {
	if !h.Kernel.CanChange() {
		return
	}
	uuids, err := h.Store.UUIDs(ctx)
	orphan := func(uuid string) bool {
		return !slices.ContainsFunc(profiles, func(p Profile) bool { return p.UUID == uuid })
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
	byUUID := make(map[string]Kept, len(kept))
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

// Find returns the tunnel that has name as its UUID, its interface's name or its profile's name, in this order.
// The error is an [ErrNotFound], or an [ErrInvalid] if several have it.
func (h *Host) Find(ctx context.Context, name string) (Profile, error) {
	if h.Listed && IsUUID(name) {
		if p, err := h.Profiles.Get(ctx, name); err == nil && p.Tunnel.Mode != 0 || err != nil && !errors.Is(err, ErrNotFound) {
			return p, err
		}
	}
	profiles, err := h.profiles(ctx)
	if err != nil {
		return Profile{}, err
	}
	for _, matches := range []func(Profile) bool{
		func(p Profile) bool { return p.UUID == name },
		func(p Profile) bool { return p.Tunnel.Name == name },
		func(p Profile) bool { return p.ID == name },
	} {
		var found []Profile
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
			return Profile{}, err
		}
		return h.Profiles.Get(ctx, one.UUID)
	}
	return Profile{}, h.notFound(profiles, name)
}

// theOne returns the only profile found, or the only one that is active.
func theOne(found []Profile, name string) (Profile, error) {
	if len(found) == 1 {
		return found[0], nil
	}
	var active []Profile
	var uuids []string
	for _, p := range found {
		uuids = append(uuids, p.UUID)
		if p.State == StateActive {
			active = append(active, p)
		}
	}
	if len(active) == 1 {
		return active[0], nil
	}
	return Profile{}, invalid("", "give the UUID of the one that is meant: "+strings.Join(uuids, ", "), "%d tunnels have the name %s", len(found), Printable(name))
}

func (h *Host) notFound(profiles []Profile, name string) error {
	var names []string
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			names = append(names, Printable(p.Tunnel.Name))
		} else if p.Tunnel.Name == name || p.ID == name {
			return &Error{Kind: ErrNotFound, What: Printable(name) + " is a connection, but no GRE tunnel", Hint: "nmgre list shows the tunnels"}
		}
	}
	hint := "there are no tunnels yet: nmgre create makes one"
	if len(names) > 0 {
		slices.SortFunc(names, compareNames)
		hint = "there are: " + strings.Join(firstNames(names), ", ")
	}
	return &Error{Kind: ErrNotFound, What: fmt.Sprintf("no tunnel has the name \"%s\"", Printable(name)), Hint: hint}
}

// firstNames keeps a hint short.
func firstNames(names []string) []string {
	const most = 10
	if len(names) <= most {
		return names
	}
	return append(slices.Clone(names[:most]), fmt.Sprintf("and %d more", len(names)-most))
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
func (h *Host) statusOf(ctx context.Context, p Profile) (Status, error) {
	status := Status{Profile: p}
	if status.Kept, status.KeptErr = keptOf(ctx, h.Store, p.UUID); status.KeptErr == nil && !status.Kept.Empty() {
		status.KeptErr = h.Store.HookMissing(ctx)
	}
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return status, err
	}
	if p.Device != "" {
		status.Link = findLink(links, p.Device)
	}
	return status, nil
}

// Up brings a tunnel up and returns when its addresses are set and what is kept for it is in the kernel. If it does not come up, it is
// taken down again.
func (h *Host) Up(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	if p.State == StateActive {
		return p, h.converge(ctx, p)
	}
	err = h.step(ctx, Event{What: "brought it up", Commands: nmcliCommand("up", p.UUID), Detail: true}, func() error { return h.Profiles.Activate(ctx, p.UUID) })
	if err != nil {
		err = withContext(ctx, err)
		undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if downErr := h.Profiles.Deactivate(undoing, p.UUID); downErr != nil {
			h.tell(Event{What: "could not take " + Printable(p.ID) + " down again", Err: downErr, Undo: true})
		}
		return p, err
	}
	return p, h.converge(ctx, p)
}

// Down takes a tunnel down and returns when its link is gone. Its profile stays, and so does what is kept for it.
func (h *Host) Down(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil || p.State == StateInactive && p.Device == "" { // one that is on its way down has a device still
		return p, err
	}
	err = h.step(ctx, Event{What: "took it down", Commands: nmcliCommand("down", p.UUID), Detail: true}, func() error {
		if err := h.Profiles.Deactivate(ctx, p.UUID); err != nil {
			return err
		}
		return h.waitGone(ctx, p.Device)
	})
	if err != nil {
		return p, err
	}
	return p, h.converge(ctx, p)
}

// converge sees to it that the kernel has what is kept, after a tunnel has come up or gone down. Where the hook does it, a caller without
// root leaves it to the hook.
func (h *Host) converge(ctx context.Context, p Profile) error {
	uuids, err := h.Store.UUIDs(ctx)
	if err != nil || len(uuids) == 0 {
		return err
	}
	if !h.Kernel.CanChange() {
		if slices.Contains(uuids, p.UUID) && h.Store.HookMissing(ctx) != nil {
			h.tell(Event{What: "warning: what NetworkManager cannot hold is not set: type sudo nmgre install-hook, and sudo nmgre up " + shellQuote(p.Tunnel.Name)})
		}
		return nil
	}
	c, err := h.Keeper.Converge(ctx)
	for _, trouble := range c.Trouble {
		h.tell(Event{What: "warning: " + trouble})
	}
	return err
}

// Delete removes a tunnel: what is kept for it, its profile, and with it its link, addresses and routes.
func (h *Host) Delete(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	uuids, err := h.Store.UUIDs(ctx)
	if err != nil {
		return p, err
	}
	if !slices.Contains(uuids, p.UUID) {
		return p, h.deleteProfile(ctx, p)
	}
	if err := h.Keeper.MayKeep(); err != nil {
		return p, &Error{Kind: ErrNotPermitted, What: "what nmgre keeps for " + Printable(p.Tunnel.Name) + " can be removed by root only", Err: err}
	}
	kept, err := h.Store.Get(ctx, p.UUID)
	if err != nil { // a file that nobody can trust goes all the same
		kept = Kept{UUID: p.UUID}
	}
	forget := Event{What: "removed what was kept for it", Commands: kept.ipCommands("del"), Detail: true}
	if err := h.step(ctx, forget, func() error { return h.Keeper.Forget(ctx, p.UUID) }); err != nil {
		return p, err
	}
	if err := h.deleteProfile(ctx, p); err != nil {
		return p, errors.Join(err, h.keepAgain(ctx, kept))
	}
	return p, nil
}

// deleteProfile removes a tunnel's profile, and with it its link.
func (h *Host) deleteProfile(ctx context.Context, p Profile) error {
	e := Event{What: "deleted the profile, and with it the link", Commands: nmcliCommand("delete", p.UUID), Detail: true}
	return h.step(ctx, e, func() error { return h.remove(ctx, p.UUID, p.Device) })
}

// keepAgain puts back what was kept, since the tunnel is still there.
func (h *Host) keepAgain(ctx context.Context, k Kept) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if _, err := h.Profiles.Get(undoing, k.UUID); errors.Is(err, ErrNotFound) || k.Empty() {
		return nil
	}
	return h.keep(undoing, k)
}

// own finds a tunnel that NetworkManager holds, not one that it merely mirrors.
func (h *Host) own(ctx context.Context, name string) (Profile, error) {
	p, err := h.Find(ctx, name)
	if err == nil && p.State == StateExternal {
		dev := shellQuote(p.Tunnel.Name)
		return Profile{}, invalid("", "remove it with `ip link delete dev "+dev+"` and make it anew with nmgre create",
			"%s was made by hand: NetworkManager only mirrors it", Printable(p.Tunnel.Name))
	}
	return p, err
}

// FarEnd returns the tunnel as its other end has to make it. Its routes lead to this host's own networks: those of its other
// devices, but for the one by which the far end is reached, and but for tunnels.
func (h *Host) FarEnd(ctx context.Context, t Tunnel) (Tunnel, error) {
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return Tunnel{}, err
	}
	hop, err := h.Kernel.Lookup(ctx, Query{To: t.Remote})
	if err != nil && !errors.Is(err, ErrUnreachable) {
		return Tunnel{}, err
	}
	if t.Local.IsUnspecified() && hop.Src.IsValid() {
		t.Local = hop.Src // the far end must name what this end sends from
	}
	return t.FarEnd(ownNetworks(links, hop.Dev, t.Addresses)), nil
}

// ownNetworks returns the networks of the links that are neither tunnels nor the underlay, of the families that inner has.
func ownNetworks(links []Link, underlay string, inner []netip.Prefix) []netip.Prefix {
	var networks []netip.Prefix
	for _, link := range links {
		if link.GRE != nil || link.Name == underlay || !link.Up {
			continue
		}
		for _, own := range link.Addresses {
			a := own.Addr()
			sameFamily := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() })
			if sameFamily && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !own.IsSingleIP() && !slices.Contains(networks, own.Masked()) {
				networks = append(networks, own.Masked())
			}
		}
	}
	return networks
}
