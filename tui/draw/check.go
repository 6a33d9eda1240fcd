package draw

import (
	"slices"

	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// WorstFirst returns the checks in another order: those that fail, those that warn, and the rest.
func WorstFirst(checks []verify.Check) []verify.Check {
	rank := map[verify.Verdict]int{verify.Fail: -2, verify.Warn: -1}
	sorted := slices.Clone(checks)
	slices.SortStableFunc(sorted, func(a, b verify.Check) int { return rank[a.Status] - rank[b.Status] })
	return sorted
}

// CheckText returns the lines of a check, with its evidence and its hint.
func CheckText(th Theme, c verify.Check, width int) []Line {
	glyph, st := th.Verdict(c.Status)
	summary := fault.Printable(c.Summary)
	if c.Certainty == verify.Likely {
		summary += " (likely)"
	}
	lines := []Line{{st.Of(glyph + " " + th.Fit(string(c.Status), 5)), Bold.Of(fault.Printable(c.ID))}}
	lines = append(lines, Wrapped(summary, width, "        ", Plain)...)
	if c.Evidence != "" && c.Status != verify.Skip {
		lines = append(lines, Wrapped(fault.Printable(c.Evidence), width, "        ", Dim)...)
	}
	if c.Hint != "" {
		lines = append(lines, Wrapped("hint: "+fault.Printable(c.Hint), width, "        ", Yellow)...)
	}
	return lines
}
