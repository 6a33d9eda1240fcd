package router

import (
	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// CiscoIOS is the configuration of Cisco IOS and IOS XE: "Cisco IOS Interface and Hardware
// Component Command Reference", release 12.2T (tunnel source, destination, mode, key,
// path-mtu-discovery), "Tunnel ToS", release 12.2(8)T (tunnel tos and ttl), and "Implementing
// Tunnels" in the configuration guides of 15S and XE 3S (ip mtu, ip tcp adjust-mss, keepalive).
var CiscoIOS = notation.Kind{
	Name: "cisco-ios", Title: "Cisco IOS",
	Words: func() map[string]string { return map[string]string{"--address": "ip address"} },
	Holds: notation.Holds{Modes: ipModes, Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanNoPMTUD | notation.CanTOS | notation.CanHexTOS | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its tunnels carry no Ethernet frames by gre", "key": whyTwo, "local": "a tunnel source is an address or an interface", "tos": "tunnel tos is for IPv4 there"})
		}},
	Write: writeCiscoIOS,
	Read:  readCiscoIOS,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "interface Tunnel", "tunnel destination ", "tunnel source ")
	},
}

func writeCiscoIOS(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("!", "Cisco IOS", l.Near)
	n := notation.Number(t.Name)
	p.Comment("the MTU without ip mtu is 1476, whatever the key")
	p.Line("interface Tunnel%d", n)
	for i, a := range notation.Inner4(t) {
		second := ""
		if i > 0 {
			second = " secondary"
		}
		p.Line(" ip address %s %s%s", a.Addr(), notation.Mask(a), second)
	}
	for _, a := range notation.Inner6(t) {
		p.Line(" ipv6 address %s", a)
	}
	if len(notation.Inner4(t)) > 0 {
		p.Line(" ip mtu %d", t.MTU)
		p.Line(" ip tcp adjust-mss %d", notation.MSS(t))
	}
	if len(notation.Inner6(t)) > 0 {
		p.Line(" ipv6 mtu %d", t.MTU)
		p.Line(" ipv6 tcp adjust-mss %d", notation.MSS6(t))
	}
	p.Line(" no keepalive")
	p.Line(" tunnel source %s", t.Local)
	p.Line(" tunnel destination %s", t.Remote)
	if t.Mode == gre.ModeIP6GRE {
		p.Line(" tunnel mode gre ipv6")
	} else {
		p.Line(" tunnel mode gre ip")
	}
	if t.InputKey != nil {
		p.Line(" tunnel key %s", t.InputKey)
	}
	p.When(t.TTL != 0, " tunnel ttl %d", t.TTL)
	p.When(t.TOS > 1, " tunnel tos %d", t.TOS) // it copies the inner one without
	p.When(!t.NoPMTUD && t.Mode == gre.ModeGRE, " tunnel path-mtu-discovery")
	p.When(!t.Autoconnect, " shutdown")
	p.When(t.Autoconnect, " no shutdown")
	p.Line("!")
	for _, r := range targets(t) {
		iosRoute(p, t, r, n)
	}
	return p.String()
}

func iosRoute(p *notation.Page, t nm.Tunnel, r routes.Route, n int) {
	gateway := ""
	if a := gatewayOf(t, r); a.IsValid() {
		gateway = " " + a.String()
	}
	if r.Dst.Addr().Is4() {
		p.Line("ip route %s %s Tunnel%d%s", r.Dst.Addr(), notation.Mask(r.Dst), n, gateway)
		return
	}
	p.Line("ipv6 route %s Tunnel%d%s", r.Dst, n, gateway)
}
