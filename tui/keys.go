package tui

import (
	"cmp"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// key carries out the binding of a key. While something is typed, letters are text.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	m.note = note{}
	top := len(m.screens) - 1
	typing := top < 0 && m.list.filtering || top >= 0 && m.screens[top].Typing()
	bound := screen.Find(m.bindings(), msg.String())
	switch {
	case bound == nil || typing && msg.Text != "":
		return m.toScreen(msg)
	case bound.Why != "":
		m.warn(bound.Keys[0] + ": " + bound.Why)
		return nil
	}
	return bound.Do()
}

// bindings are the keys that count now: those of the screen on top, or of the main view.
func (m *Model) bindings() []screen.Key {
	if n := len(m.screens); n > 0 {
		return append(m.screens[n-1].Keys(), m.always(m.screens[n-1].Typing())...)
	}
	if m.list.filtering {
		return append([]screen.Key{
			{Keys: []string{"enter"}, Hint: "keep it", Help: "keep the filter", Do: func() tea.Cmd { m.list.filtering = false; return nil }},
			{Keys: []string{"esc", "ctrl+c"}, Hint: "show all", Help: "show all tunnels again", Do: func() tea.Cmd { return m.list.typed(m, tea.KeyPressMsg{Code: tea.KeyEscape}) }},
		}, m.always(true)...)
	}
	list := append(append(m.actions(), m.movement()...), m.always(false)...)
	return m.wayFirst(m.farFirst(list))
}

// wayFirst moves the key between the two sides to the front, where only one of them is seen.
func (m *Model) wayFirst(list []screen.Key) []screen.Key {
	key, hint := "esc", "back"
	if !m.inDetail {
		key, hint = "enter", "open"
	}
	if !m.alone() || !m.inDetail && !m.narrow() {
		return list
	}
	for i, b := range list {
		if b.Keys[0] == key {
			b.Hint = hint
			return append([]screen.Key{b}, append(list[:i:i], list[i+1:]...)...)
		}
	}
	return list
}

// always are the keys that every screen has. While something is typed, the question mark is text
// and F1 stands for it.
func (m *Model) always(typing bool) []screen.Key {
	help := screen.Key{Keys: []string{"?", "f1"}, Hint: "keys", Help: "show every key", Do: m.openHelp}
	if typing {
		help.Keys = []string{"f1"}
	}
	list := []screen.Key{help, {Keys: []string{"ctrl+c"}, Help: "stop the running change, or leave nmgre", Do: m.interrupt}}
	return append(list, screen.Key{Keys: []string{"ctrl+l"}, Help: "draw the whole screen again", Do: func() tea.Cmd { m.redraw = true; return nil }})
}

// actions are the keys that do something with a tunnel.
func (m *Model) actions() []screen.Key {
	s := m.current()
	none := ""
	if s == nil {
		none = "no tunnel is chosen"
	}
	own := m.ownWhy(s)
	list := []screen.Key{
		{Keys: []string{"a"}, Hint: draw.AdoptHint(s), Help: "make a profile of a tunnel that was made by hand (shows the plan first)", Why: cmp.Or(none, m.adoptWhy(s)), Do: func() tea.Cmd { return m.askAdopt(s) }},
		{Keys: []string{"n"}, Hint: "new", Help: "make a new tunnel", Why: m.changeWhy(), Do: func() tea.Cmd { return m.openWizard(nil) }},
		{Keys: []string{"e"}, Hint: "edit", Help: "change the chosen tunnel", Why: own, Do: func() tea.Cmd { return m.openEdit(s) }},
		{Keys: []string{"u"}, Hint: "up", Help: "bring it up", Why: cmp.Or(own, m.stateWhy(s, true)), Do: func() tea.Cmd { return m.up(s) }},
		{Keys: []string{"d"}, Hint: "down", Help: "take it down (asks first)", Why: cmp.Or(own, m.stateWhy(s, false)), Do: func() tea.Cmd { return m.askDown(s) }},
		{Keys: []string{"v"}, Hint: "verify", Help: "prove that it works, layer by layer", Why: cmp.Or(none, m.lostWhy()), Do: m.verify},
		{Keys: []string{"/"}, Hint: "filter", Help: "show only tunnels with these words", Why: m.emptyWhy(), Do: m.startFilter},
		{Keys: []string{"x", "delete"}, Hint: "delete", Help: "delete it (asks first)", Why: own, Do: func() tea.Cmd { return m.askDelete(s) }},
		{Keys: []string{"q"}, Hint: "quit", Help: "leave nmgre", Do: m.quit}, // early, where the bottom line and the help begin
		{Keys: []string{"D"}, Hint: "duplicate", Help: "make another one like it", Why: cmp.Or(none, m.changeWhy()), Do: func() tea.Cmd { return m.openWizard(s) }},
		{Keys: []string{"z"}, Hint: "undo", Help: "undo the last change (asks first)", Why: cmp.Or(m.undoWhy(), m.changeWhy()), Do: m.askUndo},
		{Keys: []string{"y"}, Hint: "copy", Help: "copy the command of this tab; on the tab Checks the one that mends this host", Why: none, Do: func() tea.Cmd { m.copyTab(); return nil }},
		{Keys: []string{"o"}, Help: "choose the notation of the far end's tab: Cisco IOS, networkd, ...", Why: cmp.Or(none, m.notationWhy()), Do: m.chooseNotation},
		{Keys: []string{"Y"}, Help: "copy the command that mends the far end", Why: cmp.Or(none, m.farCommandWhy()), Do: m.copyFarCommand},
		{Keys: []string{"i"}, Help: "show every check with its evidence, or the picture alone", Why: cmp.Or(none, m.evidenceWhy()), Do: m.toggleEvidence},
	}
	return list
}

