package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// defaultConfirm is how long a change that may cut the person's own connection waits to be
// confirmed.
const defaultConfirm = 30 * time.Second

// withDanger finds out whether the person's own connection goes through the tunnel. It calls then
// with a warning, which is empty if it does not.
func (m *Model) withDanger(s *nmgre.Status, then func(danger string) tea.Cmd) tea.Cmd {
	client, name := m.opts.Client, s.Tunnel.Name
	if !client.IsValid() {
		return then("")
	}
	return read(m, "ask the kernel for the way to you", func(ctx context.Context, wf Workflow) (kernel.Hop, error) {
		return wf.Lookup(ctx, kernel.Query{To: client})
	}, func(hop kernel.Hop, err error) tea.Cmd {
		if err != nil || hop.Dev != name {
			return then("")
		}
		return then(m.dangerText(name))
	})
}

func (m *Model) dangerText(name string) string {
	return fmt.Sprintf("You are connected from %s, and the way there leads through %s: this may cut you off. nmgre undoes it by itself unless you confirm within %s.",
		m.opts.Client, fault.Printable(name), m.opts.Confirm)
}

// routeDanger returns a warning if one of the routes would take the person's connection.
func (m *Model) routeDanger(t nm.Tunnel) string {
	client := m.opts.Client
	if !client.IsValid() {
		return ""
	}
	for _, r := range t.Routes {
		if r.TableOrMain() == routes.MainTable && r.Dst.Contains(client) {
			return fmt.Sprintf("You are connected from %s, and the route %s would lead there through the tunnel: this may cut you off. nmgre undoes it by itself unless you confirm within %s.",
				client, r.Dst, m.opts.Confirm)
		}
	}
	return ""
}

// guarded is perform. Where there is danger, the change is undone unless the person confirms it.
func (m *Model) guarded(name, done string, root bool, do func(context.Context, Workflow) error, back *undo, danger string) tea.Cmd {
	if danger == "" {
		return m.perform(name, done, root, do, back)
	}
	return change(m, &operation{name: name, root: root}, func(ctx context.Context, wf Workflow) (struct{}, error) { return struct{}{}, do(ctx, wf) },
		func(_ struct{}, err error) tea.Cmd {
			if err != nil {
				m.fail(err)
				return m.refresh()
			}
			m.say(done)
			return tea.Batch(m.refresh(), m.awaitConfirm(back))
		})
}

// countdown asks to confirm a change that has been made, and undoes it when nobody does.
type countdown struct {
	m     *Model
	back  *undo
	until time.Time
	now   func() time.Time
	// takes the answer for a workflow that undoes the change itself; nil if the countdown undoes it
	answer chan<- error
}

// awaitConfirm puts the countdown on the screen.
func (m *Model) awaitConfirm(back *undo) tea.Cmd {
	c := &countdown{m: m, back: back, until: time.Now().Add(m.opts.Confirm), now: time.Now}
	m.push(c)
	return m.tickDown(c)
}

func (m *Model) tickDown(c *countdown) tea.Cmd {
	return m.after(time.Second, func() tea.Cmd {
		if !m.isOpen(c) {
			return nil
		}
		if c.left() <= 0 {
			return c.revert()
		}
		return m.tickDown(c)
	})
}

// errNotConfirmed ends a change that the person has not confirmed.
var errNotConfirmed = &fault.Error{What: "it was not confirmed"}

// confirming returns a function that asks the person to confirm a change before it is saved. The
// goroutine of the change calls it, and waits for the answer.
func (m *Model) confirming(back *undo) func(context.Context, verify.Report) error {
	return func(ctx context.Context, _ verify.Report) error {
		answer := make(chan error, 1)
		m.send(wakeMsg{func() tea.Cmd {
			c := &countdown{m: m, back: back, until: time.Now().Add(m.opts.Confirm), now: time.Now, answer: answer}
			m.push(c)
			return m.tickDown(c)
		}})
		select {
		case err := <-answer:
			return err
		case <-time.After(m.opts.Confirm + time.Second): // should the screen be stuck
			return errNotConfirmed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *Model) isOpen(s screen.Screen) bool {
	for _, open := range m.screens {
		if open == s {
			return true
		}
	}
	return false
}

func (c *countdown) left() time.Duration { return c.until.Sub(c.now()) }

func (c *countdown) revert() tea.Cmd {
	m := c.m
	m.drop(c)
	if c.answer != nil {
		c.answer <- errNotConfirmed
		m.warn("undone: it was not confirmed")
		return nil
	}
	return m.perform(c.back.how, c.back.undone(), c.back.root, c.back.do, nil)
}

// Typing is false: every letter is a key.
func (c *countdown) Typing() bool { return false }

// Update takes nothing besides the keys.
func (c *countdown) Update(tea.Msg) tea.Cmd { return nil }

// Keys are to keep the change or to undo it.
func (c *countdown) Keys() []screen.Key {
	m := c.m
	return []screen.Key{
		{Keys: []string{"y"}, Hint: "keep it", Help: "keep the change", Do: func() tea.Cmd {
			m.drop(c)
			m.undo = c.back
			if c.answer != nil {
				c.answer <- nil
			}
			m.say("confirmed: nmgre " + c.back.what)
			return nil
		}},
		{Keys: []string{"n", "esc", "ctrl+c"}, Hint: "undo it", Help: "undo the change now", Do: func() tea.Cmd { return c.revert() }},
	}
}

// View draws the question and the seconds that are left.
func (c *countdown) View(width, height int) screen.Drawing {
	inner := min(width-6, 60)
	left := max(int((c.left()+time.Second-1)/time.Second), 0)
	lines := []draw.Line{}
	for _, s := range []string{fmt.Sprintf("nmgre %s. If you can read this, you are still connected.", c.back.what), "",
		fmt.Sprintf("In %s nmgre will %s by itself.", draw.Count(left, "second"), c.back.how)} {
		lines = append(lines, draw.Wrapped(s, inner, "", draw.Plain)...)
	}
	lines = append(lines, draw.Text(""), draw.Line{draw.Bold.Of("y"), draw.Plain.Of(" keep it    "), draw.Bold.Of("n"), draw.Plain.Of(" undo it")})
	return box(c.m.theme, "Keep it?", lines, inner, width, height)
}

// unconfirmed is the change that nobody has confirmed yet; nil if there is none.
func (m *Model) unconfirmed() *undo {
	for _, s := range m.screens {
		if c, ok := s.(*countdown); ok && c.answer == nil {
			return c.back
		}
	}
	return nil
}
