package canvas

import "sync/atomic"

// Lender gives the terminal to one change at a time, so that a program which asks for a password
// has it to itself. The screen has gone meanwhile: nothing is drawn, and no key is read.
type Lender struct {
	Canvas *Canvas
	Input  *Input
	Flush  func() error // forgets the keys that are not read yet; nil if there is no way to

	lent atomic.Bool
}

// Lend gives the terminal away until the function that it returns is called. The goroutine of the
// change calls both.
func (l *Lender) Lend() (giveBack func()) {
	l.Input.Pause()
	l.Canvas.Leave()
	l.lent.Store(true)
	return func() {
		l.lent.Store(false)
		_ = l.Canvas.Enter() // a terminal that has gone ends the input too
		l.Forget()
		_ = l.Input.Resume()
	}
}

// Lent says whether the terminal is given away.
func (l *Lender) Lent() bool { return l.lent.Load() }

// Forget forgets the keys that were typed before. The screen must not read meanwhile.
func (l *Lender) Forget() {
	if l.Flush != nil {
		_ = l.Flush() // of a terminal that has gone nothing is read
	}
}

// ForgetKeys forgets the keys that the screen has not read yet.
func (l *Lender) ForgetKeys() {
	if l.Lent() {
		return
	}
	l.Input.Pause()
	l.Forget()
	_ = l.Input.Resume() // as above
}
