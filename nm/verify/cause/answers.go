package cause

import (
	"fmt"
	"slices"

	"nmgre/nm/verify/words"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// answersDropped is for a far end that answers, where nobody on this host gets the answers.
var answersDropped = row{
	Cause: Cause{"answers-dropped", Likely, "the far end answers, and this host's firewall drops the answers as they come out of the tunnel",
		"sudo tcpdump -ni NAME icmp or icmp6; sudo nft list ruleset (input)"},
	when: func(ev Evidence) bool { return ev.answer() != nil && ev.Grew.RxPackets > 0 && !ev.getsThrough() },
	tell: func(ev Evidence) said { return ev.droppedSaid() },
}

// repliesDropped is the same where other packets get through both ways.
var repliesDropped = row{
	Cause: answersDropped.Cause,
	warns: true,
	when:  func(ev Evidence) bool { return ev.answer() != nil && ev.Grew.RxPackets > 0 },
	tell:  func(ev Evidence) said { return ev.droppedSaid() },
}

// noAnswers is for those who cannot hear the packets that come out of the tunnel. They may be
// answers that this host drops.
var noAnswers = row{
	Cause: Cause{NoAnswers, Likely, "packets come out of the tunnel, and no answer: the far end sends none, or this host drops them. Only root can hear which",
		"sudo nmgre verify NAME; sudo tcpdump -ni NAME"},
	when: func(ev Evidence) bool { return ev.comesUnheard() && !ev.getsThrough() },
	tell: func(ev Evidence) said { return ev.noAnswersSaid() },
}

// noReplies is the same where packets get through both ways. Refusals alone are no answers that are
// dropped.
var noReplies = row{
	Cause: noAnswers.Cause,
	warns: true,
	when: func(ev Evidence) bool {
		return ev.comesUnheard() && ev.Grew.RxPackets > uint64(len(ev.Probe.Refusals)+len(ev.Near))
	},
	tell: func(ev Evidence) said {
		s := ev.noAnswersSaid()
		s.summary = "the tunnel carries packets both ways, and nobody here gets an answer to an echo: the far end filters echoes, or this host drops the answers"
		return s
	},
}

// answersCauses are for packets that come out of the tunnel while nobody gets an answer.
var answersCauses = []row{answersDropped, repliesDropped, noAnswers, noReplies}

// droppedSaid tells of answers that this host drops.
func (ev Evidence) droppedSaid() said {
	return said{summary: "the far end answers, and this host drops the answers as they come out of the tunnel", evidence: words.PacketText(*ev.answer()) + ", an echo reply, came to the tunnel",
		advice: fmt.Sprintf("let what comes in by %s through: look for drops in the hooks prerouting and input of `sudo nft list ruleset`", fault.Printable(ev.Tunnel.Name)),
		facts:  Facts{"device": fault.Printable(ev.Tunnel.Name), "rx_packets": ev.Grew.RxPackets}}
}

// noAnswersSaid tells of packets whose kind nobody knows.
func (ev Evidence) noAnswersSaid() said {
	s := said{summary: "packets come out of the tunnel, and nobody here gets an answer: the far end does not answer, or this host drops the answers",
		evidence: ev.cameOut(), facts: Facts{"rx_packets": ev.Grew.RxPackets},
		advice: fmt.Sprintf("see what comes: sudo tcpdump -ni %s (echo replies: this host's firewall drops them; none: the far end filters echoes, or has another inner address)", fault.ShellWord(ev.Tunnel.Name))}
	if ev.peerRefuses() {
		s.evidence = fault.Joined(refusedByPeer, s.evidence)
	}
	return s
}

// comesUnheard reports whether packets come out of the tunnel that cannot be heard.
func (ev Evidence) comesUnheard() bool {
	return ev.Grew.RxPackets > 0 && !ev.hears(kernel.HearsAccepted)
}

// answer returns an answer of the far end's inner address to this end's that came through the
// firewall. It returns nil if there is none.
func (ev Evidence) answer() *kernel.Packet {
	own, _ := ev.Tunnel.AddressTowardsPeer()
	i := slices.IndexFunc(ev.Heard.Accepted, func(p kernel.Packet) bool {
		return ev.ours(p) && p.EchoReply && p.InnerFrom == ev.Tunnel.PeerAddress && p.InnerTo == own.Addr()
	})
	if i < 0 {
		return nil
	}
	return &ev.Heard.Accepted[i]
}

// refusedByPeer is the evidence of a refusal that came through the tunnel.
const refusedByPeer = "the far end refuses the probes, through the tunnel"

// getsThrough reports whether an answer came through the tunnel that is none to the probe's echoes:
// the far end's refusal, or one from behind the far end.
func (ev Evidence) getsThrough() bool { return ev.Reached || ev.peerRefuses() }

// peerRefuses reports whether the far end's inner address has refused a probe, or a packet of one
// hop.
func (ev Evidence) peerRefuses() bool {
	return len(ev.Near) > 0 || slices.Contains(ev.Probe.Refusers(), ev.Tunnel.PeerAddress)
}

// alive returns the evidence that the far end sends something through the tunnel. It is empty if
// there is none. Packets between link-local addresses do not count: hosts send these unasked.
func (ev Evidence) alive() string {
	if ev.peerRefuses() {
		return refusedByPeer
	}
	for _, p := range ev.came(ev.ours) {
		if p.InnerFrom.IsGlobalUnicast() && !ev.keepalive(p) && ev.Grew.RxPackets > 0 {
			return words.PacketText(p)
		}
	}
	if ev.Grew.RxPackets > 0 && ev.Tunnel.Mode.Ethernet() {
		return ev.cameOut()
	}
	return ""
}

// cameOut says how many packets came out of the tunnel.
func (ev Evidence) cameOut() string {
	if ev.Grew.RxPackets == 1 {
		return "a packet came out of the tunnel"
	}
	return fmt.Sprintf("%d packets came out of the tunnel", ev.Grew.RxPackets)
}
