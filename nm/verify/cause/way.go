package cause

import (
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// farRefusals are the far end's own ICMP errors about the tunnel's packets, without a doubt.
var farRefusals = []row{
	{
		Cause: Cause{"far-no-gre", Proved, "the far end says that it has no GRE (protocol unreachable): its kernel has not loaded it, or its firewall says so",
			"sudo tcpdump -ni any 'icmp[0] = 3 and icmp[1] = 2'"},
		when: func(ev Evidence) bool { return ev.refusedByFar(kernel.NoProtocol) != nil },
		tell: func(ev Evidence) said {
			e := ev.refusedByFar(kernel.NoProtocol)
			return said{summary: ev.notYet() + fmt.Sprintf("the far end %s says that it has no GRE (protocol unreachable)", ev.Tunnel.Remote), evidence: icmpText(*e),
				create: ev.farCreate(), facts: icmpFacts(*e)}
		},
	},
	{
		Cause: Cause{"far-firewall", Proved, "the far end's firewall rejects GRE, and says so",
			"sudo tcpdump -ni any 'icmp[0] = 3' (administratively prohibited from REMOTE)"},
		when: func(ev Evidence) bool { return ev.refusedByFar(kernel.Prohibited) != nil },
		tell: func(ev Evidence) said {
			e := ev.refusedByFar(kernel.Prohibited)
			return said{summary: fmt.Sprintf("the far end's firewall rejects GRE: %s says administratively prohibited", ev.Tunnel.Remote), evidence: icmpText(*e),
				there: "sudo firewall-cmd --permanent --add-protocol=gre && sudo firewall-cmd --reload", facts: icmpFacts(*e)}
		},
	},
}

// refusalCauses are those refusals of which the far end's own packets may know more.
var refusalCauses = []row{
	{
		Cause: Cause{"far-no-tunnel", Likely, "no tunnel of the far end fits (addresses, key, mode) and is up; a firewall, or NAT, may say so",
			"sudo tcpdump -ni any icmp (port unreachable); there: ip -d tunnel show"},
		when: func(ev Evidence) bool { return ev.refusedByFar(kernel.NoPort) != nil },
		tell: func(ev Evidence) said {
			e := ev.refusedByFar(kernel.NoPort)
			s := said{summary: ev.notYet() + fmt.Sprintf("the far end %s has no tunnel for these packets (port unreachable)", ev.Tunnel.Remote), evidence: icmpText(*e) + "; it needs " + ev.farLink(),
				advice: "compare addresses and keys there, and bring the tunnel up", create: ev.farCreate(), facts: icmpFacts(*e)}
			s.facts["far_end_needs"] = ev.farLink()
			s = ev.orBehindNAT(s)
			if ev.BeforeSave { // there is nothing to compare yet
				s.advice = ""
			}
			return s
		},
	},
	{
		Cause: Cause{"ttl-exceeded", Proved, "the tunnel's packets run out of hops: the way loops, or the tunnel's TTL is too small",
			"traceroute REMOTE; ip -d link show dev NAME (ttl)"},
		when: func(ev Evidence) bool { return ev.anyRefusal(kernel.TooFar) != nil },
		tell: func(ev Evidence) said {
			e := ev.anyRefusal(kernel.TooFar)
			s := said{summary: fmt.Sprintf("packets to the far end run out of hops at %s", e.By), evidence: icmpText(*e), facts: icmpFacts(*e),
				advice: "look for a loop on the way: traceroute " + ev.Tunnel.Remote.String()}
			if ev.Tunnel.TTL < 64 {
				s.here = ev.edit(ev.ttlFlags())
			}
			return s
		},
	},
	{
		Cause: Cause{"next-hop-silent", Proved, "the gateway to the far end, or the far end on the same network, does not answer this host's ARP or neighbour requests",
			"ip neighbour show; ip route get REMOTE"},
		when: func(ev Evidence) bool { e := ev.anyRefusal(kernel.NoWay); return e != nil && ev.onHost(e.By) },
		tell: func(ev Evidence) said {
			e := ev.anyRefusal(kernel.NoWay)
			next, dev := ev.Tunnel.Remote, fault.Printable(ev.Under.Hop.Dev)
			if ev.Under.Hop.Via.IsValid() {
				next = ev.Under.Hop.Via
			}
			s := said{summary: fmt.Sprintf("the next hop to the far end, %s on %s, is not there", next, dev), evidence: icmpText(*e) + ", which is this host", facts: icmpFacts(*e),
				advice: "check the cable and the gateway: ip neighbour show " + next.String()}
			s.facts["next_hop"] = next.String()
			return s
		},
	},
	{
		Cause: Cause{"way-refused", Proved, "a router on the way refuses the packets: it has no route, or filters GRE; the check names it",
			"sudo tcpdump -ni any 'icmp[0] = 3'; traceroute REMOTE"},
		when: func(ev Evidence) bool {
			return ev.anyRefusal(kernel.NoWay, kernel.Prohibited, kernel.NoPort, kernel.NoProtocol) != nil
		},
		tell: func(ev Evidence) said {
			e := ev.anyRefusal(kernel.NoWay, kernel.Prohibited, kernel.NoPort, kernel.NoProtocol)
			why := "it has no route there"
			if e.Meaning() != kernel.NoWay {
				why = "it filters them"
			}
			return said{summary: fmt.Sprintf("%s on the way to the far end refuses the packets: %s", e.By, why), evidence: icmpText(*e),
				advice: fmt.Sprintf("mend it on %s: a route to %s, and IP protocol 47 let through", e.By, ev.Tunnel.Remote), facts: icmpFacts(*e)}
		},
	},
}

// silenceCauses are the causes that remain if nobody says anything.
var silenceCauses = []row{
	{
		Cause: Cause{"refused", Likely, "somebody refuses the packets. Who, and why, only root can hear",
			"sudo nmgre verify NAME; sudo tcpdump -ni any icmp"},
		when: func(ev Evidence) bool { return len(ev.Probe.Refusals) > 0 },
		tell: func(ev Evidence) said {
			return said{summary: fmt.Sprintf("the way to %s is refused, on the way or at the far end", ev.Tunnel.PeerAddress), advice: ev.silenceAdvice(), create: ev.farCreate()}
		},
	},
	{
		Cause: Cause{"nothing-sent", Likely, "the kernel sent none of the probes into the tunnel",
			"ip -s link show dev NAME; ip route get PEER"},
		when: func(ev Evidence) bool {
			return ev.Probe.Sent > 0 && ev.Grew == (kernel.Counters{}) && len(ev.Heard.Sent) == 0 || ev.othersSent()
		},
		tell: func(ev Evidence) said {
			return said{summary: "the far end does not answer, and the kernel sent none of the probes into the tunnel",
				advice: "this host drops them before the tunnel: look for drops of ICMP in the hook output of `sudo nft list ruleset`"}
		},
	},
	{
		Cause: Cause{"local-astray", Likely, "the tunnel's packets leave by another device than the one with their source address: that provider may drop them",
			"ip route get REMOTE from LOCAL; ip -br address show to LOCAL"},
		when: func(ev Evidence) bool {
			return (ev.Outer == nil || ev.Outer.Received == 0) && ends.Astray(ev.Links, ev.Tunnel, ev.Under.Hop).What != ""
		},
		tell: func(ev Evidence) said {
			stray := ends.Astray(ev.Links, ev.Tunnel, ev.Under.Hop)
			return said{summary: "the far end does not answer, and " + stray.What, evidence: stray.Why, advice: stray.Remedy + "; or use an address of the way out", here: ev.edit("--local auto"), create: ev.farCreate(),
				facts: Facts{"local": ev.Tunnel.Local.String(), "leaves_by": fault.Printable(ev.Under.Hop.Dev)}}
		},
	},
	{
		Cause: Cause{"gre-silent", Likely, "the far end's host answers, its tunnel not: GRE is filtered, settings differ (key, csum, seq), or NAT is in front",
			"ping -I LOCAL REMOTE; there: ip -d -s -s link show"},
		when: func(ev Evidence) bool { return ev.Outer != nil && ev.Outer.Received > 0 },
		tell: func(ev Evidence) said {
			return ev.orBehindNAT(said{summary: fmt.Sprintf("the far end does not answer through the tunnel, but its outer address %s does", ev.Tunnel.Remote),
				evidence: fmt.Sprintf("%s answered %d of %d", ev.Tunnel.Remote, ev.Outer.Received, ev.Outer.Sent),
				advice:   "let IP protocol 47 through the firewalls on the way, and compare addresses and keys; a tunnel there that wants checksums or sequence numbers drops these packets, too: ip -d -s -s link show dev TUNNEL there, where TUNNEL is its name (csum, seq; RX crc and fifo errors)", create: ev.farCreate(),
				facts: Facts{"outer_sent": ev.Outer.Sent, "outer_answered": ev.Outer.Received, "far_end_needs": ev.farLink()}})
		},
	},
	{
		Cause: Cause{"all-silent", Likely, "neither the tunnel nor the far end's outer address answers: the way is broken, the host is off, or echoes are filtered, too",
			"ping -I LOCAL REMOTE; traceroute REMOTE"},
		when: func(ev Evidence) bool { return ev.Outer != nil && ev.Outer.Sent > 0 },
		tell: func(ev Evidence) said {
			return said{summary: fmt.Sprintf("the far end does not answer, neither through the tunnel nor at its outer address %s", ev.Tunnel.Remote),
				evidence: fmt.Sprintf("%s answered 0 of %d", ev.Tunnel.Remote, ev.Outer.Sent), advice: "see how far the way goes: traceroute " + ev.Tunnel.Remote.String(), create: ev.farCreate(),
				facts: Facts{"outer_sent": ev.Outer.Sent, "outer_answered": 0}}
		},
	},
	{
		Cause: Cause{"silent", Likely, "nothing comes back, and nobody says why",
			"sudo tcpdump -ni any ip proto 47 or icmp"},
		when: func(Evidence) bool { return true },
		tell: func(ev Evidence) said {
			return said{summary: fmt.Sprintf("the far end does not answer: nothing comes back from %s", ev.Tunnel.PeerAddress), advice: ev.silenceAdvice(), create: ev.farCreate()}
		},
	},
}

// probeCauses are the causes that the answers to a probe, or their absence, can have, in the order
// in which they are looked for.
var probeCauses = slices.Concat([]row{routeIntoItself}, ipsecCauses, hereCauses, peerHere, farRefusals, farCauses, []row{otherMode}, innerCauses, answersCauses, refusalCauses, aliveCauses, silenceCauses)

// notYet is the beginning of a summary while the tunnel is being made: its first end is made before
// its second.
func (ev Evidence) notYet() string {
	if ev.BeforeSave {
		return "nothing listens there yet: "
	}
	return ""
}

// othersSent reports whether packets went into the tunnel, and none to the far end's inner address.
// Those of an Ethernet tunnel wait for an answer of ARP.
func (ev Evidence) othersSent() bool {
	whole := ev.hears(kernel.HearsSent) && !ev.Heard.More && !ev.Tunnel.Mode.Ethernet()
	others := func(p kernel.Packet) bool { return p.InnerTo.IsValid() && p.InnerTo != ev.Tunnel.PeerAddress }
	sent := slices.DeleteFunc(slices.Clone(ev.Heard.Sent), func(p kernel.Packet) bool { return !ev.sentOurs(p) })
	return whole && len(sent) > 0 && !slices.ContainsFunc(sent, func(p kernel.Packet) bool { return !others(p) })
}

// anyRefusal returns the first error with one of the meanings, whoever sent it.
func (ev Evidence) anyRefusal(of ...kernel.Meaning) *kernel.ICMPError {
	for _, e := range ev.errors(of...) {
		return &e
	}
	return nil
}

// silenceAdvice says where to look if the far end is there.
func (ev Evidence) silenceAdvice() string {
	return "if the far end is there, compare its addresses and keys, and let IP protocol 47 through the firewalls on the way"
}

// orBehindNAT adds the facts that tell NAT from a far end without a tunnel. In front of the far end
// it looks the same from here, until the far end has sent something and NAT lets the answers in. In
// front of this end it shows in the addresses. A packet that this end has sent leaves NAT a
// connection that keeps the far end's packets out for 30 seconds (nf_conntrack_gre_timeout).
func (ev Evidence) orBehindNAT(s said) said {
	if nm.IsPrivate(ev.Under.From) && !nm.IsPrivate(ev.Tunnel.Remote) {
		s.advice = fault.Joined(s.advice, fmt.Sprintf("this end's outer address %s is private: NAT gives its packets another source, and that has to be the remote of the far end's tunnel", ev.Under.From))
	}
	if own, known := ev.Tunnel.AddressTowardsPeer(); known {
		s.advice = fault.Joined(s.advice, "a far end behind NAT has to send first, while this end sends nothing for half a minute: ping -c 40 "+own.Addr().String()+" there, and look again")
	}
	return s
}
