package verify

import (
	"fmt"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/cause"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// checkLink compares the kernel's link with the tunnel, attribute by attribute. NetworkManager does
// not: it takes over a link with other keys.
func (v *verifier) checkLink() Check {
	const id = "link"
	if v.link == nil {
		if v.profile.State == nm.StateActive || v.profile.State == nm.StateExternal {
			return Check{ID: id, Status: Fail, Certainty: Proved, Cause: cause.NoDevice, Summary: "the tunnel is up for NetworkManager, but the kernel has no such device",
				Hint: "take it down and up: nmgre down " + fault.Operand(v.name) + "; nmgre up " + fault.Operand(v.name)}
		}
		return skip(id, noLink)
	}
	if v.link.GRE == nil {
		return Check{ID: id, Status: Fail, Certainty: Proved, Cause: cause.NotGRE, Summary: "the device with that name is no GRE tunnel",
			Evidence: fmt.Sprintf("%s is of the kind \"%s\"", fault.Printable(v.link.Name), fault.Printable(v.link.Kind)), Hint: "give the tunnel another name"}
	}
	c := Check{ID: id, Status: Pass, Certainty: Proved, Summary: "the kernel's link agrees with the profile", Evidence: nm.DescribeLink(*v.link)}
	if differences := v.linkDifferences(*v.link.GRE); len(differences) > 0 {
		c.Status, c.Cause, c.Summary, c.Evidence = Fail, cause.LinkDiffers, "the kernel's link differs from the profile", strings.Join(differences, "; ")
		c.Hint = "make a new link: nmgre down " + fault.Operand(v.name) + " && nmgre up " + fault.Operand(v.name)
	} else if !v.link.Up {
		c.Status, c.Cause, c.Summary, c.Hint = Fail, cause.LinkDown, "the link is administratively down", "bring it up: nmgre up "+fault.Operand(v.name)
	}
	return c
}

// linkDifferences names every attribute in which the link differs from the tunnel.
func (v *verifier) linkDifferences(g kernel.GRELink) []string {
	t := v.tunnel
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
		differ("parent", fault.OrNone(t.Parent), fault.OrNone(v.linkName(g.Parent)))
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
		differ("mtu", int(t.MTU), v.link.MTU)
	}
	return append(list, foreignOptions(g)...)
}

// differencesIPv6 compares the attributes that only the IPv6 modes have.
func differencesIPv6(t nm.Tunnel, g kernel.GRELink) []string {
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

// foreignOptions names options of the link that NetworkManager cannot have set.
func foreignOptions(g kernel.GRELink) []string {
	var list []string
	for _, option := range []struct {
		set  bool
		name string
	}{{g.Checksum, "checksums"}, {g.Sequence, "sequence numbers"}, {g.External, "external (metadata) mode"}} {
		if option.set {
			list = append(list, option.name+": profile off, kernel on")
		}
	}
	return list
}

// linkName returns the name of a link, or the empty string.
func (v *verifier) linkName(index int) string {
	for _, link := range v.links {
		if link.Index == index && index != 0 {
			return fault.Printable(link.Name)
		}
	}
	return ""
}
