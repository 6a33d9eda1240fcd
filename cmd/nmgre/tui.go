package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"nmgre/cmd/nmgre/checkup"
	"nmgre/cmd/nmgre/manual"
	"nmgre/cmd/nmgre/screens"
	"nmgre/cmd/nmgre/term"
	"nmgre/tui"
)

// screenFlags are the flags of nmgre without a command.
type screenFlags struct {
	version             bool // print it, and show no screens
	plain, ascii, mouse bool
	confirm             time.Duration
}

// screens shows the screens, or asks line by line if that is wanted or the terminal is too simple.
// It returns false without a terminal: then there is nobody to talk to.
func (a *app) screens(ctx context.Context, flags screenFlags) (shown bool, err error) {
	in, out, terminal := a.terminal()
	dumb := terminal && (os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "")
	if !terminal && !flags.plain {
		return false, nil
	}
	if a.ignore != nil {
		// A process that is stopped would undo nothing.
		a.ignore(syscall.SIGTSTP)
	}
	// ctrl+c is a key on the screen, which stops the running change. It is a signal, as in --plain,
	// while a password is asked for.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGQUIT)
	defer stop()
	at := tui.Terminal{In: a.stdin, Out: a.tty, Err: a.stderr, Forget: a.forget()}
	if flags.plain || dumb {
		if !flags.plain {
			fmt.Fprintln(a.stderr, checkup.Dumb)
		}
		at.Out = a.stdout // whose loss is told, as any command's
		return true, a.withScreens(ctx, math.MaxInt64, func(ctx context.Context, wf tui.Workflow) error {
			return tui.Plain(ctx, wf, a.screenOptions(flags), at)
		})
	}
	at.Raw, at.Size = term.Raw(in), term.Size(out)
	return true, a.withScreens(ctx, a.moment, func(ctx context.Context, wf tui.Workflow) error { return tui.Run(ctx, wf, a.screenOptions(flags), at) })
}

// forget returns a function that forgets everything which was typed on standard input and is not
// read yet. It is nil if that is no terminal.
func (a *app) forget() func() error {
	if in, ok := a.stdin.(*os.File); ok && term.Is(in) {
		return term.Forget(in)
	}
	return nil
}

// terminal returns the person's terminal; false if the input or the output is not a terminal.
func (a *app) terminal() (in, out *os.File, ok bool) {
	in, inOK := a.stdin.(*os.File)
	out, outOK := a.tty.(*os.File)
	return in, out, inOK && outOK && term.Is(in) && term.Is(out)
}

const (
	// screensGCPercent collects garbage earlier than in a command: screens may be open for days.
	screensGCPercent = 50
	// screensBegin is how long they do without that: a collection would hold up the first frame.
	screensBegin = time.Second
)

// paper describes standard output as the paper of a page of the manual.
func (a *app) paper() manual.Paper {
	const width, widest = 80, 100
	out, ok := a.tty.(*os.File)
	if !ok || !term.Is(out) {
		return manual.Paper{Width: width}
	}
	return manual.Paper{Width: min(cmp.Or(a.width(), width), widest), Bold: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != ""}
}

// screensMoment is how long the screens wait for the first look at the host. One without
// NetworkManager is found out in a fraction of it. A busy NetworkManager holds up no picture.
const screensMoment = 20 * time.Millisecond

// withScreens calls do with this host, unless screens are of no use here. It waits a moment for
// that to show. If it shows later, the context of do ends.
func (a *app) withScreens(ctx context.Context, moment time.Duration, do func(context.Context, tui.Workflow) error) error {
	d, closeAll, err := a.open(ctx)
	if err != nil {
		return a.checkup().First(ctx, d, err)
	}
	defer closeAll()
	fits, end := context.WithCancelCause(ctx)
	defer end(nil)
	unfit := func() error {
		if ctx.Err() != nil || fits.Err() == nil { // the person ended it, or nobody did
			return nil
		}
		return context.Cause(fits)
	}
	waitAtMost(moment, func() {
		if err := a.checkup().First(fits, d, nil); err != nil {
			end(err)
		}
	})
	if err := unfit(); err != nil {
		return err
	}
	later := time.AfterFunc(screensBegin, func() { debug.SetGCPercent(screensGCPercent) })
	defer later.Stop()
	// a program that runs long parses a file of root's again only after it has changed
	d.Files = d.Files.Remembering()
	err = do(fits, screens.New(d, a.session, a.exe).WithPair(a.farApp().MakeFar))
	return cmp.Or(unfit(), err)
}

// waitAtMost calls f, and returns when f does, or after a while.
func waitAtMost(while time.Duration, f func()) {
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	select {
	case <-ended:
	case <-time.After(while):
	}
}

// screenOptions describe the terminal. NO_COLOR counts with any value (no-color.org). The Linux
// console has 512 glyphs, and those of the screens are not among them.
func (a *app) screenOptions(flags screenFlags) tui.Options {
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	kind := os.Getenv("TERM")
	return tui.Options{
		Color: os.Getenv("NO_COLOR") == "" && kind != "vt100" && kind != "vt220",
		ASCII: flags.ascii || kind == "linux" || kind == "vt100" || kind == "vt220" || !term.IsUTF8(),
		Mouse: flags.mouse, Host: name, Session: a.session, Confirm: flags.confirm, Reports: os.TempDir(), Names: a.names,
	}
}
