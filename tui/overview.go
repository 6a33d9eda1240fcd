package tui

import (
	"fmt"
	"strconv"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/facts"
)

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
	list := facts.Of(s)
	label := 0
	for _, f := range list {
		label = max(label, len(f.Name))
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
	for _, f := range list {
		lines = append(lines, m.factLines(f, label, column)...)
		differs = differs || f.Differs
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
func (m *Model) factLines(f facts.Fact, label, column int) []draw.Line {
	mark, st := " ", draw.Plain
	if f.Differs {
		mark, st = m.theme.Differs, draw.Yellow
	}
	if f.Alone {
		var lines []draw.Line
		for i, part := range draw.Wrap(f.Profile, column*2+1) {
			name := ""
			if i == 0 {
				name = f.Name
			}
			lines = append(lines, draw.Line{st.Of(m.theme.Fit(mark, 1)), draw.Dim.Of(m.theme.Fit(name, label) + " "), draw.Plain.Of(part)})
		}
		return lines
	}
	left, right := draw.Wrap(f.Profile, column), draw.Wrap(f.Link, column)
	var lines []draw.Line
	for i := range max(len(left), len(right)) {
		name := ""
		if i == 0 {
			name = f.Name
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

// countLines are the link's counters, as of its last reading.
func (m *Model) countLines(s *nmgre.Status) []draw.Line {
	if s.Link == nil {
		return nil
	}
	c := s.Link.Counters
	lines := []draw.Line{draw.Text(""),
		{draw.Dim.Of("sent     "), draw.Plain.Of(draw.BytesText(c.TxBytes) + ", " + fault.Count(c.TxPackets, "packet"))},
		{draw.Dim.Of("received "), draw.Plain.Of(draw.BytesText(c.RxBytes) + ", " + fault.Count(c.RxPackets, "packet"))}}
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
		lines = append(lines, draw.Line{draw.Dim.Of("kernel   "), draw.Plain.Of(fault.Count(n, "route") + " that nmgre keeps")})
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
