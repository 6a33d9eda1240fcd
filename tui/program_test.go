package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/tui/tuitest"
)

// terminal is a pseudoterminal with the whole program on it, over a host in memory.
type terminal struct {
	t      testing.TB
	ours   *os.File
	theirs *os.File
	cmd    *exec.Cmd
	before unix.Termios
	calls  string // the file with the verbs that were called, after the end
	mu     sync.Mutex
	out    bytes.Buffer
	stderr safeBuffer
}

// safeBuffer may be read while the program writes to it.
type safeBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func startOnTerminal(t testing.TB, how string, env ...string) *terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	calls := filepath.Join(t.TempDir(), "calls")
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NMGRE_TUI_DEMO="+how, "NMGRE_TUI_REPORTS="+t.TempDir(), "NMGRE_TUI_CALLS="+calls), env...)
	p := start(t, cmd)
	p.calls = calls
	return p
}

// startCat starts cat on a terminal without echo: cat itself answers each line at once.
func startCat(t testing.TB) *terminal {
	t.Helper()
	p := start(t, exec.Command("sh", "-c", "stty -echo; echo ready; exec cat"))
	p.wait("ready")
	return p
}

func start(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := number(t, ours)
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, ours: ours, theirs: theirs}
	if got, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS); err == nil {
		p.before = *got
	}
	p.cmd = cmd
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs, theirs, &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); ours.Close(); theirs.Close() })
	return p
}

// number unlocks a pseudoterminal and returns its number. Its file stays in the poller, so that
// closing it ends a read.
func number(t testing.TB, ours *os.File) (n int) {
	t.Helper()
	raw, err := ours.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			_ = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
			number, _ := unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
			n = int(number)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := p.ours.Read(buffer)
		p.mu.Lock()
		p.out.Write(buffer[:n])
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *terminal) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// wait returns when the program has written the text.
func (p *terminal) wait(text string) { p.t.Helper(); p.waitFor(text, p.written) }

// said is the program's standard error so far.
func (p *terminal) said() string { return p.stderr.String() }

// waitErr returns when the program has said the text.
func (p *terminal) waitErr(text string) { p.t.Helper(); p.waitFor(text, p.said) }

func (p *terminal) waitFor(text string, written func() string) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(written(), text) {
			return
		}
	}
	p.t.Fatalf("it has not written %q: %q", text, written())
}

func (p *terminal) write(keys string) {
	p.t.Helper()
	if _, err := io.WriteString(p.ours, keys); err != nil {
		p.t.Fatal(err)
	}
}

