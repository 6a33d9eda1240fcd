// Package steps is the log of the steps that nmgre really took.
package steps

import (
	"strings"
	"time"

	"nmgre"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
)

// logMost bounds the log: the oldest steps are forgotten.
const logMost = 2000

// Log lists the steps that nmgre really took.
type Log struct {
	entries []entry
	Now     func() time.Time // nil for the clock; tests have another
}

type entry struct {
	nmgre.Event
	at time.Time
}

// Add adds a step that was taken now.
func (g *Log) Add(s nmgre.Event) {
	now := time.Now
	if g.Now != nil {
		now = g.Now
	}
	g.entries = append(g.entries, entry{s, now()})
	if len(g.entries) > logMost {
		g.entries = append([]entry(nil), g.entries[len(g.entries)-logMost:]...)
	}
}

// Lines show the newest step first, each with its time and the commands that do the same.
func (g *Log) Lines(th draw.Theme, width int) []draw.Line {
	if len(g.entries) == 0 {
		return draw.Wrapped("Nothing has been done yet. Each step of nmgre is listed here with its time, and with the nmcli or ip line that does the same.", width, "", draw.Dim)
	}
	var lines []draw.Line
	for i := len(g.entries) - 1; i >= 0; i-- {
		lines = append(lines, g.entries[i].lines(th, width)...)
	}
	return lines
}

func (e entry) lines(th draw.Theme, width int) []draw.Line {
	glyph, st := th.Pass, draw.Green
	switch {
	case e.Err != nil:
		glyph, st = th.Fail, draw.Red
	case e.Undo:
		glyph, st = th.Skip, draw.Yellow
	case e.Detail:
		glyph, st = th.Separate, draw.Dim
	}
	parts := draw.Wrap(draw.StepText(e.Event), width-11)
	lines := []draw.Line{{draw.Dim.Of(e.at.Format("15:04:05") + " "), st.Of(glyph + " "), draw.Plain.Of(parts[0])}}
	for _, part := range parts[1:] {
		lines = append(lines, draw.Line{draw.Plain.Of(strings.Repeat(" ", 11)), draw.Plain.Of(part)})
	}
	for _, c := range e.Commands {
		lines = append(lines, dimCommand(fault.Escaped(c), width)...)
	}
	return lines
}

func dimCommand(s string, width int) []draw.Line {
	lines := draw.Command(s, width, strings.Repeat(" ", 11)+"$ ")
	for i := range lines {
		for j := range lines[i] {
			lines[i][j].Style = draw.Dim
		}
	}
	return lines
}

// Commands are the commands of the log, the oldest first.
func (g *Log) Commands() []string {
	var all []string
	for _, e := range g.entries {
		all = append(all, e.Commands...)
	}
	return all
}
