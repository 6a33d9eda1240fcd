package nm

import (
	"context"
	"slices"
	"strings"

	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// System is one host as nmgre sees it: its NetworkManager, its kernel, and root's own files.
// Package adapters of cmd/nmgre fills it, tests fill it with a host in memory.
type System struct {
	Profiles Profiles
	Kernel   kernel.Kernel
	Gateway  keep.Gateway
	Store    keep.Store
	Keeper   keep.Keeper
	// Listener hears the packets beside a tunnel. Where it is nil, the verification knows less.
	Listener kernel.Listener
	// Zones knows firewalld's zones. It is nil where nobody can be asked.
	Zones Zones
	// Resolver looks up the names of far ends. It is nil where nobody can be asked.
	Resolver Resolver
	// Hands knows links that were made by hand. It is nil where nobody can be asked.
	Hands kernel.Hands
}

// Tunnels implements [keep.Tunnels] with NetworkManager's profiles.
type Tunnels struct{ Profiles }

// Running returns every profile.
func (t Tunnels) Running(ctx context.Context) ([]keep.Running, error) {
	profiles, err := t.Profiles.List(ctx)
	list := make([]keep.Running, len(profiles))
	for i, p := range profiles {
		list[i] = p.Running()
		list[i].Trial = list[i].Trial && !p.Committed(profiles)
	}
	return list, err
}

// One returns one profile. It fails with [fault.ErrNotFound] when there is no such profile.
func (t Tunnels) One(ctx context.Context, uuid string) (keep.Running, error) {
	p, err := t.Profiles.Get(ctx, uuid)
	r, all := p.Running(), []Profile(nil)
	if r.Trial && p.Tunnel.Leader != "" {
		all, err = t.Profiles.List(ctx)
	}
	r.Trial = r.Trial && !p.Committed(all)
	return r, err
}

// Committed says whether the trial has ended well that p is in together with others of all.
func (p Profile) Committed(all []Profile) bool {
	uuid, gone := strings.CutPrefix(p.Tunnel.Leader, "-")
	i := slices.IndexFunc(all, func(o Profile) bool { return o.UUID == uuid })
	return uuid != "" && (i < 0) == gone && (gone || !all[i].Trial && all[i].Edit == nil)
}