// ended waits for the program, and checks that the terminal is as before: its modes, the main
// screen, the cursor, no mouse.
func (p *terminal) ended(code int) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it does not end: %q", p.stderr.String())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit %d, want %d: %s", got, code, p.stderr.String())
	}
	time.Sleep(50 * time.Millisecond)
	after, err := unix.IoctlGetTermios(int(p.theirs.Fd()), unix.TCGETS)
	if errors.Is(err, unix.EBADF) { // it has hung up
		return
	}
	if err != nil {
		p.t.Fatal(err)
	}
	if *after != p.before {
		p.t.Errorf("the terminal's modes have changed: %+v, want %+v", *after, p.before)
	}
	// its last output may still be under way
	until := time.Now().Add(5 * time.Second)
	for !p.isOff("\x1b[?1049h", "\x1b[?1049l") || !p.isOff("\x1b[?25l", "\x1b[?25h") {
		if time.Now().After(until) {
			p.t.Fatalf("the alternate screen is left on, or the cursor hidden:\n%q", p.written())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// isOff reports whether the program has written off after it last wrote on.
func (p *terminal) isOff(on, off string) bool {
	out := p.written()
	return strings.LastIndex(out, off) >= strings.LastIndex(out, on)
}

func TestProgramQuits(t *testing.T) {
	p := startOnTerminal(t, "yes")
	p.wait("gre1")
	p.write("q")
	p.ended(0)
}

func TestProgramIsTerminated(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		p := startOnTerminal(t, "yes")
		p.wait("gre1")
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		p.ended(0)
	}
}

// A main loop that stands still, as it does here by a fault of a test's, keeps no signal from
// ending the program.
func TestProgramIsTerminatedThoughItSticks(t *testing.T) {
	p := startOnTerminal(t, "stuck")
	p.waitErr("it sticks")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ended(0)
}

// The terminal is restored after a crash too, and the message names the report.
func TestProgramPanics(t *testing.T) {
	p := startOnTerminal(t, "panic")
	p.ended(1)
	said := p.stderr.String()
	_, name, found := strings.Cut(strings.TrimSpace(said), "the report is in ")
	if !found || strings.Contains(said, "goroutine") {
		t.Fatalf("it said %q", said)
	}
	if _, err := os.Stat(name); err != nil || filepath.Dir(name) == "" {
		t.Error(err)
	}
}

// NO_COLOR counts with any value, which Bubble Tea's own reading of it does not know.
func TestProgramWithoutColor(t *testing.T) {
	p := startOnTerminal(t, "yes", "NO_COLOR=yes")
	p.wait("gre1")
	p.write("jv")
	p.wait("probe")
	p.write("q")
	p.ended(0)
	for _, color := range []string{"[31m", "[32m", "[33m", "[36m", ";31m", ";32m", ";33m", ";36m"} {
		if strings.Contains(p.written(), color) {
			t.Errorf("it wrote the colour %q", color)
		}
	}
}

// A copy goes to the terminal's clipboard (OSC 52).
func TestProgramCopies(t *testing.T) {
	p := startOnTerminal(t, "yes")
	p.wait("gre1")
	p.write("5")
	p.wait("On the far host")
	p.write("y")
	p.wait("\x1b]52;c;bm1ncmUgY3JlYXRl") // "nmgre create" in base64
	p.write("q")
	p.ended(0)
}

// Where a password may be asked for, the screen goes, the steps are lines, and the screen comes
// back.
func TestProgramLendsTheTerminal(t *testing.T) {
	p := startOnTerminal(t, "prompts")
	p.wait("gre1")
	p.write("jj")
	p.wait("paris-backup")
	p.write("u")
	p.wait("nmgre: bring paris-backup up (a password may be asked for)")
	p.wait("nmgre: brought it up (12ms)")
	p.wait("paris-backup is up")
	_, after, _ := strings.Cut(p.written(), "nmgre: brought it up (12ms)")
	if !strings.Contains(after, "\x1b[?1049h") || !strings.Contains(after, "Tunnels") {
		t.Errorf("the screen has not come back: %q", after)
	}
	if before, _, _ := strings.Cut(p.written(), "nmgre: bring paris-backup"); strings.LastIndex(before, "\x1b[?1049l") < strings.LastIndex(before, "\x1b[?1049h") {
		t.Error("the steps are written under a drawn screen")
	}
	p.write("q")
	p.ended(0)
}

// mustHaveCalled checks the last verbs that were called, once the program has ended.
func (p *terminal) mustHaveCalled(verbs string) {
	p.t.Helper()
	got, err := os.ReadFile(p.calls)
	if err != nil || !strings.HasSuffix(string(got), verbs) {
		p.t.Errorf("it called %q (%v), want %q at the end", got, err, verbs)
	}
}

const (
	downAndUp = "down 00000000-0000-4000-8000-000000000001\nundo down 00000000-0000-4000-8000-000000000001"
	downOnly  = "down 00000000-0000-4000-8000-000000000001"
	lentAsk   = "nmgre: press Enter within "
)

// takeDown takes down the tunnel that carries the person's own connection, up to the question
// whether to keep that.
func (p *terminal) takeDown(question string) {
	p.t.Helper()
	p.wait("gre1")
	p.write("d")
	p.wait("this may cut you off")
	p.write("y")
	p.wait(question)
}

// A person who is cut off by a change cannot confirm it: whatever ends the program, the change is
// undone before. The question is on the screen, or on the lent terminal where polkit may ask for a
// password.
func TestProgramEndsWithTheChangeUndone(t *testing.T) {
	for how, question := range map[string]string{"client": "Keep it?", "client prompts": lentAsk} {
		for name, end := range map[string]func(p *terminal) error{
			"SIGINT":  func(p *terminal) error { return p.cmd.Process.Signal(syscall.SIGINT) },
			"SIGTERM": func(p *terminal) error { return p.cmd.Process.Signal(syscall.SIGTERM) },
			"SIGHUP":  func(p *terminal) error { return p.cmd.Process.Signal(syscall.SIGHUP) },
			"hang-up": func(p *terminal) error { return errors.Join(p.theirs.Close(), p.ours.Close()) },
			"ctrl+c":  func(p *terminal) error { _, err := p.ours.WriteString("\x03"); return err },
		} {
			if name == "ctrl+c" && how == "client" {
				continue // it is a key there
			}
			t.Run(how+" "+name, func(t *testing.T) {
				t.Parallel()
				p := startOnTerminal(t, how)
				p.takeDown(question)
				if err := end(p); err != nil {
					t.Fatal(err)
				}
				p.ended(0)
				p.mustHaveCalled(downAndUp)
			})
		}
	}
}

// Nobody confirms in time, and the change is undone. The screen is there again.
func TestProgramUndoesInTime(t *testing.T) {
	for how, question := range map[string]string{"client soon": "Keep it?", "client prompts soon": lentAsk + "1s"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p := startOnTerminal(t, how)
			p.takeDown(question)
			p.wait("undone: nmgre took gre1 down")
			p.write("q")
			p.ended(0)
			p.mustHaveCalled(downAndUp)
		})
	}
}

