package wizard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm/plan"
	"nmgre/tui/answers"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
	"nmgre/tui/tuitest"
)

// driver is the program around one wizard, without a terminal: every command is carried out at
// once.
type driver struct {
	t       *testing.T
	host    *tuitest.Host
	w       *Wizard
	known   answers.Host
	note    string
	asked   string         // the question on top of the wizard
	yes     func() tea.Cmd // called for y
	copied  string
	undo    *Undo
	asks    string // names the change if it has to be confirmed
	closed  bool
	refused string // why nothing can be changed
}

// later is the message of a command: it is called on the main loop.
type later func() tea.Cmd

func newDriver(t *testing.T, host *tuitest.Host) *driver {
	t.Helper()
	manager, _ := host.Manager(context.Background())
	return &driver{t: t, host: host, known: answers.Host{Tunnels: host.Tunnels, Version: manager.Version}}
}

// create opens the wizard for a new tunnel.
func create(t *testing.T, host *tuitest.Host) *driver {
	t.Helper()
	return newDriver(t, host).like(nil)
}

func (d *driver) like(s *nmgre.Status) *driver {
	w, cmd := New(d, draw.NewTheme(false, false), s)
	d.w = w
	d.run(cmd)
	if s == nil {
		d.keys("tab") // this end is the first
	}
	return d
}

// edit opens the wizard for a change of a tunnel.
func edit(t *testing.T, host *tuitest.Host, s nmgre.Status) *driver {
	t.Helper()
	d := newDriver(t, host)
	w, cmd := Edit(d, draw.NewTheme(false, false), s)
	d.w = w
	d.run(cmd)
	return d
}

func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	case later:
		d.run(msg())
	}
}

// keys presses keys, named as Bubble Tea names them. The text after a = is typed.
func (d *driver) keys(keys ...string) *driver {
	for _, k := range keys {
		if typed, ok := strings.CutPrefix(k, "="); ok {
			for _, r := range typed {
				d.press(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
			continue
		}
		d.press(tuitest.Press(k))
	}
	return d
}

func (d *driver) press(msg tea.KeyPressMsg) {
	d.note = ""
	if d.asked != "" {
		d.answer(msg.String())
		return
	}
	key := screen.Find(d.w.Keys(), msg.String())
	switch {
	case key == nil || d.w.Typing() && msg.Text != "":
		d.run(d.w.Update(msg))
	case key.Why != "":
		d.note = key.Keys[0] + ": " + key.Why
	default:
		d.run(key.Do())
	}
}

func (d *driver) answer(key string) {
	then := d.yes
	d.asked, d.yes = "", nil
	if key == "y" {
		d.run(then())
	}
}

// screen is the text of the screen, with the note and the hints of the keys below it.
func (d *driver) screen() string {
	d.t.Helper()
	const width, height = 80, 21
	rows := d.w.View(width, height).Rows
	if len(rows) != height {
		d.t.Errorf("%d rows on a screen of %d", len(rows), height)
	}
	hints := ""
	for _, k := range d.w.Keys() {
		if k.Hint != "" {
			hints += "  " + k.Keys[0] + " " + k.Hint
		}
	}
	return tuitest.Strip(strings.Join(slices.Concat(rows, []string{d.asked, d.note, hints}), "\n"))
}

// must checks that the screen has some texts.
func (d *driver) must(texts ...string) *driver {
	d.t.Helper()
	drawn := d.screen()
	for _, text := range texts {
		if !strings.Contains(drawn, text) && !strings.Contains(tuitest.Flat(drawn), text) {
			d.t.Fatalf("the screen lacks %q:\n%s", text, drawn)
		}
	}
	return d
}

func (d *driver) mustNot(texts ...string) *driver {
	d.t.Helper()
	drawn := d.screen()
	for _, text := range texts {
		if strings.Contains(drawn, text) {
			d.t.Fatalf("the screen has %q:\n%s", text, drawn)
		}
	}
	return d
}

// saw checks that a call with this beginning has been made.
func (d *driver) saw(call string) {
	d.t.Helper()
	if !d.host.Saw(call) {
		d.t.Errorf("calls: %q, want %q", d.host.Calls, call)
	}
}

func (d *driver) Host() answers.Host { return d.known }

func (d *driver) Say(text string) { d.note = text }

func (d *driver) Warn(text string) { d.note = text }

func (d *driver) Fail(err error) { d.note = draw.ErrorText(err) }

func (d *driver) Copy(_, text string) { d.copied = text }

func (d *driver) Ask(title, text, yes, no string, then func() tea.Cmd) {
	d.asked, d.yes = fmt.Sprintf("%s %s (%s, %s)", title, text, yes, no), then
}

func (d *driver) Close() tea.Cmd {
	d.closed = true
	return nil
}

func (d *driver) Read(_ string, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd {
	return func() tea.Msg {
		err := do(context.Background(), d.host)
		return later(func() tea.Cmd { return then(err) })
	}
}

func (d *driver) Change(work Work, do func(context.Context, Workflow) error, then func(error) tea.Cmd) tea.Cmd {
	return func() tea.Msg {
		d.asks = work.Undo.Done
		err := do(context.Background(), d.host.Telling(work.Step, work.Check, nil))
		return later(func() tea.Cmd { return then(err) })
	}
}

func (d *driver) Stop() { d.note = "stopping" }

func (d *driver) ChangeWhy() string { return d.refused }

func (d *driver) After(_ time.Duration, then func() tea.Cmd) tea.Cmd {
	return func() tea.Msg { return later(then) }
}

func (d *driver) Danger(e plan.Effect, then func(string) tea.Cmd) tea.Cmd {
	if r := e.After.Routes; len(r) > 0 && r[0].Dst == tuitest.Prefix("192.0.2.0/24") {
		return then("this may cut you off")
	}
	return then("")
}

func (d *driver) Made(_ string, back Undo) { d.undo = &back }

func (d *driver) Changed(back Undo) { d.undo = &back }
