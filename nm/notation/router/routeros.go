package router

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// RouterOS is a list of commands of MikroTik's RouterOS 7: "RouterOS documentation, GRE" at
// help.mikrotik.com, for version 7.
var RouterOS = notation.Kind{
	Name: "routeros", Title: "RouterOS",
	Holds: notation.Holds{Modes: ipModes, Keys: notation.NoKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanInheritTTL | notation.CanAnyLocal | notation.CanManual | notation.CanNoPMTUD,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its GRE carries IP packets, and EoIP is another protocol", "key": "/interface/gre has no property for it", "tos": "its dscp is not written here"})
		}},
	Write: writeRouterOS,
}

func writeRouterOS(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "RouterOS 7", l.Near)
	p.Comment("keepalive is 10s,10 unless it is turned off, and Linux answers none: !keepalive")
	if t.TTL != 0 {
		p.Comment("ttl: RouterOS has no property for it; it does not have to be the same at both ends")
	}
	menu := "gre"
	if t.Mode == gre.ModeIP6GRE {
		menu = "gre6"
	}
	fragment := "inherit"
	if !t.NoPMTUD {
		fragment = "no"
	}
	local := ""
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		local = " local-address=" + t.Local.String()
	}
	disabled := ""
	if !t.Autoconnect {
		disabled = " disabled=yes"
	}
	p.Line("/interface/%s/add name=%s%s remote-address=%s mtu=%d clamp-tcp-mss=yes dont-fragment=%s !keepalive%s", menu, t.Name, local, t.Remote, t.MTU, fragment, disabled)
	p.Comment("MSS: clamp-tcp-mss lowers it to %d", notation.MSS(t))
	for _, a := range notation.Inner4(t) {
		p.Line("/ip/address/add address=%s interface=%s", a, t.Name)
	}
	for _, a := range notation.Inner6(t) {
		p.Line("/ipv6/address/add address=%s interface=%s advertise=no", a, t.Name)
	}
	for _, r := range targets(t) {
		menu := "ip"
		if r.Dst.Addr().Is6() {
			menu = "ipv6"
		}
		gateway := t.Name
		if a := gatewayOf(t, r); a.IsValid() {
			gateway = a.String()
		}
		p.Line("/%s/route/add dst-address=%s gateway=%s", menu, r.Dst, gateway)
	}
	return p.String()
}
