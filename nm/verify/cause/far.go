package cause

import (
	"fmt"
	"net/netip"

	"nmgre/nm/verify/words"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// farCauses are the faults that packets from the far end show.
var farCauses = []row{
	{
		Cause: Cause{"gre-version", Proved, "the far end sends GRE of version 1, which EoIP and PPTP use; the kernel's tunnels are of version 0",
			"sudo tcpdump -ni any -v ip proto 47 and src REMOTE"},
		when: func(ev Evidence) bool { return len(ev.came(ev.otherVersion)) > 0 },
		tell: func(ev Evidence) said {
			p := ev.came(ev.otherVersion)[0]
			return said{summary: fmt.Sprintf("the far end sends GRE version %d, as EoIP and PPTP do, and this tunnel is GRE version 0", p.Version), evidence: words.PacketText(p),
				advice: "make a GRE or GRETAP tunnel at the far end, not EoIP or PPTP", facts: Facts{"version": int(p.Version)}}
		},
	},
	{
		Cause: Cause{"key-mismatch", Proved, "packets come from the far end with another key than this tunnel expects",
			"sudo tcpdump -ni any -v ip proto 47 and src REMOTE; ip -d link show dev NAME (ikey)"},
		when: func(ev Evidence) bool { return len(ev.strange()) > 0 },
		tell: func(ev Evidence) said {
			p := ev.strange()[0]
			in, out := ev.Keys()
			here, there := "--input-key ", "--output-key "
			// a far end that refuses this end's packets has the other key in both directions
			if gre.SameKey(in, out) && ev.refusedByFar(kernel.NoPort) != nil {
				here, there = "--key ", "--key "
			}
			return said{summary: fmt.Sprintf("the far end sends %s, this tunnel expects %s", words.KeyText(p.Key), words.KeyText(in)), evidence: words.PacketText(p),
				here: ev.edit(here + words.KeyWord(p.Key)), there: farEdit(there + words.KeyWord(in)),
				facts: Facts{"key_seen": words.KeyFact(p.Key), "key_expected": words.KeyFact(in), "from": p.From.String()}}
		},
	},
	{
		Cause: Cause{"other-source", Proved, "packets for this tunnel come from another outer address than the far end's, as from a host with several addresses, or behind NAT",
			"sudo tcpdump -ni any ip proto 47"},
		when: func(ev Evidence) bool { return len(ev.came(ev.elsewhere)) > 0 },
		tell: func(ev Evidence) said {
			p := ev.came(ev.elsewhere)[0]
			return said{summary: fmt.Sprintf("the tunnel's packets come from %s, not from the far end %s", p.From, ev.Tunnel.Remote), evidence: words.PacketText(p),
				advice: fmt.Sprintf("if you know %s as your far end's address, point this tunnel there: %s", p.From, ev.edit("--peer "+p.From.String())),
				there:  farEdit("--local " + ev.Tunnel.Remote.String()),
				facts:  Facts{"from": p.From.String(), "remote": ev.Tunnel.Remote.String()}}
		},
	},
	{
		Cause: Cause{"other-destination", Proved, "the far end sends its packets to another outer address of this host than the tunnel's",
			"sudo tcpdump -ni any ip proto 47 and src REMOTE"},
		when: func(ev Evidence) bool { return len(ev.came(ev.astray)) > 0 },
		tell: func(ev Evidence) said {
			p := ev.came(ev.astray)[0]
			return said{summary: fmt.Sprintf("the far end sends the tunnel's packets to %s, not to %s", p.To, ev.Under.From), evidence: words.PacketText(p),
				here: ev.edit("--local " + p.To.String()), there: farEdit("--peer " + ev.Under.From.String()),
				facts: Facts{"to": p.To.String(), "local": ev.Under.From.String()}}
		},
	},
	{
		Cause: Cause{"checksum-differs", Proved, "one end's GRE packets have checksums, the other end's have none: Linux drops them",
			"sudo tcpdump -ni any -v ip proto 47 (flag C); ip -s -s link show dev NAME (RX crc)"},
		when:    func(ev Evidence) bool { return ev.Grew.RxCRCErrors > 0 || len(ev.came(ev.otherChecksum)) > 0 },
		counter: func(d kernel.Counters) uint64 { return d.RxCRCErrors },
		tell: func(ev Evidence) said {
			return ev.optionSaid("checksum", "the far end's checksum option differs from this end's",
				"switch checksums off at the far end: NetworkManager's tunnels have none. The command lasts until its tunnel comes up again: what makes it has to leave them out", "csum", ev.otherChecksum, ev.Grew.RxCRCErrors, "rx_crc_errors")
		},
	},
	{
		Cause: Cause{"sequence-differs", Proved, "one end's GRE packets have sequence numbers, the other end's none, or their order is wrong",
			"sudo tcpdump -ni any -v ip proto 47 (flag S); ip -s -s link show dev NAME (RX fifo)"},
		when:    func(ev Evidence) bool { return ev.Grew.RxFIFOErrors > 0 || len(ev.came(ev.otherSequence)) > 0 },
		counter: func(d kernel.Counters) uint64 { return d.RxFIFOErrors },
		tell: func(ev Evidence) said {
			return ev.optionSaid("sequence", "the far end's sequence number option differs from this end's, or packets come out of sequence",
				"switch sequence numbers off at the far end: NetworkManager's tunnels have none. The command lasts until its tunnel comes up again: what makes it has to leave them out", "seq", ev.otherSequence, ev.Grew.RxFIFOErrors, "rx_fifo_errors")
		},
	},
}

// innerCauses are the faults of the addresses inside the tunnel.
var innerCauses = []row{
	{
		Cause: Cause{"same-inner-address", Proved, "both ends have one inner address: one of them was copied",
			"sudo tcpdump -ni any -v ip proto 47 and src REMOTE (the inner source); ip address show dev NAME"},
		when: func(ev Evidence) bool { return len(ev.came(ev.mirrored)) > 0 },
		tell: func(ev Evidence) said {
			p := ev.came(ev.mirrored)[0]
			return said{summary: fmt.Sprintf("both ends have the inner address %s", p.InnerFrom), evidence: words.PacketText(p),
				there: farEdit("--address " + ev.farAddress()), facts: Facts{"address": p.InnerFrom.String()}}
		},
	},
	{
		Cause: Cause{"inner-mismatch", Likely, "the ends' inner addresses do not fit: one end sends to an address that the other one does not have",
			"sudo tcpdump -ni any -v ip proto 47; ip address show dev NAME"},
		when: func(ev Evidence) bool {
			return len(ev.came(ev.misaddressed)) > 0 || ev.misaddressedUnheard() || ev.refusedInside() != ""
		},
		tell: func(ev Evidence) said { return ev.innerSaid() },
	},
}

// aliveCauses are for a far end whose packets come in, with nothing wrong about them.
var aliveCauses = []row{
	{
		Cause: Cause{"sibling-takes", Likely, "another tunnel here takes the packets: it has the same addresses and key, and is bound to the device they come in by",
			"ip -d tunnel show; ip -s link show (whose RX packets grow)"},
		when: func(ev Evidence) bool { return ev.thief() != nil },
		tell: func(ev Evidence) said {
			name := fault.Printable(ev.thief().Name)
			return said{summary: fmt.Sprintf("the tunnel %s takes this tunnel's packets: it has the same addresses and key", name),
				evidence: words.PacketText(ev.came(ev.ours)[0]) + " came through the firewall, and this tunnel has got nothing", advice: "delete one of them, or give them different keys at both ends",
				here: "sudo ip link set dev " + fault.ShellWord(ev.thief().Name) + " down", facts: Facts{"tunnel": name}}
		},
	},
	{
		Cause: Cause{"far-no-echo", Likely, "the far end sends packets through the tunnel, and answers no echo: it filters them, or drops those of this end",
			"ping -I NAME PEER; sudo tcpdump -ni NAME"},
		warns: true,
		when:  func(ev Evidence) bool { return ev.alive() != "" },
		tell: func(ev Evidence) said {
			return said{summary: fmt.Sprintf("the far end sends packets through the tunnel, but does not answer the probes to %s", ev.Tunnel.PeerAddress), evidence: ev.alive(),
				advice: "let the far end answer echo requests from the tunnel, or try what you need the tunnel for", facts: Facts{"rx_packets": ev.Grew.RxPackets}}
		},
	},
}

// otherVersion, elsewhere and so on report whether a packet that came in has that fault.

func (ev Evidence) otherVersion(p kernel.Packet) bool { return ev.between(p) && p.Version != 0 }

func (ev Evidence) elsewhere(p kernel.Packet) bool {
	return !ev.isFar(p.From) && ev.isLocal(p.To) && ev.likeOurs(p)
}

func (ev Evidence) astray(p kernel.Packet) bool {
	return ev.isFar(p.From) && !ev.isLocal(p.To) && ev.likeOurs(p)
}

// likeOurs reports whether a packet is this tunnel's but for its outer addresses. Anybody may send
// one with this end's inner address; it has to have the key, too.
func (ev Evidence) likeOurs(p kernel.Packet) bool {
	in, _ := ev.Keys()
	return ev.sameKind(p) && gre.SameKey(p.Key, in) && ev.carriesOurs(p) && !ev.sibling(p)
}

func (ev Evidence) otherChecksum(p kernel.Packet) bool {
	return ev.ours(p) && ev.hasGRE() && p.Checksum != ev.Link.GRE.Checksum
}

func (ev Evidence) otherSequence(p kernel.Packet) bool {
	return ev.ours(p) && ev.hasGRE() && (p.Sequence != nil) != ev.Link.GRE.Sequence
}

func (ev Evidence) hasGRE() bool { return ev.Link != nil && ev.Link.GRE != nil }

func (ev Evidence) mirrored(p kernel.Packet) bool {
	return ev.ours(p) && p.InnerFrom.IsValid() && ev.hasInner(p.InnerFrom)
}

// misaddressed reports whether a packet is for an address in this end's inner network that this end
// does not have, or from an address that is neither the far end's nor behind it. Behind an Ethernet
// tunnel there may be other hosts.
func (ev Evidence) misaddressed(p kernel.Packet) bool {
	return ev.ours(p) && !ev.keepalive(p) && !ev.Tunnel.Mode.Ethernet() && (ev.nearInner(p.InnerTo) && p.InnerTo != ev.Tunnel.PeerAddress || ev.misplaced(p))
}

// misaddressedUnheard reports whether this host counted as many packets with a wrong address as
// came out of the tunnel. The counter is the whole host's, so packets tell more if they can be
// heard.
func (ev Evidence) misaddressedUnheard() bool {
	return !ev.hears(kernel.HearsAccepted) && ev.Grew.RxPackets > 0 && ev.Heard.Counters.InAddrErrors == ev.Grew.RxPackets
}

// misplaced reports whether a packet for this end's inner address comes from nowhere behind the
// tunnel. A far end may send its ICMP errors from an address of its own that nobody routes.
func (ev Evidence) misplaced(p kernel.Packet) bool {
	from := p.InnerFrom
	return from.IsGlobalUnicast() && from != ev.Tunnel.PeerAddress && !ev.hasInner(from) &&
		(ev.nearInner(from) || ev.hasInner(p.InnerTo) && !ev.isBehind(from, 0) && !p.ICMPError)
}

// optionSaid tells of an option of the GRE header that differs. A packet shows it, or a counter.
func (ev Evidence) optionSaid(option, summary, advice, word string, other func(kernel.Packet) bool, counted uint64, counter string) said {
	s := said{summary: summary, advice: advice, there: "sudo ip link set dev TUNNEL type " + ev.Tunnel.Mode.String() + " no" + word,
		facts: Facts{"option": option, counter: counted}}
	if ev.hasGRE() && (option == "checksum" && ev.Link.GRE.Checksum || option == "sequence" && ev.Link.GRE.Sequence) {
		s.advice, s.there = "this end's link has the option, which NetworkManager's tunnels have not: make a new link", ""
		name := fault.Operand(ev.Name)
		s.here = "nmgre down " + name + " && nmgre up " + name
	}
	s.evidence = fmt.Sprintf("the kernel counted %s of that kind (%s)", fault.Count(counted, "error"), counter)
	if packets := ev.came(other); len(packets) > 0 {
		s.evidence = words.PacketText(packets[0])
	}
	return s
}

// farAddress is the inner address that the far end has to have, with its length.
func (ev Evidence) farAddress() string {
	for _, p := range ev.Tunnel.FarEnd(nil).Addresses {
		return p.String()
	}
	return "ADDRESS"
}

// innerSaid tells which inner address does not fit.
func (ev Evidence) innerSaid() said {
	s := said{summary: "the inner addresses of the two ends do not fit", there: farEdit("--address " + ev.farAddress()), facts: Facts{"in_addr_errors": ev.Heard.Counters.InAddrErrors}}
	packets := ev.came(ev.misaddressed)
	switch {
	case len(packets) > 0 && ev.nearInner(packets[0].InnerTo):
		p := packets[0]
		s.summary = fmt.Sprintf("the far end sends to the inner address %s, which this end does not have", p.InnerTo)
		s.evidence, s.facts = words.PacketText(p), Facts{"to": p.InnerTo.String()}
	case len(packets) > 0 && ev.refusedInside() == "":
		p := packets[0]
		s.summary = fmt.Sprintf("the far end has the inner address %s, and this tunnel expects %s", p.InnerFrom, ev.Tunnel.PeerAddress)
		s.evidence, s.facts = words.PacketText(p), Facts{"from": p.InnerFrom.String(), "expected": ev.Tunnel.PeerAddress.String()}
		s.here = ev.edit("--peer-address " + p.InnerFrom.String())
	case ev.refusedInside() != "":
		s.summary = fmt.Sprintf("the far end does not have the inner address %s", ev.Tunnel.PeerAddress)
		s.evidence, s.facts = "an answer from inside the tunnel, from "+ev.refusedInside(), Facts{"by": ev.refusedInside()}
	default:
		s.evidence = fmt.Sprintf("packets came out of the tunnel, and this host counted %d with an address that it does not have (InAddrErrors)", ev.Heard.Counters.InAddrErrors)
	}
	return s
}

// thief returns the other tunnel that takes this one's packets, or nil if this tunnel has got some.
func (ev Evidence) thief() *kernel.Link {
	if ev.Grew.RxPackets > 0 {
		return nil
	}
	for _, p := range ev.Heard.Accepted {
		if ev.ours(p) {
			return ev.taker(p)
		}
	}
	return nil
}

// refusedInside returns the sender of a refusal that came through the tunnel from neither end's
// known address. It is empty if there is none.
func (ev Evidence) refusedInside() string {
	for _, by := range ev.Probe.Refusers() {
		if by != ev.Tunnel.PeerAddress && !ev.onHost(by) && !ev.isFar(by) {
			return by.String()
		}
	}
	return ""
}

// onHost reports whether this host has the address.
func (ev Evidence) onHost(a netip.Addr) bool {
	return ev.hasInner(a) || kernel.Holding(ev.Links, a) != nil
}
