package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// checkPeer judges the answers to the probe, the counters, and the packets heard meanwhile.
func (v *verifier) checkPeer(context.Context) error {
	if skipped := v.whyNoProbe(); skipped.Summary != "" {
		v.report.add(skipped)
		if v.isOneWay() && v.link != nil && v.link.Up && !v.opts.BeforeSave {
			v.report.add(v.judgeOneWay())
			return nil
		}
		v.report.add(skip("counters", "not checked: nothing was sent"))
		return nil
	}
	switch {
	case errors.Is(v.probeErr, fault.ErrNotPermitted):
		v.noProof("not proved: probes are not permitted", v.probeErr.Error(), "run it with sudo")
	case v.probeErr != nil: // the other checks say why a probe cannot leave
		v.noProof("not proved: the probe could not be sent", v.probeErr.Error(), "")
	default:
		v.ev.Reached = len(v.worksBehind()) > 0
		v.report.add(v.judgeProbe(v.ev))
		v.report.add(v.judgeCounters(v.ev))
		v.addWarning("state", "answers-only")
		v.addWarning("keepalive", "keepalive-unanswered")
	}
	return nil
}

// probeID is the check of the far end's answers.
const probeID = "probe"

// noProof adds the checks of a far end that could not be probed. It is a warning: a tunnel does not
// pass without evidence.
func (v *verifier) noProof(summary, evidence, hint string) {
	v.report.add(Check{ID: probeID, Status: Warn, Certainty: Proved, Summary: summary, Evidence: evidence, Hint: hint})
	v.report.add(skip("counters", "not checked: nothing was sent"))
}

// whyNoProbe returns the check that says why no probe is sent. Its summary is empty if there is no
// reason not to send one.
func (v *verifier) whyNoProbe() Check {
	c := skip(probeID, "")
	switch {
	case !v.opts.Probe:
		c.Summary = "not checked: no probe was requested"
	case v.tunnel.NoProbe:
		c.Summary = "not probed: the profile says that the far end is never probed (--no-probe=" + nm.Always + "); the counters tell"
	case v.link == nil:
		c.Summary = noLink
	case !v.link.Up:
		c.Summary = "not checked: the link is down"
	case v.tunnel.Controller != "":
		c.Summary = "not checked: the port of a bridge has no address to probe from; ping a host of the bridge's network on the far side"
	case !v.tunnel.PeerAddress.IsValid():
		c.Status, c.Summary, c.Hint = Warn, "not proved: the far end's inner address is not known", "give it: nmgre edit "+fault.Operand(v.name)+" --peer-address ADDR"
	case !v.hasFamily(v.tunnel.Addresses):
		c.Status, c.Summary, c.Hint = Warn, "not proved: the tunnel has no address of the far end's family", "give another address of the far end with --peer-address"
	case !v.hasFamily(v.link.Addresses): // the check of the addresses fails
		c.Summary = "not checked: the device has no address of the far end's family"
	default:
		if found := cause.PeerHere(v.ev); found != nil { // this host would answer
			return checkOf(probeID, found)
		}
	}
	return c
}

// hasFamily reports whether an address of the list can be the source of packets to the far end.
func (v *verifier) hasFamily(list []netip.Prefix) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Addr().Is4() == v.tunnel.PeerAddress.Is4() })
}

// judgeProbe draws the conclusion from the answers, or from the silence. Silence after a fault of
// the underlay is no second finding.
func (v *verifier) judgeProbe(ev cause.Evidence) Check {
	c := Check{ID: probeID, Status: Pass, Certainty: Proved, Evidence: probeText(ev.Probe)}
	if ev.Probe.Received == 0 && v.wrongWay {
		c.Status, c.Summary = Skip, "not judged: the check underlay says why nothing comes back"
		return c
	}
	if found := cause.OfProbe(ev); found != nil {
		c = checkOf(probeID, found)
		c.Evidence = fault.Joined(probeText(ev.Probe), c.Evidence)
		if ev.Probe.Received > 0 {
			c.Summary = "the far end answers, but " + c.Summary
		}
	} else {
		c.Summary = fmt.Sprintf("the far end answers: %s", v.tunnel.PeerAddress)
		if ev.Probe.Received*2 < ev.Probe.Sent {
			c.Status, c.Place, c.Summary, c.Hint = Warn, place.TheWay, "the far end answers, but packets are lost", "the way between the ends loses packets: ping the outer address, too"
		}
	}
	if c.Certainty == Likely {
		c.Evidence = fault.Joined(c.Evidence, ev.Unheard())
		if permit := ev.Permit(); permit != "" {
			v.nameZone(&c)
			permit += ", to hear what comes back beside the tunnel"
			c.Hint, c.Advice = fault.Joined(c.Hint, permit), fault.Joined(c.Advice, permit)
		}
	}
	c.Facts = c.Facts.With(Facts{"sent": ev.Probe.Sent, "answered": ev.Probe.Received})
	return c
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

// judgeCounters draws the conclusion from the growth of the counters during a probe that was
// answered. Those of a probe that was not are part of its evidence. Linux's ip_tunnel_xmit and
// ip_tunnel_rcv show which fault counts where.
func (v *verifier) judgeCounters(ev cause.Evidence) Check {
	d := ev.Grew
	text := fmt.Sprintf("%d sent, %d received, %s", d.TxPackets, d.RxPackets, fault.Count(d.TxErrors+d.RxErrors, "error"))
	c := Check{ID: "counters", Status: Pass, Certainty: Proved, Summary: "the kernel counted no errors", Evidence: text,
		Facts: Facts{"tx_packets": d.TxPackets, "rx_packets": d.RxPackets, "tx_errors": d.TxErrors, "rx_errors": d.RxErrors, "tx_dropped": d.TxDropped}}
	// some kernels count packets that are too large as dropped
	if ev.Probe.Received == 0 || ev.Large.Missing() {
		c.Status, c.Summary = Skip, "not judged by themselves: "+text
		return c
	}
	if found := cause.OfCounters(ev); found != nil {
		c.Status, c.Cause, c.Place, c.Summary, c.Hint = Warn, found.ID, found.At, "some packets fail: "+found.Summary, found.Hint
		c.Evidence = fault.Joined(text, found.Evidence)
	}
	return c
}
