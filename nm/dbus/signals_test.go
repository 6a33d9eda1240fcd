package dbus

import (
	"context"
	"runtime"
	"testing"
	"time"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes/fault"
)

// watchEvents starts a watch. The function that it returns ends it.
func watchEvents(t *testing.T, c *Client) (<-chan nm.ProfileEvent, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events, err := c.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return events, cancel
}

// expectEvent waits for an event. Plain ones may come before one that says Lost or Back.
func expectEvent(t *testing.T, events <-chan nm.ProfileEvent, want nm.ProfileEvent) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case e, open := <-events:
			switch {
			case !open:
				t.Fatalf("the channel is closed, want %+v", want)
			case e == want:
				return
			case e != (nm.ProfileEvent{}):
				t.Fatalf("got %+v, want %+v", e, want)
			}
		case <-late:
			t.Fatalf("no event in time, want %+v", want)
		}
	}
}

func quiet(t *testing.T, events <-chan nm.ProfileEvent) {
	t.Helper()
	select {
	case e, open := <-events:
		t.Fatalf("got %+v, %v", e, open)
	case <-time.After(50 * time.Millisecond):
	}
}

// TestWatchTells has a profile that comes up, and a restart of NetworkManager.
func TestWatchTells(t *testing.T) {
	bus, c := start(t)
	events, _ := watchEvents(t, c)
	quiet(t, events)
	add(t, c)
	if err := c.Activate(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	expectEvent(t, events, nm.ProfileEvent{})
	bus.Vanish()
	expectEvent(t, events, nm.ProfileEvent{Lost: true})
	bus.Return()
	expectEvent(t, events, nm.ProfileEvent{Back: true})
	if err := c.Activate(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	expectEvent(t, events, nm.ProfileEvent{})
}

// TestWatchUnread has nobody who takes the events. They are joined into one.
func TestWatchUnread(t *testing.T) {
	bus, c := start(t)
	events, _ := watchEvents(t, c)
	for range 50 {
		bus.Vanish()
		bus.Return()
	}
	add(t, c)
	if err := c.Activate(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	// A busy machine may be in the middle of the signals still: the last news counts.
	var last nm.ProfileEvent
	for late := time.After(10 * time.Second); last != (nm.ProfileEvent{Back: true}); {
		select {
		case last = <-events:
		case <-late:
			t.Fatalf("the last event is %+v", last)
		}
	}
	for pause := time.After(100 * time.Millisecond); ; {
		select {
		case e := <-events:
			if e.Back || e.Lost {
				last = e
			}
			continue
		case <-pause:
		}
		break
	}
	if last != (nm.ProfileEvent{Back: true}) {
		t.Errorf("the last news is %+v", last)
	}
}

// TestWatchWithoutNetworkManager begins before NetworkManager is there.
func TestWatchWithoutNetworkManager(t *testing.T) {
	bus, c := start(t)
	bus.Vanish()
	events, _ := watchEvents(t, c)
	expectEvent(t, events, nm.ProfileEvent{Lost: true})
	bus.Return()
	expectEvent(t, events, nm.ProfileEvent{Back: true})
}

// TestWatchBusLost has the bus restarted. The watch finds it again by itself.
func TestWatchBusLost(t *testing.T) {
	bus, c := start(t)
	events, cancel := watchEvents(t, c)
	for range 3 {
		bus.Hangup()
		expectEvent(t, events, nm.ProfileEvent{Lost: true})
		expectEvent(t, events, nm.ProfileEvent{Back: true})
		if got := bus.Rules(); got != len(signalRules) {
			t.Errorf("the bus holds %d rules, want %d", got, len(signalRules))
		}
	}
	bus.Break("AddMatch", dbustest.Fault{Error: "org.freedesktop.DBus.Error.LimitsExceeded", Text: "no"})
	bus.Hangup()
	expectEvent(t, events, nm.ProfileEvent{Lost: true})
	quiet(t, events)
	bus.Break("AddMatch", dbustest.Fault{})
	expectEvent(t, events, nm.ProfileEvent{Back: true})
	bus.Break("AddMatch", dbustest.Fault{Silent: true})
	bus.Hangup()
	expectEvent(t, events, nm.ProfileEvent{Lost: true})
	cancel()
	for range events {
	}
}

// TestWatchLeavesNothing counts goroutines and the bus' rules.
func TestWatchLeavesNothing(t *testing.T) {
	bus, c := start(t)
	if _, err := c.Manager(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 20 {
		events, cancel := watchEvents(t, c)
		cancel()
		for range events {
		}
	}
	late := time.Now().Add(10 * time.Second)
	for bus.Rules() > 0 || runtime.NumGoroutine() > before {
		if time.Now().After(late) {
			t.Fatalf("%d rules; %d goroutines before, %d after", bus.Rules(), before, runtime.NumGoroutine())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestWatchClosed ends the watch with the client.
func TestWatchClosed(t *testing.T) {
	_, c := start(t)
	events, _ := watchEvents(t, c)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range events {
	}
}

func TestWatchWithoutBus(t *testing.T) {
	bus, c := start(t)
	bus.Break("AddMatch", dbustest.Fault{Error: "org.freedesktop.DBus.Error.AccessDenied", Text: "no"})
	_, err := c.Watch(t.Context())
	check(t, err, fault.ErrNotPermitted, "watch NetworkManager")
	if n := bus.Rules(); n != 0 {
		t.Errorf("%d rules are left", n)
	}
}
