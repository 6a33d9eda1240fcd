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
	Link         *Link         // nil when there is none
	KernelRoutes []KernelRoute // those of nmgre's own
}

// profiles lists all profiles, after it has removed those that a killed nmgre left on trial.
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
	return kept, nil
}

// List returns every GRE tunnel, by name.
func (h *Host) List(ctx context.Context) ([]Status, error) {
	profiles, err := h.profiles(ctx)
	if err != nil {
		return nil, err
	}
	routes, err := h.Kernel.OwnRoutes(ctx)
	if err != nil {
		return nil, err
	}
	var list []Status
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			list = append(list, Status{Profile: p, KernelRoutes: routes[p.Device]})
		}
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

// statusOf adds to a profile what the kernel has of it.
func (h *Host) statusOf(ctx context.Context, p Profile) (Status, error) {
	status := Status{Profile: p}
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return status, err
	}
	if p.Device == "" {
		return status, nil
	}
	status.Link = findLink(links, p.Device)
	routes, err := h.Kernel.Routes(ctx, p.Device)
	if err != nil {
		return Status{}, err
	}
	for _, r := range routes {
		if r.Protocol == RouteProtocol {
			status.KernelRoutes = append(status.KernelRoutes, r)
		}
	}
	return status, nil
}

// Up brings a tunnel up and returns when its addresses are set. If it does not come up, it is taken down again.
func (h *Host) Up(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	if p.State == StateActive {
		return p, nil
	}
	if err := h.Profiles.Activate(ctx, p.UUID); err != nil {
		err = withContext(ctx, err)
		undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
		defer cancel()
		if downErr := h.Profiles.Deactivate(undoing, p.UUID); downErr != nil {
			h.tell(Event{What: "could not take " + Printable(p.ID) + " down again", Err: downErr, Undo: true})
		}
		return p, err
	}
	return p, nil
}

// Down takes a tunnel down and returns when its link is gone. Its profile stays.
func (h *Host) Down(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil || p.State == StateInactive && p.Device == "" { // one that is on its way down has a device still
		return p, err
	}
	if err := h.Profiles.Deactivate(ctx, p.UUID); err != nil {
		return p, err
	}
	return p, h.waitGone(ctx, p.Device)
}

// Delete removes a tunnel: its profile, and with it its link, addresses and routes.
func (h *Host) Delete(ctx context.Context, name string) (Profile, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return p, err
	}
	return p, h.remove(ctx, p.UUID, p.Device)
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
