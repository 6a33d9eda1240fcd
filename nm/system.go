package nm

import (
	"context"

	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// System is one host as nmgre sees it: its NetworkManager, its kernel, and root's own files.
// Package main fills it with the adapters, tests with a host in memory.
type System struct {
	Profiles Profiles
	Kernel   kernel.Kernel
	Gateway  keep.Gateway
	Store    keep.Store
	Keeper   keep.Keeper
	// Listener hears what goes on beside a tunnel while it is verified. It is nil where nothing can
	// be listened to: then the verification knows less.
	Listener kernel.Listener
	// Zones knows firewalld's zones. It is nil where nobody can be asked.
	Zones Zones
	// Resolver looks up the names of far ends. It is nil where nobody can be asked.
	Resolver Resolver
}

// Tunnels implements [keep.Tunnels] with NetworkManager's profiles.
type Tunnels struct{ Profiles }

// Running returns every profile.
func (t Tunnels) Running(ctx context.Context) ([]keep.Running, error) {
	profiles, err := t.Profiles.List(ctx)
	list := make([]keep.Running, len(profiles))
	for i, p := range profiles {
		list[i] = p.Running()
	}
	return list, err
}

// One returns one profile. It fails with [fault.ErrNotFound] when there is no such profile.
func (t Tunnels) One(ctx context.Context, uuid string) (keep.Running, error) {
	p, err := t.Profiles.Get(ctx, uuid)
	return p.Running(), err
}
