package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/way"
)

// verify verifies the chosen tunnel, and shows the report. The last one stays until then.
func (m *Model) verify() tea.Cmd {
	s := m.current()
	if s == nil || m.detail.checks.Running {
		return nil
	}
	uuid := s.UUID
	m.detail.reset(uuid)
	m.detail.tab, m.detail.checks.Running, m.detail.checks.SoFar = tabChecks, true, nil
	if m.narrow() {
		m.inDetail = true
	}
	op := &operation{name: "verify " + fault.Printable(s.Tunnel.Name)}
	op.on.Check = func(c verify.Check) {
		if m.detail.uuid == uuid {
			m.detail.checks.SoFar = append(m.detail.checks.SoFar, c)
		}
	}
	return report(m, op, func(ctx context.Context, wf Workflow) (verify.Report, error) {
		return wf.Verify(ctx, uuid, verify.Options{Networks: true})
	}, func(got verify.Report, err error) tea.Cmd {
		if m.detail.uuid != uuid {
			return nil
		}
		c := &m.detail.checks
		c.Running, c.Err, c.At = false, err, time.Now()
		if err == nil {
			c.Report = &got
		}
		return nil
	})
}

// checkLines are the picture of the way, and below it the findings.
func (m *Model) checkLines(s *nmgre.Status, width, height int) []draw.Line {
	v := m.detail.checks
	v.Tunnel, v.Kept, v.Keys = s.Tunnel, s.Kept.Routes, true
	return way.Lines(m.theme, v, width, height)
}

// evidenceWhy says why there is no evidence to be seen now.
func (m *Model) evidenceWhy() string {
	switch {
	case m.detail.tab != tabChecks:
		return "the evidence is on the tab Checks (4)"
	case m.detail.checks.Report == nil:
		return "there is no report yet: v verifies the tunnel"
	}
	return ""
}

// farCommandWhy says why there is no command for the far end to be copied now.
func (m *Model) farCommandWhy() string {
	switch _, there := m.mending(); {
	case m.detail.tab != tabChecks:
		return "the command that mends the far end is on the tab Checks (4); y on the tab Far end copies the one that makes it"
	case there == "":
		return "the report has no command for the far end"
	}
	return ""
}

// mending are the commands that mend the report's findings, on this host and on the far end.
func (m *Model) mending() (here, there string) {
	if m.detail.checks.Report == nil {
		return "", ""
	}
	return way.Commands(*m.detail.checks.Report)
}

func (m *Model) copyFarCommand() tea.Cmd {
	_, there := m.mending()
	m.copyText("the command for the far end", there)
	return nil
}

func (m *Model) toggleEvidence() tea.Cmd {
	m.detail.checks.Evidence = !m.detail.checks.Evidence
	return nil
}