// On the lent terminal only a key typed after the question confirms. Ctrl-c is a key again when the
// screen is back.
func TestProgramConfirmsOnTheLentTerminal(t *testing.T) {
	p := startOnTerminal(t, "client prompts")
	p.wait("gre1")
	p.write("d")
	p.wait("this may cut you off")
	p.write("y")
	p.wait("(a password may be asked for)")
	p.write("\n\ny\n") // too early
	p.wait(lentAsk)
	time.Sleep(300 * time.Millisecond)
	if strings.Contains(p.written(), "gre1 is down") {
		t.Fatal("it took keys typed before the question")
	}
	p.write("\n")
	p.wait("gre1 is down")
	p.write("\x03")
	p.ended(0)
	p.mustHaveCalled(downOnly)
}

// An edit asks before it is saved, on the lent terminal too.
func TestProgramEditsOnTheLentTerminal(t *testing.T) {
	for answer, want := range map[string]string{"\n": "gre1 is changed", "no\n": "it was not confirmed", "": "it was not confirmed"} {
		t.Run(fmt.Sprintf("%q", answer), func(t *testing.T) {
			t.Parallel()
			p := startOnTerminal(t, "client prompts soon")
			p.wait("gre1")
			p.write("e")
			p.wait("Edit gre1")
			p.write("\x0e\x0e\x1b[B\x1b[B\x1b[B\x1b[B\x151400\x13")
			p.wait("this may cut you off")
			p.write("\r")
			p.wait("press Enter within 1s to keep it; otherwise nmgre will set gre1 back to mtu 1476")
			p.write(answer)
			p.wait(want)
			p.write("qq")
			p.ended(0)
		})
	}
}

