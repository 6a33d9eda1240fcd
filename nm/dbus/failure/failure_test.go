package failure

import (
	"errors"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/routes/fault"
)

// TestErrors has the errors of NetworkManager 1.42 and of a bus, word by word, and the ones that a
// user reads instead.
func TestErrors(t *testing.T) {
	const nm = "org.freedesktop.NetworkManager."
	for _, c := range []struct {
		name, text string
		kind       error
		field      string
		words      string // of the error and its hints
	}{
		{nm + "Settings.Connection.InvalidProperty", "ip-tunnel.remote: 'x' is not a valid IPv4 address", fault.ErrInvalid, "peer", "refuses ip-tunnel.remote: 'x' is not"},
		{nm + "Settings.Connection.MissingProperty", "ip-tunnel.remote: property is missing", fault.ErrInvalid, "peer", ""},
		{nm + "Settings.Connection.InvalidProperty", "ip-tunnel.local: 'x' is not a valid IPv4 address", fault.ErrInvalid, "local", ""},
		{nm + "Settings.Connection.InvalidProperty", "ip-tunnel.ttl: a fixed TTL is allowed only when path MTU discovery is enabled", fault.ErrInvalid, "ttl", ""},
		{nm + "Settings.Connection.InvalidProperty", "ipv4.addresses: this property cannot be empty for 'method=manual'", fault.ErrInvalid, "address", ""},
		{nm + "Settings.Connection.InvalidProperty", "ipv6.routes: 1. route is invalid: x", fault.ErrInvalid, "route", ""},
		{nm + "Settings.Connection.InvalidProperty", "ip-tunnel.later: new", fault.ErrInvalid, "", "refuses ip-tunnel.later: new"},
		{nm + "Settings.InvalidConnection", "The connection was invalid: connection.interface-name: 'a b' is not a valid interface name", fault.ErrInvalid, "name", ""},
		{nm + "Settings.InvalidConnection", "nothing to go by", fault.ErrInvalid, "", "nothing to go by"},
		{nm + "Settings.PermissionDenied", "Insufficient privileges", fault.ErrNotPermitted, "", "sudo"},
		{nm + "PermissionDenied", "Not authorized to control networking.", fault.ErrNotPermitted, "", "sudo"},
		{"org.freedesktop.DBus.Error.AccessDenied", "Rejected send message", fault.ErrNotPermitted, "", "Rejected"},
		{"org.freedesktop.DBus.Error.ServiceUnknown", "The name is not activatable", fault.ErrNoNetworkManager, "", "systemctl start NetworkManager"},
		{"org.freedesktop.DBus.Error.NameHasNoOwner", "", fault.ErrNoNetworkManager, "", "not running"},
		{"org.freedesktop.DBus.Error.NoReply", "", fault.ErrNoNetworkManager, "", ""},
		{"org.freedesktop.DBus.Error.Spawn.ServiceNotFound", "", fault.ErrNoNetworkManager, "", ""},
		{"org.freedesktop.DBus.Error.Timeout", "", fault.ErrTimeout, "", ""},
		{nm + "Settings.UuidExists", "", fault.ErrExists, "", ""},
		{nm + "Device.CreationFailed", "gre1 failed to create resources: Failed to create GRE interface 'gre1' for 'x': Operation not supported", fault.ErrUnsupported, "", "modprobe ip_gre"},
		{nm + "UnknownConnection", "Failed to create IPv6 tunnel interface 'gre1' for 'x': File exists", fault.ErrExists, "", "ip -d link"},
		{nm + "Device.CreationFailed", "Failed to create GRE interface 'gre1' for 'x': Invalid argument", nil, "", "journalctl"},
		{nm + "Device.CreationFailed", "Parent device for 'x' not available", nil, "", "must exist and be up"},
		{nm + "DependencyFailed", "parent device 'eth9' not found", nil, "", "must exist and be up"},
		{nm + "DependencyFailed", "Activation failed because the device is unmanaged", nil, "", "unmanaged-devices"},
		{nm + "UnknownConnection", "Device named 'gre1' already exists", nil, "", "another name"},
		{nm + "Failed", "\x1b[2Jclean", nil, "", `\x1b[2Jclean`},
	} {
		for _, remote := range []error{dbus.Error{Name: c.name, Body: []any{c.text}}, &dbus.Error{Name: c.name, Body: []any{c.text}}} {
			err := Of("do it", remote)
			var e *fault.Error
			if !errors.As(err, &e) || (e.Kind == nil) != (c.kind == nil) || c.kind != nil && !errors.Is(e.Kind, c.kind) || e.Field != c.field {
				t.Errorf("%s %q: got %#v", c.name, c.text, err)
				continue
			}
			if all := err.Error() + strings.Join(fault.Hints(err), ""); !strings.Contains(all, c.words) || strings.Contains(all, "\x1b") {
				t.Errorf("%s %q: got %q", c.name, c.text, all)
			}
		}
	}
}
