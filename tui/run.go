package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"nmgre/routes/fault"
	"nmgre/tui/canvas"
)

// undoLimit is how long nmgre waits at its end until a change that runs is undone.
const undoLimit = 40 * time.Second

// idleRate is how often a second Bubble Tea's own writer wakes up. It writes nothing, as the canvas
// writes everything, and 1 is the least that it accepts.
const idleRate = 1

// Terminal is where the screens are.
type Terminal struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer // for messages once the screen has gone
	// Raw makes the terminal hand on every key at once, without echo, until restore is called. Size
	// returns the terminal's size in cells. [Plain] needs neither.
	Raw  func() (restore func(), err error)
	Size func() (width, height int, err error)
	// Forget forgets the keys that are not read yet (TCIFLUSH). It is nil where the input is no
	// terminal.
	Forget func() error
}

// Run shows the screens until the person leaves, or ctx ends. A change that runs, or that waits to
// be confirmed, is undone before Run returns. The terminal is restored in every case. A crash is an
// error that names the file with its report; so is a change that could not be undone.
func Run(ctx context.Context, wf Workflow, opts Options, term Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, input := canvas.New(term.Out, term.Raw), canvas.NewInput(term.In)
	var program *tea.Program
	mail := &canvas.Post{Deliver: func(msg tea.Msg) { program.Send(msg) }}
	m := NewModel(ctx, wf, opts, mail.Send)
	if width, height, err := term.Size(); err == nil && width > 0 && height > 0 {
		m.width, m.height = width, height // the first frame may be drawn before followSize sends it
	}
	m.lender = &lender{canvas.Lender{Canvas: c, Input: input, Flush: term.Forget}}
	m.reply = func(msg tea.Msg) tea.Msg { mail.Send(msg); return nil }
	m.clip = c.Clip
	shown := &painted{Model: m, canvas: c, wake: func(d time.Duration) { time.AfterFunc(d, func() { mail.Send(frameMsg{}) }) }}
	// Signals end ctx. Bubble Tea has no handler of its own, and no terminal to switch.
	program = tea.NewProgram(shown, tea.WithInput(input), tea.WithOutput(term.Out), tea.WithoutRenderer(), tea.WithFPS(idleRate), tea.WithoutSignalHandler())
	if err := c.Enter(); err != nil {
		return err
	}
	defer c.Close()
	if err := input.Resume(); err != nil {
		return err
	}
	defer input.Close()
	defer followSize(ctx, term.Size, mail.Send)()
	err := runLoop(ctx, program)
	input.Close()
	c.Close()
	undone := m.endWork(canvas.NewWriter(term.Err))
	switch {
	case m.crash != nil:
		return m.crash
	case undone != nil || errors.Is(err, tea.ErrProgramKilled): // by the end of the input
		return undone
	}
	return err
}

// loopLimit is how long the main loop may take to end.
const loopLimit = 2 * time.Second

// runLoop runs the main loop until it has ended. A loop that stands still, through a fault of
// nmgre's own, is left behind once ctx has ended: the changes are undone all the same.
func runLoop(ctx context.Context, program *tea.Program) error {
	ended := make(chan error, 1)
	go func() { _, err := program.Run(); ended <- err }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		go program.Quit()
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(loopLimit):
		return nil
	}
}

// followSize sends the terminal's size, now and whenever it changes, until stop is called.
func followSize(ctx context.Context, size func() (int, int, error), send func(tea.Msg)) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	changes <- syscall.SIGWINCH
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-changes:
				if width, height, err := size(); err == nil && width > 0 && height > 0 {
					send(tea.WindowSizeMsg{Width: width, Height: height})
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { signal.Stop(changes); cancel() }
}

// endWork cancels every operation, and waits until changes are undone. It returns the reasons why
// the last one could not be.
func (m *Model) endWork(say *canvas.Writer) error {
	defer say.Flush(time.Second)
	var last *operation
	for _, op := range m.work.running {
		if op.change {
			last = op
			fmt.Fprintln(say, "nmgre: stopped, and undoing: "+op.name)
		}
		op.cancel()
	}
	ended := make(chan struct{})
	go func() { m.work.changes.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(time.Second):
		fmt.Fprintln(say, "nmgre: waiting until everything is undone")
		select {
		case <-ended:
		case <-time.After(undoLimit):
			return &fault.Error{What: "the undo has not ended in time", Hint: "nmgre list shows the tunnels"}
		}
	}
	if last == nil {
		return nil
	}
	return m.work.trouble()
}
