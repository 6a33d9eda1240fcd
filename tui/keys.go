package tui

import (
	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
)

// key does what a key is bound to. While something is typed, letters are text.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	m.note = note{}
	top := len(m.screens) - 1
	typing := top < 0 && m.list.filtering || top >= 0 && m.screens[top].Typing()
	bound := find(m.bindings(), msg.String())
	switch {
	case bound == nil || typing && msg.Text != "":
		return m.toScreen(msg)
	case bound.why != "":
		m.warn(bound.keys[0] + ": " + bound.why)
		return nil
	}
	return bound.do()
}

// bindings are the keys that count now: those of the screen on top, else the main view's.
func (m *Model) bindings() []binding {
	if n := len(m.screens); n > 0 {
		return append(m.screens[n-1].Keys(), m.always(m.screens[n-1].Typing())...)
	}
	if m.list.filtering {
		return append([]binding{
			{keys: []string{"enter"}, hint: "keep it", help: "keep the filter", do: func() tea.Cmd { m.list.filtering = false; return nil }},
			{keys: []string{"esc", "ctrl+c"}, hint: "show all", help: "show all tunnels again", do: func() tea.Cmd { return m.list.typed(m, tea.KeyPressMsg{Code: tea.KeyEscape}) }},
		}, m.always(true)...)
	}
	list := append(append(m.actions(), m.movement()...), m.always(false)...)
	return m.wayFirst(list)
}

// wayFirst puts the key that leads on, or back, before all others, where only one side is seen.
func (m *Model) wayFirst(list []binding) []binding {
	key, hint := "esc", "back"
	if !m.inDetail {
		key, hint = "enter", "open"
	}
	if !m.alone() || !m.inDetail && !m.narrow() {
		return list
	}
	for i, b := range list {
		if b.keys[0] == key {
			b.hint = hint
			return append([]binding{b}, append(list[:i:i], list[i+1:]...)...)
		}
	}
	return list
}

// always are the keys that every screen has. While something is typed, the question mark is text
// and F1 stands for it.
func (m *Model) always(typing bool) []binding {
	help := binding{keys: []string{"?", "f1"}, hint: "keys", help: "show every key", do: m.openHelp}
	if typing {
		help.keys = []string{"f1"}
	}
	list := []binding{help, {keys: []string{"ctrl+c"}, help: "stop what runs, else leave nmgre", do: m.interrupt}}
	return append(list, binding{keys: []string{"ctrl+l"}, help: "draw the screen anew", do: func() tea.Cmd { m.redraw = true; return nil }})
}

// actions are what can be done with the tunnels.
func (m *Model) actions() []binding {
	s := m.current()
	none := ""
	if s == nil {
		none = "no tunnel is chosen"
	}
	own := m.ownWhy(s)
	list := []binding{
		{keys: []string{"n"}, hint: "new", help: "make a new tunnel", why: m.changeWhy(), do: func() tea.Cmd { return m.openWizard(nil) }},
		{keys: []string{"e"}, hint: "edit", help: "change the chosen tunnel", why: own, do: func() tea.Cmd { return m.openEdit(s) }},
		{keys: []string{"u"}, hint: "up", help: "bring it up", why: firstOf(own, m.stateWhy(s, true)), do: func() tea.Cmd { return m.up(s) }},
		{keys: []string{"d"}, hint: "down", help: "take it down (asks first)", why: firstOf(own, m.stateWhy(s, false)), do: func() tea.Cmd { return m.askDown(s) }},
		{keys: []string{"v"}, hint: "verify", help: "prove that it works, layer by layer", why: firstOf(none, m.lostWhy()), do: m.verify},
		{keys: []string{"/"}, hint: "filter", help: "show only tunnels with these words", why: m.emptyWhy(), do: m.startFilter},
		{keys: []string{"x", "delete"}, hint: "delete", help: "delete it (asks first)", why: own, do: func() tea.Cmd { return m.askDelete(s) }},
		{keys: []string{"D"}, hint: "duplicate", help: "make another one like it", why: firstOf(none, m.changeWhy()), do: func() tea.Cmd { return m.openWizard(s) }},
		{keys: []string{"z"}, hint: "undo", help: "take the last change back (asks first)", why: firstOf(m.undoWhy(), m.changeWhy()), do: m.askUndo},
		{keys: []string{"y"}, hint: "copy", help: "copy the command that this tab is about", why: none, do: func() tea.Cmd { m.copyTab(); return nil }},
	}
	return list
}

