package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// verify verifies the chosen tunnel, and shows the report.
func (m *Model) verify() tea.Cmd {
	s := m.current()
	if s == nil || m.detail.verifying {
		return nil
	}
	uuid := s.UUID
	m.detail.reset(uuid)
	m.detail.tab, m.detail.verifying = tabChecks, true
	if m.narrow() {
		m.inDetail = true
	}
	op := &operation{name: "verify " + fault.Printable(s.Tunnel.Name)}
	return report(m, op, func(ctx context.Context, wf Workflow) (verify.Report, error) {
		return wf.Verify(ctx, uuid, verify.Options{})
	}, func(got verify.Report, err error) tea.Cmd {
		if m.detail.uuid != uuid {
			return nil
		}
		m.detail.verifying, m.detail.reportErr, m.detail.reportAt = false, err, time.Now()
		if err == nil {
			m.detail.report = &got
		}
		return nil
	})
}

// checkLines are the report, each check with its evidence and its hint.
func (m *Model) checkLines(width int) []draw.Line {
	d := &m.detail
	var lines []draw.Line
	switch {
	case d.verifying:
		lines = append(lines, draw.Styled("verifying: the far end is probed "+m.theme.Wait, draw.Dim), draw.Text(""))
	case d.reportErr != nil:
		lines = append(lines, draw.Wrapped(draw.ErrorText(d.reportErr), width, "", draw.Red)...)
		for _, hint := range fault.Hints(d.reportErr) {
			lines = append(lines, draw.Wrapped(fault.Printable(hint), width, "  ", draw.Plain)...)
		}
		lines = append(lines, draw.Text(""))
	case d.report == nil:
		return []draw.Line{draw.Text("v verifies the tunnel, layer by layer")}
	}
	if d.report == nil {
		return lines
	}
	if !d.verifying {
		glyph, st := m.theme.Verdict(d.report.Verdict)
		lines = append(lines, draw.Line{st.Of(glyph + " " + verdictText(d.report.Verdict))}, draw.Line{draw.Dim.Of("  at " + d.reportAt.Format("15:04:05") + "; v verifies again")}, draw.Text(""))
	}
	return append(lines, reportLines(m.theme, *d.report, width)...)
}

// verdictText explains a verdict.
func verdictText(v verify.Verdict) string {
	switch v {
	case verify.Pass:
		return "pass: the tunnel carries traffic"
	case verify.Fail:
		return "fail: the tunnel has a fault"
	default:
		return "warn: look at the marked checks"
	}
}

// reportLines are the checks of a report, those that fail first.
func reportLines(th draw.Theme, r verify.Report, width int) []draw.Line {
	var lines []draw.Line
	for _, c := range draw.WorstFirst(r.Checks) {
		lines = append(lines, draw.CheckText(th, c, width)...)
	}
	return lines
}
