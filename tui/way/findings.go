package way

import (
	"cmp"
	"fmt"
	"strings"

	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// Findings tell the faults, the first finding first, each with the commands that mend it, and then
// how many checks have passed.
func Findings(th draw.Theme, v View, width int) []draw.Line {
	var out []draw.Line
	first := Finding(v.report())
	if first != nil {
		out = append(out, finding(th, v, *first, width, true)...)
	}
	for _, c := range draw.WorstFirst(v.report().Checks) {
		if (c.Status == verify.Fail || c.Status == verify.Warn) && (c.ID != first.ID || c.Summary != first.Summary) {
			out = append(out, draw.Text(""))
			out = append(out, finding(th, v, c, width, false)...)
		}
	}
	if first != nil {
		out = append(out, draw.Text(""))
	}
	return append(out, rest(th, v, width)...)
}

// finding draws a check that fails or warns, with its certainty and its remedy.
func finding(th draw.Theme, v View, c verify.Check, width int, first bool) []draw.Line {
	glyph, st := th.Verdict(c.Status)
	if c.Status == verify.Fail && c.Certainty == verify.Likely {
		glyph = likely
	}
	summary := fault.Printable(c.Summary)
	if c.Cause != "" {
		summary += " (" + fault.Printable(string(c.Certainty)) + ")"
	}
	out := hanging(glyph+" ", st, summary, width, draw.Bold)
	if v.Evidence && c.Evidence != "" {
		out = append(out, hanging("  seen: ", draw.Dim, fault.Printable(c.Evidence), width, draw.Dim)...)
	}
	return append(out, remedy(v, c, width, first)...)
}

// remedy has the commands that mend a finding, and the advice that is no command.
func remedy(v View, c verify.Check, width int, first bool) []draw.Line {
	here, there := commands(c)
	if here == "" && there == "" {
		hint := cmp.Or(c.Hint, c.Advice)
		if hint == "" {
			return nil
		}
		return hanging("  hint: ", draw.Yellow, fault.Printable(hint), width, draw.Plain)
	}
	var out []draw.Line
	if c.Advice != "" {
		out = hanging("  hint: ", draw.Yellow, fault.Printable(c.Advice), width, draw.Plain)
	}
	command := func(where, key, text string) {
		if first && v.Keys {
			where += ", " + key + " copies it"
		}
		out = append(out, draw.Wrapped(where+":", width, "  ", draw.Yellow)...)
		out = append(out, draw.Command(fault.Escaped(text), width, "    ")...)
	}
	if here != "" {
		command("on this host", "y", here)
	}
	switch {
	case there == "":
	case c.Facts["mend_there"] == nil:
		command("to make the far end, if there is none yet", "Y", there)
	default:
		command("on the far end", "Y", there)
	}
	return out
}

// Commands returns the commands that mend the first finding, on this host and on the far end. Each
// may be empty.
func Commands(r verify.Report) (here, there string) {
	if c := Finding(r); c != nil {
		return commands(*c)
	}
	return "", ""
}

func commands(c verify.Check) (here, there string) {
	text := func(name string) string { s, _ := c.Facts[name].(string); return s }
	here, there = text("mend_here"), text("mend_there")
	if there == "" {
		there = text("make_there")
	}
	return here, there
}

// rest counts the checks that found nothing, or shows all checks with their evidence.
func rest(th draw.Theme, v View, width int) []draw.Line {
	if v.Evidence {
		out := []draw.Line{draw.Styled("All checks", draw.Bold)}
		for _, c := range draw.WorstFirst(v.report().Checks) {
			out = append(out, draw.CheckText(th, c, width)...)
		}
		return out
	}
	passed, skipped := v.count(verify.Pass), v.count(verify.Skip)
	text := fault.Count(passed, "check") + " passed"
	if skipped > 0 {
		text += fmt.Sprintf(", %d skipped", skipped)
	}
	if v.Keys {
		text += "; i shows every check with its evidence"
	}
	return draw.Wrapped(text, width, "", draw.Dim)
}

// count is how many checks have an outcome.
func (v View) count(of verify.Verdict) int {
	n := 0
	for _, c := range v.report().Checks {
		if c.Status == of {
			n++
		}
	}
	return n
}

// hanging wraps a text after a lead, below which its other lines are indented.
func hanging(lead string, leadStyle draw.Style, text string, width int, st draw.Style) []draw.Line {
	cells := draw.Cells(lead)
	var out []draw.Line
	for i, part := range draw.Wrap(text, width-cells) {
		if i > 0 {
			lead, leadStyle = strings.Repeat(" ", cells), draw.Plain
		}
		out = append(out, draw.Line{leadStyle.Of(lead), st.Of(part)})
	}
	return out
}
