package tui

import (
	"testing"
	"time"

	"nmgre/routes/kernel"
	"nmgre/tui/tuitest"
)

// Rates are the growth of the counters over the time between two readings. A counter that has gone
// back gives no rate.
func TestRates(t *testing.T) {
	var tr traffic
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i, rx := range []uint64{1000, 3000, 3000, 500, 1500} {
		tr.add(sample{link: &kernel.Link{Counters: kernel.Counters{RxBytes: rx}}, at: at.Add(time.Duration(i) * 2 * time.Second)}, nil)
	}
	if got := tr.rx; len(got) != 3 || got[0] != 1000 || got[1] != 0 || got[2] != 500 {
		t.Errorf("rates %v, want 1000, 0, 500", got)
	}
}

// Measuring goes on only while the tab is open.
func TestMeasuresOnlyWhileTheTabIsOpen(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	if d.m.detail.traffic.running {
		t.Error("it measures though the tab is not open")
	}
	d.keys("2").must("round trip", "1ms", "one probe a second")
	if !d.m.detail.traffic.running {
		t.Error("it does not measure")
	}
	d.keys("1")
	d.run(d.m.measure(d.m.detail.uuid))
	if d.m.detail.traffic.running {
		t.Error("it goes on when the tab is closed")
	}
	d.keys("j", "j", "2").must("the tunnel is down: nothing goes through")
}

// A silent far end is named in words.
func TestSilentFarEnd(t *testing.T) {
	f := tuitest.New().WithTunnels()
	d := openFake(t, f, Options{})
	d.keys("2")
	for range 3 {
		d.m.detail.traffic.add(sample{link: &f.Devices[3], at: time.Now(), probed: true}, nil)
	}
	d.must("✗ no answer to 3 probes")
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
