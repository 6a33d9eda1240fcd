package verify_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"nmgre/nm/verify"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// Each of the far end's inner addresses is probed, and one that is silent is named.
func TestVerifyMorePeers(t *testing.T) {
	for _, tc := range []struct {
		name    string
		silent  string // the addresses that do not answer
		verdict verify.Verdict
		status  verify.Verdict
		summary string
	}{
		{"all answer", "", verify.Pass, verify.Pass, "the far end's other inner addresses answer: 172.16.0.3, 172.16.0.4"},
		{"one is silent", "172.16.0.4", verify.Fail, verify.Fail, "nothing comes back from 172.16.0.4"},
		{"all are silent", "172.16.0.2 172.16.0.3 172.16.0.4", verify.Fail, verify.Warn, "nothing comes back from 172.16.0.3, 172.16.0.4"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, p, l := verified(t, usual(t))
			p.Tunnel.Addresses = want.CIDRs("172.16.0.1/29")
			l.Addresses = p.Tunnel.Addresses
			p.Tunnel.SetPeers([]netip.Addr{want.Addr("172.16.0.2"), want.Addr("172.16.0.3"), want.Addr("172.16.0.4")})
			answer := w.Answer
			w.Answer = func(probe kernel.Probe) (kernel.ProbeResult, kernel.Counters, error) {
				if strings.Contains(tc.silent, probe.To.String()) {
					return kernel.ProbeResult{Sent: probe.Count}, kernel.Counters{TxPackets: 1}, nil
				}
				return answer(probe)
			}
			report, err := w.Start().Host().Verify(t.Context(), "gre1", verify.Options{})
			if err != nil || report.Verdict != tc.verdict {
				t.Errorf("%v, %s, want %s", err, report.Verdict, tc.verdict)
			}
			at := slices.IndexFunc(report.Checks, func(c verify.Check) bool { return c.ID == "peers" })
			if at < 0 {
				t.Fatalf("there is no check of them: %+v", report.Checks)
			}
			c := report.Checks[at]
			if c.Status != tc.status || c.Summary != tc.summary {
				t.Errorf("%s: %s", c.Status, c.Summary)
			}
			if silent := tc.silent != ""; silent != (c.Cause == cause.PeersSilent) || silent != (c.Place == place.FarEnd) || silent != (c.Certainty == verify.Likely) {
				t.Errorf("%s at %q (%s)", c.Cause, c.Place, c.Certainty)
			}
			report, err = w.Start().Host().Verify(t.Context(), "gre1", verify.Options{NoProbe: true})
			if err != nil || !slices.ContainsFunc(report.Checks, func(c verify.Check) bool { return c.ID == "peers" && c.Status == verify.Skip }) {
				t.Errorf("without a probe: %v, %+v", err, report.Checks)
			}
		})
	}
}
