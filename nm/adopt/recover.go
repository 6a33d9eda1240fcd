package adopt

import (
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Recover ends the work of a process that is gone, which was adopting p: it removes the link that
// stood in, and saves p if NetworkManager has taken over the link for it. The tunnel works then,
// and to undo it would leave none. A profile that is its own leader is on disk already, and only
// root can do the rest then. The result says whether the profile stays.
func Recover(ctx context.Context, sys nm.System, p nm.Profile, warn func(...string)) bool {
	root := sys.Hands != nil && sys.Kernel.CanChange()
	decided := p.Device != "" || p.With == p.UUID
	if !root && p.With == p.UUID {
		return true
	}
	var errs []error
	if root && !decided {
		errs = append(errs, sys.Hands.Release(ctx))
	}
	if root {
		errs = append(errs, sys.Hands.Unstand(ctx))
	}
	if root && decided {
		errs = append(errs, settle(ctx, sys, p))
	}
	if decided {
		_, err := sys.Profiles.Save(ctx, p.UUID)
		errs = append(errs, err)
		warn("saved " + fault.Printable(p.ID) + ", which an interrupted nmgre was adopting")
	}
	if err := errors.Join(errs...); err != nil {
		warn("could not end the adoption of " + fault.Printable(p.ID) + ": " + err.Error())
	}
	return decided
}

// settle sets the kept routes and rules of the tunnel, and removes those made by hand in their
// places: routes and SNAT. It goes by root's file alone: any user may have written the profile.
func settle(ctx context.Context, sys nm.System, p nm.Profile) error {
	k, err := keep.Of(ctx, sys.Store, p.UUID)
	if err != nil || k.Empty() {
		return err
	}
	b, err := sys.Hands.Read(ctx, k.Name)
	if err == nil {
		err = sys.Hands.RemoveRoutes(ctx, b, places(b, k))
	}
	_, convergeErr := sys.Keeper.Converge(ctx, p.UUID)
	if err = errors.Join(err, convergeErr); err != nil {
		return err // the SNAT by hand is all there is, perhaps
	}
	r := reader{b: b}
	nat := slices.DeleteFunc(r.decided(k.Inner), func(c candidate) bool { return c.why != "" || !slices.Contains(k.SNAT, c.snat) })
	var list []int
	for _, c := range nat {
		list = append(list, c.at)
	}
	return sys.Hands.RemoveRules(ctx, b, nil, list)
}
