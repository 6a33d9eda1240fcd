package cause

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm/verify/words"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// underlayCauses are the faults of this host that its kernel knows before anything is sent.
var underlayCauses = []row{
	{
		Cause: Cause{"device-down", Proved, "the device that leads to the far end, or has the local outer address, is down, or has no carrier",
			"ip -br link; ip route get REMOTE from LOCAL"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Under.Down != "" && !ev.Under.Unplugged },
		tell: func(ev Evidence) said {
			dev := fault.Printable(ev.Under.Down)
			return said{summary: fmt.Sprintf("the device %s, by which packets to the far end leave, is down", dev), evidence: dev + " is administratively down",
				here: "nmcli device connect " + fault.Operand(ev.Under.Down), facts: Facts{"device": dev}}
		},
	},
	{ // a tunnel may be made while the cable is out
		Cause: Cause{"device-down", Proved, "", ""},
		when:  func(ev Evidence) bool { return ev.Under.Unplugged },
		tell: func(ev Evidence) said {
			dev := fault.Printable(ev.Under.Down)
			return said{summary: fmt.Sprintf("the device %s, by which packets to the far end leave, has no carrier", dev), evidence: dev + " is up, and its lower layer is not",
				advice: "look at its cable, and at the switch or host at its other end", facts: Facts{"device": dev}}
		},
	},
	{
		Cause: Cause{"local-not-here", Proved, "no device of this host has the local outer address: it has moved, or its network is down",
			"ip address show to LOCAL; ip route get REMOTE"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Under.Away },
		tell: func(ev Evidence) said {
			s := said{summary: fmt.Sprintf("the local outer address %s is not on this host", ev.Under.From), evidence: "no device has it",
				facts: Facts{"local": ev.Under.From.String()}}
			s.advice = "the address has changed, or its network is down: bring the network up"
			if ev.Under.Present.IsValid() {
				s.evidence += fmt.Sprintf("; packets to %s would leave from %s", ev.Tunnel.Remote, ev.Under.Present)
			}
			if taken := ev.otherFrom(ev.Under.Present, ev.Tunnel.Remote, ev.Tunnel.OutputKey); taken != "" { // the kernel has no second link like that
				s.evidence += ", which the tunnel " + fault.Printable(taken) + " does already"
			} else if ev.Under.Present.IsValid() {
				s.advice += ", or give both ends the new address (there as --peer)"
				s.here, s.facts["present"] = ev.edit("--local "+ev.Under.Present.String()), ev.Under.Present.String()
				if out := kernel.Holding(ev.Links, ev.Under.Present); !ev.Tunnel.Mode.IPv6Outer() && out != nil && slices.Contains(out.Leased, ev.Under.Present) {
					s.here, s.facts["leased"] = ev.edit("--local any"), true // the next lease moves nothing
					s.evidence += ", which is leased"
				}
			}
			return s
		},
	},
	{
		Cause: Cause{"parent-gone", Proved, "the device that the tunnel is bound to does not exist",
			"ip link show dev PARENT; ip -d link show dev NAME"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Under.Parent != "" },
		tell: func(ev Evidence) said {
			dev := fault.Printable(ev.Under.Parent)
			return said{summary: "the device to which the tunnel is bound does not exist", evidence: "there is no device " + dev, advice: "bring the device up", here: ev.edit("--parent none"), facts: Facts{"device": dev}}
		},
	},
	{
		Cause: Cause{"no-route", Proved, "this host has no route to the far end's outer address, or one that drops packets (blackhole, unreachable)", "ip route get REMOTE from LOCAL; ip route show match REMOTE; ip rule"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Under.NoRoute != "" },
		tell: func(ev Evidence) said {
			s := said{summary: fmt.Sprintf("there is no route to the far end %s", ev.Tunnel.Remote), evidence: ev.Under.NoRoute, facts: Facts{"remote": ev.Tunnel.Remote.String()},
				advice: "the network that leads there is down, or its route is missing: ip route get " + ev.Tunnel.Remote.String()}
			switch out := kernel.Holding(ev.Links, ev.Under.From); {
			case ev.Under.VRF != "":
				s.evidence = "no rule leads to the table of the VRF " + fault.Printable(ev.Under.VRF) + "; " + s.evidence
				s.advice, s.here = "set the kernel's rule for VRFs again", fmt.Sprintf("sudo ip -%s rule add l3mdev priority 1000", map[bool]string{false: "4", true: "6"}[ev.Tunnel.Remote.Is6()])
			case ev.Under.Gateway != "":
				s.advice, s.here = "a route that takes no packets covers the far end; give the far end one of its own", "sudo ip route replace "+ev.Under.Gateway
			case out != nil:
				s.here = "nmcli device connect " + fault.Operand(out.Name)
			}
			return s
		},
	},
	routeIntoItself,
	{
		Cause: Cause{"tunnels-in-a-loop", Likely, "the route to the far end leads into another tunnel, whose packets come back to the first one", "ip route get REMOTE (and so on); sudo dmesg (Dead loop)"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Under.Loop },
		tell: func(ev Evidence) said {
			s := said{summary: "the way to the far end loops through other tunnels", evidence: ev.Under.Path, facts: Facts{"path": ev.Under.Path},
				advice: "give the far ends of these tunnels routes of their own by the right gateway"}
			if ev.Under.Gateway != "" {
				s.here = "sudo ip route replace " + ev.Under.Gateway
			}
			return s
		},
	},
}

