package verify_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/nm/verify"
	"nmgre/routes/kernel"
	"nmgre/testdata/fake"
)

// farAway is a host's kernel whose probes take a round trip each. Those of TTL 1 are answered
// unless the far end is mute.
type farAway struct {
	kernel.Kernel
	roundTrip time.Duration
	mute      bool
}

func (k farAway) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	wait := k.roundTrip
	if p.Hops == 1 && k.mute {
		wait = time.Duration(p.Count) * p.Interval
	}
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return kernel.ProbeResult{Sent: 1}, ctx.Err()
	}
	result, err := k.Kernel.Probe(ctx, p)
	for i := range result.RTT {
		result.RTT[i] = k.roundTrip
	}
	return result, err
}

// Verify of a healthy tunnel waits for little more than one round trip: the small packet, the one
// of the whole MTU and those about the networks behind the far end are under way together.
func TestOneRoundTrip(t *testing.T) {
	const roundTrip, most = 100 * time.Millisecond, 120 * time.Millisecond
	for name, far := range map[string]farAway{"it answers all": {roundTrip: roundTrip}, "it says nothing of networks": {roundTrip: roundTrip, mute: true}} {
		w, p, _ := verified(t, usual(t))
		synctest.Test(t, func(t *testing.T) {
			h := w.Start().Host()
			far.Kernel = h.Kernel
			h.Kernel = far
			begin := time.Now()
			report, err := h.Verify(t.Context(), p.UUID, verify.Options{Networks: true})
			if took := time.Since(begin); err != nil || report.Verdict != verify.Pass || took < roundTrip || took > most {
				t.Errorf("%s: %v after %s, at most %s\n%s", name, err, took, most, fake.ReportText(report))
			}
			for _, id := range []string{"mtu", "behind 10.10.2.0/24"} {
				if !hasCheck(report, id) {
					t.Errorf("%s: no check %s\n%s", name, id, fake.ReportText(report))
				}
			}
		})
	}
}

func hasCheck(r verify.Report, id string) bool {
	for _, c := range r.Checks {
		if c.ID == id && (id != "mtu" || c.Certainty == verify.Proved) {
			return true
		}
	}
	return false
}
