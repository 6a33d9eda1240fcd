package nmgre

import (
	"context"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/resolve"
	"nmgre/routes/fault"
)

// Followed returns the tunnel of that name, whose far end was given by its name, or with an empty
// name every tunnel that asks for [Host.Follow].
func (h *Host) Followed(ctx context.Context, name string) ([]nm.Profile, error) {
	if name != "" {
		p, err := h.own(ctx, name)
		if err == nil && p.Tunnel.PeerName == "" {
			err = fault.Invalid("", "nmgre edit "+fault.Operand(p.Tunnel.Name)+" --peer NAME gives it one", "the far end of %s was given by its address, which leads nowhere else", fault.Printable(p.Tunnel.Name))
		}
		return []nm.Profile{p}, err
	}
	list, err := h.profiles(ctx)
	return slices.DeleteFunc(list, func(p nm.Profile) bool {
		return p.Tunnel.Mode == 0 || !p.Tunnel.Follow || p.State == nm.StateExternal
	}), err
}

// Follow moves a tunnel to the address to which its far end's name leads now, and returns it. A
// tunnel that is there already stays as it is. own are this host's addresses. With dryRun nothing
// is changed.
//
// Nobody but root decides for whom root keeps routes and rules. The name stands in the profile,
// which its users may write, so the kept ones move along only if root's own file has the name, too.
func (h *Host) Follow(ctx context.Context, p nm.Profile, own []netip.Addr, dryRun bool) (netip.Addr, error) {
	t := p.Tunnel
	asked := resolve.Asked{Name: t.PeerName, V6: t.Mode.IPv6Outer(), Present: t.Remote, Own: own}
	found, err := resolve.Peer(ctx, h.Resolver, asked)
	if err != nil || found == t.Remote {
		return found, err
	}
	planned, err := h.PlanEdit(ctx, p.UUID, func(t *nm.Tunnel) error { t.Remote = found; return nil })
	if err != nil {
		return found, err
	}
	if err := ends.MayFollow(planned.Before, planned.KeptBefore, planned.Kept); err != nil || dryRun {
		return found, err
	}
	_, err = h.Edit(ctx, planned, EditOptions{})
	return found, err
}

// ZoneNames returns the names of firewalld's zones; none where it does not run.
func (h *Host) ZoneNames(ctx context.Context) ([]string, error) {
	if h.Zones == nil {
		return nil, nil
	}
	return h.Zones.ZoneNames(ctx)
}

// Resolve returns the addresses that a far end's name stands for and that a far end can have, as
// [resolve.Lookup] does.
func (h *Host) Resolve(ctx context.Context, name string, v6 bool) ([]netip.Addr, error) {
	return resolve.Lookup(ctx, h.Resolver, resolve.Asked{Name: name, V6: v6})
}