// routeIntoItself may show in a counter only.
var routeIntoItself = row{
	Cause: Cause{"route-into-itself", Proved, "the route to the far end leads into the tunnel itself, so its packets never leave",
		"ip route get REMOTE; ip -s -s link show dev NAME (collisions grow)"},
	stops:   true,
	when:    func(ev Evidence) bool { return ev.Under.Itself || ev.Grew.Collisions > 0 },
	counter: func(d kernel.Counters) uint64 { return d.Collisions },
	tell: func(ev Evidence) said {
		s := said{summary: "the way to the far end leads back into the tunnel itself", evidence: ev.Under.Path, facts: Facts{"path": ev.Under.Path}}
		if !ev.Under.Itself {
			s.evidence = "the kernel counted " + fault.Count(ev.Grew.Collisions, "packet") + " that came back to the tunnel (collisions)"
			s.facts = Facts{"collisions": ev.Grew.Collisions}
		}
		if ev.Under.Rule != "" {
			s.advice, s.here = "the rule "+fault.Printable(ev.Under.Rule)+" leads the packets that carry the tunnel there; have them pass before", "sudo "+ev.Under.Pass
			return s
		}
		if ev.Under.Gateway == "" { // whoever types it has to know the gateway
			s.advice = fmt.Sprintf("a route covers the far end; bring up the network that leads there, or give the far end a route of its own by the right gateway: sudo ip route replace %s via GATEWAY", ev.Tunnel.Remote)
			return s
		}
		s.advice = "a route covers the far end; give the far end one of its own by the right gateway"
		s.here = "sudo ip route replace " + ev.Under.Gateway
		return s
	},
}

