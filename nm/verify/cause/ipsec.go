package cause

import (
	"fmt"

	"nmgre/nm/verify/words"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

const ipsecSee = "sudo ip xfrm policy; sudo ip xfrm state; nstat -az 'Xfrm*'"

// ipsecCauses are IPsec policies of this host that keep the tunnel's packets, on their way out or
// in.
var ipsecCauses = []row{
	{
		Cause: Cause{"ipsec-blocks", Proved, "an IPsec policy of this host with the action block drops the tunnel's packets, on their way out or in", ipsecSee},
		stops: true,
		when: func(ev Evidence) bool {
			out, in := ev.IPsec.Out, ev.IPsec.In
			return out != nil && out.Block && (ev.Grew.TxErrors > 0 || ev.vanishes()) || in != nil && in.Block && ev.blocked()
		},
		tell: func(ev Evidence) said {
			p, dir := ev.IPsec.Out, "out"
			if p == nil || !p.Block {
				p, dir = ev.IPsec.In, "in"
			}
			s := said{summary: "an IPsec policy of this host blocks the tunnel's packets on their way " + dir, evidence: fmt.Sprintf("policy %s dir %s action block", p, dir),
				advice: "it belongs to a program such as an IKE daemon, or to whoever set it; without it the packets pass", facts: Facts{"tx_errors": ev.Grew.TxErrors}}
			return s.byPolicy(p, dir)
		},
	},
	{ // who cannot read the policies has the counters
		Cause: Cause{"ipsec-blocks", Likely, "", ""},
		when:  func(ev Evidence) bool { return ev.countedBlocked() != "" },
		tell: func(ev Evidence) said {
			h, dir := ev.Heard.Counters, ev.countedBlocked()
			return said{summary: "an IPsec policy of this host blocks the tunnel's packets on their way " + dir,
				evidence: fmt.Sprintf("XfrmOutPolBlock grew by %d, XfrmInPolBlock by %d", h.IPsecOutBlocked, h.IPsecInBlocked), advice: "see `sudo ip xfrm policy`",
				facts: Facts{"direction": dir, "ipsec_out_blocked": h.IPsecOutBlocked, "ipsec_in_blocked": h.IPsecInBlocked}}
		},
	},
	{
		Cause: Cause{"ipsec-no-state", Proved, "an IPsec policy here wants the tunnel's packets protected, and the kernel has no state (SA) for that: it drops them", ipsecSee},
		when: func(ev Evidence) bool {
			return ev.IPsec.Out.Needs(true) != nil && (ev.Grew.TxCarrierErrors > 0 || ev.vanishes())
		},
		tell: func(ev Evidence) said { return ev.stateless() },
	},
	{ // who cannot hear packets leave, or cannot read the policies, has the counter
		Cause: Cause{"ipsec-no-state", Likely, "", ""},
		when: func(ev Evidence) bool {
			tried := max(ev.Grew.TxPackets, ev.Grew.TxCarrierErrors) // over IPv6 they are errors
			return !ev.hears(kernel.HearsSent) && (ev.IPsec.Out.Needs(true) != nil || tried > 0 && ev.Heard.Counters.IPsecOutNoState >= tried)
		},
		tell: func(ev Evidence) said { return ev.stateless() },
	},
	{
		Cause: Cause{"ipsec-required", Proved, "an IPsec policy here wants the far end's packets protected, and they are not: the kernel drops them", ipsecSee},
		when:  func(ev Evidence) bool { return ev.IPsec.In.Needs(false) != nil && ev.blocked() },
		tell:  func(ev Evidence) said { return ev.unprotected() },
	},
	{
		Cause: Cause{"ipsec-required", Likely, "", ""},
		when: func(ev Evidence) bool {
			counted := ev.Heard.Counters.IPsecInRefused > 0 && ev.Grew.TxPackets > 0
			return !ev.hears(kernel.HearsAccepted) && counted && ev.Grew.RxPackets == 0
		},
		tell: func(ev Evidence) said { return ev.unprotected() },
	},
}

// countedBlocked returns the way on which the counters say that policies have blocked packets,
// "out" or "in", while nothing got through. It is empty if they do not, or if the policies are
// known.
func (ev Evidence) countedBlocked() string {
	h := ev.Heard.Counters
	switch {
	case !ev.IPsecUnread:
	case h.IPsecOutBlocked > 0 && ev.Grew.TxErrors > 0 && ev.Grew.TxPackets == 0:
		return "out"
	case h.IPsecInBlocked > 0 && ev.Grew.TxPackets > 0 && ev.Grew.RxPackets == 0:
		return "in"
	}
	return ""
}

// stateless tells of a policy without its state, which may not be known.
func (ev Evidence) stateless() said {
	n := ev.Heard.Counters.IPsecOutNoState
	s := said{summary: "packets do not leave this host: an IPsec policy wants them protected, and there is no state (security association) for that",
		advice: "bring up the IPsec connection of that policy, by its IKE daemon; or let the packets go unprotected, by removing the policy",
		facts:  Facts{"tx_packets": ev.Grew.TxPackets, "ipsec_out_no_state": n}}
	if t := ev.IPsec.Out.Needs(true); t != nil {
		s.evidence = fmt.Sprintf("policy %s dir out: no state for its %s", ev.IPsec.Out, t)
		s = s.byPolicy(ev.IPsec.Out, "out")
	}
	if n > 0 {
		s.evidence = fault.Joined(s.evidence, fmt.Sprintf("XfrmOutNoStates grew by %d", n))
	}
	return s
}

// unprotected tells of packets that come in without the protection that a policy wants. The policy
// may not be known.
func (ev Evidence) unprotected() said {
	n := ev.Heard.Counters.IPsecInRefused
	s := said{summary: "this host drops the far end's packets: an IPsec policy wants them protected, and they come in plain",
		advice: "bring up the IPsec connection at both ends; or let the packets come in unprotected, by removing the policy",
		facts:  Facts{"ipsec_in_refused": n}}
	if t := ev.IPsec.In.Needs(false); t != nil {
		s.evidence = fmt.Sprintf("policy %s dir in: %s", ev.IPsec.In, t)
		if ev.blocked() {
			s.evidence = words.PacketText(ev.came(ev.between)[0]) + " arrived; " + s.evidence
		}
		s = s.byPolicy(ev.IPsec.In, "in")
	}
	if n > 0 {
		s.evidence = fault.Joined(s.evidence, fmt.Sprintf("XfrmInTmplMismatch and XfrmInNoPols grew by %d", n))
	}
	return s
}

// byPolicy adds the policy that does it, and the command that removes it.
func (s said) byPolicy(p *kernel.IPsecPolicy, dir string) said {
	s.here = fmt.Sprintf("sudo ip xfrm policy delete index %d dir %s", p.Index, dir)
	s.facts = s.facts.With(Facts{"policy": p.String(), "direction": dir, "policy_index": p.Index})
	return s
}

// Encapsulation has the headers around the tunnel's packets where path bytes fit on the way, with
// the bytes that IPsec takes, as far as they are known.
func (ev Evidence) Encapsulation(path int) gre.Encapsulation {
	return ev.IPsec.Out.Around(ev.Tunnel.Encapsulation(), path)
}

// seals reports whether IPsec protects the packets that leave, so that nobody hears them as GRE.
func (ev Evidence) seals() bool {
	return ev.IPsec.Out.Needs(false) != nil && ev.IPsec.Out.Needs(true) == nil
}
