// Package netplan has the notation of netplan, which is YAML. It is pure, but for the library that
// reads YAML.
package netplan

import (
	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// Kind is a YAML file of netplan: the netplan YAML configuration reference, version 1.1.
//
// Netplan hands a tunnel's mtu to NetworkManager as that of an Ethernet device, which does not
// count: a passthrough sets the tunnel's own. Keys are written as numbers, since NetworkManager
// takes no dotted ones.
var Kind = notation.Kind{
	Name: "netplan", Title: "netplan",
	Words: func() map[string]string {
		return map[string]string{"--peer-address": "routes", "--address": "addresses"}
	},
	Holds: notation.Holds{Modes: gre.Modes[:], Keys: notation.TwoKeys, NoZero: true,
		Can: notation.CanMany | notation.CanInner6 | notation.CanNoInner | notation.CanPeer |
			notation.CanVia | notation.CanMetric | notation.CanTable | notation.CanSrc | notation.CanOnLink | notation.CanRouteMTU,
		Why: func() map[string]string {
			return map[string]string{"ttl": "its ttl is 1 to 255, and without one it is the renderer's choice", "local": "its networkd renderer needs one", "key": "its networkd renderer takes 0 for no key"}
		}},
	Write: writeNetplan,
	Read:  read,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "network:", "tunnels:", "ethernets:", "renderer:")
	},
}

func writeNetplan(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "netplan", l.Near)
	p.Comment("root's, with the mode 0600; then: netplan apply")
	p.MSS(t)
	if t.Mode.Ethernet() {
		p.Comment("for the renderer networkd alone: netplan has NetworkManager make no tunnel of mode %s", t.Mode)
	}
	if t.Mode.IPv6Outer() {
		p.Comment("with networkd, its packets have an encapsulation limit of 0: they can enter no further tunnel of IPv6 on their way")
	}
	p.File("/etc/netplan/90-" + t.Name + ".yaml")
	p.Line("network:")
	p.Line("  version: 2")
	p.Line("  tunnels:")
	p.Line("    %s:", netplanName(t.Name))
	p.Line("      mode: %s", t.Mode)
	p.Line("      local: %q", t.Local)
	p.Line("      remote: %q", t.Remote)
	p.When(t.TTL != 0, "      ttl: %d", t.TTL)
	netplanKeys(p, t)
	p.Line("      mtu: %d", t.MTU)
	if len(t.Addresses) > 0 {
		p.Line("      addresses:")
	}
	for _, a := range t.Addresses {
		p.Line("        - %q", a)
	}
	if len(t.Routes) > 0 {
		p.Line("      routes:")
	}
	for _, r := range t.Routes {
		netplanRoute(p, r)
	}
	if !t.Mode.Ethernet() {
		passthrough(p, t)
	}
	return p.String()
}

// passthrough writes the lines that the renderer NetworkManager needs besides. They are commented
// out: networkd is the renderer where none is named, and then netplan 0.107 and newer refuse the
// whole file for them (older ones pass over them).
func passthrough(p *notation.Page, t nm.Tunnel) {
	p.Comment("with the renderer NetworkManager, which does not use the mtu above, remove the # before these lines:")
	p.Line("#      networkmanager:")
	p.Line("#        passthrough:")
	p.Line("#          ip-tunnel.mtu: \"%d\"", t.MTU)
	p.When(t.Mode.IPv6Outer(), "#          ip-tunnel.encapsulation-limit: \"%d\"", t.EncapLimit)
}

// netplanName quotes a name that YAML could take for a number or a word of its own.
func netplanName(name string) string {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "\"" + name + "\""
		}
	}
	if name == "yes" || name == "no" || name == "on" || name == "off" || name == "true" || name == "false" || name == "null" || name[0] <= '9' {
		return "\"" + name + "\""
	}
	return name
}

func netplanKeys(p *notation.Page, t nm.Tunnel) {
	if t.InputKey == nil && t.OutputKey == nil {
		return
	}
	p.Line("      keys:")
	if t.InputKey != nil {
		p.Line("        input: %s", t.InputKey)
	}
	if t.OutputKey != nil {
		p.Line("        output: %s", t.OutputKey)
	}
}

func netplanRoute(p *notation.Page, r routes.Route) {
	p.Line("        - to: %q", r.Dst)
	p.When(r.Via.IsValid(), "          via: %q", r.Via)
	p.When(!r.Via.IsValid(), "          scope: link")
	if r.Metric != nil {
		p.Line("          metric: %d", *r.Metric)
	}
	p.When(r.Table != 0, "          table: %d", r.Table)
	p.When(r.Src.IsValid(), "          from: %q", r.Src)
	p.When(r.OnLink, "          on-link: true")
	p.When(r.MTU != 0, "          mtu: %d", r.MTU)
}
