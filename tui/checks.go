package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// verify proves the chosen tunnel, and shows what came out.
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
func (m *Model) checkLines(width int) []line {
	d := &m.detail
	var lines []line
	switch {
	case d.verifying:
		lines = append(lines, styled("verifying: the far end is probed "+m.theme.wait, dim), text(""))
	case d.reportErr != nil:
		lines = append(lines, wrapped(errorText(d.reportErr), width, "", red)...)
		for _, hint := range fault.Hints(d.reportErr) {
			lines = append(lines, wrapped(hint, width, "  ", plain)...)
		}
		lines = append(lines, text(""))
	case d.report == nil:
		return []line{text("v verifies the tunnel, layer by layer")}
	}
	if d.report == nil {
		return lines
	}
	if !d.verifying {
		glyph, st := m.theme.verdict(d.report.Verdict)
		lines = append(lines, line{st.of(glyph + " " + verdictText(d.report.Verdict))}, line{dim.of("  at " + d.reportAt.Format("15:04:05") + "; v verifies again")}, text(""))
	}
	return append(lines, reportLines(m.theme, *d.report, width)...)
}

// verdictText says what a verdict means.
func verdictText(v verify.Verdict) string {
	switch v {
	case verify.Pass:
		return "pass: the tunnel carries traffic"
	case verify.Fail:
		return "fail: the tunnel has a fault"
	default:
		return "warn: look at what is marked"
	}
}

// reportLines are the checks of a report.
func reportLines(th theme, r verify.Report, width int) []line {
	var lines []line
	for _, c := range r.Checks {
		lines = append(lines, checkText(th, c, width)...)
	}
	return lines
}

func checkText(th theme, c verify.Check, width int) []line {
	glyph, st := th.verdict(c.Status)
	summary := fault.Printable(c.Summary)
	if c.Certainty == verify.Likely {
		summary += " (likely)"
	}
	lines := []line{{st.of(glyph + " " + th.fit(string(c.Status), 5)), bold.of(fault.Printable(c.ID))}}
	lines = append(lines, wrapped(summary, width, "        ", plain)...)
	if c.Evidence != "" && c.Status != verify.Skip {
		lines = append(lines, wrapped(fault.Printable(c.Evidence), width, "        ", dim)...)
	}
	if c.Hint != "" {
		lines = append(lines, wrapped("hint: "+fault.Printable(c.Hint), width, "        ", yellow)...)
	}
	return lines
}

// verdict is the glyph of an outcome, and its style.
func (th theme) verdict(v verify.Verdict) (string, style) {
	switch v {
	case verify.Pass:
		return th.pass, green
	case verify.Warn:
		return th.warn, yellow
	case verify.Fail:
		return th.fail, red
	default:
		return th.skip, dim
	}
}
