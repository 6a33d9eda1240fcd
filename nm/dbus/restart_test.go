package dbus

import (
	"errors"
	"testing"
	"time"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes/fault"
)

// TestDeleteWhileStarting has a NetworkManager that is starting. It may not know the profile yet,
// nor the link of one on trial.
func TestDeleteWhileStarting(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	bus.SetStarting(true)
	if err := c.Delete(ctx, dbustest.UUID); !errors.Is(err, fault.ErrNoNetworkManager) {
		t.Errorf("a profile that is not there: %v", err)
	}
	add(t, c)
	if err := c.Delete(ctx, dbustest.UUID); !errors.Is(err, fault.ErrNoNetworkManager) {
		t.Errorf("a profile on trial: %v", err)
	}
	if n := len(bus.Profiles()); n != 1 {
		t.Errorf("%d profiles are there", n)
	}
	if _, err := c.Save(ctx, dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, dbustest.UUID); err != nil {
		t.Errorf("one that is on disk: %v", err)
	}
	bus.SetStarting(false)
	if err := c.Delete(ctx, dbustest.UUID); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}

// TestStarting has a NetworkManager that has its name on the bus already, but not its objects.
func TestStarting(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	none := dbustest.Fault{Error: "org.freedesktop.DBus.Error.UnknownMethod", Text: "Object does not exist at path “/org/freedesktop/NetworkManager”"}
	for _, member := range []string{"Get", "ListConnections", "GetConnectionByUuid", "GetPermissions"} {
		bus.Break(member, none)
	}
	for name, call := range map[string]func() error{
		"Manager":    func() error { _, err := c.Manager(ctx); return err },
		"List":       func() error { _, err := c.List(ctx); return err },
		"Serials":    func() error { _, err := c.Serials(ctx); return err },
		"Get":        func() error { _, err := c.Get(ctx, dbustest.UUID); return err },
		"Activate":   func() error { return c.Activate(ctx, dbustest.UUID) },
		"Deactivate": func() error { return c.Deactivate(ctx, dbustest.UUID) },
		"Delete":     func() error { return c.Delete(ctx, dbustest.UUID) },
		"Save":       func() error { return saving(c)(ctx, dbustest.UUID) },
		"SetRoutes":  func() error { return c.SetRoutes(ctx, dbustest.UUID, nil, nil) },
	} {
		if err := call(); !errors.Is(err, fault.ErrNoNetworkManager) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeleteDenied has a user who may not delete the profile. It is not taken down either.
func TestDeleteDenied(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	add(t, c)
	if err := c.Activate(ctx, dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	bus.Break("Delete", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.PermissionDenied", Text: "Insufficient privileges"})
	if err := c.Delete(ctx, dbustest.UUID); !errors.Is(err, fault.ErrNotPermitted) {
		t.Errorf("got %v", err)
	}
	if left := bus.Profiles(); len(left) != 1 || !left[0].Active {
		t.Errorf("there are %+v", left)
	}
}

// TestDeleteLeavesTheWinner has two profiles on trial with the same interface. Deleting one leaves
// the link of the other alone.
func TestDeleteLeavesTheWinner(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	add(t, c)
	loser := nm.NewUUID()
	if err := c.Add(ctx, loser, dbustest.Tunnels["plain"]); err != nil {
		t.Fatal(err)
	}
	if err := c.Activate(ctx, dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, loser); err != nil {
		t.Fatal(err)
	}
	if n := bus.Count("Delete"); n != 1 {
		t.Errorf("%d deletions, of the profile and its link", n)
	}
	if left := bus.Profiles(); len(left) != 1 || !left[0].Active {
		t.Errorf("there are %+v", left)
	}
}
