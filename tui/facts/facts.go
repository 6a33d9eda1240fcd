// Package facts puts a tunnel's profile and its link side by side, property by property. The
// screens and --plain show its facts. Begin at [Of].
package facts

import (
	"net/netip"
	"slices"
	"strconv"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
	"nmgre/tui/form"
)

// Fact is a property of a tunnel: its value in the profile, and that of the link.
type Fact struct {
	Name          string
	Profile, Link string
	Differs       bool
	Alone         bool // a link has no such property
}

// Of compares profile and link, attribute by attribute.
func Of(s *nmgre.Status) []Fact {
	t := s.Tunnel
	facts := []Fact{
		{Name: "mode", Profile: t.Mode.String()}, {Name: "local", Profile: gre.OuterText(t.Local)}, {Name: "remote", Profile: gre.OuterText(t.Remote)},
		{Name: "inner", Profile: draw.Prefixes(t.Addresses)}, {Name: "key in", Profile: fault.OrNone(gre.KeyText(t.InputKey))}, {Name: "key out", Profile: fault.OrNone(gre.KeyText(t.OutputKey))},
		{Name: "ttl", Profile: gre.TTLText(t.TTL)}, {Name: "tos", Profile: gre.TOSText(t.TOS)}, {Name: "mtu", Profile: draw.MTUText(t.MTU)}, {Name: "pmtud", Profile: form.YesNo(!t.NoPMTUD)},
	}
	if l := s.Link; l != nil {
		compareLink(facts, t, l)
	}
	if t.Parent != "" {
		facts = append(facts, Fact{Name: "parent", Profile: fault.Printable(t.Parent), Alone: true})
	}
	facts = append(facts, ends(t)...)
	if t.PeerAddress.IsValid() && !t.NoProbe {
		facts = append(facts, Fact{Name: "probed", Profile: nm.AddrTexts(t.Peers()), Alone: true})
	}
	facts = append(facts, Fact{Name: "at boot", Profile: form.YesNo(t.Autoconnect), Alone: true})
	if s.Path != "" {
		facts = append(facts, Fact{Name: "file", Profile: fault.Printable(s.Path), Alone: true})
	}
	if s.Unsaved {
		facts = append(facts, Fact{Name: "on disk", Profile: "no, lost at reboot", Differs: true, Alone: true})
	}
	return facts
}

// compareLink fills in the link's side.
func compareLink(facts []Fact, t nm.Tunnel, l *kernel.Link) {
	set := func(name, value string, differs bool) {
		i := slices.IndexFunc(facts, func(f Fact) bool { return f.Name == name })
		facts[i].Link, facts[i].Differs = value, differs
	}
	if g := l.GRE; g != nil {
		set("mode", g.Mode.String(), g.Mode != t.Mode)
		set("local", gre.OuterText(g.Local), t.Local.IsValid() && gre.OuterText(g.Local) != gre.OuterText(t.Local))
		set("remote", gre.OuterText(g.Remote), gre.OuterText(g.Remote) != gre.OuterText(t.Remote))
		set("key in", fault.OrNone(gre.KeyText(g.InputKey)), fault.OrNone(gre.KeyText(g.InputKey)) != fault.OrNone(gre.KeyText(t.InputKey)))
		set("key out", fault.OrNone(gre.KeyText(g.OutputKey)), fault.OrNone(gre.KeyText(g.OutputKey)) != fault.OrNone(gre.KeyText(t.OutputKey)))
		set("ttl", gre.TTLText(g.TTL), g.TTL != t.TTL)
		set("tos", gre.TOSText(g.TOS), g.TOS != t.TOS)
		if !g.Mode.IPv6Outer() {
			set("pmtud", form.YesNo(g.PMTUD), g.PMTUD == t.NoPMTUD)
		}
	}
	set("mtu", strconv.Itoa(l.MTU), t.MTU != 0 && l.MTU != int(t.MTU))
	own := l.Given(t.Addresses)
	missing := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return !slices.Contains(own, p) })
	set("inner", draw.Prefixes(own), missing || len(own) > len(t.Addresses))
}

// ends are the properties of the tunnel's ends that only the profile has.
func ends(t nm.Tunnel) []Fact {
	var facts []Fact
	if t.PeerName != "" {
		text := fault.Printable(t.PeerName)
		if t.Follow {
			text += ", followed"
		}
		facts = append(facts, Fact{Name: "name", Profile: text, Alone: true})
	}
	if t.Zone != "" {
		facts = append(facts, Fact{Name: "zone", Profile: fault.Printable(t.Zone), Alone: true})
	}
	if t.NoProbe {
		facts = append(facts, Fact{Name: "probed", Profile: "never: the counters tell", Alone: true})
	}
	return facts
}
