package verify_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// refusal is an ICMP error of the far end's about the usual tunnel.
func refusal(kind, code uint8, by string) kernel.ICMPError {
	return kernel.ICMPError{By: want.Addr(by), Type: kind, Code: code, Quoted: kernel.Packet{From: want.Addr("100.0.1.100"), To: want.Addr("100.0.2.100"),
		Header: gre.Header{Key: want.Ptr(gre.Key(42)), Protocol: 0x800}}}
}

// probeCheck returns the check of the probe.
func probeCheck(t *testing.T, r verify.Report) verify.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.ID == "probe" {
			return c
		}
	}
	t.Fatal("there is no check of the probe")
	return verify.Check{}
}

// hangs makes the first n probes run until they are cancelled. The small packets and the large one
// are two.
func hangs(p *fake.Process, n int32) {
	var seen atomic.Int32 // probes may be in flight together
	p.Fault = func(_ int, method string) fake.Fault {
		return fake.Fault{Hang: method == "Probe" && seen.Add(1) <= n}
	}
}

// A refusal ends the wait at once, and names the cause.
func TestRefusalEndsTheProbe(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Hears = func(to kernel.Ends) kernel.Heard {
		if to.Local != want.Addr("100.0.1.100") || to.Remote != want.Addr("100.0.2.100") || to.Mode != gre.ModeGRE || *to.Key != 42 {
			t.Errorf("it listens to %+v", to)
		}
		return kernel.Heard{Errors: []kernel.ICMPError{refusal(3, 3, "100.0.2.100")}}
	}
	synctest.Test(t, func(t *testing.T) {
		process, begin := w.Start(), time.Now()
		hangs(process, 2)
		report, err := process.Host().Verify(t.Context(), p.UUID, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c := probeCheck(t, report); c.Cause != "far-no-tunnel" || c.Status != verify.Fail || time.Since(begin) > 300*time.Millisecond {
			t.Errorf("after %s: %s", time.Since(begin), fake.CheckText(c))
		}
		checkReport(t, report)
	})
}

// A refusal that is about something else ends the first probe, and a second one is sent in full.
func TestRefusalOfOtherPackets(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Hears = func(kernel.Ends) kernel.Heard {
		return kernel.Heard{Errors: []kernel.ICMPError{{By: want.Addr("100.0.1.1"), Type: 3, Code: 4, MTU: 1500}}}
	}
	synctest.Test(t, func(t *testing.T) {
		process := w.Start()
		hangs(process, 2)
		report, err := process.Host().Verify(t.Context(), p.UUID, verify.Options{})
		if c := probeCheck(t, report); err != nil || c.Status != verify.Pass {
			t.Errorf("%v %s", err, fake.CheckText(c))
		}
	})
}

// The end of the caller's context during the probe is the caller's, whatever was heard.
func TestListenInterrupted(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Hears = func(kernel.Ends) kernel.Heard { return kernel.Heard{} }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		process := w.Start()
		hangs(process, 2)
		if _, err := process.Host().Verify(ctx, p.UUID, verify.Options{}); !errors.Is(err, fault.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// Nobody can listen: the report says so, with the command to type.
func TestListenWithoutPrivileges(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Answer = silent(kernel.Counters{TxPackets: 4})
	w.Hears = func(kernel.Ends) kernel.Heard {
		no := &fault.Error{Kind: fault.ErrNotPermitted, What: "no"}
		return kernel.Heard{Deaf: []kernel.Deaf{{What: kernel.HearsSent, Err: no}, {What: kernel.HearsErrors, Err: no}}}
	}
	report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want.Golden(t, "verify/listen-not-permitted.txt", fake.CheckText(probeCheck(t, report)))
}

// Listening that fails is no failure of the verification.
func TestListenFails(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Hears = func(kernel.Ends) kernel.Heard { return kernel.Heard{} }
	process := w.Start()
	process.Fault = func(_ int, method string) fake.Fault {
		if method == "Listen" {
			return fake.Fault{Err: fake.ErrBroken}
		}
		return fake.Fault{}
	}
	report, err := process.Host().Verify(t.Context(), p.UUID, verify.Options{})
	if err != nil || report.Verdict != verify.Pass {
		t.Errorf("%v\n%s", err, fake.ReportText(report))
	}
}

// The outer address is probed, too, by the way out, if the tunnel is silent.
func TestOuterEcho(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	var outer []kernel.Probe
	w.Hears = func(kernel.Ends) kernel.Heard {
		return kernel.Heard{Sent: []kernel.Packet{{From: want.Addr("100.0.1.100"), To: want.Addr("100.0.2.100"), Header: gre.Header{Key: want.Ptr(gre.Key(42))}}}}
	}
	w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
		if probe.Dev == "gre1" {
			return kernel.ProbeResult{Sent: 4}, kernel.Counters{TxPackets: 4}, nil
		}
		outer = append(outer, probe)
		return kernel.ProbeResult{Sent: 1, Received: 1}, kernel.Counters{}, nil
	}
	report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
	if c := probeCheck(t, report); err != nil || c.Cause != "gre-silent" || c.Certainty != verify.Likely {
		t.Errorf("%v %s", err, fake.CheckText(c))
	}
	expected := kernel.Probe{Dev: "eth0", From: want.Addr("100.0.1.100"), To: want.Addr("100.0.2.100"), Count: 2, Enough: 1, Interval: 300 * time.Millisecond}
	if len(outer) != 1 || outer[0] != expected {
		t.Errorf("sent %+v", outer)
	}
}

// Whatever comes from the network is safe to show.
func TestHostileHeard(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Answer = silent(kernel.Counters{TxPackets: 4})
	zone := netip.MustParseAddr("fe80::1%\x1b[2J")
	for _, heard := range []kernel.Heard{
		{Errors: []kernel.ICMPError{{}, {By: zone, Type: 255, Code: 255}, {By: zone, Type: 1}}},
		{Accepted: []kernel.Packet{{}, {From: zone, To: zone}, {From: zone, To: want.Addr("100.0.1.100"), Header: gre.Header{InnerFrom: want.Addr("172.16.0.2")}}}},
		{Deaf: []kernel.Deaf{{What: "\x1b[2J", Err: fake.ErrBroken}}},
	} {
		w.Hears = func(kernel.Ends) kernel.Heard { return heard }
		report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkReport(t, report)
	}
}

// The filter of all devices drops keepalives, too, whatever the tunnel's own is. It is read where
// the far end sends some.
func TestKeepalivesAndTheFilterOfAll(t *testing.T) {
	w, p, _ := verified(t, usual(t))
	w.Filter.All = 1
	keepalive := kernel.Packet{From: want.Addr("100.0.2.100"), To: want.Addr("100.0.1.100"), Header: gre.Header{Key: want.Ptr(gre.Key(42)), Protocol: gre.ProtocolIPv4,
		InnerFrom: want.Addr("100.0.1.100"), InnerTo: want.Addr("100.0.2.100")}}
	w.Hears = func(kernel.Ends) kernel.Heard { return kernel.Heard{Accepted: []kernel.Packet{keepalive}} }
	report, err := w.Start().Host().Verify(t.Context(), p.UUID, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustName(t, report, "keepalive", "keepalive-unanswered", verify.Warn)
	i := slices.IndexFunc(report.Checks, func(c verify.Check) bool { return c.ID == "keepalive" })
	mend, _ := report.Checks[i].Facts["mend_here"].(string)
	if !strings.HasSuffix(mend, " net.ipv4.conf.all.rp_filter=0") || !strings.Contains(report.Checks[i].Evidence, "net.ipv4.conf.all.rp_filter = 1") {
		t.Error(fake.CheckText(report.Checks[i]))
	}
}
