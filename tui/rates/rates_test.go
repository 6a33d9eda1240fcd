package rates

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
)

// Rates are the growth of the counters over the time between two readings. A counter that has gone
// back gives no rate.
func TestRates(t *testing.T) {
	var tr Traffic
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i, rx := range []uint64{1000, 3000, 3000, 500, 1500} {
		tr.Add(Sample{link: &kernel.Link{Counters: kernel.Counters{RxBytes: rx}}, at: at.Add(time.Duration(i) * 2 * time.Second)}, nil)
	}
	if got := tr.rx; len(got) != 3 || got[0] != 1000 || got[1] != 0 || got[2] != 500 {
		t.Errorf("rates %v, want 1000, 0, 500", got)
	}
}

// A silent far end is named in words.
func TestSilentFarEnd(t *testing.T) {
	var tr Traffic
	for range 3 {
		tr.Add(Sample{link: &kernel.Link{}, at: time.Now(), probed: true}, nil)
	}
	s := nmgre.Status{Profile: nm.Profile{State: nm.StateActive, Tunnel: nm.Tunnel{PeerAddress: netip.MustParseAddr("172.16.0.2")}}}
	th := draw.NewTheme(false, false)
	var rows []string
	for _, line := range tr.Lines(th, &s, 70) {
		rows = append(rows, th.Render(70, line))
	}
	if all := strings.Join(rows, "\n"); !strings.Contains(all, "no answer to 3 probes") || !strings.Contains(all, "one probe a second") {
		t.Error(all)
	}
}
