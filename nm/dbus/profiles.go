package dbus

import (
	"context"
	"fmt"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Flags of AddConnection2 and Update2, which gonetworkmanager lacks.
const (
	flagToDisk           uint32 = 0x1
	flagInMemory         uint32 = 0x2
	flagBlockAutoconnect uint32 = 0x20
	flagNoReapply        uint32 = 0x40

	settingsAddConnection2 = gnm.SettingsInterface + ".AddConnection2"
)

// noArgs is the empty dictionary of options that NetworkManager's newer methods take.
var noArgs = map[string]dbus.Variant{}

// polkit's names of what nmgre needs.
const (
	permissionModify = service + ".settings.modify.system"
	// of profiles that one user alone may see
	permissionModifyOwn = service + ".settings.modify.own"
	permissionControl   = service + ".network-control"
)

// Manager says which NetworkManager there is and what polkit lets the caller do. It fails with
// [nmgre.ErrNoNetworkManager] where there is none, or one older than [nmgre.MinVersion]; in that
// case what it found is returned all the same.
func (c *Client) Manager(ctx context.Context) (nm.Manager, error) {
	const op = "ask NetworkManager for its version and what it allows"
	var m nm.Manager
	l, err := c.link(ctx)
	if err != nil {
		return m, failed(op, err)
	}
	var text string
	var answers map[string]string
	err = l.flight(ctx, []request{
		propertyRequest(manager, gnm.NetworkManagerPropertyVersion, func(body []any, err error) error {
			text = variant[string](body)
			return err
		}),
		{path: manager, method: gnm.NetworkManagerGetPermissions, done: func(body []any, err error) error {
			answers = result[map[string]string](body)
			return err
		}},
	})
	if err != nil {
		return m, failed(op, err)
	}
	m.Modify, m.Control = permission(answers[permissionModify]), permission(answers[permissionControl])
	if m.Version, err = parseVersion(text); err != nil {
		return m, err
	}
	if older(m.Version, nm.MinVersion) {
		return m, noManager(fmt.Sprintf("NetworkManager %s is too old", fault.Printable(text)),
			fmt.Sprintf("nmgre needs NetworkManager %d.%d or later", nm.MinVersion.Major, nm.MinVersion.Minor))
	}
	return m, nil
}

// permission translates polkit's answer; no answer is no permission.
func permission(answer string) nm.Permission {
	switch p := nm.Permission(answer); p {
	case nm.PermissionYes, nm.PermissionAuth:
		return p
	default:
		return nm.PermissionNo
	}
}

// parseVersion reads "1.42.4", and "1.59.2-dev".
func parseVersion(text string) (v nm.Version, err error) {
	if n, _ := fmt.Sscanf(text, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); n < 2 {
		return v, noManager("NetworkManager says that its version is "+wire.Quote(text), "")
	}
	return v, nil
}

func older(a, b nm.Version) bool {
	switch {
	case a.Major != b.Major:
		return a.Major < b.Major
	case a.Minor != b.Minor:
		return a.Minor < b.Minor
	}
	return a.Micro < b.Micro
}

// Add makes a profile on trial: in memory only, not connecting by itself, and with the mark of this
// connection.
func (c *Client) Add(ctx context.Context, uuid string, t nm.Tunnel) error {
	op := "add the profile " + wire.Quote(t.Name)
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	s := wire.Encode(t, wire.Settings{wire.SetConnection: {"uuid": dbus.MakeVariant(uuid)}})
	settingsMarkTrial(s, l, t.Autoconnect)
	wireHere, err := s.Wire()
	if err != nil {
		return failed(op, err)
	}
	var path dbus.ObjectPath
	var rest map[string]dbus.Variant
	err = l.call(ctx, settings, settingsAddConnection2, []any{wireHere, flagInMemory | flagBlockAutoconnect, noArgs}, &path, &rest)
	return failed(op, err)
}

// Save writes the profile to disk without the mark, with autoconnect as it was wanted. An active
// connection goes on undisturbed.
func (c *Client) Save(ctx context.Context, uuid string) error {
	const op = "save the profile"
	l, err := c.link(ctx)
	if err != nil {
		return failed(op, err)
	}
	path, err := l.lookup(ctx, uuid)
	if err != nil {
		return failed(op, err)
	}
	var s wire.Settings
	if err := l.flight(ctx, []request{settingsRequest(path, &s)}); err != nil {
		return failed(op, err)
	}
	s.StripLegacy()
	settingsEndTrial(s)
	wireHere, err := s.Wire()
	if err != nil {
		return failed(op, err)
	}
	// Nothing of what the device runs with changes, so nothing is to be applied to it again.
	var rest map[string]dbus.Variant
	return failed(op, l.call(ctx, path, gnm.ConnectionUpdate2, []any{wireHere, flagToDisk | flagNoReapply, noArgs}, &rest))
}
