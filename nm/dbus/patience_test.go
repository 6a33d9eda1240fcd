package dbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"nmgre/nm/dbus/dbustest"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// impatiently connects to the bus, and has little patience from then on.
func impatiently(t *testing.T, bus *dbustest.Bus) *Client {
	t.Helper()
	c := connect(t, bus)
	l := <-c.turn
	l.patience, c.options.Patience = 60*time.Millisecond, 60*time.Millisecond
	c.turn <- l
	return c
}

// everyCall has each method of a client, with a context that does not end.
func everyCall(ctx context.Context, c *Client) map[string]func() error {
	const uuid = dbustest.UUID
	tunnel := dbustest.Tunnels["plain"]
	return map[string]func() error{
		"List":       func() error { _, err := c.List(ctx); return err },
		"Get":        func() error { _, err := c.Get(ctx, uuid); return err },
		"Serials":    func() error { _, err := c.Serials(ctx); return err },
		"Manager":    func() error { _, err := c.Manager(ctx); return err },
		"Add":        func() error { return c.Add(ctx, "0b30ac6d-7e3a-4a4c-8b3d-3f9c0f1d2e4b", tunnel) },
		"Save":       func() error { _, err := c.Save(ctx, uuid); return err },
		"Activate":   func() error { return c.Activate(ctx, uuid) },
		"Deactivate": func() error { return c.Deactivate(ctx, uuid) },
		"Delete":     func() error { return c.Delete(ctx, uuid) },
		"Update":     func() error { _, err := c.Update(ctx, uuid, nil, tunnel); return err },
		"Reapply":    func() error { return c.Reapply(ctx, uuid, false) },
		"SetRoutes":  func() error { return c.SetRoutes(ctx, uuid, nil, []routes.Route{routes.MustParse("10.0.0.0/8")}) },
	}
}

// hasEnded runs a call, which must end in time with an error that says who does not answer.
func hasEnded(t *testing.T, name, who string, call func() error) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- call() }()
	select {
	case err := <-ended:
		if !errors.Is(err, fault.ErrTimeout) || !strings.Contains(err.Error(), who+" does not answer") || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	case <-time.After(20 * time.Second):
		t.Errorf("%s has not ended", name)
	}
}

// Every call ends with a NetworkManager that is stopped, though no caller sets a time: whether it
// has stopped before or after each question that the call asks.
func TestNetworkManagerHangs(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	impatient := impatiently(t, bus)
	bus.Hang()
	for name, call := range everyCall(context.Background(), impatient) {
		hasEnded(t, name, "NetworkManager", call)
	}
}

// The same for the answer to each method alone, after everything before it was answered.
func TestEachAnswerIsMissing(t *testing.T) {
	for _, method := range []string{
		"ListConnections", "GetSettings", "Get", "GetAll", "GetConnectionByUuid", "GetPermissions", "AddConnection2", "Update2",
		"ActivateConnection", "DeactivateConnection", "Delete", "Reapply", "GetAppliedConnection",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			for _, name := range []string{"List", "Get", "Serials", "Manager", "Add", "Save", "Activate", "Deactivate", "Delete", "Update", "Reapply", "SetRoutes"} {
				bus, patient := start(t)
				add(t, patient)
				if name != "Activate" {
					if err := patient.Activate(t.Context(), dbustest.UUID); err != nil {
						t.Fatal(err)
					}
				}
				before := bus.Count(method)
				c := impatiently(t, bus)
				bus.Break(method, dbustest.Fault{Silent: true})
				call := everyCall(context.Background(), c)[name]
				ended := make(chan error, 1)
				go func() { ended <- call() }()
				select {
				case err := <-ended:
					if bus.Count(method) > before && !errors.Is(err, fault.ErrTimeout) {
						t.Errorf("%s: the error is %v", name, err)
					}
				case <-time.After(20 * time.Second):
					t.Errorf("%s has not ended", name)
				}
			}
		})
	}
}

// Very many profiles are read over a connection of their own, which ends as well.
func TestBulkHangs(t *testing.T) {
	bus := dbustest.Start(t)
	for range 2 * bulkFrom {
		bus.AddProfile(dbustest.Settings{"connection": {}})
	}
	bus.Break("GetSettings", dbustest.Fault{Silent: true, After: bulkFrom})
	c := impatiently(t, bus)
	begin := time.Now()
	hasEnded(t, "List", "NetworkManager", func() error { _, err := c.List(context.Background()); return err })
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if n := bus.Count("GetSettings"); n > 2*bulkFrom {
		t.Errorf("after the silence everything was asked again: %d questions", n)
	}
}

// A bus that is stopped holds nobody up: neither one who connects, nor a client that is connected,
// though the socket takes no more. Close ends as well.
func TestBusHangs(t *testing.T) {
	bus := dbustest.Start(t)
	c := impatiently(t, bus)
	tunnel := dbustest.Tunnels["plain"]
	for i := range 20_000 {
		tunnel.Routes = append(tunnel.Routes, routes.MustParse("10.0.0.0/8 metric "+string(rune('1'+i%9))))
	}
	bus.Stick()
	hasEnded(t, "Connect", "the system bus", func() error {
		_, err := Connect(context.Background(), Options{Address: bus.Address(), Patience: 50 * time.Millisecond})
		return err
	})
	hasEnded(t, "List", "NetworkManager", func() error { _, err := c.List(context.Background()); return err })
	for range 5 { // until the socket is full
		hasEnded(t, "Add", "", func() error {
			return c.Add(context.Background(), "0b30ac6d-7e3a-4a4c-8b3d-3f9c0f1d2e4b", tunnel)
		})
	}
	closed := make(chan struct{})
	go func() { defer close(closed); _ = c.Close() }()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Error("Close has not ended")
	}
}

// A watch gets no event from a NetworkManager that hangs, begins all the same, and ends with its
// context. It begins with no bus that hangs.
func TestWatchOfHanging(t *testing.T) {
	bus, _ := start(t)
	c := impatiently(t, bus)
	bus.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	events, err := c.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for e := range events {
		t.Errorf("got %+v", e)
	}
	stuck := impatiently(t, bus)
	bus.Stick()
	hasEnded(t, "Watch", "", func() error { _, err := stuck.Watch(context.Background()); return err })
}

// The caller's own limit counts as before, and says so in its own words.
func TestOwnTimeLimit(t *testing.T) {
	bus, c := start(t)
	bus.Hang()
	_, err := c.List(soon(t, 30*time.Millisecond))
	if !errors.Is(err, fault.ErrTimeout) || !strings.Contains(err.Error(), "in the time allowed") {
		t.Errorf("got %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.List(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
