package linux

import (
	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// Networkd is a pair of files of systemd-networkd: systemd.netdev(5) and systemd.network(5) of
// systemd 252. They do not say, but its tunnel.c does, that the kernel is told no key for 0, and
// for ip6gre and ip6gretap neither a TOS nor an encapsulation limit.
var Networkd = notation.Kind{
	Name: "networkd", Title: "systemd-networkd",
	Words: func() map[string]string {
		return map[string]string{"--controller": "Bridge=", "--parent": "Tunnel= in the .network file of the device below", "--peer-address": "Peer=", "--address": "Address="}
	},
	Holds: notation.Holds{Modes: allModes, Keys: notation.TwoKeys, NoZero: true,
		Can: notation.CanAnyLocal | notation.CanInheritTTL | notation.CanTOS | notation.CanHexTOS | notation.CanNoPMTUD | notation.CanFlowLabel | notation.CanMany | notation.CanInner6 |
			notation.CanNoInner | notation.CanPeer | notation.CanManual | profileRoutes |
			notation.CanMulticast | port,
		Why: func() map[string]string {
			return map[string]string{"parent": "the .network file of the parent names the tunnel there (Tunnel=)", "forward": "IPForward= changed its meaning in version 256", "controller": whyInterface, "key": "it takes 0 for no key", "tos": "it has no effect on ip6gre and ip6gretap",
				"encap-limit": "EncapsulationLimit= has no effect on ip6gre and ip6gretap",
				"ignore-df":   "version 252 has no such setting", "sequence": "SerializeTunneledPackets= has no effect on ip6gre and ip6gretap"}
		}},
	Write: writeNetworkd,
	Read:  readNetworkd,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "[NetDev]", "[Match]", "[Network]", "[Tunnel]", "[Route]")
	},
}

func writeNetworkd(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "systemd-networkd", l.Near)
	p.Comment("then: networkctl reload")
	p.MSS(t)
	if t.Mode.IPv6Outer() {
		p.Comment("its packets have an encapsulation limit of 0: they can enter no further tunnel of IPv6 on their way")
	}
	p.File("/etc/systemd/network/50-" + t.Name + ".netdev")
	p.Line("[NetDev]")
	p.Line("Name=%s", t.Name)
	p.Line("Kind=%s", t.Mode)
	p.Line("MTUBytes=%d", t.MTU)
	p.When(t.MAC != "", "MACAddress=%s", t.MAC)
	p.Line("")
	p.Line("[Tunnel]")
	p.Line("Independent=yes")
	p.Line("Local=%s", notation.OuterText(t))
	p.Line("Remote=%s", t.Remote)
	networkdKeys(p, t)
	p.Line("TTL=%d", t.TTL)
	p.When(t.TOS != 0, "TOS=%d", t.TOS)
	p.When(t.NoPMTUD, "DiscoverPathMTU=no")
	if t.Mode.IPv6Outer() {
		p.When(t.FlowLabel != 0, "IPv6FlowLabel=%d", t.FlowLabel)
	}
	p.File("/etc/systemd/network/50-" + t.Name + ".network")
	p.Line("[Match]")
	p.Line("Name=%s", t.Name)
	if !t.Autoconnect || t.Link.Multicast {
		p.Line("")
		p.Line("[Link]")
	}
	p.When(!t.Autoconnect, "ActivationPolicy=manual")
	p.When(t.Link.Multicast, "Multicast=yes")
	p.Line("")
	p.Line("[Network]")
	p.When(t.Controller != "", "Bridge=%s", t.Controller)
	p.Line("LinkLocalAddressing=no")
	p.Line("IPv6AcceptRA=no")
	for _, a := range t.Addresses {
		p.Line("Address=%s", a)
	}
	for _, r := range t.Routes {
		networkdRoute(p, r)
	}
	return p.String()
}

func networkdKeys(p *notation.Page, t nm.Tunnel) {
	switch {
	case t.InputKey != nil && gre.SameKey(t.InputKey, t.OutputKey):
		p.Line("Key=%s", t.InputKey)
	default:
		if t.InputKey != nil {
			p.Line("InputKey=%s", t.InputKey)
		}
		if t.OutputKey != nil {
			p.Line("OutputKey=%s", t.OutputKey)
		}
	}
}

func networkdRoute(p *notation.Page, r routes.Route) {
	p.Line("")
	p.Line("[Route]")
	p.Line("Destination=%s", r.Dst)
	p.When(r.Via.IsValid(), "Gateway=%s", r.Via)
	if r.Metric != nil {
		p.Line("Metric=%d", *r.Metric)
	}
	p.When(r.Table != 0, "Table=%d", r.Table)
	p.When(r.Src.IsValid(), "PreferredSource=%s", r.Src)
	p.When(r.OnLink, "GatewayOnLink=yes")
	p.When(r.MTU != 0, "MTUBytes=%d", r.MTU)
}
