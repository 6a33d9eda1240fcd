package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// helpScreen lists the keys of the screen below it, with the reasons of those that do nothing now.
type helpScreen struct {
	m      *Model
	below  []screen.Key
	window draw.Window
}

func (m *Model) openHelp() tea.Cmd {
	if n := len(m.screens); n > 0 {
		if _, open := m.screens[n-1].(*helpScreen); open {
			m.pop()
			return nil
		}
	}
	m.push(&helpScreen{m: m, below: m.bindings()})
	return nil
}

// Typing is false: every letter is a key.
func (h *helpScreen) Typing() bool { return false }

// Update takes nothing besides the keys.
func (h *helpScreen) Update(tea.Msg) tea.Cmd { return nil }

// Keys close and scroll.
func (h *helpScreen) Keys() []screen.Key {
	closing := screen.Key{Keys: []string{"esc", "q"}, Hint: "close", Help: "close the help", Do: func() tea.Cmd { h.m.drop(h); return nil }}
	return append([]screen.Key{closing}, screen.Scroll(&h.window)...)
}

// View lists the keys beside their sentences.
func (h *helpScreen) View(width, height int) screen.Drawing {
	th := h.m.theme
	inner, room := width-2, height-2
	column := 0
	for _, b := range h.below {
		column = max(column, draw.Cells(b.All()))
	}
	column = min(column, max(inner/3, 10))
	var lines []draw.Line
	for _, b := range h.below {
		st := draw.Bold
		help := b.Help
		if b.Why != "" {
			st, help = draw.Dim, b.Help+" (not now: "+b.Why+")"
		}
		keys := draw.Wrap(b.All(), column)
		texts := draw.Wrap(help, max(inner-column-3, 8))
		for i := range max(len(keys), len(texts)) {
			lines = append(lines, draw.Line{st.Of(" " + th.Fit(at(keys, i), column) + "  "), draw.Plain.Of(at(texts, i))})
		}
	}
	from, to := h.window.Clamp(len(lines), room)
	rows := make([]string, 0, room)
	for _, ln := range lines[from:to] {
		rows = append(rows, th.Render(inner, ln))
	}
	foot := ""
	if len(lines) > room {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(lines))
	}
	return screen.Drawing{Rows: th.Panel(draw.Panel{Title: draw.Styled("Keys", draw.Bold), Foot: foot, Focused: true}, width, height, rows)}
}

// question asks before a change that is hard to undo.
type question struct {
	m         *Model
	title     string
	lines     []string
	yes       string // the label of y, in a word or two
	no        string // the label of n
	do        func() tea.Cmd
	otherwise func() tea.Cmd // nil if nothing is done
}

// Typing is false: every letter is a key.
func (q *question) Typing() bool { return false }

// Update takes nothing besides the keys.
func (q *question) Update(tea.Msg) tea.Cmd { return nil }

func (q *question) answer(then func() tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		q.m.drop(q)
		if then == nil {
			return nil
		}
		return then()
	}
}

// Keys are the two answers.
func (q *question) Keys() []screen.Key {
	return []screen.Key{
		{Keys: []string{"y"}, Hint: q.yes, Help: q.yes, Do: q.answer(q.do)},
		{Keys: []string{"n", "esc", "q", "ctrl+c"}, Hint: q.no, Help: q.no, Do: q.answer(q.otherwise)},
	}
}

// View draws the question with its answers.
func (q *question) View(width, height int) screen.Drawing {
	var lines []draw.Line
	inner := min(width-6, 66)
	for _, s := range q.lines {
		lines = append(lines, draw.Wrapped(s, inner, "", draw.Plain)...)
	}
	lines = append(lines, draw.Text(""), draw.Line{draw.Bold.Of("y"), draw.Plain.Of(" " + q.yes + "    "), draw.Bold.Of("n"), draw.Plain.Of(" " + q.no)})
	return screen.Box(q.m.theme, q.title, lines, inner, width, height)
}
