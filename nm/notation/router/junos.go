package router

import "nmgre/nm/notation"

// Junos is a list of set commands of Junos OS: "Junos OS Tunnel and Encryption Services Interfaces
// User Guide for Routing Devices" (gr- interfaces, tunnel source, destination, key, ttl) and "Flow
// Based and Packet Based Processing User Guide for Security Devices" (tcp-mss), release 23.
var Junos = notation.Kind{
	Name: "junos", Title: "Junos",
	Holds: notation.Holds{Modes: ipModes[:1], Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanNoPMTUD | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its gr- interfaces are IP over GRE over IPv4", "key": whyTwo, "local": "a tunnel source is an address"})
		}},
	Write: writeJunos,
}

func writeJunos(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "Junos", l.Near)
	p.Comment("MX: the interface is there with: set chassis fpc 0 pic 0 tunnel-services bandwidth 10g")
	if t.InputKey != nil {
		p.Comment("SRX: older releases put no key into packets; look at show interfaces gr-0/0/0")
	}
	unit := notation.Number(t.Name)
	set := func(format string, args ...any) {
		p.Line("set interfaces gr-0/0/0 unit %d "+format, append([]any{unit}, args...)...)
	}
	set("tunnel source %s", t.Local)
	set("tunnel destination %s", t.Remote)
	if t.InputKey != nil {
		set("tunnel key %s", t.InputKey)
	}
	if t.TTL != 0 {
		set("tunnel ttl %d", t.TTL)
	}
	if t.NoPMTUD {
		set("tunnel allow-fragmentation")
	}
	if list := notation.Inner4(t); len(list) > 0 {
		set("family inet mtu %d", t.MTU)
		set("family inet tcp-mss %d", notation.MSS(t))
		for _, a := range list {
			set("family inet address %s", a)
		}
	}
	if list := notation.Inner6(t); len(list) > 0 {
		set("family inet6 mtu %d", t.MTU)
		set("family inet6 tcp-mss %d", notation.MSS6(t))
		for _, a := range list {
			set("family inet6 address %s", a)
		}
	}
	if !t.Autoconnect {
		set("disable")
	}
	for _, r := range targets(t) {
		table := "routing-options"
		if r.Dst.Addr().Is6() {
			table = "routing-options rib inet6.0"
		}
		if r.Via.IsValid() {
			p.Line("set %s static route %s next-hop %s", table, r.Dst, r.Via)
		} else {
			p.Line("set %s static route %s next-hop gr-0/0/0.%d", table, r.Dst, unit)
		}
	}
	p.Comment("SRX: the interface needs a zone, with policies from it and to it, and tcp-mss is of the flow:")
	p.Comment("  set security zones security-zone trust interfaces gr-0/0/0.%d", unit)
	p.Comment("  set security flow tcp-mss gre-in mss %d", notation.MSS(t))
	p.Comment("  set security flow tcp-mss gre-out mss %d", notation.MSS(t))
	return p.String()
}
