package router

import "nmgre/nm/notation"

// CiscoXR is the configuration of Cisco IOS XR: "Cisco ASR 9000 Series Aggregation Services Router
// VPN and Ethernet Services Command Reference", release 6.1.x, Generic Routing Encapsulation
// Commands (tunnel dfbit, tunnel tos, which copies the inner one by default), and the data model of
// tunnel-ip for IOS XR at netascode.cisco.com (ipv4, ipv6, mtu, keepalive, tunnel).
var CiscoXR = notation.Kind{
	Name: "cisco-iosxr", Title: "Cisco IOS XR",
	Holds: notation.Holds{Modes: ipModes, Keys: notation.NoKey,
		Can: forwards | notation.CanInner6 | notation.CanVia | notation.CanTOS | notation.CanHexTOS | notation.CanTOS6 | notation.CanNoPMTUD | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its tunnel-ip interfaces carry IP packets", "key": "its tunnel-ip interfaces have no GRE key", "local": "a tunnel source is an address or an interface"})
		}},
	Write: writeCiscoXR,
}

func writeCiscoXR(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("!", "Cisco IOS XR", l.Near)
	p.Comment("then: commit")
	p.Comment("MSS %d: the value itself is set for a line card: hw-module location LOCATION tcp-mss-adjust np NUMBER value %d", notation.MSS(t), notation.MSS(t))
	n := notation.Number(t.Name)
	p.Line("interface tunnel-ip%d", n)
	for _, a := range notation.Inner4(t) {
		p.Line(" ipv4 address %s %s", a.Addr(), notation.Mask(a))
		p.Line(" ipv4 mtu %d", t.MTU)
		p.Line(" ipv4 tcp-mss-adjust enable")
	}
	for _, a := range notation.Inner6(t) {
		p.Line(" ipv6 address %s", a)
		p.Line(" ipv6 mtu %d", t.MTU)
		p.Line(" ipv6 tcp-mss-adjust enable")
	}
	family := "ipv4"
	if t.Mode.IPv6Outer() {
		family = "ipv6"
	}
	p.Line(" no keepalive")
	p.Line(" tunnel mode gre %s", family)
	p.Line(" tunnel source %s", t.Local)
	p.Line(" tunnel destination %s", t.Remote)
	p.When(t.TTL != 0, " tunnel ttl %d", t.TTL)
	p.When(t.TOS > 1, " tunnel tos %d", t.TOS)
	p.When(t.NoPMTUD && !t.Mode.IPv6Outer(), " tunnel dfbit disable")
	p.When(!t.Autoconnect, " shutdown")
	p.Line("!")
	for _, family := range []struct {
		name string
		four bool
	}{{"ipv4", true}, {"ipv6", false}} {
		first := true
		for _, r := range targets(t) {
			if r.Dst.Addr().Is4() != family.four {
				continue
			}
			if first {
				p.Line("router static")
				p.Line(" address-family %s unicast", family.name)
				first = false
			}
			if gateway := gatewayOf(t, r); gateway.IsValid() {
				p.Line("  %s tunnel-ip%d %s", r.Dst, n, gateway)
			} else {
				p.Line("  %s tunnel-ip%d", r.Dst, n)
			}
		}
		p.When(!first, "!")
	}
	return p.String()
}
