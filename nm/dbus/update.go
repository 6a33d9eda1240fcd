package dbus

import (
	"context"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Update writes t into the profile, in memory only: the file keeps what it has until [Client.Save].
// Nothing is applied to the device. A profile that has its interface's name keeps to it when that
// changes.
//
// What it returns puts the profile back as it was, property by property, and writes it to disk
// again if it was there.
func (c *Client) Update(ctx context.Context, uuid string, t nm.Tunnel) (back func(context.Context) error, err error) {
	const op = "change the profile"
	back = func(context.Context) error { return nil }
	l, err := c.link(ctx)
	if err != nil {
		return back, failed(op, err)
	}
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return back, failed(op, err)
	}
	var s wire.Settings
	var unsaved bool
	err = l.flight(ctx, []request{settingsRequest(path, &s), propertyRequest(path, gnm.ConnectionPropertyUnsaved, func(body []any, err error) error {
		unsaved = variant[bool](body)
		return err
	})})
	if err != nil {
		return back, failed(op, err)
	}
	s.StripLegacy()
	changed := wire.Encode(t, s)
	if s.Text(wire.SetConnection, "id") == s.Text(wire.SetConnection, "interface-name") {
		changed.Set(wire.SetConnection, "id", t.Name)
	}
	back = func(ctx context.Context) error { return c.putBack(ctx, uuid, s, unsaved) }
	return back, failed(op, l.write(ctx, path, changed, flagInMemory))
}

// write writes a profile to disk, or in memory only. What its device runs with does not change by
// that.
func (l *link) write(ctx context.Context, path dbus.ObjectPath, s wire.Settings, where uint32) error {
	wireHere, err := s.Wire()
	if err != nil {
		return err
	}
	var rest map[string]dbus.Variant
	return l.call(ctx, path, gnm.ConnectionUpdate2, []any{wireHere, where | flagNoReapply, noArgs}, &rest)
}

// putBack writes the settings of a profile as they were. NetworkManager may have been restarted
// meanwhile.
func (c *Client) putBack(ctx context.Context, uuid string, s wire.Settings, unsaved bool) error {
	const op = "put the profile back"
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return failed(op, err)
	}
	where := flagToDisk
	if unsaved {
		where = flagInMemory
	}
	return failed(op, l.write(ctx, path, s, where))
}

// Reapply has the profile's device run with the profile as it is now, without taking it down, and
// returns when NetworkManager has handed everything to the kernel. A profile that is not active has
// no device.
func (c *Client) Reapply(ctx context.Context, uuid string) error {
	const op = "have the device run with the changed profile"
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	return failed(op, l.reapplyProfile(ctx, uuid))
}

func (l *link) reapplyProfile(ctx context.Context, uuid string) error {
	var s wire.Settings
	var actives []dbus.ObjectPath
	var text string
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return err
	}
	err = l.flight(ctx, []request{settingsRequest(path, &s), activesRequest(&actives),
		propertyRequest(manager, gnm.NetworkManagerPropertyVersion, func(body []any, err error) error {
			text = variant[string](body)
			return err
		})})
	if err != nil {
		return err
	}
	version, err := parseVersion(text)
	if err != nil {
		return err
	}
	s.StripLegacy()
	own, err := l.activesOf(ctx, uuid, actives)
	if err != nil {
		return err
	}
	for _, a := range own {
		for _, device := range a.devices {
			if err := l.reapplyTo(ctx, device, s, quirksOf(version)); err != nil {
				return err
			}
		}
	}
	return l.untilIdle(ctx)
}

// reapplyTo has one device run with s.
func (l *link) reapplyTo(ctx context.Context, device dbus.ObjectPath, s wire.Settings, q quirks) error {
	r := reapplying{link: l, device: device, quirks: q, unlessSame: true, whole: true}
	ready, err := r.run(ctx, s)
	if err == nil && !ready {
		err = &fault.Error{What: "the tunnel's device is not ready to be changed", Hint: "try again when the tunnel is up or down"}
	}
	return err
}
