package cause

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/behind"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// behindCauses are why an address behind the far end is not reached, although the far end answers.
var behindCauses = []row{
	{
		Cause: routeElsewhere,
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return len(ev.Behind.Asked) == 0 },
		tell: func(ev Evidence) said {
			b := ev.Behind
			s := said{summary: fmt.Sprintf("packets to %s do not go into the tunnel", b.To), evidence: b.NoRoute, facts: Facts{"to": b.To.String()},
				here: "nmgre route add " + fault.Operand(ev.Name) + " " + b.To.String()}
			if b.NoRoute == "" {
				s.evidence, s.facts["device"] = nm.HopText(b.To, b.Hop), fault.Printable(b.Hop.Dev)
			}
			if b.Hop.Match.IsValid() {
				s.evidence += ", by the route to " + b.Hop.Match.String()
			}
			if kernel.Holding(ev.Links, b.To) != nil {
				s.summary, s.here = fmt.Sprintf("%s is this host's own address", b.To), ""
				s.advice = "give an address behind the far end"
			}
			return s
		},
	},
	{
		Cause: Cause{"no-way-back", Likely, "an address behind the far end answers one network here, not another: there is no route back, or a filter",
			"ping -I LAN BEHIND; there: ip route get LAN"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool {
			return ev.noWayBack() && slices.ContainsFunc(ev.Behind.Silent(), wanted) && !slices.ContainsFunc(ev.Behind.Reached(), isLAN)
		},
		tell: func(ev Evidence) said { return ev.wayBackSaid() },
	},
	{ // a network that perhaps nobody wants to reach it from
		Cause: Cause{"no-way-back", Likely, "", ""},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.noWayBack() },
		tell: func(ev Evidence) said { return ev.wayBackSaid() },
	},
	{
		Cause: Cause{"behind-loop", Proved, "packets behind the far end run out of hops: it, or a router behind it, sends them back or in a circle",
			"traceroute -s INNER BEHIND; there: ip route get BEHIND"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return ev.unreached(kernel.TooFar) != nil },
		tell: func(ev Evidence) said {
			e := ev.unreached(kernel.TooFar)
			s := ev.behindSaid(*e, fmt.Sprintf("packets to %s go in a circle behind the tunnel: they run out of hops at %s", ev.Behind.To, e.By))
			s.advice = fmt.Sprintf("give the far end a route to %s that does not lead back into the tunnel", ev.Behind.To)
			return s
		},
	},
	{
		Cause: Cause{"behind-firewall", Proved, "the firewall of the far end, or behind it, rejects what is forwarded, and says so",
			"sudo tcpdump -ni NAME icmp (prohibited); there: sudo nft list ruleset (forward)"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool {
			return ev.unreached(kernel.Prohibited, kernel.NoPort, kernel.NoProtocol) != nil
		},
		tell: func(ev Evidence) said {
			e := ev.unreached(kernel.Prohibited, kernel.NoPort, kernel.NoProtocol)
			s := ev.behindSaid(*e, fmt.Sprintf("%s rejects packets to %s", ev.behindWho(e.By), ev.Behind.To))
			s.advice = fmt.Sprintf("let the firewall of %s forward packets between the tunnel and the network of %s: see its hook forward, or its zones", e.By, ev.Behind.To)
			return s
		},
	},
	{
		Cause: Cause{"behind-no-route", Proved, "the far end, or a router behind it, has no route to the address, and says so",
			"sudo tcpdump -ni NAME icmp (network unreachable); there: ip route get BEHIND"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { e := ev.unreached(kernel.NoWay); return e != nil && !e.NoHost() },
		tell: func(ev Evidence) said {
			e := ev.unreached(kernel.NoWay)
			s := ev.behindSaid(*e, fmt.Sprintf("%s has no route to %s", ev.behindWho(e.By), ev.Behind.To))
			s.advice = "compare the address with the networks there, and give it a route: ip route get " + ev.Behind.To.String()
			return s
		},
	},
	{
		Cause: Cause{"behind-no-host", Proved, "the far end, or a router behind it, says that the host is not there",
			"sudo tcpdump -ni NAME icmp (host unreachable); there: ip neighbour show BEHIND"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return ev.unreached(kernel.NoWay) != nil },
		tell: func(ev Evidence) said {
			e := ev.unreached(kernel.NoWay)
			s := ev.behindSaid(*e, fmt.Sprintf("%s finds no host with the address %s", ev.behindWho(e.By), ev.Behind.To))
			s.advice = "see whether the host is on, and has that address: ip neighbour show " + ev.Behind.To.String()
			return s
		},
	},
	{
		Cause: Cause{"far-not-forwarding", Likely, "the far end answers, nothing behind it does, and it refuses no packet of TTL 1, as a router would",
			"traceroute -s INNER BEHIND; there: sysctl net.ipv4.ip_forward"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return ev.nothingBehind() && !ev.Behind.Forwards.IsValid() && !ev.copiesTTL() },
		tell: func(ev Evidence) said {
			s := ev.silenceSaid(fmt.Sprintf("the far end answers, and %s behind it does not: it does not seem to forward", ev.Behind.To))
			s.evidence = fault.Joined(s.evidence, "the far end did not say of a packet of TTL 1 that its time is exceeded")
			s.there, s.advice = "sudo sysctl net.ipv4.ip_forward=1", "switch forwarding on there (nmgre edit TUNNEL --forward keeps it on, where nmgre has made the far end)"
			if ev.Behind.To.Is6() {
				s.there, s.advice = "sudo sysctl net.ipv6.conf.all.forwarding=1", "switch forwarding on there"
			}
			return s
		},
	},
	{
		Cause: Cause{"behind-silent", Likely, "the far end forwards, the address is silent: a firewall drops it, it is off, or answers by another gateway",
			"ping -I INNER BEHIND; there: sudo tcpdump -ni any host BEHIND"},
		fails: true, anyway: true,
		when: func(ev Evidence) bool { return ev.nothingBehind() },
		tell: func(ev Evidence) said {
			b := ev.Behind
			s := ev.silenceSaid(fmt.Sprintf("the far end answers, and %s behind it does not", b.To))
			if b.Forwards.IsValid() {
				s.summary = fmt.Sprintf("the far end forwards packets, and %s behind it does not answer", b.To)
				s.evidence, s.facts["forwards"] = fault.Joined(s.evidence, fmt.Sprintf("%s said of a packet of TTL 1 that its time is exceeded", b.Forwards)), b.Forwards.String()
			}
			s.advice = fmt.Sprintf("look there whether it gets to the host, and is answered: sudo tcpdump -ni any icmp and host %s; "+
				"if it does not, look at the firewall's hook forward (Docker drops there: DOCKER-USER); if it is not answered, at the host's firewall and default gateway", b.To)
			return s
		},
	},
}

// networkCauses are why packets to a network behind the far end may get nowhere.
var networkCauses = []row{
	{
		Cause: Cause{"behind-no-route", Proved, "", ""},
		warns: true, anyway: true,
		when: func(ev Evidence) bool {
			e := ev.Behind.NearRefusal(kernel.NoWay)
			return e != nil && !e.NoHost() && !ev.onHost(e.By) && isLink(ev.Behind.Network)
		},
		tell: func(ev Evidence) said {
			e := ev.Behind.NearRefusal(kernel.NoWay)
			s := ev.behindSaid(*e, fmt.Sprintf("%s has no route to %s, in %s", ev.behindWho(e.By), ev.Behind.To, ev.Behind.Network))
			s.advice = "compare the route with the networks there, and give the far end a route: ip route get " + ev.Behind.To.String()
			return s
		},
	},
}

// isLink reports whether a network is as small as those of one link, so that all of it has one way.
func isLink(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() >= 24 || p.Addr().Is6() && p.Bits() >= 64
}

// isLAN reports whether the source is in a network of this end.
func isLAN(a behind.Asked) bool { return !a.Inner }

// wanted reports whether this host forwards the packets of the source's network.
func wanted(a behind.Asked) bool { return isLAN(a) && a.Forwards }

// noWayBack reports whether the address answers some sources, and others not.
func (ev Evidence) noWayBack() bool {
	return len(ev.Behind.Reached()) > 0 && len(ev.Behind.Silent()) > 0
}

// nothingBehind reports whether nothing has come back from the address.
func (ev Evidence) nothingBehind() bool {
	return len(ev.Behind.Reached()) == 0 && len(ev.Behind.Silent()) > 0
}

// unreached returns the first error with one of the meanings about an address that is not reached.
// It comes through the tunnel: not from this host. It returns nil if there is none.
func (ev Evidence) unreached(of ...kernel.Meaning) *kernel.ICMPError {
	if e := ev.Behind.Refusal(of...); e != nil && ev.nothingBehind() && !ev.onHost(e.By) {
		return e
	}
	return nil
}

// copiesTTL reports whether the tunnel gives its own packets the TTL of the packets in them.
func (ev Evidence) copiesTTL() bool {
	if ev.hasGRE() {
		return ev.Link.GRE.TTL == 0
	}
	return ev.Tunnel.TTL == 0
}

// behindWho names the sender of an error.
func (ev Evidence) behindWho(by netip.Addr) string {
	if by == ev.Tunnel.PeerAddress || by == ev.Behind.Forwards {
		return fmt.Sprintf("the far end, %s,", by)
	}
	return fmt.Sprintf("%s, at or behind the far end,", by)
}

// behindSaid tells of an error about packets to the address.
func (ev Evidence) behindSaid(e kernel.ICMPError, summary string) said {
	return said{summary: summary, evidence: icmpText(e), facts: icmpFacts(e).With(Facts{"to": ev.Behind.To.String()})}
}

// silenceSaid tells of an address that does not answer.
func (ev Evidence) silenceSaid(summary string) said {
	b := ev.Behind
	s := said{summary: summary, facts: Facts{"to": b.To.String()}}
	for _, a := range b.Silent() {
		s.evidence = fault.Joined(s.evidence, fmt.Sprintf("%d sent from %s, none answered", a.Result.Sent, a.Address.Addr()))
	}
	return s
}

// wayBackSaid tells of the first source that gets no answer, while others do. A source of a network
// for which this host forwards counts more.
func (ev Evidence) wayBackSaid() said {
	b := ev.Behind
	lost, reached := b.Silent()[0], b.Reached()[0]
	if i := slices.IndexFunc(b.Silent(), wanted); i >= 0 {
		lost = b.Silent()[i]
	}
	network, from := lost.Address.Masked().String(), lost.Address.Addr().String()
	s := said{facts: Facts{"to": b.To.String(), "reached_from": reached.Address.Addr().String(), "silent_from": from, "network": network},
		evidence: fmt.Sprintf("%d sent from %s, none answered; those from %s were", lost.Result.Sent, from, addresses(b.Reached()))}
	who := "the far end, or a host behind it,"
	switch {
	case !isLAN(lost), lost.Peer.Received > 0:
		who = "what is behind the far end"
		s.advice = fmt.Sprintf("give the host, or the router that it uses, a route to %s by the far end, and let its firewall take packets from there", network)
	case b.Itself(), lost.Peer.Sent > 0:
		who = "the far end"
	}
	s.summary = fmt.Sprintf("%s is reached from %s, and not from %s: %s has no way back to %s", b.To, addresses(b.Reached()), from, who, network)
	if s.advice == "" {
		s.there, s.advice = "nmgre route add TUNNEL "+network, "the far end needs a route back (without nmgre: sudo ip route add "+network+" dev TUNNEL)"
	}
	if lost.Peer.Sent > 0 {
		s.evidence += fmt.Sprintf("; the far end itself, %s, answered %d of %d", ev.Tunnel.PeerAddress, lost.Peer.Received, lost.Peer.Sent)
	}
	return s
}

// addresses lists the addresses of sources.
func addresses(list []behind.Asked) string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.Address.Addr().String())
	}
	return strings.Join(texts, " and ")
}
