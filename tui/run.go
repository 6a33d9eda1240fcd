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

	"nmgre/tui/canvas"

	tea "charm.land/bubbletea/v2"
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
}

// Run shows the screens until the person leaves, or ctx ends. A change that runs is undone before
// Run returns. The terminal is restored in every case. A crash is an error that names the file with
// its report.
func Run(ctx context.Context, wf Workflow, opts Options, term Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := canvas.New(term.Out, term.Raw)
	var program *tea.Program
	send := func(msg tea.Msg) { program.Send(msg) }
	m := NewModel(ctx, wf, opts, send)
	m.lend = func() func() {
		c.Leave()
		return func() { _ = c.Enter() } // if it fails the input has ended too
	}
	m.clip = c.Clip
	shown := &painted{Model: m, canvas: c, wake: func(d time.Duration) { time.AfterFunc(d, func() { send(frameMsg{}) }) }}
	program = tea.NewProgram(shown, tea.WithInput(term.In), tea.WithOutput(term.Out), tea.WithoutRenderer(), tea.WithFPS(idleRate))
	if err := c.Enter(); err != nil {
		return err
	}
	defer c.Leave()
	stop := followSize(ctx, term.Size, send)
	defer stop()
	defer context.AfterFunc(ctx, program.Quit)()
	_, err := program.Run()
	c.Leave()
	back := m.unconfirmed()
	m.endWork(term.Err)
	cancel()
	if m.crash != nil {
		return m.crash
	}
	if back != nil {
		return undoUnconfirmed(context.WithoutCancel(ctx), wf, back, term.Err)
	}
	if errors.Is(err, tea.ErrInterrupted) || errors.Is(err, context.Canceled) || errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	return err
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

// endWork cancels every operation, and waits until changes are undone.
func (m *Model) endWork(say io.Writer) {
	for _, op := range m.work.running {
		if op.change {
			fmt.Fprintln(say, "nmgre: stopped, and undoing: "+op.name)
		}
		op.cancel()
	}
	ended := make(chan struct{})
	go func() { m.work.changes.Wait(); close(ended) }()
	select {
	case <-ended:
		return
	case <-time.After(time.Second):
		fmt.Fprintln(say, "nmgre: waiting until everything is undone")
	}
	select {
	case <-ended:
	case <-time.After(undoLimit):
		fmt.Fprintln(say, "nmgre: the undo has not ended in time; nmgre list shows the tunnels")
	}
}

// undoUnconfirmed undoes a change that nobody has confirmed: it may have cut the person off.
func undoUnconfirmed(ctx context.Context, wf Workflow, back *undo, say io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, undoLimit)
	defer cancel()
	fmt.Fprintf(say, "nmgre: nobody confirmed that nmgre %s: it will %s\n", back.what, back.how)
	return back.do(ctx, wf)
}
