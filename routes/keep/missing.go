package keep

import (
	"context"
	"slices"

	"nmgre/routes/kernel"
)

// Missing returns the indexes into k.Routes of the routes that the kernel does not have, or has in
// another form, though the tunnel p is up. While the tunnel is down no route is missing.
func Missing(ctx context.Context, host kernel.Kernel, p Running, k Kept) (map[int]bool, error) {
	if len(k.Routes) == 0 || p.Device == "" {
		return nil, nil
	}
	links, err := host.Links(ctx)
	if err != nil {
		return nil, err
	}
	k.SNAT, k.Forward = nil, nil
	s := &state{links: links, running: map[string]Running{p.UUID: p}}
	s.addBound([]Kept{k})
	w := s.wanted()
	result, err := host.SyncRoutes(ctx, w.routes, kernel.SyncOptions{DryRun: true})
	if err != nil {
		return nil, err
	}
	missing := make(map[int]bool)
	isWanted := make([]bool, len(k.Routes))
	for i := range w.routes {
		isWanted[w.from.of(i).index] = true
	}
	for i := range k.Routes {
		if !isWanted[i] {
			missing[i] = true
		}
	}
	for _, i := range slices.Concat(result.Added, result.Replaced) {
		missing[w.from.of(i).index] = true
	}
	for _, refusal := range result.Refused {
		missing[w.from.of(refusal.Index).index] = true
	}
	return missing, nil
}
