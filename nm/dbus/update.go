package dbus

import (
	"context"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Update writes t into the profile, in memory only: the file keeps the old profile until
// [Client.Save]. Nothing is applied to the device. A profile that is named after its interface is
// renamed with it.
//
// The function that it returns undoes that: each property becomes what it was, on disk too if the
// profile was there. It is never nil.
func (c *Client) Update(ctx context.Context, uuid string, t nm.Tunnel) (undo func(context.Context) error, err error) {
	const op = "change the profile"
	undo = func(context.Context) error { return nil }
	l, err := c.link(ctx)
	if err != nil {
		return undo, failed(op, err)
	}
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return undo, failed(op, err)
	}
	var s wire.Settings
	var unsaved bool
	err = l.flight(ctx, []request{settingsRequest(path, &s), readProperty(path, gnm.ConnectionPropertyUnsaved, &unsaved)})
	if err != nil {
		return undo, failed(op, err)
	}
	s.StripLegacy()
	changed := wire.Encode(t, s)
	if s.Text(wire.Connection, "id") == s.Text(wire.Connection, "interface-name") {
		changed.Set(wire.Connection, "id", t.Name)
	}
	undo = func(ctx context.Context) error { return c.undoUpdate(ctx, uuid, s, unsaved) }
	return undo, failed(op, l.write(ctx, path, changed, flagInMemory, noOptions))
}

// undoUpdate writes the settings that a profile had before. NetworkManager may have been restarted
// meanwhile.
func (c *Client) undoUpdate(ctx context.Context, uuid string, s wire.Settings, unsaved bool) error {
	const op = "undo the change of the profile"
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
	return failed(op, l.write(ctx, path, s, where, noOptions))
}

// write writes the settings of a profile. Its device goes on with the settings that it has. flags
// say where to write; without one a profile on disk is written to disk and one in memory to memory.
func (l *link) write(ctx context.Context, path dbus.ObjectPath, s wire.Settings, flags uint32, options map[string]dbus.Variant) error {
	values, err := s.Values()
	if err != nil {
		return err
	}
	var rest map[string]dbus.Variant
	return l.call(ctx, path, gnm.ConnectionUpdate2, []any{values, flags | flagNoReapply, options}, &rest)
}

// Reapply makes the profile's device run with the profile as it is now, without taking it down. It
// returns when NetworkManager has handed everything to the kernel. For a profile that is not active
// it does nothing.
func (c *Client) Reapply(ctx context.Context, uuid string) error {
	const op = "apply the changed profile to its device"
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
	err = l.flight(ctx, []request{settingsRequest(path, &s), activesRequest(&actives), versionRequest(&text)})
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

// reapplyTo makes one device run with s.
func (l *link) reapplyTo(ctx context.Context, device dbus.ObjectPath, s wire.Settings, q quirks) error {
	r := reapplying{link: l, device: device, quirks: q, unlessSame: true, whole: true}
	ready, err := r.run(ctx, s)
	if err == nil && !ready {
		err = &fault.Error{What: "the tunnel's device cannot be changed at the moment", Hint: "try again when the tunnel is up or down"}
	}
	return err
}