// movement are the keys that change what is seen.
func (m *Model) movement() []binding {
	list := []binding{
		{keys: []string{"tab", "]"}, hint: "next tab", help: "show the next tab", do: func() tea.Cmd { return m.openTab((m.detail.tab + 1) % tabs) }},
		{keys: []string{"shift+tab", "["}, help: "show the tab before", do: func() tea.Cmd { return m.openTab((m.detail.tab + tabs - 1) % tabs) }},
		{keys: []string{"up", "k"}, help: "one row up", do: func() tea.Cmd { return m.move(-1) }},
		{keys: []string{"down", "j"}, help: "one row down", do: func() tea.Cmd { return m.move(1) }},
		{keys: []string{"pgup", "ctrl+u", "ctrl+b"}, help: "a page up", do: func() tea.Cmd { return m.move(-m.page()) }},
		{keys: []string{"pgdown", "ctrl+d", "ctrl+f"}, help: "a page down", do: func() tea.Cmd { return m.move(m.page()) }},
		{keys: []string{"home", "g"}, help: "to the first row", do: func() tea.Cmd { return m.move(-farther) }},
		{keys: []string{"end", "G"}, help: "to the last row", do: func() tea.Cmd { return m.move(farther) }},
		{keys: []string{"enter", "right", "l"}, help: "into the chosen tunnel", do: m.enter},
		{keys: []string{"left", "h"}, help: "back to the list", do: m.leave},
		{keys: []string{"esc"}, help: "stop what runs; back to the list; show all again", do: m.escape},
	}
	for i, name := range tabNames {
		list = append(list, binding{keys: []string{string(rune('1' + i))}, help: "show the tab " + name, do: func() tea.Cmd { return m.openTab(tab(i)) }})
	}
	mouse := "let the mouse choose rows (text is then selected with shift)"
	if m.mouse {
		mouse = "give the mouse back to the terminal"
	}
	return append(list,
		binding{keys: []string{"ctrl+r"}, help: "read everything anew", do: m.refresh},
		binding{keys: []string{"m"}, help: mouse, do: func() tea.Cmd { m.mouse = !m.mouse; return nil }},
		binding{keys: []string{"q"}, hint: "quit", help: "leave nmgre", do: m.quit})
}

// move goes to another row of the side that has the keys.
func (m *Model) move(by int) tea.Cmd {
	if m.inDetail {
		return m.moveDetail(by)
	}
	return m.moveList(by)
}

// page is how many rows a page key moves.
func (m *Model) page() int { return max(m.height-6, 1) }

func (m *Model) enter() tea.Cmd {
	if m.current() != nil {
		m.inDetail = true
	}
	return nil
}

func (m *Model) leave() tea.Cmd {
	m.inDetail = false
	return nil
}

// escape takes back the last thing that the keys did.
func (m *Model) escape() tea.Cmd {
	switch {
	case m.changing() != nil:
		m.cancelOp(m.changing())
	case m.verifying():
		m.cancelReads()
		m.watch.reading = false
		m.detail.verifying = false
		m.warn("no longer waiting for the checks")
	case m.inDetail:
		return m.leave()
	case m.list.filter != "":
		return m.list.typed(m, tea.KeyPressMsg{Code: tea.KeyEscape})
	}
	return nil
}

// interrupt is ctrl+c: it stops what runs first.
func (m *Model) interrupt() tea.Cmd {
	if op := m.changing(); op != nil {
		m.cancelOp(op)
		return nil
	}
	if n := len(m.screens); n > 0 {
		if s, ok := m.screens[n-1].(interface{ Leave() tea.Cmd }); ok {
			return s.Leave()
		}
		m.pop()
		return nil
	}
	return m.quit()
}

func (m *Model) quit() tea.Cmd {
	if op := m.changing(); op != nil {
		m.warn("not while nmgre is about to " + op.name + ": esc stops it")
		return nil
	}
	return tea.Quit
}

// firstOf returns the first reason that there is.
func firstOf(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

func (m *Model) lostWhy() string {
	if m.lost {
		return "NetworkManager has gone; nmgre waits for it"
	}
	return ""
}

// changeWhy says why nothing can be changed now.
func (m *Model) changeWhy() string {
	if why := m.lostWhy(); why != "" {
		return why
	}
	if op := m.changing(); op != nil {
		return "wait until nmgre has done this: " + op.name + " (esc stops it)"
	}
	if m.manager.Modify == nm.PermissionNo {
		return "NetworkManager does not let you change connections: run nmgre with sudo"
	}
	return ""
}

// ownWhy says why the tunnel s cannot be changed.
func (m *Model) ownWhy(s *nmgre.Status) string {
	switch {
	case s == nil:
		return "no tunnel is chosen"
	case s.State == nm.StateExternal:
		return fault.Printable(s.Tunnel.Name) + " was made by hand: NetworkManager only mirrors it; D makes one like it"
	}
	return m.changeWhy()
}

func (m *Model) stateWhy(s *nmgre.Status, up bool) string {
	switch {
	case s == nil:
		return ""
	case up && s.State == nm.StateActive:
		return fault.Printable(s.Tunnel.Name) + " is up already"
	case !up && s.State == nm.StateInactive:
		return fault.Printable(s.Tunnel.Name) + " is down already"
	}
	return ""
}

func (m *Model) emptyWhy() string {
	if len(m.all) == 0 {
		return "there are no tunnels to filter"
	}
	return ""
}
