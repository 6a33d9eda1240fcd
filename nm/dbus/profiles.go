package dbus

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/failure"
	"nmgre/nm/dbus/message"
	"nmgre/nm/dbus/quirk"
	"nmgre/nm/dbus/refusal"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Flags of AddConnection2 and Update2, which gonetworkmanager lacks.
const (
	flagToDisk           uint32 = 0x1
	flagInMemory         uint32 = 0x2
	flagVolatile         uint32 = 0x10 // the profile goes away with its connection
	flagBlockAutoconnect uint32 = 0x20
	flagNoReapply        uint32 = 0x40

	settingsAddConnection2 = gnm.SettingsInterface + ".AddConnection2"
)

// noOptions is the empty dictionary of options that AddConnection2 and Update2 take.
var noOptions = map[string]dbus.Variant{}

// polkit's names of the actions that nmgre needs.
const (
	permissionModify = service + ".settings.modify.system"
	// for profiles that one user alone may see
	permissionModifyOwn = service + ".settings.modify.own"
	permissionControl   = service + ".network-control"
)

// Manager returns the version of the NetworkManager on the bus, and the permissions that polkit
// gives the caller. It fails with [fault.ErrNoNetworkManager] where there is none, and where it is
// older than [nm.MinVersion]; the version is returned all the same then.
func (c *Client) Manager(ctx context.Context) (nm.Manager, error) {
	const op = "ask NetworkManager for its version and permissions"
	var m nm.Manager
	l, err := c.link(ctx)
	if err != nil {
		return m, failure.Of(op, err)
	}
	var text string
	var root bool
	// NetworkManager asks polkit nothing about root, but takes its time to say so
	answers := map[string]string{permissionModify: "yes", permissionControl: "yes"}
	err = l.flight(ctx, []request{versionRequest(&text), l.rootRequest(&root)})
	if err == nil && !root {
		err = l.flight(ctx, []request{permissionsRequest(&answers)})
	}
	if err != nil {
		return m, failure.Of(op, err)
	}
	m.Modify, m.Control = permission(answers[permissionModify]), permission(answers[permissionControl])
	if m.Version, err = parseVersion(text); err != nil {
		return m, err
	}
	if m.Version.Before(nm.MinVersion) {
		return m, failure.NoManager(fmt.Sprintf("NetworkManager %s is too old", fault.Printable(text)),
			fmt.Sprintf("nmgre needs NetworkManager %d.%d or later", nm.MinVersion.Major, nm.MinVersion.Minor))
	}
	return m, nil
}

// rootRequest asks the bus whether it takes the caller for root. In a user namespace that is not
// the user that the process sees. A bus that does not tell has no root.
func (l *link) rootRequest(root *bool) request {
	return request{destination: busName, path: busPath, method: busGetUnixUser, args: []any{l.name}, done: func(body []any, _ error) error {
		*root = len(body) == 1 && body[0] == uint32(0)
		return nil
	}}
}

// permissionsRequest asks for polkit's answers to all of NetworkManager's actions, by their names.
func permissionsRequest(answers *map[string]string) request {
	return request{path: manager, method: gnm.NetworkManagerGetPermissions, done: func(body []any, err error) error {
		*answers = message.Result[map[string]string](body)
		return err
	}}
}

// permission translates an answer of polkit's. An absent one is a no.
func permission(answer string) nm.Permission {
	switch p := nm.Permission(answer); p {
	case nm.PermissionYes, nm.PermissionAuth:
		return p
	default:
		return nm.PermissionNo
	}
}

// versionRequest asks for NetworkManager's version, for [parseVersion].
func versionRequest(text *string) request {
	return readProperty(manager, gnm.NetworkManagerPropertyVersion, text)
}

// parseVersion reads a version such as "1.42.4" or "1.59.2-dev".
func parseVersion(text string) (v nm.Version, err error) {
	if n, _ := fmt.Sscanf(text, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); n < 2 {
		return v, failure.NoManager("NetworkManager says that its version is "+wire.Quote(text), "")
	}
	return v, nil
}

// Add makes a profile on trial: in memory only, with the mark of this connection. It does not
// connect by itself.
func (c *Client) Add(ctx context.Context, uuid string, t nm.Tunnel) error {
	op := "add the profile " + wire.Quote(t.Name)
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	s := wire.Encode(t, wire.Settings{wire.Connection: {"uuid": dbus.MakeVariant(uuid)}})
	if err := l.setAddrGenMode(ctx, s); err != nil {
		return failure.Of(op, err)
	}
	s.StartTrial(l.mark())
	values, err := s.Values()
	if err != nil {
		return failure.Of(op, err)
	}
	var path dbus.ObjectPath
	var rest map[string]dbus.Variant
	err = l.call(ctx, settings, settingsAddConnection2, []any{values, flagInMemory | flagBlockAutoconnect, noOptions}, &path, &rest)
	if err == nil {
		l.seen.Profile(uuid, path)
	}
	return failure.Of(op, err)
}

