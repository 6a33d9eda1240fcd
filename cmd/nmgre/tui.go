package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"nmgre"
	"nmgre/cmd/nmgre/calls"
	"nmgre/cmd/nmgre/term"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/kernel"
	"nmgre/tui"
)

// screenFlags are those of nmgre without a command.
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
		// A process that is stopped, or ended for its output, would undo nothing.
		a.ignore(syscall.SIGTSTP, syscall.SIGPIPE)
	}
	// ctrl+c is a key on the screen, which stops the running change. It is a signal, as in --plain,
	// while a password is asked for.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGQUIT)
	defer stop()
	at := tui.Terminal{In: a.stdin, Out: a.stdout, Err: a.stderr, Forget: a.forget()}
	if flags.plain || dumb {
		return true, a.withScreens(ctx, func(wf tui.Workflow) error { return tui.Plain(ctx, wf, a.screenOptions(flags), at) })
	}
	at.Raw, at.Size = term.Raw(in), term.Size(out)
	return true, a.withScreens(ctx, func(wf tui.Workflow) error { return tui.Run(ctx, wf, a.screenOptions(flags), at) })
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
	out, outOK := a.stdout.(*os.File)
	return in, out, inOK && outOK && term.Is(in) && term.Is(out)
}

// screensGCPercent collects garbage earlier than in a command: the screens may be open for days.
const screensGCPercent = 50

// withScreens calls do with this host.
func (a *app) withScreens(ctx context.Context, do func(tui.Workflow) error) error {
	d, closeAll, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	debug.SetGCPercent(screensGCPercent)
	// a program that runs long parses a file of root's again only after it has changed
	d.files = d.files.Remembering()
	host := newScreenHost(d)
	host.session, host.exe = a.session, a.exe
	return do(host)
}

// screenOptions describe the terminal. NO_COLOR counts with any value (no-color.org). The Linux
// console has 512 glyphs, and those of the screens are not among them.
func (a *app) screenOptions(flags screenFlags) tui.Options {
	name, _ := os.Hostname()
	name, _, _ = strings.Cut(name, ".")
	term := os.Getenv("TERM")
	return tui.Options{
		Color: os.Getenv("NO_COLOR") == "" && term != "vt100" && term != "vt220",
		ASCII: flags.ascii || term == "linux" || term == "vt100" || term == "vt220" || !isUTF8(),
		Mouse: flags.mouse, Host: name, Session: a.session(), Confirm: flags.confirm, Reports: os.TempDir(), Names: a.names(),
	}
}

// isUTF8 says whether the locale's characters are UTF-8. Without a locale they are, as nearly
// everywhere.
func isUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			upper := strings.ToUpper(value)
			return strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8") || value == "C" || value == "POSIX"
		}
	}
	return true
}

// screenHost is a [tui.Workflow].
type screenHost struct {
	*nmgre.Host
	adapters adapters
	session  func() nmgre.Session // that the person sits at
	exe      string               // this program; see [watchdog.Start]
}

func newScreenHost(d adapters) *screenHost {
	return &screenHost{Host: &nmgre.Host{System: d.system(), Listed: true}, adapters: d}
}

// Manager returns NetworkManager's version, and the caller's permissions.
func (h *screenHost) Manager(ctx context.Context) (nm.Manager, error) {
	return h.Profiles.Manager(ctx)
}

// Edit edits a tunnel, beside a process that undoes the edit if this one is killed.
func (h *screenHost) Edit(ctx context.Context, planned plan.EditPlan, opts nmgre.EditOptions) (nmgre.Edited, error) {
	dog := watchdog.Start(h.exe)
	defer dog.Done()
	return h.Host.Edit(ctx, planned, opts)
}

// Up, Down, Delete and Create change the host. While the person is asked about that, a process is
// beside this one, as with Edit.
func (h *screenHost) Up(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "down "+name).Up(ctx, name)
}

func (h *screenHost) Down(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "up "+name).Down(ctx, name)
}

func (h *screenHost) Delete(ctx context.Context, name string) (nm.Profile, error) {
	return watchdog.Asking(h.Host, h.exe, "up "+name).Delete(ctx, name)
}

func (h *screenHost) Create(ctx context.Context, planned plan.Plan, opts nmgre.CreateOptions) (nmgre.Created, error) {
	return watchdog.Asking(h.Host, h.exe, "").Create(ctx, planned, opts)
}

// Links returns the host's devices.
func (h *screenHost) Links(ctx context.Context) ([]kernel.Link, error) { return h.Kernel.Links(ctx) }

// Lookup asks the kernel for a way.
func (h *screenHost) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	return h.Kernel.Lookup(ctx, q)
}

// Probe sends echo requests.
func (h *screenHost) Probe(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	return h.Kernel.Probe(ctx, p)
}

// Prompts says whether polkit asks for a password before every change, and whether it asks before a
// change of the files that root keeps.
func (h *screenHost) Prompts(m nm.Manager) (always, forRoot bool) {
	return m.Modify == nm.PermissionAuth || m.Control == nm.PermissionAuth, os.Geteuid() != 0
}

// Reporting returns the same host with a listener, which is told of every step, and of every call
// to the bus and the kernel.
func (h *screenHost) Reporting(to tui.Listener) tui.Workflow {
	d := h.adapters
	if !to.Alone {
		d.asRoot = d.quiet
	}
	if to.Step != nil {
		d.profiles, d.kernel, d.gateway = calls.Profiles(d.profiles, to.Step), calls.Kernel(d.kernel, to.Step), calls.Gateway(d.gateway, to.Step)
	}
	host := newScreenHost(d)
	host.session, host.exe = h.session, h.exe
	host.Progress, host.Checked, host.Advance = to.Step, to.Check, to.Advance
	host.Confirm, host.ConfirmCut = to.Confirm, to.ConfirmCut
	if to.ConfirmCut != nil {
		host.Session = h.session
	}
	return host
}
