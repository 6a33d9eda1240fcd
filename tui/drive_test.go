package tui

import (
	"context"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/testdata/want"
	"nmgre/tui/draw"
	"nmgre/tui/tuitest"
)

// driver runs a model without a program: every command is carried out at once, and the model gets
// its message.
type driver struct {
	t     *testing.T
	m     *Model
	f     *tuitest.Host
	held  []tea.Msg // answers that the test holds back
	hold  bool
	quit  bool
	ticks bool // waits of a second end at once
	copy  string
	mail  chan tea.Msg   // of other goroutines
	later []chan tea.Msg // the answers of changes that wait to be confirmed
}

// fake is a workflow on a host that lives in memory.
type fake struct{ *tuitest.Host }

// Reporting returns the same host with a listener.
func (f fake) Reporting(to Listener) Workflow {
	return fake{f.Telling(to.Step, to.Check, to.ConfirmCut)}
}

func drive(t *testing.T, f *tuitest.Host, opts Options, width, height int) *driver {
	t.Helper()
	d := &driver{t: t, f: f, mail: make(chan tea.Msg, 1000)}
	opts.Host = "linux1"
	if opts.Reports == "" {
		opts.Reports = t.TempDir()
	}
	d.m = NewModel(context.Background(), fake{f}, opts, func(msg tea.Msg) { d.mail <- msg })
	d.m.wait = func(rest time.Duration, then func() tea.Cmd) tea.Cmd {
		if rest >= time.Second && !d.ticks {
			return nil
		}
		return func() tea.Msg { return wakeMsg{then} }
	}
	d.m.clip = func(text string) { d.copy = text }
	d.m.log.Now = func() time.Time { return time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC) }
	d.take(tea.WindowSizeMsg{Width: width, Height: height})
	d.run(d.m.Init())
	return d
}

func (d *driver) take(msg tea.Msg) {
	_, cmd := d.m.Update(msg)
	d.run(cmd)
}

// run carries out a command and gives its message to the model. The wait for the next notice is
// left out: the test gives the notices.
func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	answer := make(chan tea.Msg, 1)
	go func() { answer <- cmd() }()
	d.await(answer)
}

// await takes the answer of a command, and everything that it tells before. A command that does not
// end, or waits to be confirmed, is left running.
func (d *driver) await(answer chan tea.Msg) {
	for limit := time.After(5 * time.Second); ; {
		select {
		case msg := <-d.mail:
			d.take(msg)
			if n := len(d.m.screens); n > 0 {
				if c, ok := d.m.screens[n-1].(*countdown); ok {
					c.asked = c.asked.Add(-tooSoon)
					d.later = append(d.later, answer)
					return
				}
			}
		case msg := <-answer:
			for len(d.mail) > 0 {
				d.take(<-d.mail)
			}
			d.answered(msg)
			return
		case <-limit:
			return
		}
	}
}

func (d *driver) answered(msg tea.Msg) {
	switch msg := msg.(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	case tea.QuitMsg:
		d.quit = true
	case doneMsg, wakeMsg:
		if d.hold {
			d.held = append(d.held, msg)
			return
		}
		d.take(msg)
	}
}

// settle waits for the changes that waited to be confirmed.
func (d *driver) settle() *driver {
	later := d.later
	d.later = nil
	for _, answer := range later {
		d.await(answer)
	}
	return d
}

// keys presses keys, named as Bubble Tea names them. The text after a = is typed.
func (d *driver) keys(keys ...string) *driver {
	for _, k := range keys {
		if typed, ok := strings.CutPrefix(k, "="); ok {
			for _, r := range typed {
				d.take(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
			continue
		}
		d.take(tuitest.Press(k))
	}
	return d
}

// screen is the text of the screen, without escapes.
func (d *driver) screen() string {
	d.t.Helper()
	rows, _ := d.m.draw()
	checkRows(d.t, d.m, rows)
	return tuitest.Strip(strings.Join(rows, "\n"))
}

// checkRows checks that the rows are as many as the screen has, each exactly as wide as the screen.
func checkRows(t *testing.T, m *Model, rows []string) {
	t.Helper()
	if len(rows) != m.height {
		t.Errorf("%d rows on a screen of %d", len(rows), m.height)
	}
	for i, row := range rows {
		if n := draw.Cells(tuitest.Strip(row)); n != m.width {
			t.Errorf("row %d is %d cells wide on a screen of %d: %q", i, n, m.width, tuitest.Strip(row))
		}
	}
}

// must checks that the screen has some texts.
func (d *driver) must(texts ...string) *driver {
	d.t.Helper()
	screen := d.screen()
	for _, text := range texts {
		if !strings.Contains(screen, text) && !strings.Contains(tuitest.Flat(screen), text) {
			d.t.Fatalf("the screen lacks %q:\n%s", text, screen)
		}
	}
	return d
}

func (d *driver) mustNot(texts ...string) *driver {
	d.t.Helper()
	screen := d.screen()
	for _, text := range texts {
		if strings.Contains(screen, text) {
			d.t.Fatalf("the screen has %q:\n%s", text, screen)
		}
	}
	return d
}

// golden compares the screen with its golden file, with escapes where there is colour.
func (d *driver) golden(name string) {
	d.t.Helper()
	rows, _ := d.m.draw()
	checkRows(d.t, d.m, rows)
	for i := range rows {
		if !d.m.theme.Color {
			rows[i] = tuitest.Strip(rows[i])
		}
		rows[i] = strings.TrimRight(rows[i], " ")
	}
	got := strings.ReplaceAll(strings.Join(rows, "\n")+"\n", "\x1b", "␛")
	want.Golden(d.t, "screens/"+name+".txt", got)
}
