package tui

import (
	"strings"

	"nmgre/routes/fault"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
)

// farEndLines are the commands for the far end.
func (m *Model) farEndLines(width int) []draw.Line {
	switch {
	case m.detail.farErr != nil:
		return draw.Wrapped(draw.ErrorText(m.detail.farErr), width, "", draw.Red)
	case m.detail.far == nil:
		return []draw.Line{draw.Styled("working out the far end's commands "+m.theme.Wait, draw.Dim)}
	}
	return draw.FarEndText(*m.detail.far, width)
}

// copyText copies commands to the terminal's clipboard (OSC 52), a line each. A shell that they are
// pasted into reads every byte of them: what is not printable is escaped.
func (m *Model) copyText(what string, commands ...string) {
	m.say("copied " + what + ", if the terminal allows it")
	if m.clip == nil {
		return
	}
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = fault.Printable(c)
	}
	m.clip(strings.Join(lines, "\n"))
}

// copyTab copies the command of the open tab.
func (m *Model) copyTab() {
	s := m.status()
	name := s.Tunnel.Name
	switch m.detail.tab {
	case tabRoutes:
		m.copyText("the command that lists the routes", draw.NameCommand("route list", name))
	case tabChecks:
		if here, _ := m.mending(); here != "" {
			m.copyText("the command that mends it", here)
			return
		}
		m.copyText("the command that verifies the tunnel", draw.NameCommand("verify", name))
	case tabFarEnd:
		if m.detail.far == nil {
			m.warn("the far end is not known yet")
			return
		}
		if m.detail.far.Missing != "" {
			m.warn("there is no command for the far end: " + m.detail.far.Missing)
			return
		}
		m.copyText("the far end's command", m.detail.far.CreateCommand())
	case tabLog:
		m.copyText("the commands of the log", m.log.commands()...)
	default:
		m.copyText("the command that makes this tunnel", answers.Whole(*s).CreateCommand())
	}
}
