package states

import (
	"cmp"
	"context"
	"slices"

	"nmgre/nm"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Status is the present state of a tunnel: its profile, its link, and its kept routes and rules.
type Status struct {
	nm.Profile
	Link *kernel.Link // nil if there is no link, and in a [List]
	Kept keep.Kept    // the routes and rules that root keeps; may be empty
	// KeptErr says why Kept could not be read, or why its routes and rules will not be set when the
	// tunnel comes up. It is nil if all is well.
	KeptErr error
	// Pending lists the settings that the profile has and its device has not. Neither [List] nor
	// [Of] looks for them.
	Pending nm.Pending
}

// List returns the state of each GRE tunnel among all profiles, sorted by name. trouble says why
// some of root's files could not be read; it is nil if all could.
func List(ctx context.Context, h nm.System, profiles []nm.Profile) (list []Status, trouble, err error) {
	kept, trouble := h.Store.All(ctx)
	byUUID := make(map[string]keep.Kept, len(kept))
	for _, k := range kept {
		byUUID[k.UUID] = k
	}
	var hook error
	var links []kernel.Link
	if len(kept) > 0 {
		hook = h.Store.HookMissing(ctx)
		if links, err = h.Kernel.Links(ctx); err != nil {
			return nil, trouble, err
		}
	}
	for _, p := range profiles {
		if p.Tunnel.Mode == 0 {
			continue
		}
		status := Status{Profile: p, Kept: byUUID[p.UUID]}
		if !status.Kept.Empty() {
			status.KeptErr = cmp.Or(status.Kept.Bound(p.Running(), kernel.Named(links, status.Kept.Name)), hook)
		}
		list = append(list, status)
	}
	slices.SortFunc(list, func(a, b Status) int { return nm.ByName(a.Profile, b.Profile) })
	return list, trouble, nil
}

// Of adds the link, and the routes and rules that root keeps, to a profile.
func Of(ctx context.Context, h nm.System, p nm.Profile) (Status, error) {
	links, err := h.Kernel.Links(ctx)
	status := Status{Profile: p}
	if p.Device != "" {
		status.Link = kernel.Named(links, p.Device)
	}
	if status.Kept, status.KeptErr = keep.Of(ctx, h.Store, p.UUID); status.KeptErr == nil && !status.Kept.Empty() {
		status.KeptErr = cmp.Or(status.Kept.Bound(p.Running(), status.Link), h.Store.HookMissing(ctx))
	}
	return status, err
}
