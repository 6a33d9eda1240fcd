package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// The sizes at which the layout changes, and below which nothing can be drawn.
const (
	narrowBelow = 64  // columns: one side at a time
	wideFrom    = 100 // columns: both sides always
	leastWidth  = 20
	leastHeight = 6
)

// View draws the screen.
func (m *Model) View() (v tea.View) {
	defer func() {
		if r := recover(); r != nil {
			v = tea.NewView("")
			m.crashed(r)
		}
	}()
	rows, cursor := m.draw()
	v = tea.NewView(strings.Join(rows, "\n"))
	v.AltScreen = true
	v.WindowTitle = "nmgre"
	if m.mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if cursor != nil {
		v.Cursor = tea.NewCursor(cursor.X, cursor.Y)
	}
	return v
}

func (m *Model) narrow() bool { return m.width < narrowBelow }

// alone says whether the chosen tunnel gets the whole width while the keys go to it.
func (m *Model) alone() bool { return m.width < wideFrom }

// draw returns exactly height rows of exactly width cells, and where the cursor is.
func (m *Model) draw() ([]string, *tea.Position) {
	if m.width < leastWidth || m.height < leastHeight {
		return []string{m.theme.cut("the terminal is too small for nmgre", max(m.width, 1))}, nil
	}
	height := m.height - 3
	var body []string
	var cursor *tea.Position
	top := len(m.screens) - 1
	if top < 0 || m.screens[top].View(m.width, height).box {
		body = m.viewMain(m.width, height)
		if m.list.filtering && top < 0 {
			cursor = m.filterCursor()
		}
	}
	for i, s := range m.screens {
		d := s.View(m.width, height)
		switch {
		case !d.box:
			body, cursor = d.rows, d.cursor
		case i == top || body != nil:
			body, cursor = m.overlay(body, d)
		}
	}
	rows := append([]string{m.header()}, pad(body, height, m.width)...)
	if cursor != nil {
		cursor = &tea.Position{X: min(cursor.X, m.width-1), Y: cursor.Y + 1}
	}
	return append(rows, m.theme.render(m.width, line{plain.of(" "), m.note.style.of(m.note.text)}), m.hints()), cursor
}

// pad makes body exactly height rows.
func pad(body []string, height, width int) []string {
	for len(body) < height {
		body = append(body, strings.Repeat(" ", width))
	}
	return body[:height]
}

// overlay puts a box into the middle of the rows that are there.
func (m *Model) overlay(body []string, d drawing) ([]string, *tea.Position) {
	out := append([]string(nil), body...)
	top := max((len(out)-len(d.rows))/2, 0)
	for i, row := range d.rows {
		if top+i < len(out) {
			out[top+i] = row
		}
	}
	if d.cursor == nil {
		return out, nil
	}
	return out, &tea.Position{X: d.cursor.X, Y: d.cursor.Y + top}
}

// header says whose tunnels these are, and how NetworkManager is.
func (m *Model) header() string {
	left := line{bold.of(" nmgre")}
	if m.opts.Host != "" {
		left = append(left, plain.of(" "+m.theme.separate+" "+fault.Printable(m.opts.Host)))
	}
	right, st := "", dim
	switch {
	case m.lost:
		right, st = "NetworkManager has gone", red
	case m.changing() != nil:
		right, st = m.changing().name+" "+m.theme.wait, yellow
	case m.manager.Version != (nm.Version{}):
		right = "NetworkManager " + versionText(m.manager.Version)
	}
	used := 0
	for _, s := range left {
		used += cells(s.text)
	}
	room := m.width - used - 2
	if room < 4 {
		return m.theme.render(m.width, left)
	}
	right = m.theme.shorten(fault.Printable(right), room)
	gap := m.width - used - cells(right) - 1
	return m.theme.render(m.width, append(left, plain.of(strings.Repeat(" ", gap)), st.of(right)))
}

// leftWidth is how much of the width the list gets beside the detail.
func (m *Model) leftWidth() int { return min(max(m.width*2/5, 38), 56) }

// viewMain is the list and the chosen tunnel, side by side where there is room.
func (m *Model) viewMain(width, height int) []string {
	switch {
	case m.alone() && m.inDetail:
		return m.viewDetail(width, height)
	case m.narrow():
		return m.viewList(width, height)
	}
	left := m.leftWidth()
	return beside(m.viewList(left, height), m.viewDetail(width-left, height))
}

// filterCursor is where the filter is typed: in the list's upper edge.
func (m *Model) filterCursor() *tea.Position {
	return &tea.Position{X: 2 + len("Tunnels /") + cells(string([]rune(m.list.input.Value())[:m.list.input.Position()])), Y: 0}
}

// hints are the keys that can be pressed now; those that do not fit are left out, the last ones
// first, and the help's stays.
func (m *Model) hints() string {
	var help span
	var parts []span
	for _, b := range m.bindings() {
		if b.hint == "" {
			continue
		}
		st := plain
		if b.why != "" {
			st = dim
		}
		if b.keys[0] == "?" || b.keys[0] == "f1" {
			help = plain.of(b.keys[0] + " " + b.hint)
			continue
		}
		parts = append(parts, st.of(b.shown()+" "+b.hint))
	}
	room := m.width - 2 - cells(help.text)
	out := line{plain.of(" ")}
	for _, p := range parts {
		if n := cells(p.text) + 2; n <= room {
			out = append(out, p, plain.of("  "))
			room -= n
		}
	}
	return m.theme.render(m.width, append(out, help))
}
