package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// beyond makes a far end that answers, with hosts behind it: does has the answer to a probe, by its
// source, its destination and its hops. It is asked for no large packets.
func beyond(w *fake.World, does map[string]string) {
	fine := w.Answer
	w.Answer = func(p kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		key := fmt.Sprintf("%s %s %d", p.From, p.To, p.Hops)
		if key == "172.16.0.1 172.16.0.2 0" && does[key] == "" || p.Size > 0 {
			return fine(p)
		}
		switch does[key] {
		case "answers":
			return kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{2 * time.Millisecond}}, kernel.Counters{TxPackets: 1, RxPackets: 1}, nil
		case "exceeded":
			e := kernel.ICMPError{By: want.Addr("172.16.0.2"), Type: 11}
			return kernel.ProbeResult{Sent: 1, Errors: []kernel.ICMPError{e}}, kernel.Counters{TxPackets: 1, RxPackets: 1}, nil
		case "prohibited":
			e := kernel.ICMPError{By: want.Addr("172.16.0.2"), Type: 3, Code: 13}
			return kernel.ProbeResult{Sent: 1, Errors: []kernel.ICMPError{e}}, kernel.Counters{TxPackets: 1, RxPackets: 1}, nil
		case "forbidden":
			return kernel.ProbeResult{}, kernel.Counters{}, &fault.Error{Kind: fault.ErrNotPermitted, What: "open a socket for pings"}
		}
		return kernel.ProbeResult{Sent: p.Count}, kernel.Counters{TxPackets: uint64(p.Count)}, nil
	}
}

// checksTo returns the checks of addresses behind the far end.
func checksTo(r verify.Report) (list []verify.Check) {
	for _, c := range r.Checks {
		if strings.HasPrefix(c.ID, "to ") {
			list = append(list, c)
		}
	}
	return list
}

// Each case changes the hosts behind the far end, or this host. The checks of the addresses say so.
func TestVerifyTo(t *testing.T) {
	all := map[string]string{"172.16.0.1 10.10.2.100 0": "answers", "10.10.1.1 10.10.2.100 0": "answers", "172.16.0.1 10.10.2.100 1": "exceeded", "10.10.1.1 172.16.0.2 0": "answers"}
	but := func(changes ...string) map[string]string {
		does := make(map[string]string)
		for key, value := range all {
			does[key] = value
		}
		for _, change := range changes {
			key, value, _ := strings.Cut(change, "=")
			does[key] = value
		}
		return does
	}
	for _, c := range []struct {
		name   string
		does   map[string]string
		change func(w *fake.World, p *fake.Profile)
		want   verify.Verdict
	}{
		{"fine", all, nil, verify.Pass},
		{"not-forwarding", map[string]string{"10.10.1.1 172.16.0.2 0": "answers"}, nil, verify.Fail},
		{"no-way-back", but("10.10.1.1 10.10.2.100 0=", "10.10.1.1 172.16.0.2 0="), func(w *fake.World, _ *fake.Profile) { w.SwitchForwarding(true) }, verify.Fail},
		{"no-way-back-not-forwarded", but("10.10.1.1 10.10.2.100 0=", "10.10.1.1 172.16.0.2 0="), nil, verify.Warn},
		{"no-lan", but("10.10.1.1 10.10.2.100 0="), func(w *fake.World, _ *fake.Profile) { w.Link("eth1").Addresses = nil }, verify.Pass},
		{"far-end-silent", map[string]string{"172.16.0.1 172.16.0.2 0": "silent"}, nil, verify.Fail},
		{"not-permitted", but("172.16.0.1 10.10.2.100 0=forbidden", "10.10.1.1 10.10.2.100 0=forbidden"), nil, verify.Warn},
		{"in-a-zone", map[string]string{}, func(w *fake.World, _ *fake.Profile) { w.Zone = nm.Zone{Name: "work"} }, verify.Fail},
		{"in-a-zone-and-refused-there", map[string]string{"172.16.0.1 10.10.2.100 0": "prohibited", "10.10.1.1 10.10.2.100 0": "prohibited"}, func(w *fake.World, _ *fake.Profile) { w.Zone = nm.Zone{Name: "work"} }, verify.Fail},
		{"from-the-lan-alone", but("172.16.0.1 10.10.2.100 0=forbidden"), nil, verify.Pass},
		{"route-missing", all, func(w *fake.World, _ *fake.Profile) { w.RemoveRoutes("10.10.2.0/24") }, verify.Fail},
		{"route-more-specific", all, func(w *fake.World, _ *fake.Profile) { w.AddRoute("eth1", "10.10.2.96/28 via 10.10.1.9", 3) }, verify.Fail},
		{"of-this-host", all, func(w *fake.World, _ *fake.Profile) {
			w.Link("eth1").Addresses = append(w.Link("eth1").Addresses, want.CIDR("10.10.2.100/32"))
		}, verify.Fail},
		{"no-underlay", all, func(w *fake.World, _ *fake.Profile) { w.RemoveRoutes("0.0.0.0/0") }, verify.Fail},
		{"no-link", all, func(w *fake.World, _ *fake.Profile) { w.RemoveLink("gre1") }, verify.Fail},
		{"link-down", all, func(w *fake.World, _ *fake.Profile) { w.Link("gre1").Up = false }, verify.Fail},
		{"peer-unknown", all, func(_ *fake.World, p *fake.Profile) { p.Tunnel.PeerAddress = nm.DerivePeer(nil) }, verify.Warn},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p, _ := verified(t, usual(t))
			beyond(w, c.does)
			if c.change != nil {
				c.change(w, p)
			}
			report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{To: []netip.Addr{want.Addr("10.10.2.100")}})
			if err != nil {
				t.Fatal(err)
			}
			checks := checksTo(report)
			if report.Verdict != c.want || len(checks) != 1 {
				t.Fatalf("the verdict is %s, want %s\n%s", report.Verdict, c.want, fake.ReportText(report))
			}
			want.Golden(t, "verify/to-"+c.name+".txt", fake.CheckText(checks[0]))
			checkReport(t, report)
		})
	}
}

