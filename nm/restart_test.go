package nm

import (
	"errors"
	"testing"
	"time"

	"nmgre"
	"nmgre/nm/nmtest"
)

// TestDeleteWhileStarting has a NetworkManager that is starting: it may come to know the profile yet, and the link of one on trial.
func TestDeleteWhileStarting(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	bus.SetStarting(true)
	if err := c.Delete(ctx, testUUID); !errors.Is(err, nmgre.ErrNoNetworkManager) {
		t.Errorf("a profile that is not there: %v", err)
	}
	add(t, c)
	if err := c.Delete(ctx, testUUID); !errors.Is(err, nmgre.ErrNoNetworkManager) {
		t.Errorf("a profile on trial: %v", err)
	}
	if n := len(bus.Profiles()); n != 1 {
		t.Errorf("%d profiles are there", n)
	}
	if err := c.Save(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(ctx, testUUID); err != nil {
		t.Errorf("one that is on disk: %v", err)
	}
	bus.SetStarting(false)
	if err := c.Delete(ctx, testUUID); err != nil {
		t.Errorf("one that is gone: %v", err)
	}
}

// TestStarting has a NetworkManager that has its name on the bus already, but not its objects.
func TestStarting(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	none := nmtest.Fault{Error: "org.freedesktop.DBus.Error.UnknownMethod", Text: "Object does not exist at path “/org/freedesktop/NetworkManager”"}
	for _, member := range []string{"Get", "ListConnections", "GetConnectionByUuid", "GetPermissions"} {
		bus.Break(member, none)
	}
	for name, call := range map[string]func() error{
		"Manager":    func() error { _, err := c.Manager(ctx); return err },
		"List":       func() error { _, err := c.List(ctx); return err },
		"Serials":    func() error { _, err := c.Serials(ctx); return err },
		"Get":        func() error { _, err := c.Get(ctx, testUUID); return err },
		"Activate":   func() error { return c.Activate(ctx, testUUID) },
		"Deactivate": func() error { return c.Deactivate(ctx, testUUID) },
		"Delete":     func() error { return c.Delete(ctx, testUUID) },
		"Save":       func() error { return c.Save(ctx, testUUID) },
		"SetRoutes":  func() error { return c.SetRoutes(ctx, testUUID, nil, nil) },
	} {
		if err := call(); !errors.Is(err, nmgre.ErrNoNetworkManager) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeleteDenied has one who may not delete, and takes nothing down either.
func TestDeleteDenied(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	add(t, c)
	if err := c.Activate(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	bus.Break("Delete", nmtest.Fault{Error: "org.freedesktop.NetworkManager.Settings.PermissionDenied", Text: "Insufficient privileges"})
	if err := c.Delete(ctx, testUUID); !errors.Is(err, nmgre.ErrNotPermitted) {
		t.Errorf("got %v", err)
	}
	if left := bus.Profiles(); len(left) != 1 || !left[0].Active {
		t.Errorf("there are %+v", left)
	}
}

// TestDeleteLeavesTheWinner has two profiles on trial of one name: who deletes the one leaves the link of the other alone.
func TestDeleteLeavesTheWinner(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	add(t, c)
	loser := newUUID()
	if err := c.Add(ctx, loser, tunnels["plain"]); err != nil {
		t.Fatal(err)
	}
	if err := c.Activate(ctx, testUUID); err != nil {
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
