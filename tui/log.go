package tui

import (
	"strings"
	"sync"
	"time"

	"nmgre/routes/fault"

	"nmgre"
)

// logMost bounds the log: the oldest steps are forgotten.
const logMost = 2000

// log is what nmgre really did. An operation that has the terminal to itself writes to it from its
// own goroutine.
type log struct {
	mu      sync.Mutex
	entries []entry
	now     func() time.Time // nil for the clock; tests have another
}

type entry struct {
	nmgre.Event
	at time.Time
}

func (g *log) add(s nmgre.Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now
	if g.now != nil {
		now = g.now
	}
	g.entries = append(g.entries, entry{s, now()})
	if len(g.entries) > logMost {
		g.entries = append([]entry(nil), g.entries[len(g.entries)-logMost:]...)
	}
}

// lines show the newest step first, each with its time and the commands that do the same.
func (g *log) lines(th theme, width int) []line {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.entries) == 0 {
		return wrapped("Nothing has been done yet. Here stands each step that nmgre takes, with its time, and the nmcli or ip line that does the same.", width, "", dim)
	}
	var lines []line
	for i := len(g.entries) - 1; i >= 0; i-- {
		lines = append(lines, g.entries[i].lines(th, width)...)
	}
	return lines
}

func (e entry) lines(th theme, width int) []line {
	glyph, st := th.pass, green
	switch {
	case e.Err != nil:
		glyph, st = th.fail, red
	case e.Undo:
		glyph, st = th.skip, yellow
	case e.Detail:
		glyph, st = th.separate, dim
	}
	parts := wrap(stepText(e.Event), width-11)
	lines := []line{{dim.of(e.at.Format("15:04:05") + " "), st.of(glyph + " "), plain.of(parts[0])}}
	for _, part := range parts[1:] {
		lines = append(lines, line{plain.of(strings.Repeat(" ", 11)), plain.of(part)})
	}
	for _, c := range e.Commands {
		lines = append(lines, dimCommand(fault.Printable(c), width)...)
	}
	return lines
}

func dimCommand(s string, width int) []line {
	lines := command(s, width, strings.Repeat(" ", 11)+"$ ")
	for i := range lines {
		for j := range lines[i] {
			lines[i][j].style = dim
		}
	}
	return lines
}

// commands are those of the log, the oldest first.
func (g *log) commands() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, e := range g.entries {
		all = append(all, e.Commands...)
	}
	return strings.Join(all, "\n")
}
