package tui

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/routes/fault"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/far"
	"nmgre/tui/screen"
)

// chooseNotation lists the notations for the far end.
func (m *Model) chooseNotation() tea.Cmd {
	m.push(far.Choose(farProgram{m, m.detail.uuid}, m.theme, m.detail.far))
	return nil
}

// notationWhy says why no notation can be chosen now.
func (m *Model) notationWhy() string {
	if m.detail.tab != tabFarEnd {
		return "5 opens the far end's tab"
	}
	return ""
}

// farFirst moves the keys of the far end's tab to the front, while it is open.
func (m *Model) farFirst(list []screen.Key) []screen.Key {
	if m.current() == nil || m.detail.tab != tabFarEnd || m.alone() && !m.inDetail {
		return list
	}
	rest := slices.Clone(list)
	var first []screen.Key
	for _, key := range []string{"o", "y"} {
		i := slices.IndexFunc(rest, func(k screen.Key) bool { return k.Keys[0] == key })
		first, rest = append(first, rest[i]), slices.Delete(rest, i, i+1)
	}
	first[0].Hint = "notation" // it does nothing on other tabs
	return append(first, rest...)
}

// farProgram is the program around the list of notations, for the tunnel for which it was opened.
type farProgram struct {
	m    *Model
	uuid string
}

// Close closes the list.
func (p farProgram) Close(s screen.Screen) { p.m.drop(s) }

// Chosen shows the far end in a notation, and remembers it for the tunnel.
func (p farProgram) Chosen(kind string) tea.Cmd {
	m := p.m
	if m.detail.uuid == p.uuid {
		m.detail.far.Kind, m.detail.windows[tabFarEnd].Top = kind, 0
	}
	return read(m, "remember the notation", func(_ context.Context, wf Workflow) (struct{}, error) { return struct{}{}, wf.Remember(p.uuid, kind) },
		func(_ struct{}, err error) tea.Cmd {
			if err != nil {
				m.warn("nmgre does not remember the notation: " + err.Error())
			}
			return nil
		})
}

// copyText copies commands to the terminal's clipboard (OSC 52), a line each. A shell that they are
// pasted into reads every byte of them: bytes that are not printable are escaped.
func (m *Model) copyText(what string, commands ...string) {
	m.say("copied " + what + ", if the terminal allows it")
	if m.clip == nil {
		return
	}
	lines := make([]string, len(commands))
	for i, c := range commands {
		lines[i] = fault.Escaped(c)
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
		what, text, err := m.detail.far.Copy()
		if err != nil {
			m.fail(err)
			return
		}
		m.copyText(what, strings.Split(text, "\n")...)
	case tabLog:
		m.copyText("the commands of the log", m.log.Commands()...)
	default:
		m.copyText("the command that makes this tunnel", answers.Whole(*s).CreateCommand())
	}
}
