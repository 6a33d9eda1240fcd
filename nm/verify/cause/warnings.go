package cause

import (
	"fmt"

	"nmgre/nm"
	"nmgre/nm/verify/words"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// warnings are the faults of a tunnel that works.
var warnings = []row{
	{
		Cause: Cause{"ttl-inherit", Proved, "the tunnel's packets inherit the TTL of what they carry: routing protocols and traceroute do not get through, since they send a TTL of 1",
			"ip -d link show dev NAME (ttl inherit)"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.hasGRE() && ev.Link.GRE.TTL == 0 && !ev.Tunnel.Link.IgnoreDF }, // which needs it
		tell: func(ev Evidence) said {
			return said{summary: "the tunnel inherits the TTL: routing protocols, multicast and traceroute die on the first hop", evidence: "ttl inherit",
				here: ev.edit(ev.ttlFlags()), facts: Facts{"ttl": "inherit"}}
		},
	},
	{
		Cause: Cause{"answers-only", Proved, "this host's firewall lets the far end's packets in as answers only: after minutes of silence it cannot begin",
			"sudo nft list ruleset (ct state, input); sudo conntrack -L -p gre"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.answersOnly() != nil },
		tell: func(ev Evidence) said {
			return said{summary: "this host's firewall lets the far end's packets in as answers only: what the far end begins is dropped after some minutes of silence"}.ruledBy(ev.answersOnly())
		},
	},
	{
		Cause: Cause{"keepalive-unanswered", Proved, "the far end's keepalives do not come back: it takes the tunnel for broken. They need ip_forward, accept_local, no rp_filter",
			"sudo tcpdump -ni any ip proto 47 and src REMOTE"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool {
			answered := func(p kernel.Packet) bool { return ev.isFar(p.To) && p.Protocol == 0 }
			return ev.hears(kernel.HearsSent) && ev.HearsKeepalive() && ev.none(ev.Heard.Sent, answered)
		},
		tell: func(ev Evidence) said {
			dev := confOf(ev.Tunnel.Name)
			s := said{summary: "the far end sends keepalives, which nobody here sends back: it takes the tunnel for broken", evidence: words.PacketText(ev.came(ev.keepalive)[0]),
				advice: "switch the keepalives off at the far end", here: fmt.Sprintf("sudo sysctl net.ipv4.ip_forward=1 %s.accept_local=1 %s.rp_filter=0", dev, dev)}
			if f := ev.Filter; f != nil && f.All > 0 && ev.FilterDevice() == ev.Tunnel.Name {
				s.evidence += fmt.Sprintf("; net.ipv4.conf.all.rp_filter = %d, and the greater one of it and the device's counts", f.All)
				s.here, s.facts = s.here+" net.ipv4.conf.all.rp_filter=0", Facts{"rp_filter_all": f.All}
			}
			return s
		},
	},
	{
		Cause: Cause{"fallback-up", Proved, "the kernel's fallback tunnel, such as gre0, is up: it takes every GRE packet that no tunnel expects, and hides faults of keys and addresses",
			"ip -d link show dev gre0"},
		warns: true, anyway: true,
		when: func(ev Evidence) bool { return ev.fallback() != nil },
		tell: func(ev Evidence) said {
			name := ev.fallback().Name
			return said{summary: fmt.Sprintf("%s is up: it takes every GRE packet that no tunnel expects, and hides faults", fault.Printable(name)), evidence: nm.DescribeLink(*ev.fallback()),
				here: "sudo ip link set dev " + fault.ShellWord(name) + " down", facts: Facts{"device": fault.Printable(name)}}
		},
	},
}

// ttlFlags are the flags of edit that give the tunnel a TTL of its own. NetworkManager allows no
// path MTU discovery with an inherited TTL only.
func (ev Evidence) ttlFlags() string {
	if ev.Tunnel.NoPMTUD {
		return "--no-pmtud=false --ttl 64"
	}
	return "--ttl 64"
}

// HearsKeepalive reports whether the far end has sent a keepalive.
func (ev Evidence) HearsKeepalive() bool { return len(ev.came(ev.keepalive)) > 0 }

// keepalive reports whether a packet of the far end is a router's keepalive: it carries a packet
// that this end is to send back to the far end.
func (ev Evidence) keepalive(p kernel.Packet) bool {
	return ev.ours(p) && ev.isFar(p.InnerTo) && ev.Under.From.IsValid() && p.InnerFrom == ev.Under.From
}

// answersOnly returns the rule of this host that drops packets of the far end which are no answers,
// or nil.
func (ev Evidence) answersOnly() *keep.Ruling {
	for _, o := range ev.Rules.Obstacles {
		if !o.Out && o.OnlyNew && !o.Perhaps {
			return &o.Ruling
		}
	}
	return nil
}

// fallback returns the kernel's fallback tunnel of this tunnel's mode if it is up, or nil.
func (ev Evidence) fallback() *kernel.Link {
	for i, l := range ev.Links {
		if l.Up && l.IsFallback() && l.GRE.Mode == ev.Tunnel.Mode && (ev.Link == nil || l.Index != ev.Link.Index) {
			return &ev.Links[i]
		}
	}
	return nil
}
