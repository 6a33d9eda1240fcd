package tui

import (
	"context"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
)

// restBetween is the least time between two readings of the list, as events come in swarms.
const restBetween = 250 * time.Millisecond

// restWhileStarting is the time between two readings while NetworkManager is starting.
const restWhileStarting = time.Second

// watch follows the host.
type watch struct {
	notices <-chan nmgre.Notice
	reading bool // the list is being read
	again   bool // it has to be read once more
}

type noticeMsg struct {
	nmgre.Notice
	closed bool
}

func (m *Model) startWatch() tea.Cmd {
	// Not under a number: it lasts as long as the program.
	return func() tea.Msg {
		notices, err := m.wf.Watch(m.ctx)
		return wakeMsg{func() tea.Cmd {
			if err != nil {
				m.warn("the screen does not follow changes (ctrl+r reads again): " + err.Error())
				return nil
			}
			m.watch.notices = notices
			return m.nextNotice()
		}}
	}
}

// nextNotice waits for one notice. Its receiver asks for the next.
func (m *Model) nextNotice() tea.Cmd {
	notices := m.watch.notices
	if notices == nil {
		return nil
	}
	return func() tea.Msg {
		n, ok := <-notices
		return noticeMsg{n, !ok}
	}
}

func (m *Model) noticed(msg noticeMsg) tea.Cmd {
	if msg.closed {
		if m.ctx.Err() == nil {
			m.warn("the screen no longer follows changes: ctrl+r reads again")
		}
		return nil
	}
	cmds := []tea.Cmd{m.nextNotice()}
	if msg.Lost {
		m.gone, m.lost = true, true
		m.warn("NetworkManager has gone: the screen shows the last state; nmgre waits for it")
	}
	if msg.Back {
		m.gone = false
		m.say("NetworkManager is back")
		cmds = append(cmds, m.readManager())
	}
	if msg.Deaf {
		m.warn("the kernel's notices do not arrive: the screen lags (ctrl+r reads)")
	}
	if msg.Hears {
		m.say("the kernel's notices arrive again")
	}
	switch {
	case m.gone:
	case msg.Back || msg.Profiles || msg.Links:
		cmds = append(cmds, m.refresh())
	case msg.Routes && m.detail.tab == tabRoutes:
		cmds = append(cmds, m.loadDetail())
	}
	return tea.Batch(cmds...)
}

// refresh reads the list and the chosen tunnel. There is one reading at a time: a change in the
// meantime causes another one after it.
func (m *Model) refresh() tea.Cmd {
	if m.watch.reading {
		m.watch.again = true
		return nil
	}
	m.watch.reading = true
	return read(m, "read the tunnels", func(ctx context.Context, wf Workflow) ([]nmgre.Status, error) { return wf.List(ctx) },
		func(all []nmgre.Status, err error) tea.Cmd {
			m.watch.reading = false
			cmd := m.listed(all, err)
			if m.watch.again {
				m.watch.again = false
				cmd = tea.Batch(cmd, m.after(restBetween, m.refresh))
			}
			return cmd
		})
}

// listed takes the list. After an error the last list stays.
func (m *Model) listed(all []nmgre.Status, err error) tea.Cmd {
	m.readErr = err
	if err != nil {
		away := errors.Is(err, fault.ErrNoNetworkManager)
		if away && m.gone { // the screen says so already
			return nil
		}
		m.fail(err)
		if !away {
			return nil
		}
		m.lost = true
		// it is starting, and gives no sign when it is ready
		return m.after(restWhileStarting, m.refresh)
	}
	if m.lost {
		m.lost = false
		m.say("NetworkManager is back")
	}
	first := !m.read
	m.all, m.read = all, true
	m.list.settle(m)
	if first { // NetworkManager answers one call after the other: the tunnels come first
		return tea.Batch(m.readManager(), m.loadDetail())
	}
	return m.loadDetail()
}

// readManager asks which NetworkManager there is, and whether changes ask for a password.
func (m *Model) readManager() tea.Cmd {
	return read(m, "ask NetworkManager for its version", func(ctx context.Context, wf Workflow) (nm.Manager, error) { return wf.Manager(ctx) },
		func(manager nm.Manager, err error) tea.Cmd {
			if err == nil {
				m.manager = manager
				m.prompts, m.rootAsks = m.wf.Prompts(manager)
			}
			if why := m.changeWhy(); err == nil && manager.Modify == nm.PermissionNo && why != "" && m.note.text == "" {
				m.warn(why)
			}
			return nil
		})
}
