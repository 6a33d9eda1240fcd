package tui

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
	"nmgre/tui/form"
)

// fact is a property of a tunnel: its value in the profile, and that of the link.
type fact struct {
	name          string
	profile, link string
	differs       bool
	alone         bool // a link has no such property
}

// overviewLines put the profile and the link side by side.
func (m *Model) overviewLines(s *nmgre.Status, width int) []draw.Line {
	glyph, st := m.theme.State(s.State)
	head := draw.Line{st.Of(glyph + " " + string(s.State))}
	if s.DeviceState != "" && s.DeviceState != "activated" {
		head = append(head, draw.Plain.Of(", device "+fault.Printable(s.DeviceState)))
	}
	if s.Reason != "" && s.State != nm.StateActive {
		head = append(head, draw.Plain.Of(": "+fault.Printable(s.Reason)))
	}
	lines := []draw.Line{head}
	facts := overviewFacts(s)
	label := 0
	for _, f := range facts {
		label = max(label, len(f.name))
	}
	column := max((width-label-3)/2, 8)
	link := "link"
	if s.Link == nil {
		link = "no link"
		if m.detail.status == nil && s.State == nm.StateActive {
			link = "link " + m.theme.Wait
		}
	}
	lines = append(lines, draw.Line{draw.Plain.Of(strings.Repeat(" ", label+2)), draw.Underlined.Of(m.theme.Fit("profile", column)), draw.Plain.Of(" "), draw.Underlined.Of(link)})
	differs := false
	for _, f := range facts {
		lines = append(lines, m.factLines(f, label, column)...)
		differs = differs || f.differs
	}
	if differs {
		lines = append(lines, draw.Text(""))
		lines = append(lines, draw.Wrapped(m.theme.Differs+" marks where the link differs from the profile; v finds out why", width, "", draw.Yellow)...)
	}
	if known := m.detail.status; known != nil && known.UUID == s.UUID && !known.Pending.None() {
		lines = append(lines, draw.Wrapped("not applied: "+fault.Printable(known.Pending.Advice(s.Tunnel.Name)), width, "", draw.Yellow)...)
	}
	lines = append(lines, m.countLines(s)...)
	return append(lines, m.keptLines(s, width)...)
}

// factLines are a fact's row, and more rows where a value is longer than its column.
func (m *Model) factLines(f fact, label, column int) []draw.Line {
	mark, st := " ", draw.Plain
	if f.differs {
		mark, st = m.theme.Differs, draw.Yellow
	}
	if f.alone {
		var lines []draw.Line
		for i, part := range draw.Wrap(f.profile, column*2+1) {
			name := ""
			if i == 0 {
				name = f.name
			}
			lines = append(lines, draw.Line{st.Of(m.theme.Fit(mark, 1)), draw.Dim.Of(m.theme.Fit(name, label) + " "), draw.Plain.Of(part)})
		}
		return lines
	}
	left, right := draw.Wrap(f.profile, column), draw.Wrap(f.link, column)
	var lines []draw.Line
	for i := range max(len(left), len(right)) {
		name := ""
		if i == 0 {
			name = f.name
		} else {
			mark = " "
		}
		lines = append(lines, draw.Line{st.Of(m.theme.Fit(mark, 1)), draw.Dim.Of(m.theme.Fit(name, label) + " "),
			draw.Plain.Of(m.theme.Fit(at(left, i), column) + " "), st.Of(at(right, i))})
	}
	return lines
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

// overviewFacts compares profile and link, attribute by attribute.
func overviewFacts(s *nmgre.Status) []fact {
	t := s.Tunnel
	facts := []fact{
		{name: "mode", profile: t.Mode.String()}, {name: "local", profile: gre.OuterText(t.Local)}, {name: "remote", profile: gre.OuterText(t.Remote)},
		{name: "inner", profile: draw.Prefixes(t.Addresses)}, {name: "key in", profile: fault.OrNone(gre.KeyText(t.InputKey))}, {name: "key out", profile: fault.OrNone(gre.KeyText(t.OutputKey))},
		{name: "ttl", profile: gre.TTLText(t.TTL)}, {name: "tos", profile: gre.TOSText(t.TOS)}, {name: "mtu", profile: draw.MTUText(t.MTU)}, {name: "pmtud", profile: form.YesNo(!t.NoPMTUD)},
	}
	if l := s.Link; l != nil {
		compareLink(facts, t, l)
	}
	if t.Parent != "" {
		facts = append(facts, fact{name: "parent", profile: fault.Printable(t.Parent), alone: true})
	}
	if t.PeerAddress.IsValid() {
		facts = append(facts, fact{name: "probed", profile: nm.AddrTexts(t.Peers()), alone: true})
	}
	facts = append(facts, fact{name: "at boot", profile: form.YesNo(t.Autoconnect), alone: true})
	if s.Path != "" {
		facts = append(facts, fact{name: "file", profile: fault.Printable(s.Path), alone: true})
	}
	if s.Unsaved {
		facts = append(facts, fact{name: "on disk", profile: "no, lost at reboot", differs: true, alone: true})
	}
	return facts
}

// compareLink fills in the link's side.
func compareLink(facts []fact, t nm.Tunnel, l *kernel.Link) {
	set := func(name, value string, differs bool) {
		i := slices.IndexFunc(facts, func(f fact) bool { return f.name == name })
		facts[i].link, facts[i].differs = value, differs
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
	own := slices.DeleteFunc(slices.Clone(l.Addresses), func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() })
	missing := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return !slices.Contains(own, p) })
	set("inner", draw.Prefixes(own), missing || len(own) > len(t.Addresses))
}