// Each address is asked from this end's inner address and from its own network, and from the inner
// one by a packet of TTL 1, all at once. The far end is asked from the network, too.
func TestVerifyToProbes(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	var sent []string
	answer := w.Answer
	w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		if probe.UntilRefused {
			sent = append(sent, fmt.Sprintf("%s: %s to %s, TTL %d, enough %d", probe.Dev, probe.From, probe.To, probe.Hops, probe.Enough))
		}
		return answer(probe)
	}
	if _, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{To: []netip.Addr{want.Addr("10.10.2.100")}}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(sent)
	want.Same(t, "what is sent", strings.Join(sent, "\n"), `gre1: 10.10.1.1 to 10.10.2.100, TTL 0, enough 1
gre1: 10.10.1.1 to 172.16.0.2, TTL 0, enough 1
gre1: 172.16.0.1 to 10.10.2.100, TTL 0, enough 1
gre1: 172.16.0.1 to 10.10.2.100, TTL 1, enough 1`)
}

// The far end is asked whether it forwards to the networks of the routes: those that lead into the
// tunnel, by a packet of TTL 1 for each.
func TestVerifyNetworks(t *testing.T) {
	tunnel := usual(t)
	for _, spec := range []string{"10.11.0.0/24", "10.11.0.0/24 metric 900", "10.12.0.0/16", "10.13.0.0/24", "10.14.0.0/24"} {
		tunnel.Routes = append(tunnel.Routes, routes.MustParse(spec))
	}
	w, p, _ := verified(t, tunnel)
	fine := w.Answer
	w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		told := map[string]kernel.ICMPError{"10.10.2.128": {By: want.Addr("172.16.0.2"), Type: 11}, "10.11.0.128": {By: want.Addr("172.16.0.2"), Type: 3},
			"10.12.128.0": {By: want.Addr("172.16.0.2"), Type: 3}}
		if probe.Hops != 1 {
			return fine(probe)
		}
		if e, ok := told[probe.To.String()]; ok {
			return kernel.ProbeResult{Sent: 1, Errors: []kernel.ICMPError{e}}, kernel.Counters{}, nil
		}
		return kernel.ProbeResult{Sent: probe.Count}, kernel.Counters{}, nil
	}
	text := ""
	for _, networks := range []bool{true, false} {
		report := verifyInBubble(t, w, p.UUID, verify.Options{Networks: networks})
		checkReport(t, report)
		for _, c := range report.Checks {
			if strings.HasPrefix(c.ID, "behind ") {
				text += fake.CheckText(c)
			}
		}
	}
	want.Golden(t, "verify/networks.txt", text)
}

// verifyInBubble verifies with a clock that stands still while anything is done.
func verifyInBubble(t *testing.T, w *fake.World, uuid string, opts verify.Options) (report verify.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if report, err = w.Start().Host().Verify(t.Context(), uuid, opts); err != nil {
			t.Fatal(err)
		}
	})
	return report
}

// An address that hangs is waited for, and not longer than the caller's time.
func TestVerifyToInterrupted(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	synctest.Test(t, func(t *testing.T) {
		process := w.Start()
		process.Fault = func(_ int, method string) fake.Fault { return fake.Fault{Hang: method == "Probe"} }
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := process.Host().Verify(ctx, p.UUID, verify.Options{To: []netip.Addr{want.Addr("10.10.2.100")}}); !errors.Is(err, fault.ErrTimeout) {
			t.Errorf("got %v", err)
		}
	})
}

func TestVerifyToRefuses(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	many := make([]netip.Addr, verify.MaxTo+1)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 10, 2, byte(i + 1)})
	}
	for name, opts := range map[string]verify.Options{
		"no probe":      {To: many[:1], NoProbe: true},
		"too many":      {To: many},
		"twice":         {To: []netip.Addr{many[0], many[0]}},
		"none":          {To: []netip.Addr{{}}},
		"unspecified":   {To: []netip.Addr{want.Addr("0.0.0.0")}},
		"multicast":     {To: []netip.Addr{want.Addr("224.0.0.5")}},
		"loopback":      {To: []netip.Addr{want.Addr("127.0.0.1")}},
		"link-local":    {To: []netip.Addr{want.Addr("169.254.0.1")}},
		"mapped":        {To: []netip.Addr{want.Addr("::ffff:10.10.2.1")}},
		"a zone":        {To: []netip.Addr{netip.MustParseAddr("2001:db8::1%\x1b[2J")}},
		"the far end's": {To: []netip.Addr{want.Addr("100.0.2.100")}},
		"its own":       {To: []netip.Addr{want.Addr("172.16.0.1")}},
		"another kind":  {To: []netip.Addr{want.Addr("2001:db8::1")}},
	} {
		_, err := w.Start().Host().Verify(t.Context(), p.UUID, opts)
		if !errors.Is(err, fault.ErrInvalid) || strings.Join(want.Fields(err), " ") != "to" || len(fault.Hints(err)) == 0 || fault.Printable(err.Error()) != err.Error() {
			t.Errorf("%s: %v", name, err)
		}
	}
}
