package cause

import (
	"fmt"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// answersDropped is told of a far end that answers, where nobody on this host gets the answers.
var answersDropped = row{
	Cause: Cause{"answers-dropped", Likely, "the far end answers through the tunnel, and this host drops the answers as they come out of it: a rule of its firewall about the tunnel's device",
		"sudo tcpdump -ni NAME icmp or icmp6 (the answers come); nft list ruleset (hooks prerouting and input)"},
	when: func(ev Evidence) bool { return ev.answer() != nil && ev.Grew.RxPackets > 0 },
	tell: func(ev Evidence) said {
		return said{summary: "the far end answers, and this host drops the answers as they come out of the tunnel", evidence: packetText(*ev.answer()) + ", an echo reply, came to the tunnel",
			advice: fmt.Sprintf("let what comes in by %s through: look for drops in the hooks prerouting and input of `sudo nft list ruleset`", fault.Printable(ev.Tunnel.Name)),
			facts:  Facts{"device": fault.Printable(ev.Tunnel.Name), "rx_packets": ev.Grew.RxPackets}}
	},
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
