// Package differ compares a tunnel with the kernel's link, attribute by attribute. It is pure.
package differ

import (
	"fmt"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Link names every attribute in which a GRE link differs from the tunnel. parent is the name of the
// device that the link is bound to; empty for none.
func Link(t nm.Tunnel, l kernel.Link, parent string) []string {
	g := l.GRE
	var list []string
	differ := func(attribute string, want, is any) {
		if want != is {
			list = append(list, fmt.Sprintf("%s: profile %v, kernel %v", attribute, want, is))
		}
	}
	differ("mode", t.Mode, g.Mode)
	differ("local", gre.OuterText(t.Local), gre.OuterText(g.Local))
	differ("remote", gre.OuterText(t.Remote), gre.OuterText(g.Remote))
	// the device of a profile that is given by its UUID may have any name
	if t.Parent == "" || !keep.IsUUID(t.Parent) {
		differ("parent", fault.OrNone(t.Parent), fault.OrNone(parent))
	}
	differ("input key", fault.OrNone(gre.KeyText(t.InputKey)), fault.OrNone(gre.KeyText(g.InputKey)))
	differ("output key", fault.OrNone(gre.KeyText(t.OutputKey)), fault.OrNone(gre.KeyText(g.OutputKey)))
	differ("ttl", gre.TTLText(t.TTL), gre.TTLText(g.TTL))
	differ("tos", gre.TOSText(t.TOS), gre.TOSText(g.TOS))
	if !t.Mode.IPv6Outer() {
		differ("path MTU discovery", !t.NoPMTUD, g.PMTUD)
	} else {
		list = append(list, differencesIPv6(t, g)...)
	}
	if t.MTU != 0 {
		differ("mtu", int(t.MTU), l.MTU)
	}
	return append(list, foreignOptions(t.Link, g)...)
}

// Options returns the options of the link that the tunnel p is to have: those that root keeps, or
// those that it has, if it was made by hand. NetworkManager's own view of such a link lacks them.
func Options(p nm.Profile, l *kernel.Link, kept gre.LinkOptions) gre.LinkOptions {
	if p.State == nm.StateExternal && l != nil {
		return l.Options()
	}
	return kept
}

// differencesIPv6 compares the attributes that only the IPv6 modes have.
func differencesIPv6(t nm.Tunnel, g *kernel.GRELink) []string {
	var list []string
	if t.Flags&gre.FlagIgnEncapLimit == 0 && t.EncapLimit != g.EncapLimit {
		list = append(list, fmt.Sprintf("encapsulation limit: profile %d, kernel %d", t.EncapLimit, g.EncapLimit))
	}
	if t.FlowLabel != g.FlowLabel {
		list = append(list, fmt.Sprintf("flow label: profile %#x, kernel %#x", t.FlowLabel, g.FlowLabel))
	}
	if t.Flags != g.Flags {
		list = append(list, fmt.Sprintf("flags: profile %s, kernel %s", fault.OrNone(t.Flags.String()), fault.OrNone(g.Flags.String())))
	}
	return list
}

// foreignOptions names options of the link that neither NetworkManager nor root's file asks for.
func foreignOptions(kept gre.LinkOptions, g *kernel.GRELink) []string {
	var list []string
	for _, option := range []struct {
		set  bool
		name string
	}{{g.Checksum && !kept.Checksum, "checksums"}, {g.Sequence && !kept.Sequence, "sequence numbers"}, {g.External, "external (metadata) mode"}} {
		if option.set {
			list = append(list, option.name+": profile off, kernel on")
		}
	}
	return list
}
