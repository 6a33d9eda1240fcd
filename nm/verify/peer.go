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

// checkPeer sends echo requests through the tunnel, and compares the link's counters before and
// after.
func (v *verifier) checkPeer(ctx context.Context) error {
	if skipped := v.whyNoProbe(); skipped.Summary != "" {
		v.report.add(skipped)
		v.report.add(skip("counters", "not checked: nothing was sent"))
		return nil
	}
	own, _ := v.tunnel.AddressTowardsPeer()
	result, err := v.sys.Kernel.Probe(ctx, kernel.Probe{Dev: v.link.Name, From: own.Addr(), To: v.tunnel.PeerAddress,
		Count: probeCount, Enough: probeEnough, Interval: probeInterval})
	if errors.Is(err, fault.ErrNotPermitted) {
		v.noProof("not proved: probes are not permitted", err.Error(), "run it with sudo")
		return nil
	}
	// the other checks say why a probe cannot leave
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
	// the counters of a new link begin at 0
	v.report.Link = kernel.Named(after, v.link.Name)
	if link := v.report.Link; link != nil && link.Index == v.link.Index {
		delta = link.Counters.Since(v.link.Counters)
	}
	v.report.add(v.judgeProbe(result, delta))
	v.report.add(v.judgeCounters(result, delta))
	return nil
}

// noProof adds the checks of a far end that could not be probed. It is a warning: a tunnel does not
// pass without evidence.
func (v *verifier) noProof(summary, evidence, hint string) {
	v.report.add(Check{ID: "probe", Status: Warn, Certainty: Proved, Summary: summary, Evidence: evidence, Hint: hint})
	v.report.add(skip("counters", "not checked: nothing was sent"))
}

// whyNoProbe returns the check that says why no probe is sent. Its summary is empty if there is no
// reason not to send one.
func (v *verifier) whyNoProbe() Check {
	c := skip("probe", "")
	switch {
	case !v.opts.Probe:
		c.Summary = "not checked: no probe was requested"
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

// judgeProbe draws the conclusion from the answers, or from the silence.
func (v *verifier) judgeProbe(r kernel.ProbeResult, delta kernel.Counters) Check {
	peer := v.tunnel.PeerAddress
	c := Check{ID: "probe", Status: Pass, Certainty: Proved, Evidence: probeText(r)}
	if r.Received > 0 {
		c.Summary = fmt.Sprintf("the far end answers: %s", peer)
		if r.Received*2 < r.Sent {
			c.Status, c.Summary, c.Hint = Warn, "the far end answers, but packets are lost", "the way between the ends loses packets: ping the outer address, too"
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
	if v.opts.BeforeSave { // the first end of a tunnel is made before the second
		c.Status = Warn
	}
	return c
}

// silenceHint says how to make the far end, and where to look if it is there.
func (v *verifier) silenceHint() string {
	far := v.tunnel.FarEnd(nil)
	far.Name = ""
	return fmt.Sprintf("if the far end does not exist yet, make it: %s; if it does, compare its addresses and keys, and let IP protocol 47 through the firewalls on the way",
		far.CreateCommand())
}

// probeText describes the result of a probe.
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

// judgeCounters draws the conclusion from d, by which the kernel's counters grew during the probe.
// Linux's ip_tunnel_xmit and ip_tunnel_rcv show which fault counts where.
func (v *verifier) judgeCounters(r kernel.ProbeResult, d kernel.Counters) Check {
	c := Check{ID: "counters", Status: Pass, Certainty: Proved, Summary: "the kernel counted no errors",
		Evidence: fmt.Sprintf("%d sent, %d received, %d errors", d.TxPackets, d.RxPackets, d.TxErrors+d.RxErrors)}
	if cause := sendFault(d); cause != "" {
		c.Status, c.Summary = Fail, "packets do not leave this host: "+cause
		c.Hint = "see the underlay check: local address, route to the far end, firewall on this host"
		if r.Received > 0 {
			c.Status, c.Summary = Warn, "some packets do not leave this host: "+cause
		}
		return c
	}
	switch {
	case d.RxCRCErrors > 0:
		c.Status, c.Summary, c.Hint = Fail, "the far end's checksum option differs from this end's", "switch checksums off at the far end: NetworkManager's tunnels have none"
	case d.RxFIFOErrors > 0:
		c.Status, c.Summary, c.Hint = Fail, "packets come out of sequence", "switch sequence numbers off at the far end: NetworkManager's tunnels have none"
	case r.Received == 0 && d.TxPackets == 0:
		c.Status, c.Summary = Warn, "the kernel sent no packets into the tunnel"
	case r.Received == 0 && d.RxPackets == 0:
		c.Status, c.Summary = Warn, "packets leave, but nothing comes back"
	case r.Received == 0:
		c.Status, c.Certainty, c.Summary = Warn, Likely, "packets come out of the tunnel, but no answers to the probes"
		c.Hint = "the inner addresses of the two ends may not match, or the far end drops pings"
	}
	// a fault of the far end is no reason not to make this end
	if c.Status == Fail && v.opts.BeforeSave {
		c.Status = Warn
	}
	return c
}

// sendFault says why packets did not leave, if the counters show a reason. It is empty otherwise.
func sendFault(d kernel.Counters) string {
	switch {
	case d.Collisions > 0:
		return "the route to the far end leads through the tunnel itself"
	case d.TxCarrierErrors > 0:
		return "there is no route to the far end, or the local outer address is not on this host"
	case d.TxDropped > 0:
		return "this host itself drops them after encapsulation (firewall, traffic control)"
	case d.TxErrors > 0 && d.TxPackets == 0:
		return "the kernel could not encapsulate them, or they are too large for the way out"
	}
	return ""
}
