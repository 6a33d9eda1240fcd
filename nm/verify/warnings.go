package verify

import (
	"fmt"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// warnings are the faults of a tunnel that works.
var warnings = []row{
	{
		Cause: Cause{"ttl-inherit", Proved, "the tunnel's packets inherit the TTL of what they carry: routing protocols and traceroute do not get through, since they send a TTL of 1",
			"ip -d link show dev NAME (ttl inherit)"},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.hasGRE() && f.link.GRE.TTL == 0 },
		tell: func(f facts) said {
			flags := "--ttl 64"
			if f.tunnel.NoPMTUD { // NetworkManager allows that with an inherited TTL only
				flags = "--no-pmtud=false " + flags
			}
			return said{summary: "the tunnel inherits the TTL: routing protocols, multicast and traceroute die on the first hop", evidence: "ttl inherit",
				here: f.edit(flags), facts: Facts{"ttl": "inherit"}}
		},
	},
	{
		Cause: Cause{"answers-only", Proved, "this host's firewall lets the far end's packets in as answers only: after some minutes of silence the far end cannot begin",
			"nft list ruleset (ct state established in the hook input); conntrack -L -p gre"},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.answersOnly() != nil },
		tell: func(f facts) said {
			return said{summary: "this host's firewall lets the far end's packets in as answers only: what the far end begins is dropped after some minutes of silence"}.ruledBy(f.answersOnly())
		},
	},
	{
		Cause: Cause{"keepalive-unanswered", Proved, "the far end, a router, sends keepalives that this host does not send back: the router takes the tunnel for broken. Linux sends them back only with ip_forward, accept_local and no rp_filter",
			"sudo tcpdump -ni any -v ip proto 47 and src REMOTE (packets that carry LOCAL to REMOTE); sysctl -ar accept_local"},
		status: Warn, anyway: true,
		when: func(f facts) bool {
			answered := func(p kernel.Packet) bool { return f.isFar(p.To) && p.Protocol == 0 }
			return f.hears(kernel.HearsSent) && len(f.came(f.keepalive)) > 0 && f.none(f.heard.Sent, answered)
		},
		tell: func(f facts) said {
			dev := confOf(f.tunnel.Name)
			return said{summary: "the far end sends keepalives, which nobody here sends back: it takes the tunnel for broken", evidence: packetText(f.came(f.keepalive)[0]),
				advice: "switch the keepalives off at the far end", here: fmt.Sprintf("sudo sysctl net.ipv4.ip_forward=1 %s.accept_local=1 %s.rp_filter=0", dev, dev)}
		},
	},
	{
		Cause: Cause{"fallback-up", Proved, "the kernel's fallback tunnel, such as gre0, is up: it takes every GRE packet that no tunnel expects, and hides faults of keys and addresses",
			"ip -d link show dev gre0"},
		status: Warn, anyway: true,
		when: func(f facts) bool { return f.fallback() != nil },
		tell: func(f facts) said {
			name := f.fallback().Name
			return said{summary: fmt.Sprintf("%s is up: it takes every GRE packet that no tunnel expects, and hides faults", fault.Printable(name)), evidence: DescribeLink(*f.fallback()),
				here: "sudo ip link set dev " + fault.ShellWord(name) + " down", facts: Facts{"device": fault.Printable(name)}}
		},
	},
}

// keepalive reports whether a packet of the far end is a router's keepalive: it carries a packet
// that this end is to send back to the far end.
func (f facts) keepalive(p kernel.Packet) bool {
	return f.ours(p) && f.isFar(p.InnerTo) && f.under.from.IsValid() && p.InnerFrom == f.under.from
}

// answersOnly returns the rule of this host that drops packets of the far end which are no answers,
// or nil.
func (f facts) answersOnly() *keep.Ruling {
	for _, o := range f.rules.Obstacles {
		if !o.Out && o.OnlyNew && !o.Perhaps {
			return &o.Ruling
		}
	}
	return nil
}

// fallback returns the kernel's fallback tunnel of this tunnel's mode if it is up, or nil.
func (f facts) fallback() *kernel.Link {
	for i, l := range f.links {
		if l.Up && isFallback(l) && l.GRE.Mode == f.tunnel.Mode && (f.link == nil || l.Index != f.link.Index) {
			return &f.links[i]
		}
	}
	return nil
}
