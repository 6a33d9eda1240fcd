package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// helpScreen lists the keys of the screen below it, each with what it does, or why it cannot now.
type helpScreen struct {
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
	m.push(&helpScreen{below: m.bindings()})
	return nil
}

func (h *helpScreen) typing() bool { return false }

func (h *helpScreen) update(m *Model, msg tea.Msg) tea.Cmd { return nil }

func (h *helpScreen) keys(m *Model) []binding {
	scroll := func(by int) func() tea.Cmd {
		return func() tea.Cmd { h.window.top += by; return nil }
	}
	return []binding{
		{keys: []string{"esc", "q"}, hint: "close", help: "close the help", do: func() tea.Cmd { m.drop(h); return nil }},
		{keys: []string{"up", "k"}, hint: "scroll", help: "a row up", do: scroll(-1)},
		{keys: []string{"down", "j"}, help: "a row down", do: scroll(1)},
		{keys: []string{"pgup", "ctrl+u"}, help: "a page up", do: scroll(-m.page())},
		{keys: []string{"pgdown", "ctrl+d", "space"}, help: "a page down", do: scroll(m.page())},
		{keys: []string{"home", "g"}, help: "to the top", do: scroll(-far)},
		{keys: []string{"end", "G"}, help: "to the end", do: scroll(far)},
	}
}

func (h *helpScreen) view(m *Model, width, height int) drawing {
	th := m.theme
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
	return drawing{rows: th.panel(panel{line{bold.of("Keys")}, foot, true}, width, height, rows)}
}

// question asks before something is done that is hard to take back.
type question struct {
	title     string
	lines     []string
	yes       string // what y does, in a word or two
	no        string // what n does
	do        func() tea.Cmd
	otherwise func() tea.Cmd // nil for nothing
}

func (q *question) typing() bool { return false }

func (q *question) update(*Model, tea.Msg) tea.Cmd { return nil }

func (q *question) answer(m *Model, then func() tea.Cmd) func() tea.Cmd {
	return func() tea.Cmd {
		m.drop(q)
		if then == nil {
			return nil
		}
		return then()
	}
}

func (q *question) keys(m *Model) []binding {
	return []binding{
		{keys: []string{"y"}, hint: q.yes, help: q.yes, do: q.answer(m, q.do)},
		{keys: []string{"n", "esc", "q", "ctrl+c"}, hint: q.no, help: q.no, do: q.answer(m, q.otherwise)},
	}
}

func (q *question) view(m *Model, width, height int) drawing {
	var lines []line
	inner := min(width-6, 66)
	for _, s := range q.lines {
		lines = append(lines, wrapped(s, inner, "", plain)...)
	}
	lines = append(lines, text(""), line{bold.of("y"), plain.of(" " + q.yes + "    "), bold.of("n"), plain.of(" " + q.no)})
	return box(m.theme, q.title, lines, inner, width, height)
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
	framed := th.panel(panel{line{bold.of(title)}, "", true}, outer, len(rows)+2, rows)
	left := (width - outer) / 2
	for i := range framed {
		framed[i] = strings.Repeat(" ", left) + framed[i] + strings.Repeat(" ", width-left-outer)
	}
	return drawing{rows: framed, box: true}
}
