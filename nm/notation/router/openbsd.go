package router

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// OpenBSD is a hostname.if(5) file: gre(4), ifconfig(8) and hostname.if(5) of OpenBSD 7.6, whose
// packed line is "inet addr netmask broadcast_addr", with "dest dest_addr" below it.
var OpenBSD = notation.Kind{
	Name: "openbsd", Title: "OpenBSD",
	Holds: notation.Holds{Modes: ipModes, Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanVia | notation.CanNoPMTUD | notation.CanInheritTTL,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "gre(4) carries IP packets, and egre(4) is not written here", "key": "vnetid is for both directions", "local": "ifconfig's tunnel takes two addresses"})
		}},
	Write: writeOpenBSD,
}

func writeOpenBSD(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "OpenBSD", l.Near)
	name := nameOr(t, "gre")
	p.Comment("GRE is off by default: sysctl net.inet.gre.allow=1, and net.inet.ip.forwarding=1 to forward; both in /etc/sysctl.conf")
	p.Comment("then: sh /etc/netstart %s", name)
	p.Comment("MSS %d, in /etc/pf.conf: match on %s scrub (max-mss %d)", notation.MSS(t), name, notation.MSS(t))
	p.File("/etc/hostname." + name)
	p.Line("tunnel %s %s", t.Local, t.Remote)
	if t.InputKey != nil {
		p.Line("vnetid %s", t.InputKey)
	}
	p.When(t.TTL != 0, "tunnelttl %d", t.TTL)
	p.When(t.TTL == 0, "tunnelttl copy")
	p.When(!t.NoPMTUD && t.Mode == gre.ModeGRE, "tunneldf")
	p.When(t.NoPMTUD, "-tunneldf")
	p.Line("mtu %d", t.MTU)
	for _, a := range notation.Inner4(t) {
		p.Line("inet %s %s NONE", a.Addr(), notation.Mask(a)) // NONE is the broadcast address
		if peer := notation.PeerOf(t, a); peer.IsValid() {
			p.Line("dest %s", peer)
		}
	}
	for _, a := range notation.Inner6(t) {
		p.Line("inet6 %s %d", a.Addr(), a.Bits())
	}
	p.Line("up")
	for _, r := range targets(t) {
		gateway := "-iface " + name
		if a := gatewayOf(t, r); a.IsValid() {
			gateway = a.String()
		}
		family := "-inet"
		if r.Dst.Addr().Is6() {
			family = "-inet6"
		}
		p.Line("!route add %s %s %s", family, r.Dst, gateway)
	}
	return p.String()
}
