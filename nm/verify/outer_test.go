package verify_test

import (
	"testing"
	"testing/synctest"
	"time"

	"nmgre/nm/verify"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
	"nmgre/testdata/want"
)

// While a tunnel is made, the answer of the far end's outer address ends the wait for an answer
// through the tunnel: after a few of its round trips, in which the tunnel is asked once more.
func TestOuterEndsTheWait(t *testing.T) {
	for _, c := range []struct {
		name    string
		rtt     time.Duration
		tunnel  kernel.ProbeResult // the second answer
		cause   string
		between [2]time.Duration
	}{
		{"silent nearby", time.Millisecond, kernel.ProbeResult{Sent: 1}, "gre-silent", [2]time.Duration{45 * time.Millisecond, 60 * time.Millisecond}},
		{"silent far away", 200 * time.Millisecond, kernel.ProbeResult{Sent: 1}, "gre-silent", [2]time.Duration{320 * time.Millisecond, 520 * time.Millisecond}},
		{"the first was lost", time.Millisecond, kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{time.Millisecond}}, "", [2]time.Duration{45 * time.Millisecond, 60 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p, _ := verified(t, usual(t))
			w.Hears = func(kernel.Ends) kernel.Heard {
				sent := kernel.Packet{From: want.Addr("100.0.1.100"), To: want.Addr("100.0.2.100"), Header: gre.Header{Key: want.Ptr(gre.Key(42))}}
				return kernel.Heard{Sent: []kernel.Packet{sent}}
			}
			w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				if probe.Dev == "gre1" {
					if least := max(50*time.Millisecond, 3*c.rtt); probe.Count != 1 || probe.Interval != least {
						t.Errorf("asked again: %+v", probe)
					}
					return c.tunnel, kernel.Counters{TxPackets: 1, RxPackets: uint64(c.tunnel.Received)}, nil
				}
				return kernel.ProbeResult{Sent: 1, Received: 1, RTT: []time.Duration{c.rtt}}, kernel.Counters{}, nil
			}
			synctest.Test(t, func(t *testing.T) {
				process, begin := w.Start(), time.Now()
				hangs(process, 1)
				report, err := verify.Run(t.Context(), process.Host().System, p.Profile, verify.Settings{Probe: true, BeforeSave: true, Want: &p.Tunnel})
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took < c.between[0] || took > c.between[1] {
					t.Errorf("it took %s", took)
				}
				if check := probeCheck(t, report); check.Cause != c.cause || c.cause != "" && check.Status != verify.Warn {
					t.Errorf("%s", fake.CheckText(check))
				}
			})
		})
	}
}
