package linux

import (
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
)

// IP is a shell script with the commands of iproute2: ip-link(8), ip-address(8), ip-route(8) and
// ip-tunnel(8) of iproute2 6.1; the rules are those of iptables(8) and iptables-extensions(8) 1.8.
var IP = notation.Kind{
	Name: "ip", Title: "a script of ip commands",
	Words: func() map[string]string {
		return map[string]string{"--controller": "master", "--parent": "dev", "--peer-address": "peer", "--address": "ip address add"}
	},
	Holds: notation.Holds{Modes: allModes, Keys: notation.TwoKeys, Can: everything | ipOptions | notation.CanRule | notation.CanRootRule | notation.CanAnyRule | notation.CanSNAT | notation.CanForward | notation.CanClamp,
		Why: func() map[string]string {
			return map[string]string{"autoconnect": "the commands take effect when they are run, and last until the next boot", "flags": "ip link has other words for some of them", "controller": whyInterface}
		}},
	Write: writeIP,
	Read:  func(r *notation.Reading) { iproute.New(r).Read() },
	Looks: func(text string) int {
		return notation.CountLines(text, "ip ", "/sbin/ip ", "/usr/sbin/ip ", "/bin/ip ", "sudo ip ", "iptunnel ", "iptables ", "*nat", "nft ")
	},
}

func writeIP(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "ip commands", l.Near)
	p.Comment("they last until the next boot")
	for _, command := range t.IPCommands() {
		p.Line("%s", command)
	}
	p.When(t.Forward, "sysctl -w net.ipv4.ip_forward=1")
	for _, rule := range ipSNAT(t) {
		p.Line("%s", rule)
	}
	p.When(t.ClampMSS, "iptables -t mangle -A FORWARD -o %s -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", t.Name)
	p.MSS(t)
	return p.String()
}

// ipSNAT are the rules that give packets from the inner networks another source.
func ipSNAT(t nm.Tunnel) []string {
	var rules []string
	for _, s := range t.SNAT {
		program := "iptables"
		if s.Dst.Addr().Is6() {
			program = "ip6tables"
		}
		target := "MASQUERADE"
		if s.Source.IsValid() {
			target = "SNAT --to-source " + s.Source.String()
		}
		for _, inner := range t.InnerNetworks() {
			if sameFamily(inner.Addr(), s.Dst.Addr()) {
				rules = append(rules, program+" -t nat -A POSTROUTING -s "+inner.String()+" -d "+s.Dst.String()+" -j "+target)
			}
		}
	}
	return rules
}

func sameFamily(a, b netip.Addr) bool { return a.Is4() == b.Is4() }
