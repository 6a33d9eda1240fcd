package keep

import (
	"context"
	"errors"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

func Same(a, b Kept) bool {
	if a.Empty() || b.Empty() {
		return a.Empty() && b.Empty()
	}
	return a.Name == b.Name && a.Remote == b.Remote && a.ClampMSS == b.ClampMSS && a.Pin == b.Pin && slices.Equal(a.Inner, b.Inner) &&
		slices.Equal(a.SNAT, b.SNAT) && slices.Equal(a.Forward, b.Forward) && routes.EqualLists(a.Routes, b.Routes)
}

// Of returns what root keeps for a tunnel, nothing if there is nothing.
func Of(ctx context.Context, store Store, uuid string) (Kept, error) {
	k, err := store.Get(ctx, uuid)
	if errors.Is(err, fault.ErrNotFound) {
		return Kept{UUID: uuid, Stamp: StampNone}, nil
	}
	return k, err
}

// Missing returns the indexes of those routes of k that the kernel does not have as they are,
// though the tunnel is up.
func Missing(ctx context.Context, kern kernel.Kernel, p Running, k Kept) (map[int]bool, error) {
	if len(k.Routes) == 0 || p.Device == "" {
		return nil, nil
	}
	links, err := kern.Links(ctx)
	if err != nil {
		return nil, err
	}
	k.SNAT, k.Forward = nil, nil
	s := &scene{kept: []Kept{k}, links: links, states: map[string]Running{p.UUID: p}}
	w := s.want()
	result, err := kern.SyncRoutes(ctx, w.routes, kernel.SyncOptions{DryRun: true})
	if err != nil {
		return nil, err
	}
	gone := make(map[int]bool)
	wanted := make([]bool, len(k.Routes))
	for _, o := range w.origins {
		wanted[o.index] = true
	}
	for i := range k.Routes {
		if !wanted[i] {
			gone[i] = true
		}
	}
	for _, i := range slices.Concat(result.Added, result.Replaced) {
		gone[w.origins[i].index] = true
	}
	for _, refusal := range result.Refused {
		gone[w.origins[refusal.Index].index] = true
	}
	return gone, nil
}
