// Package apart looks for firewalls of this host that keep the networks behind it from a tunnel.
//
// Begin with [Look].
package apart

import (
	"context"
	"errors"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Between are the devices that a tunnel may forward packets between.
type Between struct {
	Link string   // the tunnel's
	Kept []string // the tunnel and others, between which nmgre keeps forwarding; may be empty
	LANs []nm.LAN // this host's own networks
	// Routed says that a route leads to networks behind the far end. Otherwise nobody wants packets
	// forwarded, unless nmgre keeps that.
	Routed bool
}

// Look returns the rules that drop packets between the tunnel and the devices with which nmgre
// keeps forwarding. Where it keeps none, and the host forwards all the same, those count that
// surely keep a LAN and the tunnel apart. It finds nothing without root.
func Look(ctx context.Context, g keep.Gateway, b Between) ([]keep.Obstacle, error) {
	devs, err := b.Kept, error(nil)
	if len(devs) == 0 {
		devs, err = forwarding(ctx, g, b)
	}
	if err != nil || len(devs) < 2 {
		return nil, err
	}
	list, err := g.Obstacles(ctx, devs)
	switch {
	case errors.Is(err, fault.ErrNotPermitted):
		return nil, nil
	case len(b.Kept) > 0:
		return list, err
	case err != nil: // nobody has asked
		return nil, ctx.Err()
	}
	return slices.DeleteFunc(list, func(o keep.Obstacle) bool { return !o.Apart }), nil
}

// forwarding are the tunnel and the devices of the LANs, as far as the host forwards packets that
// come in by them.
func forwarding(ctx context.Context, g keep.Gateway, b Between) (devs []string, err error) {
	asked := []string{b.Link}
	for _, lan := range b.LANs {
		if lan.Address.Addr().Is4() && !slices.Contains(asked, lan.Dev) {
			asked = append(asked, lan.Dev)
		}
	}
	if !b.Routed || len(asked) < 2 {
		return nil, nil
	}
	for i, dev := range asked {
		switch on, err := g.Forwarding(ctx, dev); {
		case errors.Is(err, fault.ErrNotFound): // it went meanwhile
		case err != nil:
			return nil, err
		case on:
			devs = append(devs, dev)
		}
		if i == 0 && len(devs) == 0 { // the tunnel's
			return nil, nil
		}
	}
	return devs, nil
}
