// Package rates measures a tunnel while somebody looks: its traffic by the kernel's counters, and
// the round trip to its far end by a probe each second. It draws the measurements.
package rates

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
)

// The kernel has no events for its counters: they are read this often, and the far end is probed,
// while the tab is open.
const (
	// Every is the time between two measurements.
	Every      = time.Second
	sampleMost = 240 // as many columns as the widest sparkline
)

// Traffic has the measurements of the chosen tunnel since the tab was opened.
type Traffic struct {
	Running  bool
	last     *kernel.Counters
	lastAt   time.Time
	rx, tx   []float64 // bytes a second
	rtt      []time.Duration
	silent   int // probes without an answer since the last answer
	probeErr error
	linkErr  error
}

// Sample is one measurement.
type Sample struct {
	link     *kernel.Link
	at       time.Time
	probed   bool
	result   kernel.ProbeResult
	probeErr error
}

// Host is the part of a host that is measured.
type Host interface {
	Links(ctx context.Context) ([]kernel.Link, error)
	Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error)
}

// Take measures once: the link's counters, and the round trip if the far end's inner address is
// known.
func Take(ctx context.Context, host Host, s nmgre.Status) (Sample, error) {
	var got Sample
	links, err := host.Links(ctx)
	got.at = time.Now()
	if err != nil {
		return got, err
	}
	if i := slices.IndexFunc(links, func(l kernel.Link) bool { return l.Name == s.Tunnel.Name && s.Device != "" }); i >= 0 {
		got.link = &links[i]
	}
	if peer := s.Tunnel.PeerAddress; got.link != nil && peer.IsValid() {
		got.probed = true
		got.result, got.probeErr = host.Probe(ctx, kernel.Probe{Dev: s.Tunnel.Name, From: innerTowards(s.Tunnel), To: peer, Count: 1, Interval: Every * 9 / 10, Enough: 1})
	}
	return got, nil
}

// innerTowards is the inner address that reaches the far end's; zero if no address has its family.
func innerTowards(t nm.Tunnel) (from netip.Addr) {
	for _, p := range t.Addresses {
		if p.Contains(t.PeerAddress) {
			return p.Addr()
		}
		if !from.IsValid() && p.Addr().Is4() == t.PeerAddress.Is4() {
			from = p.Addr()
		}
	}
	return from
}

// Add adds a measurement, or the error that it failed with.
func (t *Traffic) Add(got Sample, err error) {
	t.linkErr = err
	if got.link == nil {
		t.last = nil
		return
	}
	c := got.link.Counters
	if t.last != nil && got.at.After(t.lastAt) && c.RxBytes >= t.last.RxBytes && c.TxBytes >= t.last.TxBytes {
		seconds := got.at.Sub(t.lastAt).Seconds()
		t.rx = appendSample(t.rx, float64(c.RxBytes-t.last.RxBytes)/seconds)
		t.tx = appendSample(t.tx, float64(c.TxBytes-t.last.TxBytes)/seconds)
	}
	t.last, t.lastAt = &c, got.at
	if !got.probed {
		return
	}
	t.probeErr = got.probeErr
	if got.result.Received > 0 && len(got.result.RTT) > 0 {
		t.rtt, t.silent = appendSample(t.rtt, got.result.RTT[0]), 0
	} else {
		t.silent++
	}
}

func appendSample[T any](list []T, v T) []T {
	list = append(list, v)
	if len(list) > sampleMost {
		list = slices.Clone(list[len(list)-sampleMost:])
	}
	return list
}

// Lines draw the rates, the round trip and the counters.
func (t *Traffic) Lines(th draw.Theme, s *nmgre.Status, width int) []draw.Line {
	if s.State == nm.StateInactive {
		return draw.Wrapped("the tunnel is down: nothing goes through it (u brings it up)", width, "", draw.Plain)
	}
	if t.last == nil {
		why := "measuring " + th.Wait
		if t.linkErr != nil {
			why = draw.ErrorText(t.linkErr)
		}
		return draw.Wrapped(why, width, "", draw.Dim)
	}
	graph := max(width-26, 8)
	lines := []draw.Line{rateLine(th, "received", t.rx, graph), rateLine(th, "sent", t.tx, graph), t.rttLine(th, s, graph)}
	if t.probeErr != nil {
		lines = append(lines, draw.Wrapped(th.Warn+" "+draw.ErrorText(t.probeErr), width, "", draw.Yellow)...)
	}
	if len(t.rtt) > 0 || t.silent > 0 {
		lines = append(lines, draw.Wrapped("this includes one probe a second while this tab is open", width, "", draw.Dim)...)
	}
	lines = append(lines, draw.Text(""))
	return append(lines, counterLines(*t.last)...)
}

func rateLine(th draw.Theme, name string, rates []float64, graph int) draw.Line {
	now := "..."
	if n := len(rates); n > 0 {
		now = draw.BytesText(uint64(rates[n-1])) + "/s"
	}
	return draw.Line{draw.Dim.Of(th.Fit(name, 11)), draw.Plain.Of(th.Fit(now, 13)), draw.Green.Of(th.Sparkline(rates, graph))}
}

func (t *Traffic) rttLine(th draw.Theme, s *nmgre.Status, graph int) draw.Line {
	label := draw.Dim.Of(th.Fit("round trip", 11))
	switch {
	case !s.Tunnel.PeerAddress.IsValid():
		return draw.Line{label, draw.Plain.Of("the far end's inner address is not known")}
	case t.silent > 1:
		return draw.Line{label, draw.Red.Of(th.Fail + " no answer to " + fault.Count(t.silent, "probe"))}
	case len(t.rtt) == 0:
		return draw.Line{label, draw.Plain.Of("...")}
	}
	values := make([]float64, len(t.rtt))
	for i, d := range t.rtt {
		values[i] = float64(d)
	}
	return draw.Line{label, draw.Plain.Of(th.Fit(draw.TookText(t.rtt[len(t.rtt)-1]), 13)), draw.Green.Of(th.Sparkline(values, graph))}
}

// counterLines are the kernel's counters. Those that show a fault have its cause.
func counterLines(c kernel.Counters) []draw.Line {
	row := func(name string, tx, rx uint64) draw.Line {
		return draw.Line{draw.Dim.Of(fmt.Sprintf("%-11s", name)), draw.Plain.Of(fmt.Sprintf("%-16d %d", rx, tx))}
	}
	lines := []draw.Line{{draw.Plain.Of(fmt.Sprintf("%-11s", "")), draw.Underlined.Of("received"), draw.Plain.Of("         "), draw.Underlined.Of("sent")},
		row("packets", c.TxPackets, c.RxPackets), row("bytes", c.TxBytes, c.RxBytes), row("errors", c.TxErrors, c.RxErrors), row("dropped", c.TxDropped, c.RxDropped)}
	for _, e := range []struct {
		n    uint64
		what string
	}{
		{c.TxCarrierErrors, "no route to the far end, or the local address has gone"},
		{c.Collisions, "the route to the far end leads through the tunnel itself"},
		{c.RxCRCErrors, "the far end's checksum option differs"},
		{c.RxFIFOErrors, "came out of sequence"},
	} {
		if e.n > 0 {
			lines = append(lines, draw.Line{draw.Yellow.Of(fmt.Sprintf("%d: %s", e.n, e.what))})
		}
	}
	return lines
}