// countLines are the link's counters, as of its last reading.
func (m *Model) countLines(s *nmgre.Status) []draw.Line {
	if s.Link == nil {
		return nil
	}
	c := s.Link.Counters
	lines := []draw.Line{draw.Text(""),
		{draw.Dim.Of("sent     "), draw.Plain.Of(fmt.Sprintf("%s, %d packets", draw.BytesText(c.TxBytes), c.TxPackets))},
		{draw.Dim.Of("received "), draw.Plain.Of(fmt.Sprintf("%s, %d packets", draw.BytesText(c.RxBytes), c.RxPackets))}}
	if n := c.RxErrors + c.TxErrors + c.RxDropped + c.TxDropped; n > 0 {
		lines = append(lines, draw.Line{draw.Yellow.Of(m.theme.Warn + " errors "), draw.Plain.Of(strconv.FormatUint(n, 10) + ": the Rates tab lists them")})
	}
	return lines
}

// troubleLines show an error with its hints.
func (m *Model) troubleLines(err error, width int) []draw.Line {
	if err == nil {
		return nil
	}
	lines := draw.Wrapped(m.theme.Warn+" "+draw.ErrorText(err), width, "", draw.Yellow)
	for _, hint := range fault.Hints(err) {
		lines = append(lines, draw.Wrapped(fault.Printable(hint), width, "  ", draw.Plain)...)
	}
	return lines
}

// keptLines list everything that root keeps for the tunnel.
func (m *Model) keptLines(s *nmgre.Status, width int) []draw.Line {
	lines := []draw.Line{draw.Text("")}
	if n := len(s.Tunnel.Routes); n > 0 {
		lines = append(lines, draw.Line{draw.Dim.Of("routes   "), draw.Plain.Of(fmt.Sprintf("%d in the profile", n))})
	}
	k := s.Kept
	if n := len(k.Routes); n > 0 {
		lines = append(lines, draw.Line{draw.Dim.Of("kernel   "), draw.Plain.Of(draw.Count(n, "route") + " that nmgre keeps")})
	}
	for _, snat := range k.SNAT {
		lines = append(lines, draw.Line{draw.Dim.Of("snat     "), draw.Plain.Of(snat.String())})
	}
	if len(k.Forward) > 0 {
		lines = append(lines, draw.Line{draw.Dim.Of("forward  "), draw.Plain.Of("between " + fault.Printable(strings.Join(k.Forward, ", ")))})
	}
	if k.ClampMSS {
		lines = append(lines, draw.Line{draw.Dim.Of("mss      "), draw.Plain.Of("lowered to fit")})
	}
	for _, err := range []error{s.KeptErr, m.detail.statusErr} {
		lines = append(lines, m.troubleLines(err, width)...)
	}
	if len(lines) == 1 {
		return nil
	}
	return lines
}