// Line by line it is the same: only a line typed after the question counts, the change is undone in
// time, and by every signal.
func TestPlainOnATerminal(t *testing.T) {
	const question = "Keep it?"
	for name, tc := range map[string]struct {
		how, answer, want, calls string
		code                     int
	}{
		"yes":    {"client plain", "yes\nquit\n", "", downOnly, 0},
		"nobody": {"client plain soon", "", "It failed: it was not confirmed", downAndUp, 0},
		"ctrl+c": {"client plain", "\x03", "", downAndUp, 1},
		"ctrl+d": {"client plain", "\x04", "", downAndUp, 1},
		"no":     {"client plain", "no\n", "It failed: it was not confirmed", downAndUp, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startOnTerminal(t, tc.how)
			for _, ask := range [][2]string{{"What now?", "down"}, {"Which tunnel?", "gre1"}, {"Take it down?", "yes\nyes\nyes"}} {
				p.waitErr(ask[0])
				p.write(ask[1] + "\n")
			}
			p.waitErr(question)
			time.Sleep(200 * time.Millisecond)
			if strings.Contains(p.said(), "gre1 is down") || strings.Count(p.said(), "What now?") > 1 {
				t.Fatalf("it took keys typed before the question: %q", p.said())
			}
			p.write(tc.answer)
			if tc.want != "" {
				p.waitErr(tc.want)
				p.write("quit\n")
			}
			p.ended(tc.code)
			p.mustHaveCalled(tc.calls)
		})
	}
}

// A terminal that stands still, such as one whose connection is dead, holds up neither the undo nor
// the end.
func TestTerminalStandsStill(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	keys, theirs := io.Pipe()
	still := make(chan struct{})
	defer close(still)
	stopped := writerFunc(func(p []byte) (int, error) { <-still; return len(p), nil })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	opts := Options{Session: found(f.Guarded), Confirm: 300 * time.Millisecond, Reports: t.TempDir()}
	raw := func() (func(), error) { return func() {}, nil }
	size := func() (int, int, error) { return 80, 24, nil }
	go func() {
		ended <- Run(ctx, fake{f}, opts, Terminal{In: keys, Out: stopped, Err: stopped, Raw: raw, Size: size})
	}()
	until := func(call, key string) {
		for end := time.Now().Add(20 * time.Second); !f.Saw(call); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("no %s: %q", call, f.Calls)
			}
			if key != "" {
				_, _ = io.WriteString(theirs, key)
			}
		}
	}
	until("down ", "dy")
	until("undo down ", "")
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// No frame is drawn for a window of another size, not even the first one.
func TestFirstFrameFits(t *testing.T) {
	keys, theirs := io.Pipe()
	var mu sync.Mutex
	var drawn strings.Builder
	out := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return drawn.Write(p)
	})
	size := func() (int, int, error) { time.Sleep(100 * time.Millisecond); return 30, 6, nil }
	ended := make(chan error, 1)
	go func() {
		ended <- Run(t.Context(), fake{tuitest.New().WithTunnels()}, Options{Reports: t.TempDir()}, Terminal{In: keys, Out: out, Err: io.Discard, Raw: func() (func(), error) { return func() {}, nil }, Size: size})
	}()
	time.Sleep(400 * time.Millisecond)
	_, _ = io.WriteString(theirs, "q")
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if text := drawn.String(); strings.Contains(text, "Tunnels") || !strings.Contains(text, "too") {
		t.Errorf("%q", text)
	}
}

// The same line by line.
func TestPlainOnAStandingTerminal(t *testing.T) {
	f := tuitest.New().WithTunnels()
	f.ClientOn, f.Guarded = "gre1", seat("192.0.2.99")
	still := make(chan struct{})
	defer close(still)
	stopped := writerFunc(func(p []byte) (int, error) { <-still; return len(p), nil })
	keys, theirs := io.Pipe()
	go func() { _, _ = io.WriteString(theirs, "down\ngre1\nyes\n") }()
	ended := make(chan error, 1)
	go func() {
		ended <- Plain(t.Context(), fake{f}, Options{Confirm: 100 * time.Millisecond}, Terminal{In: keys, Out: stopped, Err: stopped})
	}()
	for end := time.Now().Add(20 * time.Second); !f.Saw("undo down "); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not undone: %q", f.Calls)
		}
	}
	theirs.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, errEnded) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
