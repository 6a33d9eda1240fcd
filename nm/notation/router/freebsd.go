package router

import (
	"fmt"
	"strings"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// FreeBSD is a part of /etc/rc.conf: gre(4), ifconfig(8) and rc.conf(5) of FreeBSD 14.
var FreeBSD = notation.Kind{
	Name: "freebsd", Title: "FreeBSD",
	Holds: notation.Holds{Modes: ipModes, Keys: notation.OneKey, NoZero: true,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanInheritTTL,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "gre(4) carries IP packets", "key": "grekey is for both directions, and 0 stands for no key", "local": "ifconfig's tunnel takes two addresses"})
		}},
	Write: writeFreeBSD,
}

func writeFreeBSD(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "FreeBSD", l.Near)
	if t.TTL != 0 {
		p.Comment("ttl: gre(4) has no setting for it; it does not have to be the same at both ends")
	}
	if t.InputKey != nil {
		p.Comment("grekey is put into packets that go out; gre(4) does not check it in those that come in")
	}
	name := nameOr(t, "gre")
	p.File("/etc/rc.conf")
	p.Line("cloned_interfaces=\"${cloned_interfaces} %s\"", name)
	outer := "tunnel"
	if t.Mode == gre.ModeIP6GRE {
		outer = "inet6 tunnel"
	}
	words := fmt.Sprintf("%s %s %s mtu %d", outer, t.Local, t.Remote, t.MTU)
	if t.InputKey != nil {
		words += " grekey " + t.InputKey.String()
	}
	p.Line("create_args_%s=\"%s\"", name, words)
	freebsdAddresses(p, t, name)
	freebsdRoutes(p, t)
	p.When(len(notation.Inner4(t)) > 0, "gateway_enable=\"YES\"")
	p.When(len(notation.Inner6(t)) > 0, "ipv6_gateway_enable=\"YES\"")
	p.Comment("MSS %d, in /etc/pf.conf: scrub on %s max-mss %d", notation.MSS(t), name, notation.MSS(t))
	return p.String()
}

func freebsdAddresses(p *notation.Page, t nm.Tunnel, name string) {
	for i, a := range notation.Inner4(t) {
		suffix := ""
		if i > 0 {
			suffix = fmt.Sprintf("_alias%d", i-1)
		}
		peer := notation.PeerOf(t, a)
		if !peer.IsValid() { // a point-to-point device needs an address of the other side
			peer = a.Addr()
		}
		p.Line("ifconfig_%s%s=\"inet %s %s netmask %s\"", name, suffix, a.Addr(), peer, notation.Mask(a))
	}
	for i, a := range notation.Inner6(t) {
		suffix := "_ipv6"
		if i > 0 {
			suffix = fmt.Sprintf("_alias%d", len(notation.Inner4(t))+i-1)
		}
		p.Line("ifconfig_%s%s=\"inet6 %s prefixlen %d\"", name, suffix, a.Addr(), a.Bits())
	}
}

func freebsdRoutes(p *notation.Page, t nm.Tunnel) {
	var v4, v6 []string
	for i, r := range targets(t) {
		word := fmt.Sprintf("%s_%d", t.Name, i+1)
		gateway := "-iface " + nameOr(t, "gre")
		if a := gatewayOf(t, r); a.IsValid() {
			gateway = a.String()
		}
		if r.Dst.Addr().Is4() {
			v4 = append(v4, word)
			p.Line("route_%s=\"-net %s %s\"", word, r.Dst, gateway)
		} else {
			v6 = append(v6, word)
			p.Line("ipv6_route_%s=\"%s %s\"", word, r.Dst, gateway)
		}
	}
	p.When(len(v4) > 0, "static_routes=\"${static_routes} %s\"", strings.Join(v4, " "))
	p.When(len(v6) > 0, "ipv6_static_routes=\"${ipv6_static_routes} %s\"", strings.Join(v6, " "))
}
