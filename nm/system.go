package nm

import (
	"context"

	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// TunnelsOf gives the keeper NetworkManager's profiles.
type TunnelsOf struct{ Profiles }

// Running returns every profile.
func (t TunnelsOf) Running(ctx context.Context) ([]keep.Running, error) {
	profiles, err := t.Profiles.List(ctx)
	list := make([]keep.Running, len(profiles))
	for i, p := range profiles {
		list[i] = p.Running()
	}
	return list, err
}

// Exists fails with [ErrNotFound] when there is no such profile.
func (t TunnelsOf) Exists(ctx context.Context, uuid string) error {
	_, err := t.Profiles.Get(ctx, uuid)
	return err
}

// System is the doors to one host: NetworkManager, its kernel, and what root keeps.
type System struct {
	Profiles Profiles
	Kernel   kernel.Kernel
	Gateway  keep.Gateway
	Store    keep.Store
	Keeper   keep.Keeper
}
