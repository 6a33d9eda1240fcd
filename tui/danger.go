package tui

import (
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/tui/draw"
	"nmgre/tui/screen"
)

// defaultConfirm is how long a change that may cut the person's own connection waits to be
// confirmed.
const defaultConfirm = 30 * time.Second

// withDanger finds out whether a change may cut the person's own connection off. It calls then with
// a warning, which is empty if it does not.
func (m *Model) withDanger(effect func(context.Context, Workflow) (plan.Effect, error), then func(danger string) tea.Cmd) tea.Cmd {
	s := m.opts.Session()
	if !s.Client.IsValid() {
		return then("")
	}
	return read(m, "ask the kernel for the way to you", func(ctx context.Context, wf Workflow) (bool, error) {
		e, err := effect(ctx, wf)
		if err != nil {
			return false, err
		}
		return wf.CutsOff(ctx, e, s)
	}, func(cuts bool, err error) tea.Cmd {
		switch {
		case err != nil:
			m.fail(err)
			return nil
		case cuts:
			return then(m.dangerText())
		}
		return then("")
	})
}

func (m *Model) dangerText() string {
	return fmt.Sprintf("You are connected from %s, and the way there leads through what is changed: this may cut you off. nmgre undoes it by itself unless you confirm within %s.",
		m.opts.Session().Client, m.opts.Confirm)
}

// errNotConfirmed ends a change that the person has not confirmed.
var errNotConfirmed = &fault.Error{What: "it was not confirmed"}

// confirm asks the person to confirm a change that has been made, on the screen or on the lent
// terminal. The goroutine of the change calls it, and waits for the answer: not for the main loop,
// nor for the terminal, which may be cut off. If it returns an error, the host undoes the change.
func (m *Model) confirm(ctx context.Context, back *undo) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.opts.Confirm, errNotConfirmed)
	defer cancel()
	var err error
	if m.lender != nil && m.lender.Lent() {
		err = m.lender.confirm(ctx, back, m.opts.Confirm.String())
	} else {
		err = m.confirmOnScreen(ctx, back)
	}
	if err != nil && ctx.Err() != nil {
		return fault.Cause(ctx)
	}
	return err
}

// tooSoon is the time after a question in which a key counts as pressed before it. Nobody reads the
// question faster.
const tooSoon = 400 * time.Millisecond

// countdown asks to confirm a change that has been made.
type countdown struct {
	m      *Model
	back   *undo
	asked  time.Time
	until  time.Time
	now    func() time.Time
	answer chan<- error // has room for one answer
}

// confirmOnScreen asks by a countdown on the screen.
func (m *Model) confirmOnScreen(ctx context.Context, back *undo) error {
	answer := make(chan error, 1)
	c := &countdown{m: m, back: back, until: time.Now().Add(m.opts.Confirm), now: time.Now, answer: answer}
	m.send(wakeMsg{func() tea.Cmd {
		if m.lender != nil {
			m.lender.ForgetKeys()
		}
		c.asked = c.now()
		m.push(c)
		return m.tickDown(c)
	}})
	defer m.send(wakeMsg{func() tea.Cmd { m.drop(c); return nil }})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tickDown draws the countdown every second while it is open.
func (m *Model) tickDown(c *countdown) tea.Cmd {
	return m.after(time.Second, func() tea.Cmd {
		if !m.isOpen(c) {
			return nil
		}
		return m.tickDown(c)
	})
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

// end hands the answer to the change.
func (c *countdown) end(answer error) tea.Cmd {
	c.m.drop(c)
	c.answer <- answer
	return nil
}

// Typing is false: every letter is a key.
func (c *countdown) Typing() bool { return false }

// Update takes nothing besides the keys.
func (c *countdown) Update(tea.Msg) tea.Cmd { return nil }

// Keys are to keep the change or to undo it.
func (c *countdown) Keys() []screen.Key {
	early := ""
	if c.now().Sub(c.asked) < tooSoon {
		early = "pressed before the question was there: read it first"
	}
	return []screen.Key{
		{Keys: []string{"y"}, Hint: "keep it", Help: "keep the change", Why: early, Do: func() tea.Cmd { return c.end(nil) }},
		{Keys: []string{"n", "esc", "ctrl+c"}, Hint: "undo it", Help: "undo the change now", Do: func() tea.Cmd { return c.end(errNotConfirmed) }},
	}
}

// View draws the question and the seconds that are left.
func (c *countdown) View(width, height int) screen.Drawing {
	inner := min(width-6, 60)
	left := max(int((c.left()+time.Second-1)/time.Second), 0)
	lines := []draw.Line{}
	for _, s := range []string{fmt.Sprintf("nmgre %s. If you can read this, you are still connected.", c.back.what), "",
		fmt.Sprintf("In %s nmgre will %s by itself.", fault.Count(left, "second"), c.back.how)} {
		lines = append(lines, draw.Wrapped(s, inner, "", draw.Plain)...)
	}
	lines = append(lines, draw.Text(""), draw.Line{draw.Bold.Of("y"), draw.Plain.Of(" keep it    "), draw.Bold.Of("n"), draw.Plain.Of(" undo it")})
	return screen.Box(c.m.theme, "Keep it?", lines, inner, width, height)
}
