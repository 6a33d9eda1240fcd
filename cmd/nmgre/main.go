package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"nmgre"
	"nmgre/cmd/nmgre/adapters"
	"nmgre/cmd/nmgre/far"
	"nmgre/cmd/nmgre/lists"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/progress"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/nm"
	"nmgre/nm/dbus/systemd"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
	"nmgre/routes/gateway/owners"
)

// The exit codes of the contract.
const (
	exitDone             = 0
	exitFailed           = 1 // nothing is left behind
	exitInvalid          = 2 // the request is not valid; nothing was changed
	exitFault            = 3 // verify found a fault, or doctor a problem
	exitNotPermitted     = 4
	exitNoNetworkManager = 5
	exitHalf             = 6                          // up or down, but not with all that belongs to it
	exitUnread           = 128 + int(syscall.SIGPIPE) // as a shell calls the end by that signal
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, root: "/", open: adapters.Open, local: adapters.Local, tables: owners.Read, systemd: systemd.Reload, ignore: signal.Ignore, settle: asroot.Settle, resolver: adapters.Resolver{}, own: adapters.Own, program: os.Args[0], exe: watchdog.Exe(), exits: true, moment: screensMoment}
	os.Exit(a.run(os.Args[1:]))
}

// app holds everything that a command uses of the process and the host; tests put their own in.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	tty            io.Writer // standard output itself, which may be a terminal
	// root is the folder that holds /etc, /run and /proc; "/" outside tests.
	root string
	// owner is the user ID that root's own files must have; 0 outside tests.
	owner int
	// verbose shows every step and the commands that do the same.
	verbose bool
	// confirm is how long a change waits to be confirmed, 0 for no question; force lets it cut off
	// the person's session.
	confirm time.Duration
	force   bool
	exe     string        // this program, to run beside a command; empty in tests
	dog     *watchdog.Dog // the process beside this command; nil if there is none
	back    string        // the command line that undoes the command, for that process
	// open connects to the host's NetworkManager and kernel. The function that it returns closes
	// both connections.
	open func(ctx context.Context) (adapters.Doors, func(), error)
	// local opens the doors that need no NetworkManager, and tables reads whose the tables of
	// nftables are; nil in tests.
	local  func() (adapters.Doors, func(), error)
	tables func(context.Context) (owners.Tables, error)
	bus    string // the address of the system bus; empty for the usual one
	// systemd has systemd read its units again and start one; nil in tests.
	systemd func(ctx context.Context, bus, unit string) error
	// ignore makes the process ignore signals; nil in tests.
	ignore func(...os.Signal)
	// settle frees the process from its caller's limits and signals; nil in tests.
	settle   func()
	resolver nm.Resolver         // looks up the names of far ends; nil in tests that have none
	own      func() []netip.Addr // this host's addresses; nil in tests
	ctx      context.Context     //nolint:containedctx // the one of the command that runs
	program  string              // the name that nmgre was called by; empty for "nmgre"
	reader   *lists.Reader       // of the files that the command line names; nil until it is needed
	typed    []string            // the command line with the program's name
	moment   time.Duration       // how long the screens wait for the first look at the host
	exits    bool                // the process ends with the command, and so do its signals
}

// untilTold returns a context that ends when the process is told to end, so that an unfinished
// change is undone. A second interrupt ends the process at once. All other signals do so only once:
// a session that ends sends several, of more than one kind, and that must not stop the undo.
func untilTold() (ctx context.Context, stop func()) {
	ctx, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	again := context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP) // also those that come when the command has ended
		signal.Reset(os.Interrupt)
	})
	return ctx, func() { again(); release() }
}

// run carries out one command line and returns the exit code.
func (a *app) run(args []string) int {
	ctx, stop := untilTold()
	if !a.exits {
		defer stop()
	}
	a.ctx = ctx
	a.typed = append([]string{cmp.Or(a.program, "nmgre")}, args...)
	said := &output.Data{To: a.stdout}
	a.tty, a.stdout = a.stdout, said
	if a.ignore != nil {
		a.ignore(syscall.SIGPIPE) // a change goes on when nobody reads what is said about it
	}
	root := a.rootCommand(args)
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for the process's own arguments
	err := said.Whole(root.ExecuteContext(ctx), errFault)
	a.printError(err)
	return exitCode(err)
}

