package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/tui/draw"
	"nmgre/tui/form"
)

// list is the left side: every tunnel, or those that the filter lets through.
type list struct {
	uuid string // the chosen one's
	// its last row: when it is gone, the tunnel in that row is chosen
	row       int
	window    draw.Window
	filter    string
	filtering bool // it is being typed
	input     form.Line
	last      filtered
}

// filtered is the result of a filter. A frame asks for it many times.
type filtered struct {
	all    []nmgre.Status
	filter string
	shown  []*nmgre.Status
}

// of says whether it is the result for this list and this filter. A list is never changed in place.
func (f *filtered) of(all []nmgre.Status, filter string) bool {
	return f.filter == filter && len(f.all) > 0 && len(f.all) == len(all) && &f.all[0] == &all[0]
}

// shown are the tunnels that the filter lets through.
func (l *list) shown(all []nmgre.Status) []*nmgre.Status {
	if l.last.of(all, l.filter) {
		return l.last.shown
	}
	shown := make([]*nmgre.Status, 0, len(all))
	words := strings.Fields(strings.ToLower(l.filter))
	for i := range all {
		if matches(&all[i], words) {
			shown = append(shown, &all[i])
		}
	}
	l.last = filtered{all, l.filter, shown}
	return shown
}

// matches says whether the list shows every word of the filter for a tunnel.
func matches(s *nmgre.Status, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(strings.Join([]string{s.Tunnel.Name, s.ID, string(s.State), s.Tunnel.Mode.String(), gre.OuterText(s.Tunnel.Local), gre.OuterText(s.Tunnel.Remote)}, " "))
	for _, p := range s.Tunnel.Addresses {
		text += " " + p.String()
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// settle chooses a tunnel that exists: the same as before, or the one in its row.
func (l *list) settle(m *Model) {
	shown := l.shown(m.all)
	if at := l.at(shown); at >= 0 {
		l.row = at
		return
	}
	if len(shown) == 0 {
		return
	}
	l.row = min(l.row, len(shown)-1)
	l.uuid = shown[l.row].UUID
}

// at is the row of the chosen tunnel, -1 if it is not shown.
func (l *list) at(shown []*nmgre.Status) int {
	for i, s := range shown {
		if s.UUID == l.uuid {
			return i
		}
	}
	return -1
}

// moveList chooses the tunnel that is by rows further down.
func (m *Model) moveList(by int) tea.Cmd {
	shown := m.list.shown(m.all)
	if len(shown) == 0 {
		return nil
	}
	at := min(max(m.list.at(shown)+by, 0), len(shown)-1)
	if shown[at].UUID == m.list.uuid {
		return nil
	}
	m.list.uuid, m.list.row = shown[at].UUID, at
	return m.chosen()
}

// chosen loads the tunnel that has just been chosen, once the person rests on it.
func (m *Model) chosen() tea.Cmd {
	uuid := m.list.uuid
	m.detail.reset(uuid)
	return m.after(restOnRow, func() tea.Cmd {
		if m.list.uuid != uuid {
			return nil
		}
		return m.loadDetail()
	})
}

// viewList draws the list, width by height.
func (m *Model) viewList(width, height int) []string {
	th := m.theme
	shown := m.list.shown(m.all)
	inner, room := width-2, height-2
	at := m.list.at(shown)
	from, to := m.list.window.Show(max(at, 0), len(shown), room)
	names, states := columns(shown, inner)
	rows := make([]string, 0, room)
	for i := from; i < to; i++ {
		ground := draw.Plain
		switch {
		case i == at && !m.inDetail:
			ground = draw.Reverse
		case i == at:
			ground = draw.Bold
		case m.lost:
			ground = draw.Dim
		}
		rows = append(rows, th.RenderOn(inner, m.listRow(shown[i], i == at, names, states), ground))
	}
	if len(shown) == 0 {
		rows = m.emptyList(inner)
	}
	title := draw.Line{draw.Bold.Of("Tunnels")}
	if m.list.filtering || m.list.filter != "" {
		title = append(title, draw.Accent.Of(" /"+fault.Printable(m.filterText())))
	}
	foot := ""
	if len(shown) > room || m.list.filter != "" {
		foot = fmt.Sprintf("%d of %d", max(at, 0)+1, len(shown))
		if len(shown) == 0 {
			foot = fmt.Sprintf("0 of %d", len(m.all))
		}
	}
	return th.Panel(draw.Panel{Title: title, Foot: foot, Focused: !m.inDetail}, width, height, rows)
}

func (m *Model) filterText() string {
	if m.list.filtering {
		return m.list.input.Text()
	}
	return m.list.filter
}

// columns are the widths of the names and of the states, so that the far ends stand below each
// other and have room for an IPv4 address.
func columns(shown []*nmgre.Status, inner int) (names, states int) {
	const marks, most, ends = 3, 15, 15
	for _, s := range shown {
		names = max(names, draw.Cells(fault.Printable(s.Tunnel.Name)))
		states = max(states, len(s.State))
	}
	names = min(names, most)
	if names+states+marks+ends+2 > inner {
		states = min(states, len(nm.StateInactive))
	}
	return min(names, max(inner-states-marks-ends-2, 6)), states
}

// listRow is a tunnel's row: glyph, name, state, far end.
func (m *Model) listRow(s *nmgre.Status, chosen bool, names, states int) draw.Line {
	glyph, st := m.theme.State(s.State)
	lead := " "
	if chosen {
		lead = m.theme.Cursor
	}
	return draw.Line{draw.Plain.Of(lead), st.Of(glyph), draw.Plain.Of(" " + m.theme.Fit(fault.Printable(s.Tunnel.Name), names)),
		st.Of(" " + m.theme.Fit(string(s.State), states)), draw.Plain.Of(" " + gre.OuterText(s.Tunnel.Remote))}
}

// emptyList says why the list has no rows.
func (m *Model) emptyList(width int) []string {
	var lines []draw.Line
	say := func(s string, st draw.Style) { lines = append(lines, draw.Wrapped(s, width, " ", st)...) }
	switch {
	case m.readErr != nil && !m.read:
		say("the tunnels could not be read", draw.Red)
		say(draw.ErrorText(m.readErr), draw.Plain)
	case !m.read:
		say("reading the tunnels "+m.theme.Wait, draw.Dim)
	case len(m.all) > 0:
		say("no tunnel has these words in its name, state or addresses", draw.Plain)
		say("esc shows all of them again", draw.Dim)
	default:
		say("no tunnels yet", draw.Bold)
		say("n makes the first one", draw.Plain)
	}
	rows := make([]string, len(lines))
	for i := range lines {
		rows[i] = m.theme.Render(width, lines[i])
	}
	return rows
}

// startFilter lets the filter be typed.
func (m *Model) startFilter() tea.Cmd {
	m.list.input = form.NewLine(m.list.filter, "")
	m.list.filtering, m.inDetail = true, false
	return nil
}

// typed takes a key for the filter, which filters at once.
func (l *list) typed(m *Model, msg tea.Msg) tea.Cmd {
	if key, ok := msg.(tea.KeyPressMsg); ok {
		switch key.String() {
		case "enter":
			l.filtering = false
			return nil
		case "esc", "ctrl+c":
			l.filtering, l.filter = false, ""
			l.settle(m)
			return m.chosen()
		case "up", "down":
			l.filtering = false
			return m.key(key)
		}
	}
	l.input.Update(msg)
	l.filter = l.input.Text()
	before := l.uuid
	l.settle(m)
	if l.uuid != before {
		return m.chosen()
	}
	return nil
}
