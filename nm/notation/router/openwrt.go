package router

import (
	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// OpenWrt is a part of /etc/config/network: package/network/config/gre/files/gre.sh of OpenWrt
// 23.05 and of its main branch, which have the same options (ttl, ikey and okey are numbers, df is
// a boolean and 1 unless it is set, mtu is 1280), and "OpenWrt User Guide, Tunneling interface
// protocols".
var OpenWrt = notation.Kind{
	Name: "openwrt", Title: "OpenWrt",
	Holds: notation.Holds{Modes: gre.Modes[:], Keys: notation.TwoKeys,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanNoInner | notation.CanVia | notation.CanMetric | notation.CanTable | notation.CanSrc | notation.CanOnLink |
			notation.CanTOS | notation.CanHexTOS | notation.CanTOS6 | notation.CanNoPMTUD | notation.CanInheritTTL | notation.CanAnyLocal | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"encap-limit": "its option encaplimit is not written here"})
		}},
	Write: writeOpenWrt,
}

// openwrtProtos are the protocols by mode.
var openwrtProtos = map[gre.Mode]string{gre.ModeGRE: "gre", gre.ModeGRETAP: "gretap", gre.ModeIP6GRE: "grev6", gre.ModeIP6GRETAP: "grev6tap"}

func writeOpenWrt(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "OpenWrt", l.Near)
	p.Comment("needs the package gre; the device is called %s-%s. The MTU without the option is 1280", openwrtDevice(t.Mode), t.Name)
	p.Comment("MSS %d: the firewall zone of %s_in needs option mtu_fix '1'", notation.MSS(t), t.Name)
	option := func(name string, value any) { p.Line("\toption %s '%v'", name, value) }
	p.Line("config interface '%s'", t.Name)
	option("proto", openwrtProtos[t.Mode])
	own, peer := "ipaddr", "peeraddr"
	if t.Mode.IPv6Outer() {
		own, peer = "ip6addr", "peer6addr"
	}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		option(own, t.Local)
	}
	option(peer, t.Remote)
	if t.InputKey != nil {
		option("ikey", t.InputKey)
	}
	if t.OutputKey != nil {
		option("okey", t.OutputKey)
	}
	if t.TTL != 0 {
		option("ttl", t.TTL)
	} else {
		option("ttl", 0) // which inherits: the option is a number
	}
	if t.TOS != 0 {
		option("tos", gre.TOSText(t.TOS))
	}
	if t.NoPMTUD {
		option("df", 0)
	}
	option("mtu", t.MTU)
	if !t.Autoconnect {
		option("auto", 0)
	}
	openwrtInner(p, t)
	return p.String()
}

// openwrtDevice is the stem of the device's own name.
func openwrtDevice(m gre.Mode) string {
	return map[gre.Mode]string{gre.ModeGRE: "gre4", gre.ModeGRETAP: "gre4t", gre.ModeIP6GRE: "gre6", gre.ModeIP6GRETAP: "gre6t"}[m]
}

// openwrtInner writes the inner addresses and the routes, which are sections of their own.
func openwrtInner(p *notation.Page, t nm.Tunnel) {
	if len(t.Addresses) > 0 {
		p.Line("")
		p.Line("config interface '%s_in'", t.Name)
		p.Line("\toption proto 'static'")
		p.Line("\toption device '@%s'", t.Name)
	}
	for _, a := range notation.Inner4(t) {
		p.Line("\tlist ipaddr '%s'", a)
	}
	for _, a := range notation.Inner6(t) {
		p.Line("\tlist ip6addr '%s'", a)
	}
	for _, r := range targets(t) {
		section := "route"
		if r.Dst.Addr().Is6() {
			section = "route6"
		}
		p.Line("")
		p.Line("config %s", section)
		p.Line("\toption interface '%s_in'", t.Name)
		p.Line("\toption target '%s'", r.Dst)
		p.When(r.Via.IsValid(), "\toption gateway '%s'", r.Via)
		if r.Metric != nil {
			p.Line("\toption metric '%d'", *r.Metric)
		}
		p.When(r.Table != 0, "\toption table '%d'", r.Table)
		p.When(r.Src.IsValid(), "\toption source '%s'", r.Src)
		p.When(r.OnLink, "\toption onlink '1'")
	}
}