// setAddrGenMode is [quirk.NoEUI64]'s workaround.
func (l *link) setAddrGenMode(ctx context.Context, s wire.Settings) error {
	if !s.WantsAddrGenMode() {
		return nil
	}
	var text string
	err := l.flight(ctx, []request{versionRequest(&text)})
	if v, bad := parseVersion(text); err == nil && bad == nil && quirk.NoEUI64.In(v) {
		s.SetAddrGenMode()
	}
	return err
}

// Save writes the profile to disk, or after an edit to where it was, without the mark of a trial
// and with the autoconnect that the tunnel wants, and returns its file. An active connection goes
// on undisturbed.
func (c *Client) Save(ctx context.Context, uuid string) (file string, err error) {
	const op = "save the profile"
	l, err := c.link(ctx)
	if err != nil {
		return "", failure.Of(op, err)
	}
	path, s, err := l.settingsOf(ctx, uuid)
	if err != nil {
		return "", failure.Of(op, err)
	}
	s.StripLegacy()
	where := flagToDisk
	if e, ok := s.Edit(); ok && e.Unsaved {
		where = flagInMemory
	}
	s.EndTrial()
	s.EndEdit()
	if err := l.write(ctx, path, s, where, noOptions); err != nil {
		return "", failure.Of(op, err)
	}
	p := found{path: path}
	err = l.flight(ctx, []request{fileRequest(&p)})
	return p.Path, failure.Of(op, err)
}

// SaveWith writes a profile on trial to disk, whose trial ends when first is saved.
func (c *Client) SaveWith(ctx context.Context, uuid, first string) error {
	const op = "save the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failure.Of(op, err)
	}
	path, s, err := l.settingsOf(ctx, uuid)
	if err == nil {
		s.StripLegacy()
		s.ShareTrial(first)
		err = l.write(ctx, path, s, flagToDisk, noOptions)
	}
	return failure.Of(op, err)
}

// Exists fails with [fault.ErrNotFound] if there is no such profile. It is one question, where Get
// asks several.
func (c *Client) Exists(ctx context.Context, uuid string) error {
	l, err := c.link(ctx)
	if err == nil {
		_, err = l.lookup(ctx, uuid)
	}
	return failure.Of("look for the profile", err)
}

// settingsOf returns a profile's path and settings.
func (l *link) settingsOf(ctx context.Context, uuid string) (path dbus.ObjectPath, s wire.Settings, err error) {
	path, err = l.at(ctx, uuid, &s, func(path dbus.ObjectPath) error { return l.flight(ctx, []request{settingsRequest(path, &s)}) })
	return path, s, err
}

// at has ask read a profile, and its settings into s. The path is the one where the profile was
// seen, and counts if it is still there: a NetworkManager that was restarted numbers all anew.
func (l *link) at(ctx context.Context, uuid string, s *wire.Settings, ask func(dbus.ObjectPath) error) (path dbus.ObjectPath, err error) {
	if known, ok := l.seen.ProfileOf(uuid); ok {
		err = ask(known)
		if err == nil && s.Text(wire.Connection, "uuid") == uuid || err != nil && !refusal.IsGone(err) {
			return known, err
		}
	}
	if path, err = l.lookup(ctx, uuid); err == nil {
		l.seen.Profile(uuid, path)
		err = ask(path)
	}
	return path, err
}

// whole reads a profile's settings into s, and its active connections, and makes the requests that
// more returns. All is asked at once where it was seen before. With foremost, a connection that is
// up is enough: no other comes before it.
func (l *link) whole(ctx context.Context, uuid string, foremost bool, s *wire.Settings, more func(dbus.ObjectPath) []request) (path dbus.ObjectPath, own []active, err error) {
	var now []dbus.ObjectPath
	asks := []request{activesRequest(&now)}
	if _, ok := l.seen.ProfileOf(uuid); !ok {
		if err := l.flight(ctx, append(asks, l.lookupRequest(uuid, &path))); err != nil {
			return path, nil, err
		}
		l.seen.Profile(uuid, path)
		asks = nil
	}
	path, err = l.at(ctx, uuid, s, func(path dbus.ObjectPath) error {
		own = nil
		seen := l.seen.ActivesOf(uuid)
		if foremost && len(asks) == 0 {
			seen = latest(now)
		}
		err := l.flight(ctx, slices.Concat([]request{settingsRequest(path, s)}, asks, more(path), l.ownActives(uuid, seen, &own)))
		own = slices.DeleteFunc(own, func(a active) bool { return !slices.Contains(now, a.path) })
		if err == nil && !(foremost && slices.ContainsFunc(own, active.isUp)) {
			err = l.flight(ctx, l.ownActives(uuid, l.seen.Left(now, seen, len(own) > 0), &own))
		}
		return err
	})
	return path, own, err
}

// latest returns the active connection that came up last, if there is one: that of a tunnel for
// which somebody is called at this moment.
func latest(actives []dbus.ObjectPath) []dbus.ObjectPath {
	if len(actives) == 0 {
		return nil
	}
	return []dbus.ObjectPath{slices.MaxFunc(actives, func(a, b dbus.ObjectPath) int { return cmp.Compare(wire.Serial(a), wire.Serial(b)) })}
}
