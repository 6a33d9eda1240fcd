package dbus

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// Somebody changes a profile while its tunnel is up. Pending has the change, and Reapply applies
// it, though NetworkManager would refuse some of the profile's properties.
func TestPending(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	byHand(t, bus)
	path := bus.Profiles()[0].Path
	pending := func() string {
		t.Helper()
		p, err := c.Pending(ctx, dbustest.UUID)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(p.Settings, " ")
		if p.NewLink != "" {
			text += " by a new link"
		}
		return text
	}
	change := func(setting, property string, value any) {
		bus.Change(path, func(s dbustest.Settings) { s[setting][property] = dbus.MakeVariant(value) })
	}
	if got := pending(); got != "" {
		t.Errorf("down: %s", got)
	}
	if err := c.Activate(ctx, dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	change(wire.IPTunnel, "mtu", uint32(1300))
	change(wire.Connection, "permissions", []string{"user:ann:"})
	if got := pending(); got != "ip-tunnel.mtu" {
		t.Errorf("changed: %s", got)
	}
	if err := c.Reapply(ctx, dbustest.UUID, false); err != nil {
		t.Fatal(err)
	}
	if got := pending(); got != "" {
		t.Errorf("applied: %s", got)
	}
	change(wire.IPTunnel, "ttl", uint32(9))
	if got := pending(); got != "ip-tunnel.ttl by a new link" {
		t.Errorf("changed again: %s", got)
	}
	if _, err := c.Pending(ctx, "00000000-0000-4000-8000-00000000ffff"); !errors.Is(err, fault.ErrNotFound) {
		t.Errorf("another profile: %v", err)
	}
	bus.Break("GetAppliedConnection", dbustest.Fault{Error: service + ".Device.PermissionDenied", Text: "Not authorized"})
	if _, err := c.Pending(ctx, dbustest.UUID); !errors.Is(err, fault.ErrNotPermitted) {
		t.Errorf("without rights: %v", err)
	}
}