// hereCauses are the faults of this host that show when something is sent.
var hereCauses = []row{
	{
		Cause: Cause{"not-encapsulated", Proved, "the kernel has no way out for the tunnel's packets, or no such local address",
			"ip -s -s link show dev NAME (carrier errors grow); ip route get REMOTE from LOCAL"},
		stops:   true,
		when:    func(ev Evidence) bool { return ev.Grew.TxCarrierErrors > 0 && !ev.IPsecUnread },
		counter: func(d kernel.Counters) uint64 { return d.TxCarrierErrors },
		tell:    func(ev Evidence) said { return ev.wayless("") },
	},
	{ // an IPsec policy that blocks looks the same
		Cause: Cause{"not-encapsulated", Likely, "", ""},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Grew.TxCarrierErrors > 0 },
		tell:  func(ev Evidence) said { return ev.wayless(", or an IPsec policy blocks them") },
	},
	{
		Cause: Cause{"own-firewall-out", Proved, "this host's firewall, or traffic control, drops packets on their way out",
			"sudo nft list ruleset (output, postrouting); ip -s link show dev NAME (TX dropped grows)"},
		stops:   true,
		when:    func(ev Evidence) bool { return ev.dropsOut() || ev.failsByRule() },
		counter: func(d kernel.Counters) uint64 { return d.TxDropped },
		tell: func(ev Evidence) said {
			s := said{summary: "packets do not leave this host: its own firewall or traffic control drops them",
				evidence: "the kernel counted " + fault.Count(max(ev.Grew.TxDropped, ev.Grew.TxErrors), "packet") + " dropped after encapsulation",
				advice:   "let IP protocol 47 out: look for drops in the hooks output and postrouting of `sudo nft list ruleset`", facts: ev.leaving()}
			if ev.obstacle(true) == nil {
				return s.perhapsBy(ev.perhapsObstacles(true))
			}
			return s.ruledBy(ev.obstacle(true))
		},
	},
	{ // nobody counts these
		Cause: Cause{"own-firewall-out", Likely, "", ""},
		when:  func(ev Evidence) bool { return ev.vanishes() },
		tell: func(ev Evidence) said {
			s := said{summary: "packets do not leave this host: its traffic control or its firewall drops them",
				evidence: "the tunnel sent " + fault.Count(ev.Grew.TxPackets, "packet") + ", and none left this host",
				advice:   "look at `tc -s qdisc`, `tc filter show dev DEV egress` and `sudo nft list ruleset`", facts: ev.leaving()}
			return s.ruledBy(ev.obstacle(true))
		},
	},
	{
		Cause: Cause{"not-sent", Likely, "the kernel counts errors and sends nothing: packets are too large, or (over IPv6) this host's firewall drops them",
			"ip -s -s link show dev NAME (TX errors grow alone)"},
		stops: true,
		when:  func(ev Evidence) bool { return ev.Grew.TxErrors > 0 && ev.Grew.TxPackets == 0 },
		tell: func(ev Evidence) said {
			return said{summary: "packets do not leave this host: the kernel could not encapsulate them, they are too large for the way out, or this host's firewall drops them",
				evidence: "the kernel counted " + fault.Count(ev.Grew.TxErrors, "error"), advice: "compare the MTU with the way out: ip route get " + ev.Tunnel.Remote.String() + "; look for drops in the hook output of `sudo nft list ruleset`",
				facts: Facts{"tx_errors": ev.Grew.TxErrors}}
		},
	},
	{
		Cause: Cause{"own-nat", Proved, "a NAT rule of this host gives the tunnel's packets another outer source, which the far end does not know",
			"sudo tcpdump -ni any ip proto 47; sudo nft list ruleset (postrouting)"},
		anyway: true,
		when:   func(ev Evidence) bool { return ev.rewritten() != nil },
		tell: func(ev Evidence) said {
			p := ev.rewritten()
			s := said{summary: fmt.Sprintf("this host's NAT sends the tunnel's packets from %s instead of %s", p.From, ev.Under.From), evidence: words.PacketText(*p) + " left this host",
				advice: "put a rule that accepts IP protocol 47 before the masquerade or snat rule in the postrouting hook", facts: Facts{"from": p.From.String(), "local": ev.Under.From.String()}}
			for _, r := range ev.Rules.Rewrites {
				if r.Out && r.Hook == "" { // rules that nmgre cannot read
					return s.perhapsBy([]keep.Ruling{r.Ruling})
				}
				if r.Out {
					return s.ruledBy(&r.Ruling)
				}
			}
			return s
		},
	},
	rpFilter, perhapsRPFilter,
	{
		Cause: Cause{"own-firewall-in", Proved, "packets of the far end reach this host, and its own firewall drops them before the tunnel",
			"sudo tcpdump -ni any ip proto 47; sudo nft list ruleset (prerouting, input)"},
		when: func(ev Evidence) bool { return ev.blocked() || ev.obstacle(false) != nil && !ev.lets() },
		tell: func(ev Evidence) said {
			s := said{summary: "this host's own firewall drops the far end's packets", advice: fmt.Sprintf("let IP protocol 47 in from %s", ev.Tunnel.Remote),
				facts: Facts{"from": ev.Tunnel.Remote.String(), "arrived": len(ev.came(ev.between))}}
			if ev.blocked() {
				s.evidence = words.PacketText(ev.came(ev.between)[0]) + " arrived, and none came through the firewall"
			}
			if ev.obstacle(false) == nil { // no rule that nmgre can read
				for _, r := range ev.perhapsObstacles(false) {
					if r.Zone != "" {
						return s.ruledBy(&r)
					}
				}
				s.advice += fmt.Sprintf(": look at `sudo nft list ruleset`, `tc filter show dev %s ingress` and `sudo ip xfrm policy`", fault.ShellWord(ev.Under.Hop.Dev))
				return s.perhapsBy(ev.perhapsObstacles(false))
			}
			return s.ruledBy(ev.obstacle(false))
		},
	},
}

