package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// helpScreen lists the keys of the screen below it, each with what it does, or why it cannot now.
type helpScreen struct {
	m      *Model
	below  []binding
	window window
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
func (h *helpScreen) Keys() []binding {
	closing := binding{keys: []string{"esc", "q"}, hint: "close", help: "close the help", do: func() tea.Cmd { h.m.drop(h); return nil }}
	return append([]binding{closing}, scrollKeys(&h.window)...)
}

// View lists the keys beside their sentences.
func (h *helpScreen) View(width, height int) drawing {
	th := h.m.theme
	inner, room := width-2, height-2
	column := 0
	for _, b := range h.below {
		column = max(column, cells(b.all()))
	}
	column = min(column, max(inner/3, 10))
	var lines []line
	for _, b := range h.below {
		st := bold
		help := b.help
		if b.why != "" {
			st, help = dim, b.help+" (not now: "+b.why+")"
		}
		keys := wrap(b.all(), column)
		texts := wrap(help, max(inner-column-3, 8))
		for i := range max(len(keys), len(texts)) {
			lines = append(lines, line{st.of(" " + th.fit(at(keys, i), column) + "  "), plain.of(at(texts, i))})
		}
	}
	from, to := h.window.clamp(len(lines), room)
	rows := make([]string, 0, room)
	for _, ln := range lines[from:to] {
		rows = append(rows, th.render(inner, ln))
	}
	foot := ""
	if len(lines) > room {
		foot = fmt.Sprintf("%d-%d of %d", from+1, to, len(lines))
	}
	return drawing{rows: th.panel(panel{title: styled("Keys", bold), foot: foot, focused: true}, width, height, rows)}
}

// question asks before something is done that is hard to take back.
type question struct {
	m         *Model
	title     string
	lines     []string
	yes       string // what y does, in a word or two
	no        string // what n does
	do        func() tea.Cmd
	otherwise func() tea.Cmd // nil for nothing
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
func (q *question) Keys() []binding {
	return []binding{
		{keys: []string{"y"}, hint: q.yes, help: q.yes, do: q.answer(q.do)},
		{keys: []string{"n", "esc", "q", "ctrl+c"}, hint: q.no, help: q.no, do: q.answer(q.otherwise)},
	}
}

// View draws the question with its answers.
func (q *question) View(width, height int) drawing {
	var lines []line
	inner := min(width-6, 66)
	for _, s := range q.lines {
		lines = append(lines, wrapped(s, inner, "", plain)...)
	}
	lines = append(lines, text(""), line{bold.of("y"), plain.of(" " + q.yes + "    "), bold.of("n"), plain.of(" " + q.no)})
	return box(q.m.theme, q.title, lines, inner, width, height)
}

// box draws lines in a frame in the middle of the width.
func box(th theme, title string, lines []line, inner, width, height int) drawing {
	if most := height - 2; len(lines) > most && most > 3 { // the answers at the end must be seen
		cut := len(lines) - most
		tail := lines[len(lines)-2:]
		lines = append(lines[:most-3:most-3], styled(fmt.Sprintf("(%d more lines)", cut+1), dim))
		lines = append(lines, tail...)
	}
	rows := make([]string, len(lines))
	for i, ln := range lines {
		rows[i] = " " + th.render(inner, ln) + " "
	}
	outer := inner + 4
	framed := th.panel(panel{title: styled(title, bold), focused: true}, outer, len(rows)+2, rows)
	left := (width - outer) / 2
	for i := range framed {
		framed[i] = strings.Repeat(" ", left) + framed[i] + strings.Repeat(" ", width-left-outer)
	}
	return drawing{rows: framed, box: true}
}
