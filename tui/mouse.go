package tui

import (
	tea "charm.land/bubbletea/v2"
)

// clicked takes a click, which chooses a row, or the wheel, which scrolls. The mouse counts only
// where the person has asked for it.
func (m *Model) clicked(msg tea.MouseMsg) tea.Cmd {
	if !m.mouse || len(m.screens) > 0 {
		return nil
	}
	at := msg.Mouse()
	left := !m.inDetail && (m.narrow() || at.X < m.leftWidth()) || m.inDetail && !m.alone() && at.X < m.leftWidth()
	switch msg.(type) {
	case tea.MouseWheelMsg:
		by := 3
		if at.Button == tea.MouseWheelUp {
			by = -3
		}
		if left {
			return m.moveList(by)
		}
		return m.moveDetail(by)
	case tea.MouseClickMsg:
		return m.clickedAt(at.X, at.Y, left)
	}
	return nil
}

func (m *Model) clickedAt(x, y int, left bool) tea.Cmd {
	row := y - 2 // below the header and the frame
	edge := m.leftWidth()
	if m.alone() && m.inDetail {
		edge = 0
	}
	m.inDetail = !left
	switch {
	case left && row >= 0:
		shown := m.list.shown(m.all)
		if at := m.list.window.Top + row; at < len(shown) {
			return m.moveList(at - max(m.list.at(shown), 0))
		}
	case !left && row == 0 && !m.narrow():
		return m.clickedTab(x - edge - 1)
	case !left && m.detail.tab == tabRoutes && row > 1:
		r := &m.detail.routes
		return m.moveRoutes(r.window.Top + row - 2 - r.at)
	}
	return nil
}

// clickedTab opens the tab whose name is at column x.
func (m *Model) clickedTab(x int) tea.Cmd {
	for i, name := range tabNames {
		if x >= 0 && x < len(name) {
			return m.openTab(tab(i))
		}
		x -= len(name) + 1
	}
	return nil
}
