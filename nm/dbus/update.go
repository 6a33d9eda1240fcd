package dbus

import (
	"context"
	"slices"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/applied"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Update writes t into the profile, in memory only: the file keeps the old profile until
// [Client.Save]. Nothing is applied to the device. The profile remembers how it was before the
// first Update, and who edits it. A profile that is not from, unless that is nil, stays as it is.
// undo, which is never nil, gives each property its old value, on disk too if it was there.
func (c *Client) Update(ctx context.Context, uuid string, from *nm.Tunnel, t nm.Tunnel) (undo func(context.Context) error, err error) {
	const op = "change the profile"
	undo = func(context.Context) error { return nil }
	l, err := c.link(ctx)
	if err != nil {
		return undo, failure.Of(op, err)
	}
	path, s, e, err := l.edited(ctx, uuid)
	if err != nil {
		return undo, failure.Of(op, err)
	}
	if err := stillIs(s, from); err != nil {
		return undo, failure.Of(op, err)
	}
	changed, flags := s.Edited(t, e), flagInMemory
	if s.Text(wire.Connection, "interface-name") != t.Name { // it would make the new link at once
		flags |= flagBlockAutoconnect
	}
	if err := l.setAddrGenMode(ctx, changed); err != nil {
		return undo, failure.Of(op, err)
	}
	undo = func(ctx context.Context) error { return c.undoUpdate(ctx, uuid, e) }
	return undo, failure.Of(op, l.write(ctx, path, changed, flags, noOptions))
}

// stillIs makes sure that nobody else has changed a profile, which was from. A nil from allows any.
func stillIs(s wire.Settings, from *nm.Tunnel) error {
	if from == nil {
		return nil
	}
	if now, err := wire.Decode(s); err != nil || !now.SameInProfile(*from) {
		return &fault.Error{Kind: fault.ErrChanged, What: "somebody else has changed the profile meanwhile", Hint: "see its present state, and try again", Err: err}
	}
	return nil
}

// edited reads a profile, and how it was before it was edited in memory.
func (l *link) edited(ctx context.Context, uuid string) (path dbus.ObjectPath, s wire.Settings, e wire.Edit, err error) {
	path, own, err := l.whole(ctx, uuid, false, &s, func(path dbus.ObjectPath) []request {
		return []request{readProperty(path, gnm.ConnectionPropertyUnsaved, &e.Unsaved)}
	})
	if err != nil {
		return path, s, e, err
	}
	s.StripLegacy()
	if known, ok := s.Edit(); ok && e.Unsaved {
		known.Mark = l.mark()
		return path, s, known, nil
	}
	e.Up = slices.ContainsFunc(own, func(a active) bool { return a.rank() > 1 })
	e.Mark, e.Before = l.mark(), s.Clone()
	e.Before.EndEdit()
	return path, s, e, err
}

// Revert undoes an edit that is in memory only. Another profile stays as it is.
func (c *Client) Revert(ctx context.Context, uuid string) error {
	const op = "undo the change of the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	_, s, err := l.settingsOf(ctx, uuid)
	if err != nil {
		return failure.Of(op, err)
	}
	if e, ok := s.Edit(); ok {
		return c.undoUpdate(ctx, uuid, e)
	}
	return nil
}

// undoUpdate writes the settings from before. NetworkManager may have been restarted meanwhile.
func (c *Client) undoUpdate(ctx context.Context, uuid string, e wire.Edit) error {
	const op = "undo the change of the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return failure.Of(op, err)
	}
	where := flagToDisk
	if e.Unsaved {
		where = flagInMemory
	}
	return failure.Of(op, l.write(ctx, path, e.Before, where, noOptions))
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

// Reapply implements [nm.Profiles]. It returns when NetworkManager has handed everything to the
// kernel.
func (c *Client) Reapply(ctx context.Context, uuid string, restore bool) error {
	const op = "apply the changed profile to its device"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	return failure.Of(op, l.reapplyProfile(ctx, uuid, restore))
}

func (l *link) reapplyProfile(ctx context.Context, uuid string, restore bool) error {
	var s wire.Settings
	var text string
	_, own, err := l.whole(ctx, uuid, false, &s, func(dbus.ObjectPath) []request { return []request{versionRequest(&text)} })
	if err != nil {
		return err
	}
	version, err := parseVersion(text)
	if err != nil {
		return err
	}
	s.StripLegacy()
	s.EndEdit()
	for _, a := range own {
		for _, device := range a.devices {
			r := reapplying{link: l, device: device, quirks: applied.For(version), unlessSame: !restore, whole: true, restore: restore}
			ready, err := r.run(ctx, s)
			if err == nil && !ready {
				err = &fault.Error{What: "the tunnel's device cannot be changed at the moment", Hint: "try again when the tunnel is up or down"}
			}
			if err != nil {
				return err
			}
		}
	}
	return l.untilIdle(ctx)
}