// withHost calls do with a host that reports its steps on standard error.
func (a *app) withHost(ctx context.Context, do func(*nmgre.Host) error) error {
	host, closeHost, err := a.host(ctx)
	if err != nil {
		return err
	}
	defer closeHost()
	host.Progress, host.Advance = a.printEvent, progress.Routes(a.stderr)
	a.guarded(host)
	far.DoubtsOf(a.root).Settle(ctx, host, false, a.say)
	return do(host)
}

// say writes a note for the person, beside the command's output.
func (a *app) say(line string) { fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(line)) }

// host opens the host for the verbs. The function that it returns lets go of it.
func (a *app) host(ctx context.Context) (*nmgre.Host, func(), error) {
	sys, closeAll, err := a.system(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &nmgre.Host{System: sys}, closeAll, nil
}

// system opens the doors of the host.
func (a *app) system(ctx context.Context) (nm.System, func(), error) {
	d, closeAll, err := a.open(ctx)
	if err != nil {
		return nm.System{}, nil, err
	}
	if a.exits {
		closeAll = func() {} // the kernel does so, and does not wait for the bus
	}
	return d.System(), closeAll, nil
}

// failed is an error of a change that had already begun. Its kind does not matter to the exit code:
// the request was valid.
type failed struct{ error }

func (f failed) Unwrap() error { return f.error }

// errFault ends verify after a report that shows a fault.
var errFault = errors.New("the tunnel has a fault")

func exitCode(err error) int {
	var begun failed
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFault):
		return exitFault
	case errors.Is(err, output.ErrUnread):
		return exitUnread
	case errors.Is(err, fault.ErrHalfDone):
		return exitHalf
	case errors.Is(err, fault.ErrNotPermitted):
		return exitNotPermitted
	case errors.Is(err, fault.ErrCutsOff):
		return exitInvalid
	case errors.As(err, &begun):
		return exitFailed
	case errors.Is(err, fault.ErrNoNetworkManager), errors.Is(err, fault.ErrSilent):
		return exitNoNetworkManager
	case errors.Is(err, fault.ErrInvalid):
		return exitInvalid
	}
	return exitFailed
}

// printError writes one line for each of the joined errors, with its hints below it.
func (a *app) printError(err error) {
	if err == nil || errors.Is(err, errFault) || errors.Is(err, errShown) || errors.Is(err, far.ErrTold) || errors.Is(err, output.ErrUnread) {
		return
	}
	if begun, ok := err.(failed); ok { //nolint:errorlint // the outermost error itself
		err = begun.error
	}
	for _, one := range fault.Different(err) {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(one.Error()))
		for _, hint := range fault.Hints(one) {
			fmt.Fprintf(a.stderr, "hint: %s\n", a.exactHint(output.OneLine(hint)))
		}
	}
}

// exactHint replaces the hint "run it as root" by the command line to type, and nmgre below sudo by
// the program that runs.
func (a *app) exactHint(hint string) string {
	if hint != fault.HintRoot {
		// sudo may not find a program that is in no folder of its own
		return strings.ReplaceAll(hint, "sudo nmgre ", fault.SudoLine(a.typed[:min(len(a.typed), 1)])+" ")
	}
	return "run it as root: " + fault.SudoLine(a.typed)
}

// printEvent shows a step that has ended.
func (a *app) printEvent(e nmgre.Event) {
	if e.Detail && !a.verbose {
		return
	}
	a.printStep(e)
	if a.verbose {
		for _, command := range e.Commands {
			fmt.Fprintf(a.stderr, "  %s\n", command)
		}
	}
}

func (a *app) printStep(e nmgre.Event) {
	switch {
	case e.Err != nil && e.What != "" && e.Undo:
		fmt.Fprintf(a.stderr, "nmgre: %s: %s\n", output.OneLine(e.What), output.OneLine(e.Err.Error()))
	case e.Err != nil: // the error itself is printed at the end
	case e.Took > 0:
		fmt.Fprintf(a.stderr, "nmgre: %s (%s)\n", output.OneLine(e.What), roundTime(e.Took))
	default:
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(e.What))
	}
}

// roundTime rounds a duration to at most four or five digits.
func roundTime(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