// wayless tells of packets that the kernel cannot send. or names a further reason.
func (ev Evidence) wayless(or string) said {
	return said{summary: "packets do not leave this host: there is no route to the far end, or the local outer address is not on this host" + or,
		evidence: fmt.Sprintf("the kernel counted %d carrier errors", ev.Grew.TxCarrierErrors), advice: "see the check underlay",
		facts: Facts{"tx_carrier_errors": ev.Grew.TxCarrierErrors}}
}

// leaving are the facts about packets on their way out.
func (ev Evidence) leaving() Facts {
	return Facts{"tx_dropped": ev.Grew.TxDropped, "tx_packets": ev.Grew.TxPackets, "seen_leaving": len(ev.Heard.Sent)}
}

// obstacle returns the first rule of this host that surely drops all of the tunnel's outer packets
// on their way out, or in. It returns nil if none is known.
func (ev Evidence) obstacle(out bool) *keep.Ruling {
	for _, o := range ev.Rules.Obstacles {
		if o.Out == out && !o.OnlyNew && !o.Perhaps {
			return &o.Ruling
		}
	}
	return nil
}

// perhapsObstacles returns the rules that may drop the packets on their way out, or in. Rules that
// nmgre cannot read, such as those of iptables-legacy, have no hook.
func (ev Evidence) perhapsObstacles(out bool) (list []keep.Ruling) {
	for _, o := range ev.Rules.Obstacles {
		if o.Perhaps && (o.Out == out || o.Hook == "") {
			list = append(list, o.Ruling)
		}
	}
	return list
}

// perhapsBy adds the rules that may drop the packets, with the commands that show or mend them.
func (s said) perhapsBy(list []keep.Ruling) said {
	var commands []string
	for _, r := range list {
		s.evidence = fault.Joined(s.evidence, r.What)
		if r.Hint != "" {
			commands = append(commands, "`"+r.Hint+"`")
		}
	}
	if len(commands) > 0 {
		s.advice = fault.Joined(s.advice, "what may be in the way: "+strings.Join(commands, ", "))
	}
	return s
}

// ruledBy adds the rule that does it, and the command that mends it. The rule may be nil.
func (s said) ruledBy(r *keep.Ruling) said {
	if r == nil {
		return s
	}
	s.evidence = fault.Joined(s.evidence, r.What)
	s.facts = s.facts.With(Facts{"program": r.Program, "table": r.Table, "chain": r.Chain, "rule_handle": r.Handle, "zone": r.Zone})
	if r.Hint != "" {
		s.advice, s.here = "", r.Hint
	}
	return s
}

// failsByRule reports whether a rule drops the packets, and the kernel counts them as nothing but
// errors. It does so over IPv6 (ip6tunnel_xmit).
func (ev Evidence) failsByRule() bool {
	return ev.Grew.TxErrors > 0 && ev.Grew.TxPackets == 0 && ev.obstacle(true) != nil
}

