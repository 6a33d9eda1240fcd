package tui

import (
	"cmp"
	"context"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
	"nmgre/tui/steps"
)

// Options describe the terminal and the person at it.
type Options struct {
	Color bool
	ASCII bool // draw with ASCII characters alone
	Mouse bool // clicks and the wheel; the terminal's own selection of text then needs shift
	Host  string
	// Session finds the connection by which the person sits at this host; zero for none. It is
	// called once, when it is first needed: a look at all parent processes takes time.
	Session func() nmgre.Session
	// Confirm is how long a change that may cut the person's own connection waits to be confirmed
	// before it is undone.
	Confirm time.Duration
	// Names reads the host's own names, for routing tables and the like. It is called once, when
	// they are first needed: a dozen files take time before the first frame. nil for no names.
	Names func() routes.Names
	// Reports is the folder for the report of a crash.
	Reports string
}

// once returns a function that calls find once. If find is nil, there is nothing to be found.
func once[T any](find func() T) func() T {
	if find == nil {
		return func() (nothing T) { return nothing }
	}
	return sync.OnceValue(find)
}

// Model is everything on the screen. Only Update changes it; View draws it, and changes nothing but
// the places to which lists are scrolled.
type Model struct {
	ctx   context.Context //nolint:containedctx // a program's model outlives every call
	wf    Workflow
	opts  Options
	theme draw.Theme
	send  func(tea.Msg) // takes messages of other goroutines to Update

	width, height int

	all     []nmgre.Status
	read    bool  // all has been read once
	readErr error // why the last reading failed
	gone    bool  // NetworkManager has left the bus
	// NetworkManager does not answer, as it has gone or is starting: the screen shows the last
	// state
	lost     bool
	manager  nm.Manager
	prompts  bool // every change may ask for a password on the terminal
	rootAsks bool // a change of the files that root keeps may ask for one
	list     list
	detail   detail
	inDetail bool // the keys go to the right side
	screens  []screen.Screen
	log      steps.Log
	note     note
	work     work
	undo     *undo
	watch    watch
	mouse    bool
	redraw   bool    // the next frame writes every row
	lender   *lender // gives the terminal away; nil in tests of the model
	// hands the answer of an operation to the main loop, after the steps that it has told
	reply func(tea.Msg) tea.Msg
	// copies to the terminal's clipboard; nil if it has none
	clip func(string)
	wait func(time.Duration, func() tea.Cmd) tea.Cmd // nil for the clock; tests have another
	// set once nmgre has crashed: the program ends
	crash *crash
}

// note is the line above the keys, about the last thing that happened.
type note struct {
	text  string
	style draw.Style
}

// NewModel returns the model of a program that has not begun. send must be safe for use by several
// goroutines.
func NewModel(ctx context.Context, wf Workflow, opts Options, send func(tea.Msg)) *Model {
	opts.Confirm = cmp.Or(opts.Confirm, defaultConfirm)
	opts.Names, opts.Session = once(opts.Names), once(opts.Session)
	return &Model{ctx: ctx, wf: wf, opts: opts, theme: draw.NewTheme(opts.Color, opts.ASCII), send: send, width: 80, height: 24,
		work: work{running: make(map[int]*operation)}, mouse: opts.Mouse, reply: func(msg tea.Msg) tea.Msg { return msg }}
}

// Init begins to follow the host, and reads it.
func (m *Model) Init() tea.Cmd {
	return tea.Batch(m.startWatch(), m.refresh())
}

// Update takes a message. A panic in it ends the program in good order.
func (m *Model) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			cmd = m.crashed(r)
		}
	}()
	if m.crash != nil {
		return m, tea.Quit
	}
	return m, m.update(msg)
}

func (m *Model) update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		return nil
	case doneMsg:
		return m.finish(msg)
	case heardMsg:
		m.heard(msg)
		return nil
	case noticeMsg:
		return m.noticed(msg)
	case wakeMsg:
		return msg.then()
	case tea.KeyPressMsg, tea.PasteMsg, tea.MouseMsg:
		return m.typed(msg)
	}
	return nil
}

// typed takes a key, a click or a paste. While the screen is lent, it was meant for another
// program.
func (m *Model) typed(msg tea.Msg) tea.Cmd {
	if m.lender != nil && m.lender.Lent() {
		return nil
	}
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.MouseMsg:
		return m.clicked(msg)
	}
	return m.toScreen(msg)
}

// toScreen gives a message to the screen on top, or to the filter while that is typed.
func (m *Model) toScreen(msg tea.Msg) tea.Cmd {
	if n := len(m.screens); n > 0 {
		return m.screens[n-1].Update(msg)
	}
	if m.list.filtering {
		return m.list.typed(m, msg)
	}
	return nil
}

// push puts a screen on top.
func (m *Model) push(s screen.Screen) { m.screens = append(m.screens, s) }

// pop removes the screen on top.
func (m *Model) pop() { m.screens = m.screens[:max(len(m.screens)-1, 0)] }

// drop removes the screen s, wherever it lies.
func (m *Model) drop(s screen.Screen) {
	for i := range m.screens {
		if m.screens[i] == s {
			m.screens = append(m.screens[:i:i], m.screens[i+1:]...)
			return
		}
	}
}

func (m *Model) say(text string) { m.note = note{fault.Printable(text), draw.Plain} }

func (m *Model) warn(text string) { m.note = note{fault.Printable(text), draw.Yellow} }

// fail shows an error with its first hint.
func (m *Model) fail(err error) {
	m.note = note{draw.ErrorText(err), draw.Red}
	if hints := fault.Hints(err); len(hints) > 0 {
		m.note.text += " (" + fault.Printable(hints[0]) + ")"
	}
}

// current is the tunnel that is chosen; nil if there is none.
func (m *Model) current() *nmgre.Status {
	shown := m.list.shown(m.all)
	for i := range shown {
		if shown[i].UUID == m.list.uuid {
			return shown[i]
		}
	}
	return nil
}

// wakeMsg calls a function on the main loop.
type wakeMsg struct{ then func() tea.Cmd }

// after calls then on the main loop when d has passed.
func (m *Model) after(d time.Duration, then func() tea.Cmd) tea.Cmd {
	if m.wait != nil {
		return m.wait(d, then)
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return wakeMsg{then} })
}
