package tui

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/nm"
	"nmgre/tui/tuitest"
)

// TestMain runs the screens on the terminal, over a host in memory, where the tests of the whole
// program ask for it.
func TestMain(m *testing.M) {
	if how := os.Getenv("NMGRE_TUI_DEMO"); how != "" {
		os.Exit(demo(how))
	}
	os.Exit(m.Run())
}

func demo(how string) int {
	f := tuitest.New()
	f.Pace, f.Watched = 300*time.Millisecond, true
	if strings.Contains(how, "many") {
		f.Many()
	} else if !strings.Contains(how, "empty") {
		f.WithTunnels()
	}
	f.Asks = strings.Contains(how, "prompts")
	if strings.Contains(how, "client") {
		f.ClientOn, f.Guarded.Client = "gre1", tuitest.Addr("192.0.2.99")
	}
	if strings.Contains(how, "panic") {
		f.Tunnels = nil
		panicking := &panicker{fake: fake{f}}
		return show(panicking, how)
	}
	if strings.Contains(how, "stuck") {
		return show(&sticking{fake: fake{f}}, how)
	}
	defer func() { _ = os.WriteFile(os.Getenv("NMGRE_TUI_CALLS"), []byte(strings.Join(f.Calls, "\n")), 0o600) }()
	return show(fake{f}, how)
}

// panicker panics.
type panicker struct{ fake }

func (p *panicker) Prompts(nm.Manager) (always, forRoot bool) { panic("a fault for the test") }

// sticking brings the main loop to a standstill.
type sticking struct{ fake }

func (s *sticking) Prompts(nm.Manager) (always, forRoot bool) {
	fmt.Fprintln(os.Stderr, "it sticks")
	select {}
}

func show(wf Workflow, how string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	opts := Options{Host: "linux1", Color: os.Getenv("NO_COLOR") == "", ASCII: strings.Contains(how, "ascii"), Reports: os.Getenv("NMGRE_TUI_REPORTS")}
	if strings.Contains(how, "client") {
		opts.Session = found(seat("192.0.2.99"))
	}
	if strings.Contains(how, "soon") {
		opts.Confirm = time.Second
	}
	begin := Run
	if strings.Contains(how, "plain") {
		begin = Plain
	}
	if err := begin(ctx, wf, opts, Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Raw: rawMode, Size: terminalSize, Forget: forget}); err != nil {
		fmt.Fprintln(os.Stderr, "nmgre:", err)
		return 1
	}
	return 0
}

func rawMode() (func(), error) {
	before, err := unix.IoctlGetTermios(0, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	raw := *before
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	return func() { _ = unix.IoctlSetTermios(0, unix.TCSETS, before) }, unix.IoctlSetTermios(0, unix.TCSETS, &raw)
}

func forget() error { return unix.IoctlSetInt(0, unix.TCFLSH, unix.TCIFLUSH) }

func terminalSize() (width, height int, err error) {
	size, err := unix.IoctlGetWinsize(1, unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, err
	}
	return int(size.Col), int(size.Row), nil
}
