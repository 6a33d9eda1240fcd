package tui

import (
	"context"
	"fmt"
	"strings"

	"nmgre"
	"nmgre/routes/fault"
	"nmgre/tui/canvas"
	"nmgre/tui/draw"
)

// lender gives the terminal to one change at a time. The main loop goes on meanwhile.
type lender struct{ canvas.Lender }

// say writes a line on the lent terminal.
func (l *lender) say(text string) { l.Canvas.Print("nmgre: " + fault.Printable(text) + "\n") }

// step writes a step on the lent terminal.
func (l *lender) step(e nmgre.Event) {
	if !e.Detail {
		l.say(draw.StepText(e))
	}
}

// confirm asks on the lent terminal whether to keep a change. Only a line typed after the question
// counts.
func (l *lender) confirm(ctx context.Context, back *undo, within string) error {
	l.Forget()
	l.say(back.what)
	l.say(fmt.Sprintf("press Enter within %s to keep it; otherwise nmgre will %s", within, back.how))
	line, err := l.Input.Line(ctx)
	if err != nil {
		return errNotConfirmed
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "", "y", "yes":
		return nil
	}
	return errNotConfirmed
}
