package tui

import (
	"bytes"
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
)

// terminal is a pseudoterminal with the whole program on it, over a host in memory.
type terminal struct {
	t      testing.TB
	ours   *os.File
	theirs *os.File
	cmd    *exec.Cmd
	before unix.Termios
	mu     sync.Mutex
	out    bytes.Buffer
	stderr bytes.Buffer
}

func startOnTerminal(t testing.TB, how string, env ...string) *terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "TERM=xterm-256color", "NMGRE_TUI_DEMO="+how, "NMGRE_TUI_REPORTS="+t.TempDir()), env...)
	return start(t, cmd)
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
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
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
func (p *terminal) wait(text string) {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(p.written(), text) {
			return
		}
	}
	p.t.Fatalf("it has not written %q: %q", text, p.written())
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
	if err != nil {
		p.t.Fatal(err)
	}
	if *after != p.before {
		p.t.Errorf("the terminal's modes are not what they were: %+v, want %+v", *after, p.before)
	}
	out := p.written()
	if strings.LastIndex(out, "\x1b[?1049l") < strings.LastIndex(out, "\x1b[?1049h") {
		p.t.Error("the alternate screen is left on")
	}
	if strings.LastIndex(out, "\x1b[?25h") < strings.LastIndex(out, "\x1b[?25l") {
		p.t.Error("the cursor is left hidden")
	}
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
	p.wait("nmgre: up (12ms)")
	p.wait("paris-backup is up")
	_, after, _ := strings.Cut(p.written(), "nmgre: up (12ms)")
	if !strings.Contains(after, "\x1b[?1049h") || !strings.Contains(after, "Tunnels") {
		t.Errorf("the screen has not come back: %q", after)
	}
	if before, _, _ := strings.Cut(p.written(), "nmgre: bring paris-backup"); strings.LastIndex(before, "\x1b[?1049l") < strings.LastIndex(before, "\x1b[?1049h") {
		t.Error("the steps are written under a drawn screen")
	}
	p.write("q")
	p.ended(0)
}

// A person who is cut off by a change cannot confirm it, and it is undone.
func TestProgramTakesBackWhatNobodyConfirms(t *testing.T) {
	p := startOnTerminal(t, "client")
	p.wait("gre1")
	p.write("d")
	p.wait("this may cut you off")
	p.write("y")
	p.wait("Keep it?")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.ended(0)
	if said := p.stderr.String(); !strings.Contains(said, "nobody confirmed that nmgre took gre1 down: it will bring gre1 up") {
		t.Errorf("it said %q", said)
	}
}
