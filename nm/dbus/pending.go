package dbus

import (
	"context"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/applied"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
)

// Pending compares the profile with the settings that its device runs with. NetworkManager tells
// those only to callers who may bring tunnels up and down, and asks polkit for that.
func (c *Client) Pending(ctx context.Context, uuid string) (nm.Pending, error) {
	const op = "compare the profile with its device"
	l, err := c.link(ctx)
	if err != nil {
		return nm.Pending{}, failure.Of(op, err)
	}
	p, err := l.pending(ctx, uuid)
	return p, failure.Of(op, err)
}

func (l *link) pending(ctx context.Context, uuid string) (nm.Pending, error) {
	var s wire.Settings
	_, own, err := l.whole(ctx, uuid, false, &s, func(dbus.ObjectPath) []request { return nil })
	if err != nil {
		return nm.Pending{}, err
	}
	s.StripLegacy()
	for _, a := range own {
		for _, device := range a.devices {
			r := reapplying{link: l, device: device}
			running, err := r.read(ctx)
			if err != nil && !refusal.IsNotActive(err) && !refusal.IsGone(err) {
				return nm.Pending{}, err
			}
			if p := applied.Pending(running, s); err == nil && !p.None() {
				return p, nil
			}
		}
	}
	return nm.Pending{}, nil
}