// vanishes reports whether the tunnel sends packets that do not leave this host.
func (ev Evidence) vanishes() bool {
	return ev.hears(kernel.HearsSent) && ev.Probe.Sent > 0 && ev.Grew.TxPackets > 0 && ev.none(ev.Heard.Sent, ev.sentOurs) && !ev.seals()
}

// dropsOut reports whether this host has dropped the probe on its way out: the kernel counts drops,
// and none of the probe's packets was seen leaving. Otherwise a full queue may have dropped others.
// Where nobody can hear packets leave, the kernel must have sent none at all.
func (ev Evidence) dropsOut() bool {
	if ev.Grew.TxDropped == 0 || !ev.hears(kernel.HearsSent) {
		return ev.Grew.TxDropped > 0 && ev.Grew.TxPackets == 0
	}
	return !slices.ContainsFunc(ev.Heard.Sent, ev.sentProbe)
}

// sentProbe reports whether the packet is one of the probe's, on its way to the far end.
func (ev Evidence) sentProbe(p kernel.Packet) bool {
	own, _ := ev.Tunnel.AddressTowardsPeer()
	return ev.sentOurs(p) && p.InnerFrom == own.Addr() && p.InnerTo == ev.Tunnel.PeerAddress
}

// sentOurs reports whether the packet is one of the tunnel's own, on its way to the far end.
func (ev Evidence) sentOurs(p kernel.Packet) bool {
	_, out := ev.Keys()
	return ev.isFar(p.To) && ev.sameKind(p) && gre.SameKey(p.Key, out)
}

// blocked reports whether packets from the far end arrive, and none gets past this host's firewall.
func (ev Evidence) blocked() bool {
	return ev.hears(kernel.HearsArrived, kernel.HearsAccepted) && len(ev.came(ev.between)) > 0 && ev.none(ev.Heard.Accepted, ev.fromFar)
}

// lets reports whether a packet from the far end was heard behind this host's firewall.
func (ev Evidence) lets() bool { return slices.ContainsFunc(ev.Heard.Accepted, ev.fromFar) }

func (ev Evidence) fromFar(p kernel.Packet) bool { return ev.isFar(p.From) }

// rewritten returns a packet of the probe that left this host with another source address than the
// tunnel's. It returns nil if there is none.
func (ev Evidence) rewritten() *kernel.Packet {
	own, _ := ev.Tunnel.AddressTowardsPeer()
	for _, p := range ev.Heard.Sent {
		probe := ev.Tunnel.Mode.Ethernet() || p.InnerFrom == own.Addr() && p.InnerTo == ev.Tunnel.PeerAddress
		other := p.From != ev.Under.From.WithZone("") && (!ev.isLocal(p.From) || ev.rewritesTo(p.From))
		if probe && ev.sentOurs(p) && ev.Under.From.IsValid() && other && !ev.sentByOther(p) {
			return &p
		}
	}
	return nil
}

// rewritesTo reports whether a rule of this host gives packets that source.
func (ev Evidence) rewritesTo(a netip.Addr) bool {
	return slices.ContainsFunc(ev.Rules.Rewrites, func(r keep.OuterRewrite) bool {
		return r.Out && r.Hook != "" && (r.To == a || !r.To.IsValid())
	})
}

// sentByOther reports whether another tunnel of this host may have sent the packet.
func (ev Evidence) sentByOther(p kernel.Packet) bool { return ev.otherFrom(p.From, p.To, p.Key) != "" }

// otherFrom is another tunnel of this host with these ends and that key; empty if there is none.
func (ev Evidence) otherFrom(from, to netip.Addr, key *gre.Key) string {
	for _, l := range ev.Links {
		if from.IsValid() && l.GRE != nil && (ev.Link == nil || l.Index != ev.Link.Index) && l.GRE.Local == from && l.GRE.Remote == to && gre.SameKey(l.GRE.OutputKey, key) {
			return l.Name
		}
	}
	return ""
}
