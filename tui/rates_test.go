package tui

import (
	"testing"

	"nmgre/tui/tuitest"
)

// Measuring goes on only while the tab is open.
func TestMeasuresOnlyWhileTheTabIsOpen(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	if d.m.detail.traffic.Running {
		t.Error("it measures though the tab is not open")
	}
	d.keys("2").must("round trip", "1ms", "one probe a second")
	if !d.m.detail.traffic.Running {
		t.Error("it does not measure")
	}
	d.keys("1")
	d.run(d.m.measure(d.m.detail.uuid))
	if d.m.detail.traffic.Running {
		t.Error("it goes on when the tab is closed")
	}
	d.keys("j", "j", "2").must("the tunnel is down: nothing goes through")
}

// Of a hundred thousand routes only those that are seen are drawn, and asked about.
func TestManyRoutes(t *testing.T) {
	f := tuitest.New()
	f.Many()
	d := openFake(t, f, Options{})
	d.keys("3", "enter").must("1 of 100000", "20.0.0.0", "nmgre, in the kernel")
	d.keys("end").must("100000 of 100000", "20.1.134.159")
	d.keys("pgup", "up").must("20.1.134.")
	if n := len(d.m.detail.routes.hops); n > 80 {
		t.Errorf("the kernel was asked about %d routes", n)
	}
}

// A route for which the kernel would send elsewhere is marked, with where.
func TestRouteThatIsTaken(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.Held[tuitest.UUID(2)][0].Route.Dst = tuitest.Prefix("10.10.100.0/25") // gre1 has it
	d := openFake(t, f, Options{})
	d.keys("j", "3", "enter").must("≠ gre1", "but would send to 10.10.100.1 by gre1")
}
