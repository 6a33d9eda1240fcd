// Package whole makes sure that a tunnel that is up is whole: that everything is set which root
// keeps for it, and that its routes do not lead its own packets into it.
//
// Begin at [Lacking] and [Pin].
package whole

import (
	"context"
	"fmt"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Lacking returns an error if a kept route of the tunnel p, which is up, is not set, or its file
// cannot be carried out. A caller without root learns only whether the hook is there to do it.
func Lacking(ctx context.Context, sys nm.System, p nm.Profile) error {
	k, err := keep.Of(ctx, sys.Store, p.UUID)
	switch {
	case err != nil:
		return err
	case len(k.Bad) > 0:
		return &fault.Error{What: fmt.Sprintf("line %d of its file cannot be read", k.Bad[0].Line), Err: k.Bad[0].Err}
	case k.Empty():
		return nil
	}
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	p.State, p.Device = nm.StateActive, p.Tunnel.Name
	if err := k.Bound(p.Running(), kernel.Named(links, p.Device)); err != nil {
		return err
	}
	if !sys.Kernel.CanChange() {
		return lacksHook(ctx, sys, p)
	}
	missing, err := keep.Missing(ctx, sys.Kernel, p.Running(), k)
	if err == nil && len(missing) > 0 {
		err = &fault.Error{What: fmt.Sprintf("%d of its %s cannot be set", len(missing), routes.CountText(len(k.Routes)))}
	}
	return err
}

// lacksHook returns an error if nobody sets the kept routes and rules.
func lacksHook(ctx context.Context, sys nm.System, p nm.Profile) error {
	missing := sys.Store.HookMissing(ctx)
	if missing == nil {
		return nil
	}
	return &fault.Error{What: "only root can set it, or the hook", Err: missing,
		Hint: "type sudo nmgre install-hook, then sudo nmgre up " + fault.Operand(p.Tunnel.Name)}
}
