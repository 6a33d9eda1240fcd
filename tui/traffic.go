package tui

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
)

// The kernel has no events for its counters: they are read this often, and the far end is probed,
// while the tab is open.
const (
	sampleEvery = time.Second
	sampleMost  = 240 // as many columns as the widest sparkline
)

// traffic has the measurements of the chosen tunnel since the tab was opened.
type traffic struct {
	running  bool
	last     *kernel.Counters
	lastAt   time.Time
	rx, tx   []float64 // bytes a second
	rtt      []time.Duration
	silent   int // probes without an answer since the last answer
	probeErr error
	linkErr  error
}

// sample is one measurement.
type sample struct {
	link     *kernel.Link
	at       time.Time
	probed   bool
	result   kernel.ProbeResult
	probeErr error
}

// startTraffic measures until the tab, or the tunnel, is left.
func (m *Model) startTraffic(uuid string) tea.Cmd {
	if m.detail.traffic.running {
		return nil
	}
	m.detail.traffic.running = true
	return m.measure(uuid)
}

func (m *Model) measure(uuid string) tea.Cmd {
	s := m.status()
	if m.detail.uuid != uuid {
		return nil // another tunnel has a loop of its own
	}
	if m.detail.tab != tabTraffic || len(m.screens) > 0 && m.changing() == nil || m.lost || s == nil {
		m.detail.traffic.running = false
		return nil
	}
	return read(m, "measure the traffic", func(ctx context.Context, wf Workflow) (sample, error) { return take(ctx, wf, *s) },
		func(got sample, err error) tea.Cmd {
			if m.detail.uuid != uuid {
				return nil
			}
			m.detail.traffic.add(got, err)
			return m.after(sampleEvery, func() tea.Cmd { return m.measure(uuid) })
		})
}

// take measures once: the link's counters, and the round trip if the far end's inner address is
// known.
func take(ctx context.Context, wf Workflow, s nmgre.Status) (sample, error) {
	var got sample
	links, err := wf.Links(ctx)
	got.at = time.Now()
	if err != nil {
		return got, err
	}
	if i := slices.IndexFunc(links, func(l kernel.Link) bool { return l.Name == s.Tunnel.Name && s.Device != "" }); i >= 0 {
		got.link = &links[i]
	}
	if peer := s.Tunnel.PeerAddress; got.link != nil && peer.IsValid() {
		got.probed = true
		got.result, got.probeErr = wf.Probe(ctx, kernel.Probe{Dev: s.Tunnel.Name, From: innerTowards(s.Tunnel), To: peer, Count: 1, Interval: sampleEvery * 9 / 10, Enough: 1})
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

func (t *traffic) add(got sample, err error) {
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

// trafficLines draw the rates, the round trip and the counters.
func (m *Model) trafficLines(s *nmgre.Status, width int) []draw.Line {
	t := &m.detail.traffic
	if s.State == nm.StateInactive {
		return draw.Wrapped("the tunnel is down: nothing goes through it (u brings it up)", width, "", draw.Plain)
	}
	if t.last == nil {
		why := "measuring " + m.theme.Wait
		if t.linkErr != nil {
			why = draw.ErrorText(t.linkErr)
		}
		return draw.Wrapped(why, width, "", draw.Dim)
	}
	graph := max(width-26, 8)
	lines := []draw.Line{m.rateLine("received", t.rx, graph), m.rateLine("sent", t.tx, graph), m.rttLine(s, graph)}
	if t.probeErr != nil {
		lines = append(lines, draw.Wrapped(m.theme.Warn+" "+draw.ErrorText(t.probeErr), width, "", draw.Yellow)...)
	}
	if len(t.rtt) > 0 || t.silent > 0 {
		lines = append(lines, draw.Wrapped("this includes one probe a second while this tab is open", width, "", draw.Dim)...)
	}
	lines = append(lines, draw.Text(""))
	return append(lines, counterLines(*t.last)...)
}

func (m *Model) rateLine(name string, rates []float64, graph int) draw.Line {
	now := "..."
	if n := len(rates); n > 0 {
		now = draw.BytesText(uint64(rates[n-1])) + "/s"
	}
	return draw.Line{draw.Dim.Of(m.theme.Fit(name, 11)), draw.Plain.Of(m.theme.Fit(now, 13)), draw.Green.Of(m.theme.Sparkline(rates, graph))}
}

func (m *Model) rttLine(s *nmgre.Status, graph int) draw.Line {
	t := &m.detail.traffic
	label := draw.Dim.Of(m.theme.Fit("round trip", 11))
	switch {
	case !s.Tunnel.PeerAddress.IsValid():
		return draw.Line{label, draw.Plain.Of("the far end's inner address is not known")}
	case t.silent > 1:
		return draw.Line{label, draw.Red.Of(m.theme.Fail + " no answer to " + fault.Count(t.silent, "probe"))}
	case len(t.rtt) == 0:
		return draw.Line{label, draw.Plain.Of("...")}
	}
	values := make([]float64, len(t.rtt))
	for i, d := range t.rtt {
		values[i] = float64(d)
	}
	return draw.Line{label, draw.Plain.Of(m.theme.Fit(draw.TookText(t.rtt[len(t.rtt)-1]), 13)), draw.Green.Of(m.theme.Sparkline(values, graph))}
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
