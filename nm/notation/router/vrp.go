package router

import (
	"strconv"

	"nmgre/nm/notation"
)

// VRP is the configuration of Huawei's VRP. Its lines were compared with "NetEngine 8000 F1A
// Command Reference" (undo keepalive), with the examples of Huawei's configuration guides for
// CloudEngine and NetEngine (interface Tunnel, tunnel-protocol gre, source, destination), and with
// configurations of AR routers (gre key, mtu, tcp adjust-mss), whose own command reference was not
// at hand.
var VRP = notation.Kind{
	Name: "vrp", Title: "Huawei VRP",
	Holds: notation.Holds{Modes: ipModes[:1], Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanInheritTTL | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "tunnel-protocol gre is over IPv4", "key": whyTwo, "local": "a source is an address or an interface"})
		}},
	Write: writeVRP,
}

func writeVRP(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "Huawei VRP", l.Near)
	p.Comment("AR and S series; on NE and CE the interface is Tunnel%d, and commit is needed", notation.Number(t.Name))
	if t.TTL != 0 {
		p.Comment("ttl: VRP has no command for it; it does not have to be the same at both ends")
	}
	name := "Tunnel0/0/" + strconv.Itoa(notation.Number(t.Name))
	p.Line("interface %s", name)
	p.Line(" tunnel-protocol gre")
	for i, a := range notation.Inner4(t) {
		sub := ""
		if i > 0 {
			sub = " sub"
		}
		p.Line(" ip address %s %s%s", a.Addr(), notation.Mask(a), sub)
	}
	if list := notation.Inner6(t); len(list) > 0 {
		p.Line(" ipv6 enable")
		for _, a := range list {
			p.Line(" ipv6 address %s", a)
		}
	}
	p.Line(" mtu %d", t.MTU)
	p.Line(" tcp adjust-mss %d", notation.MSS(t))
	p.Line(" source %s", t.Local)
	p.Line(" destination %s", t.Remote)
	if t.InputKey != nil {
		p.Line(" gre key %s", t.InputKey)
	}
	p.Line(" undo keepalive")
	p.When(!t.Autoconnect, " shutdown")
	p.Line("#")
	for _, r := range targets(t) {
		gateway := ""
		if a := gatewayOf(t, r); a.IsValid() {
			gateway = " " + a.String()
		}
		if r.Dst.Addr().Is4() {
			p.Line("ip route-static %s %s %s%s", r.Dst.Addr(), notation.Mask(r.Dst), name, gateway)
		} else {
			p.Line("ipv6 route-static %s %d %s%s", r.Dst.Addr(), r.Dst.Bits(), name, gateway)
		}
	}
	return p.String()
}
