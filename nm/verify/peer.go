package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// checkPeer sends echo requests through the tunnel and looks at the counters before and after.
func (v *verifier) checkPeer(ctx context.Context) error {
	if why := v.whyNoProbe(); why.Summary != "" {
		v.report.add(why)
		v.report.add(skip("counters", "not checked: nothing was sent"))
		return nil
	}
	own, _ := v.tunnel.OwnTowardsPeer()
	result, err := v.host.Kernel.Probe(ctx, kernel.Probe{Dev: v.link.Name, From: own.Addr(), To: v.tunnel.PeerAddress,
		Count: probeCount, Enough: probeEnough, Interval: probeInterval})
	if errors.Is(err, fault.ErrNotPermitted) {
		v.noProof("not proved: probes are not permitted", err.Error(), "run it with sudo")
		return nil
	}
	// what keeps a probe from leaving is the next checks' business, not the end of all
	if err != nil && ctx.Err() == nil {
		v.noProof("not proved: the probe could not be sent", err.Error(), "")
		return nil
	}
	if err != nil {
		return err
	}
	after, err := v.now.Links(ctx)
	if err != nil {
		return err
	}
	var delta kernel.Counters
	// one made anew counts from 0
	v.report.Link = kernel.Named(after, v.link.Name)
	if link := v.report.Link; link != nil && link.Index == v.link.Index {
		delta = link.Counters.Since(v.link.Counters)
	}
	v.report.add(v.judgeProbe(result, delta))
	v.report.add(v.judgeCounters(result, delta))
	return nil
}

// noProof adds the checks of a far end of which nothing could be learned: without evidence a tunnel
// does not pass.
func (v *verifier) noProof(summary, evidence, hint string) {
	v.report.add(Check{ID: "probe", Status: Warn, Certainty: Proved, Summary: summary, Evidence: evidence, Hint: hint})
	v.report.add(skip("counters", "not checked: nothing was sent"))
}

// whyNoProbe returns the skipped check if there is a reason not to probe, a Check without summary
// if there is none.
func (v *verifier) whyNoProbe() Check {
	c := skip("probe", "")
	switch {
	case !v.opts.Probe:
		c.Summary = "not checked: it was not asked for"
	case v.link == nil:
		c.Summary = noLink
	case !v.link.Up:
		c.Summary = "not checked: the link is down"
	case !v.tunnel.PeerAddress.IsValid():
		c.Status, c.Summary, c.Hint = Warn, "not proved: the far end's inner address is not known", "give it with --peer-address"
	case !slices.ContainsFunc(v.link.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == v.tunnel.PeerAddress.Is4() }):
		c.Summary = "not checked: the device has no address of the far end's family"
	}
	return c
}

// judgeProbe says what the answers, or their absence, mean.
func (v *verifier) judgeProbe(r kernel.ProbeResult, delta kernel.Counters) Check {
	peer := v.tunnel.PeerAddress
	c := Check{ID: "probe", Status: Pass, Certainty: Proved, Evidence: probeText(r)}
	if r.Received > 0 {
		c.Summary = fmt.Sprintf("the far end answers: %s", peer)
		if r.Received*2 < r.Sent {
			c.Status, c.Summary, c.Hint = Warn, "the far end answers, but packets are lost", "the way between the ends loses packets: ping the outer address too"
		}
		return c
	}
	c.Status, c.Certainty, c.Summary = Fail, Likely, fmt.Sprintf("the far end does not answer: nothing comes back from %s", peer)
	c.Hint = v.silenceHint()
	if len(r.Refusals) > 0 {
		c.Certainty, c.Summary = Proved, fmt.Sprintf("the way to %s is refused: %s", peer, r.Refusals[0])
	}
	if cause := sendFault(delta); cause != "" {
		c.Certainty, c.Summary, c.Hint = Proved, "packets do not leave this host: "+cause, ""
	}
	if v.opts.BeforeSave { // decision: the first end of a tunnel is made before the second
		c.Status = Warn
	}
	return c
}

// silenceHint says what the far end must have for packets to be answered.
func (v *verifier) silenceHint() string {
	far := v.tunnel.FarEnd(nil)
	far.Name = ""
	return fmt.Sprintf("make the far end if it is not there yet: %s; if it is, compare its addresses and key, and see that firewalls on the way let IP protocol 47 through",
		far.CreateCommand())
}

func probeText(r kernel.ProbeResult) string {
	text := fmt.Sprintf("%d sent, %d answered", r.Sent, r.Received)
	if len(r.RTT) > 0 {
		text += fmt.Sprintf(", round trip %s", slices.Min(r.RTT).Round(10*time.Microsecond))
	}
	if len(r.Refusals) > 0 {
		text += "; " + strings.Join(r.Refusals, "; ")
	}
	return text
}

// judgeCounters reads the kernel's counters over the time of the probe. See Linux's ip_tunnel_xmit
// and ip_tunnel_rcv for which fault counts where.
func (v *verifier) judgeCounters(r kernel.ProbeResult, d kernel.Counters) Check {
	c := Check{ID: "counters", Status: Pass, Certainty: Proved, Summary: "the kernel counted no errors",
		Evidence: fmt.Sprintf("%d sent, %d received, %d errors", d.TxPackets, d.RxPackets, d.TxErrors+d.RxErrors)}
	if fault := sendFault(d); fault != "" {
		c.Status, c.Summary = Fail, "packets do not leave this host: "+fault
		c.Hint = "see the underlay check: local address, route to the far end, firewall on this host"
		if r.Received > 0 {
			c.Status, c.Summary = Warn, "some packets do not leave this host: "+fault
		}
		return c
	}
	switch {
	case d.RxCRCErrors > 0:
		c.Status, c.Summary, c.Hint = Fail, "the far end's checksum option differs", "turn checksums off at the far end: NetworkManager's tunnels have none"
	case d.RxFIFOErrors > 0:
		c.Status, c.Summary, c.Hint = Fail, "packets come out of sequence", "turn sequence numbers off at the far end: NetworkManager's tunnels have none"
	case r.Received == 0 && d.TxPackets == 0:
		c.Status, c.Summary = Warn, "the kernel counted no packets into the tunnel"
	case r.Received == 0 && d.RxPackets == 0:
		c.Status, c.Summary = Warn, "packets leave, and nothing comes back"
	case r.Received == 0:
		c.Status, c.Certainty, c.Summary = Warn, Likely, "something comes out of the tunnel, but no answers to the probes"
		c.Hint = "the inner addresses of the two ends may not fit each other, or the far end drops pings"
	}
	// the far end's fault is no reason not to make this end
	if c.Status == Fail && v.opts.BeforeSave {
		c.Status = Warn
	}
	return c
}

// sendFault says why packets did not leave, as far as the counters tell; empty if they did.
func sendFault(d kernel.Counters) string {
	switch {
	case d.Collisions > 0:
		return "the route to the far end leads through the tunnel itself"
	case d.TxCarrierErrors > 0:
		return "there is no route to the far end, or the local outer address is not on this host"
	case d.TxDropped > 0:
		return "this host itself drops them after encapsulation (firewall, traffic control)"
	case d.TxErrors > 0 && d.TxPackets == 0:
		return "the kernel could not wrap them, or they are too large for the way out"
	}
	return ""
}