// movement are the keys that change the view.
func (m *Model) movement() []screen.Key {
	list := []screen.Key{
		{Keys: []string{"tab", "]"}, Hint: "next tab", Help: "show the next tab", Do: func() tea.Cmd { return m.openTab((m.detail.tab + 1) % tabs) }},
		{Keys: []string{"shift+tab", "["}, Help: "show the previous tab", Do: func() tea.Cmd { return m.openTab((m.detail.tab + tabs - 1) % tabs) }},
		{Keys: []string{"up", "k"}, Help: "one row up", Do: func() tea.Cmd { return m.move(-1) }},
		{Keys: []string{"down", "j"}, Help: "one row down", Do: func() tea.Cmd { return m.move(1) }},
		{Keys: []string{"pgup", "ctrl+u", "ctrl+b"}, Help: "a page up", Do: func() tea.Cmd { return m.move(-m.page()) }},
		{Keys: []string{"pgdown", "ctrl+d", "ctrl+f"}, Help: "a page down", Do: func() tea.Cmd { return m.move(m.page()) }},
		{Keys: []string{"home", "g"}, Help: "to the first row", Do: func() tea.Cmd { return m.move(-screen.Farther) }},
		{Keys: []string{"end", "G"}, Help: "to the last row", Do: func() tea.Cmd { return m.move(screen.Farther) }},
		{Keys: []string{"enter", "right", "l"}, Help: "into the chosen tunnel", Do: m.enter},
		{Keys: []string{"left", "h"}, Help: "back to the list", Do: m.leave},
		{Keys: []string{"esc"}, Help: "stop the running change; back to the list; show all again", Do: m.escape},
	}
	for i, name := range tabNames {
		list = append(list, screen.Key{Keys: []string{string(rune('1' + i))}, Help: "show the tab " + name, Do: func() tea.Cmd { return m.openTab(tab(i)) }})
	}
	mouse := "let the mouse choose rows (text is then selected with shift)"
	if m.mouse {
		mouse = "give the mouse back to the terminal"
	}
	return append(list,
		screen.Key{Keys: []string{"ctrl+r"}, Help: "read everything again", Do: m.refresh},
		screen.Key{Keys: []string{"m"}, Help: mouse, Do: func() tea.Cmd { m.mouse = !m.mouse; return nil }})
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

// escape ends the last thing that a key began.
func (m *Model) escape() tea.Cmd {
	switch {
	case m.changing() != nil:
		m.cancelOp(m.changing())
	case m.detail.checks.Running:
		m.cancelReads()
		m.watch.reading = false
		m.detail.checks.Running = false
		m.warn("no longer waiting for the checks")
	case m.inDetail:
		return m.leave()
	case m.list.filter != "":
		return m.list.typed(m, tea.KeyPressMsg{Code: tea.KeyEscape})
	}
	return nil
}

// interrupt is ctrl+c. It stops the running change before it leaves anything.
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

func (m *Model) lostWhy() string {
	if m.lost {
		return "NetworkManager has gone; nmgre waits for it"
	}
	return ""
}

// withoutRights is said to a person whom polkit lets change nothing.
const withoutRights = "NetworkManager does not let you change connections: run nmgre with sudo"

// changeWhy says why nothing can be changed now.
func (m *Model) changeWhy() string {
	if why := m.lostWhy(); why != "" {
		return why
	}
	if op := m.changing(); op != nil {
		return "wait until nmgre has done this: " + op.name + " (esc stops it)"
	}
	if m.manager.Modify == nm.PermissionNo {
		return withoutRights
	}
	return ""
}

// ownWhy says why the tunnel s cannot be changed.
func (m *Model) ownWhy(s *nmgre.Status) string {
	switch {
	case s == nil:
		return "no tunnel is chosen"
	case s.State == nm.StateExternal:
		return fault.Printable(s.Tunnel.Name) + " was made by hand: a makes a profile of it (adopt)"
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
