package router

import (
	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// FortiOS is the configuration of Fortinet's FortiOS: "FortiOS 7.2.0 CLI Reference", config system
// gre-tunnel, config system interface, config router static.
var FortiOS = notation.Kind{
	Name: "fortios", Title: "FortiOS",
	Words: func() map[string]string {
		return map[string]string{"--parent": "set interface", "--peer-address": "set remote-ip", "--address": "set ip"}
	},
	Holds: notation.Holds{Modes: ipModes, Keys: notation.TwoKeys, NoZero: true,
		Can: forwards | notation.CanVia | notation.CanInheritTTL | notation.CanParent | notation.CanInner6,
		Why: func() map[string]string {
			return reasons(map[string]string{"mode": "its GRE tunnels carry IP packets", "key": "0 stands for no key", "local": "local-gw is the address from which it sends"})
		}},
	Write: writeFortiOS,
}

func writeFortiOS(l notation.Link) string {
	t := l.Near.Tunnel
	p := notation.NewPage("#", "FortiOS", l.Near)
	if t.TTL != 0 {
		p.Comment("ttl: FortiOS has no setting for it; it does not have to be the same at both ends")
	}
	if t.InputKey != nil || t.OutputKey != nil {
		p.Comment("key-inbound and key-outbound are in 6.2.12 and 7.0.2, and not in 6.2.8, 6.4.4 or 7.0.0")
	}
	p.Comment("a release without mtu-override for tunnels takes the MTU from the interface below")
	parent := t.Parent
	if parent == "" {
		parent = "wan1"
		p.Comment("wan1 stands for the interface that has %s", t.Local)
	}
	p.Line("config system gre-tunnel")
	p.Line("    edit \"%s\"", t.Name)
	p.Line("        set interface \"%s\"", parent)
	if t.Mode == gre.ModeIP6GRE {
		p.Line("        set ip-version 6")
		p.Line("        set local-gw6 %s", t.Local)
		p.Line("        set remote-gw6 %s", t.Remote)
	} else {
		p.Line("        set local-gw %s", t.Local)
		p.Line("        set remote-gw %s", t.Remote)
	}
	if t.OutputKey != nil {
		p.Line("        set key-outbound %s", t.OutputKey)
	}
	if t.InputKey != nil {
		p.Line("        set key-inbound %s", t.InputKey)
	}
	p.Line("        set keepalive-interval 0")
	p.Line("    next")
	p.Line("end")
	fortiosInterface(p, t)
	fortiosRoutes(p, t)
	p.Comment("traffic needs two firewall policies, from %s to the network behind it and back; each with:", t.Name)
	p.Comment("  set tcp-mss-sender %d", notation.MSS(t))
	p.Comment("  set tcp-mss-receiver %d", notation.MSS(t))
	return p.String()
}

func fortiosInterface(p *notation.Page, t nm.Tunnel) {
	p.Line("config system interface")
	p.Line("    edit \"%s\"", t.Name)
	for _, a := range notation.Inner4(t) {
		p.Line("        set ip %s 255.255.255.255", a.Addr())
		if peer := notation.PeerOf(t, a); peer.IsValid() {
			p.Line("        set remote-ip %s %s", peer, notation.Mask(a))
		}
	}
	p.Line("        set allowaccess ping")
	p.Line("        set mtu-override enable")
	p.Line("        set mtu %d", t.MTU)
	p.Line("        set tcp-mss %d", notation.MSS(t))
	for _, a := range notation.Inner6(t) {
		p.Line("        config ipv6")
		p.Line("            set ip6-address %s", a)
		p.Line("            set ip6-allowaccess ping")
		p.Line("        end")
	}
	p.Line("    next")
	p.Line("end")
}

func fortiosRoutes(p *notation.Page, t nm.Tunnel) {
	for _, family := range []struct {
		table string
		four  bool
	}{{"router static", true}, {"router static6", false}} {
		first := true
		for _, r := range targets(t) {
			if r.Dst.Addr().Is4() != family.four {
				continue
			}
			p.When(first, "config %s", family.table)
			first = false
			p.Line("    edit 0")
			if family.four {
				p.Line("        set dst %s %s", r.Dst.Addr(), notation.Mask(r.Dst))
			} else {
				p.Line("        set dst %s", r.Dst)
			}
			if r.Via.IsValid() {
				p.Line("        set gateway %s", r.Via)
			}
			p.Line("        set device \"%s\"", t.Name)
			p.Line("    next")
		}
		p.When(!first, "end")
	}
}
