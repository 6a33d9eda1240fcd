package router

import (
	"strconv"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// VyOS is a list of set commands of VyOS: "VyOS User Guide, Tunnel" and "Static", version 1.5, and
// interface-definitions/interfaces_tunnel.xml.in of vyos-1x with its includes, for the values.
var VyOS = notation.Kind{
	Name: "vyos", Title: "VyOS",
	Words: func() map[string]string {
		return map[string]string{"--parent": "source-interface", "--address": "address"}
	},
	Holds: notation.Holds{Modes: gre.Modes[:], Keys: notation.OneKey,
		Can: forwards | notation.CanInner6 | notation.CanMany | notation.CanVia | notation.CanTOS | notation.CanTOS6 | notation.CanNoPMTUD | notation.CanEncapLimit | notation.CanFlowLabel | notation.CanInheritTTL |
			notation.CanNoEncapLimit | notation.CanMulticast | notation.CanIgnoreDF |
			notation.CanParent | notation.CanManual,
		Why: func() map[string]string {
			return reasons(map[string]string{"key": whyTwo, "local": "its tunnels need a source-address", "tos": "its tos is 0 to 99, which ip takes for hexadecimal digits"})
		}},
	Write: writeVyOS,
	Read:  readVyOS,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "set interfaces ", "set protocols static ")
	},
}

func writeVyOS(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "VyOS", l.Near)
	p.Comment("then: commit; save. The MTU without the setting is 1476, whatever the key")
	name := nameOr(t, "tun")
	set := func(format string, args ...any) {
		p.Line("set interfaces tunnel "+name+" "+format, args...)
	}
	set("encapsulation %s", t.Mode)
	set("source-address %s", t.Local)
	set("remote %s", t.Remote)
	if t.Parent != "" {
		set("source-interface %s", t.Parent)
	}
	for _, a := range t.Addresses {
		set("address %s", a)
	}
	set("mtu %d", t.MTU)
	if len(notation.Inner4(t)) > 0 {
		set("ip adjust-mss %d", notation.MSS(t))
	}
	if len(notation.Inner6(t)) > 0 {
		set("ipv6 adjust-mss %d", notation.MSS6(t))
	}
	if t.Link.Multicast {
		set("enable-multicast")
	}
	vyosParameters(t, set)
	if !t.Autoconnect {
		set("disable")
	}
	for _, r := range targets(t) {
		kind := "route"
		if r.Dst.Addr().Is6() {
			kind = "route6"
		}
		if r.Via.IsValid() {
			p.Line("set protocols static %s %s next-hop %s", kind, r.Dst, r.Via)
		} else {
			p.Line("set protocols static %s %s interface %s", kind, r.Dst, name)
		}
	}
	return p.String()
}

func vyosParameters(t nm.Tunnel, set func(format string, args ...any)) {
	if t.InputKey != nil {
		set("parameters ip key %s", t.InputKey)
	}
	if !t.Mode.IPv6Outer() {
		set("parameters ip ttl %d", t.TTL)
		if t.TOS != 0 {
			set("parameters ip tos %s", vyosTOS(t.TOS))
		}
		if t.NoPMTUD {
			set("parameters ip no-pmtu-discovery")
		}
		if t.Link.IgnoreDF {
			set("parameters ip ignore-df")
		}
		return
	}
	set("parameters ipv6 hoplimit %d", t.TTL)
	if t.HasNoEncapLimit() {
		set("parameters ipv6 encaplimit none")
	} else {
		set("parameters ipv6 encaplimit %d", t.EncapLimit)
	}
	if t.TOS != 0 {
		set("parameters ipv6 tclass %#x", t.TOS)
	}
	if t.FlowLabel != 0 {
		set("parameters ipv6 flowlabel %#x", t.FlowLabel)
	}
}

// vyosTOS is the word for a TOS: two hexadecimal digits, which are those of a number up to 99, or
// inherit for the one of the packet inside.
func vyosTOS(tos uint8) string {
	if tos == 1 {
		return "inherit"
	}
	return strconv.FormatUint(uint64(tos), 16)
}
