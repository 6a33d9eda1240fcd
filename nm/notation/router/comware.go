package router

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// Comware is the configuration of HPE's and H3C's Comware 7: "HP MSR Router Series Layer 3 - IP
// Services Command Reference (V7)", R0106, tunneling commands and GRE commands.
var Comware = notation.Kind{
	Name: "comware", Title: "Comware",
	Holds: notation.Holds{Modes: ipModes, Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanTOS | notation.CanHexTOS | notation.CanTOS6 | notation.CanNoPMTUD | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its tunnels of mode gre carry IP packets", "key": whyTwo, "local": "a source is an address or an interface"})
		}},
	Write: writeComware,
}

func writeComware(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "Comware 7", l.Near)
	mode := "gre"
	if t.Mode == gre.ModeIP6GRE {
		mode = "gre ipv6"
	}
	n := notation.Number(t.Name)
	p.Line("interface tunnel %d mode %s", n, mode)
	for i, a := range notation.Inner4(t) {
		sub := ""
		if i > 0 {
			sub = " sub"
		}
		p.Line(" ip address %s %s%s", a.Addr(), notation.Mask(a), sub)
	}
	for _, a := range notation.Inner6(t) {
		p.Line(" ipv6 address %s", a)
	}
	p.Line(" mtu %d", t.MTU)
	p.Line(" tcp mss %d", notation.MSS(t))
	p.Line(" source %s", t.Local)
	p.Line(" destination %s", t.Remote)
	if t.InputKey != nil {
		p.Line(" gre key %s", t.InputKey)
	}
	p.Line(" undo keepalive")
	p.When(t.TTL != 0, " tunnel ttl %d", t.TTL)
	p.When(t.TOS > 1, " tunnel tos %d", t.TOS)
	p.When(!t.NoPMTUD && t.Mode == gre.ModeGRE, " tunnel dfbit enable")
	p.When(!t.Autoconnect, " shutdown")
	p.Line("#")
	for _, r := range targets(t) {
		gateway := ""
		if a := gatewayOf(t, r); a.IsValid() {
			gateway = " " + a.String()
		}
		if r.Dst.Addr().Is4() {
			p.Line("ip route-static %s %d tunnel %d%s", r.Dst.Addr(), r.Dst.Bits(), n, gateway)
		} else {
			p.Line("ipv6 route-static %s %d tunnel %d%s", r.Dst.Addr(), r.Dst.Bits(), n, gateway)
		}
	}
	return p.String()
}
