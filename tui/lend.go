package tui

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"nmgre"
	"nmgre/routes/fault"
	"nmgre/tui/canvas"
	"nmgre/tui/draw"
)

// lender gives the terminal to one change at a time, so that a program which asks for a password
// has it to itself. The screen has gone meanwhile. The main loop goes on: it draws nothing, and
// takes no keys.
type lender struct {
	canvas *canvas.Canvas
	input  *canvas.Input
	flush  func() error // forgets what was typed and is not read yet; nil if there is no way to
	lent   atomic.Bool
}

// lend gives the terminal away until the function that it returns is called. The goroutine of the
// change calls both.
func (l *lender) lend() (giveBack func()) {
	l.input.Pause()
	l.canvas.Leave()
	l.lent.Store(true)
	return func() {
		l.lent.Store(false)
		_ = l.canvas.Enter() // a terminal that has gone ends the input too
		l.forget()
		_ = l.input.Resume()
	}
}

// forget forgets what was typed before. The screen must not read meanwhile.
func (l *lender) forget() {
	if l.flush != nil {
		_ = l.flush() // of a terminal that has gone nothing is read
	}
}

// forgetKeys forgets the keys that the screen has not read yet.
func (l *lender) forgetKeys() {
	if l.lent.Load() {
		return
	}
	l.input.Pause()
	l.forget()
	_ = l.input.Resume() // as above
}

// say writes a line on the lent terminal.
func (l *lender) say(text string) { l.canvas.Print("nmgre: " + fault.Printable(text) + "\n") }

// step writes a step on the lent terminal.
func (l *lender) step(e nmgre.Event) {
	if !e.Detail {
		l.say(draw.StepText(e))
	}
}

// confirm asks on the lent terminal whether to keep a change. Only what is typed after the question
// counts.
func (l *lender) confirm(ctx context.Context, back *undo, within string) error {
	l.forget()
	l.say(back.what)
	l.say(fmt.Sprintf("press Enter within %s to keep it; otherwise nmgre will %s", within, back.how))
	line, err := l.input.Line(ctx)
	if err != nil {
		return errNotConfirmed
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "", "y", "yes":
		return nil
	}
	return errNotConfirmed
}
