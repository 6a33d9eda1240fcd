package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// The sizes, in cells, at which the layout changes, and below which nothing can be drawn. Below
// [draw.NarrowBelow] columns one side is seen at a time.
const (
	wideFrom    = 100 // columns: both sides are always seen
	leastWidth  = 40
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

func (m *Model) narrow() bool { return m.width < draw.NarrowBelow }

// alone says whether the tunnel that has the keys gets the whole width.
func (m *Model) alone() bool { return m.width < wideFrom }

// draw returns exactly height rows of exactly width cells, and where the cursor is.
func (m *Model) draw() ([]string, *tea.Position) {
	if m.width < leastWidth || m.height < leastHeight {
		return m.tooSmall(), nil
	}
	height := m.height - 3
	var body []string
	var cursor *tea.Position
	top := len(m.screens) - 1
	if top < 0 || m.screens[top].View(m.width, height).Box {
		body = m.viewMain(m.width, height)
		if m.list.filtering && top < 0 {
			cursor = m.filterCursor()
		}
	}
	for i, s := range m.screens {
		d := s.View(m.width, height)
		switch {
		case !d.Box:
			body, cursor = d.Rows, d.Cursor
		case i == top || body != nil:
			body, cursor = m.overlay(body, d)
		}
	}
	rows := append([]string{m.header()}, pad(body, height, m.width)...)
	if cursor != nil {
		cursor = &tea.Position{X: min(cursor.X, m.width-1), Y: cursor.Y + 1}
	}
	return append(rows, m.theme.Render(m.width, draw.Line{draw.Plain.Of(" "), m.note.style.Of(m.note.text)}), m.hints()), cursor
}

// tooSmall fills the window with its size, and the remedy.
func (m *Model) tooSmall() []string {
	width, height := max(m.width, 1), max(m.height, 1)
	var rows []string
	for _, row := range draw.Wrap(fmt.Sprintf("nmgre: this window is %d by %d, too small for the screens. Make it larger: 40 by 15 will do. Or leave with ctrl+c and type: nmgre --plain", m.width, m.height), width) {
		rows = append(rows, m.theme.Fit(row, width))
	}
	return pad(rows, height, width)
}

// pad makes body exactly height rows.
func pad(body []string, height, width int) []string {
	for len(body) < height {
		body = append(body, strings.Repeat(" ", width))
	}
	return body[:height]
}

// overlay puts a box into the middle of the body.
func (m *Model) overlay(body []string, d screen.Drawing) ([]string, *tea.Position) {
	out := append([]string(nil), body...)
	top := max((len(out)-len(d.Rows))/2, 0)
	for i, row := range d.Rows {
		if top+i < len(out) {
			out[top+i] = row
		}
	}
	if d.Cursor == nil {
		return out, nil
	}
	return out, &tea.Position{X: d.Cursor.X, Y: d.Cursor.Y + top}
}

// header names the host, and the state of NetworkManager.
func (m *Model) header() string {
	left := draw.Line{draw.Bold.Of(" nmgre")}
	if m.opts.Host != "" {
		left = append(left, draw.Plain.Of(" "+m.theme.Separate+" "+fault.Printable(m.opts.Host)))
	}
	right, st := "", draw.Dim
	switch {
	case m.lost:
		right, st = "NetworkManager has gone", draw.Red
	case m.changing() != nil:
		right, st = m.changing().name+" "+m.theme.Wait, draw.Yellow
	case m.manager.Version != (nm.Version{}):
		right = "NetworkManager " + versionText(m.manager.Version)
	}
	used := 0
	for _, s := range left {
		used += draw.Cells(s.Text)
	}
	room := m.width - used - 2
	if room < 4 {
		return m.theme.Render(m.width, left)
	}
	right = m.theme.Shorten(fault.Printable(right), room)
	gap := m.width - used - draw.Cells(right) - 1
	return m.theme.Render(m.width, append(left, draw.Plain.Of(strings.Repeat(" ", gap)), st.Of(right)))
}

// leftWidth is the width of the list beside the chosen tunnel.
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
	return draw.Beside(m.viewList(left, height), m.viewDetail(width-left, height))
}

// filterCursor is the place of the cursor in the filter, in the list's upper edge.
func (m *Model) filterCursor() *tea.Position {
	return &tea.Position{X: 2 + len("Tunnels /") + draw.Cells(string([]rune(m.list.input.Text())[:m.list.input.Position()])), Y: 0}
}

// hints are the keys of the bottom line. Those that do not fit are left out, but never that of the
// help.
func (m *Model) hints() string {
	var help draw.Span
	var parts []draw.Span
	for _, b := range m.bindings() {
		if b.Hint == "" {
			continue
		}
		st := draw.Plain
		if b.Why != "" {
			st = draw.Dim
		}
		if b.Keys[0] == "?" || b.Keys[0] == "f1" {
			help = draw.Plain.Of(b.Keys[0] + " " + b.Hint)
			continue
		}
		parts = append(parts, st.Of(b.Shown()+" "+b.Hint))
	}
	room := m.width - 2 - draw.Cells(help.Text)
	out := draw.Line{draw.Plain.Of(" ")}
	for _, p := range parts {
		if n := draw.Cells(p.Text) + 2; n <= room {
			out = append(out, p, draw.Plain.Of("  "))
			room -= n
		}
	}
	return m.theme.Render(m.width, append(out, help))
}

// versionText writes a version as NetworkManager does.
func versionText(v nm.Version) string {
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro)
}
