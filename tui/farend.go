package tui

import (
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// farEndLines are what has to be typed at the other end.
func (m *Model) farEndLines(width int) []line {
	switch {
	case m.detail.farErr != nil:
		return wrapped(errorText(m.detail.farErr), width, "", red)
	case m.detail.far == nil:
		return []line{styled("thinking of the far end "+m.theme.wait, dim)}
	}
	return farEndText(*m.detail.far, width)
}

// farEndText are the commands for the far end, by nmgre and without it.
func farEndText(far nm.Tunnel, width int) []line {
	lines := wrapped("On the far host, with nmgre (y copies it):", width, "", bold)
	lines = append(lines, text(""))
	lines = append(lines, command(fault.Printable(far.CreateCommand()), width, "  ")...)
	lines = append(lines, text(""))
	if len(far.Routes) > 0 {
		var nets []string
		for _, r := range far.Routes {
			nets = append(nets, r.Dst.String())
		}
		lines = append(lines, wrapped("Its routes are the networks of this host: "+strings.Join(nets, ", "), width, "", dim)...)
		lines = append(lines, text(""))
	}
	named := far.Clone()
	if named.Name == "" {
		named.Name = "gre1"
	}
	lines = append(lines, wrapped("With NetworkManager alone:", width, "", bold)...)
	lines = append(lines, command(fault.Printable(named.NmcliAdd()), width, "  ")...)
	lines = append(lines, text(""))
	lines = append(lines, wrapped("With ip, until the next reboot:", width, "", bold)...)
	for _, c := range named.IPCommands() {
		lines = append(lines, command(fault.Printable(c), width, "  ")...)
	}
	return lines
}

// copyText gives a text to the terminal's clipboard (OSC 52).
func (m *Model) copyText(what, s string) {
	m.say("copied " + what + ", where the terminal allows it")
	if m.clip != nil {
		m.clip(s)
	}
}

// copyTab copies the command that does what the open tab is about.
func (m *Model) copyTab() {
	s := m.status()
	name := quote(s.Tunnel.Name)
	switch m.detail.tab {
	case tabRoutes:
		m.copyText("the command that lists the routes", "nmgre route list "+name)
	case tabChecks:
		m.copyText("the command that verifies the tunnel", "nmgre verify "+name)
	case tabFarEnd:
		if m.detail.far == nil {
			m.warn("the far end is not known yet")
			return
		}
		m.copyText("the far end's command", m.detail.far.CreateCommand())
	case tabLog:
		m.copyText("the commands of the log", m.log.commands())
	default:
		m.copyText("the command that makes this tunnel", s.Tunnel.CreateCommand())
	}
}

// quote writes a word for a POSIX shell.
func quote(word string) string {
	if word == "" {
		return "''"
	}
	for _, r := range word {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:,=+@", r) {
			return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return word
}
