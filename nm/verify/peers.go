package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// checkMorePeers probes the far end's other inner addresses, all at once. While the tunnel is made,
// or where the main one does not answer, their silence is no finding of its own.
func (v *verifier) checkMorePeers(ctx context.Context) error {
	peers := v.tunnel.MorePeers
	if len(peers) == 0 {
		return nil
	}
	if skipped := v.whyNoProbe(); skipped.Summary != "" || v.probeErr != nil {
		v.report.add(skip("peers", "not checked: the far end's first inner address is not probed"))
		return nil
	}
	results := v.probeAll(ctx, peers)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	v.report.add(judgePeers(peers, results, v.opts.BeforeSave || v.ev.Probe.Received == 0))
	return nil
}

// probed is the outcome of one of several probes.
type probed struct {
	result kernel.ProbeResult
	err    error
}

// probeAll probes each of the addresses.
func (v *verifier) probeAll(ctx context.Context, peers []netip.Addr) []probed {
	results := make([]probed, len(peers))
	var running sync.WaitGroup
	for i, peer := range peers {
		t := v.tunnel
		t.SetPeers([]netip.Addr{peer})
		own, _ := t.AddressTowardsPeer()
		running.Go(func() {
			results[i].result, results[i].err = v.now.Probe(ctx, kernel.Probe{Dev: v.link.Name, From: own.Addr(), To: peer,
				Count: probeCount, Enough: 1, Interval: probeInterval})
		})
	}
	running.Wait()
	return results
}

// judgePeers draws the conclusion from the answers of several addresses.
func judgePeers(peers []netip.Addr, results []probed, mild bool) Check {
	var silent []netip.Addr
	var seen []string
	for i, r := range results {
		text := fmt.Sprintf("%s: %s", peers[i], probeText(r.result))
		if r.err != nil && !errors.Is(r.err, context.Canceled) {
			text = fmt.Sprintf("%s: %s", peers[i], fault.Printable(r.err.Error()))
		}
		seen = append(seen, text)
		if r.result.Received == 0 {
			silent = append(silent, peers[i])
		}
	}
	c := Check{ID: "peers", Status: Pass, Certainty: Proved, Summary: "the far end's other inner addresses answer: " + nm.AddrTexts(peers), Evidence: strings.Join(seen, "; ")}
	if len(silent) == 0 {
		return c
	}
	c.Status, c.Certainty, c.Cause, c.Summary = Fail, Likely, cause.PeersSilent, "nothing comes back from "+nm.AddrTexts(silent)
	c.Hint = "see whether the far end has each of them; nmgre edit --peer-address replaces the list"
	if mild {
		c.Status = Warn
	}
	return c
}
