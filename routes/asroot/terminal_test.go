package asroot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// playAgent is polkit's agent for terminals: it asks at once, with echo off.
func playAgent() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		os.Exit(127)
	}
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		os.Exit(127)
	}
	state.Lflag &^= unix.ECHO
	if unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, state) != nil {
		os.Exit(127)
	}
	fmt.Fprintf(tty, "Agent of %d, %v, Password: ", os.Getppid(), os.Args[1:])
	_ = os.NewFile(3, "notify").Close()
	time.Sleep(time.Hour)
}

// onTerminal is an nmgre on a terminal of its own. It asks, and is interrupted.
func onTerminal(role, policy string) {
	self, _ := os.Executable()
	k := &Keeper{Exe: "/role/" + role, Pkexec: self, Agent: self, Policy: policy, grace: time.Second}
	if role == "tell-without" {
		k.Agent = "/nonexistent/agent"
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c, err := k.Converge(ctx, "")
	fmt.Printf("%d interrupted: %v, flags: %q\n", os.Getpid(), errors.Is(err, context.DeadlineExceeded), append(c.Trouble, "")[0])
	os.Exit(0)
}

// inBackground is a shell that runs a command in a process group of its own, and keeps the
// terminal.
func inBackground(args []string) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	os.Exit(exitOf(cmd.Run()))
}

// openPTY makes a pseudoterminal: our side, and the program's.
func openPTY(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// In the foreground of a terminal polkit's agent asks there, with any standard input, or pkexec
// itself if there is no agent. After an interrupt the terminal echoes again, and no agent is left.
// In the background nobody asks.
func TestTerminal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const disabled = `flags: "--disable-internal-agent"`
	for _, c := range []struct {
		name, role string
		display    string
		shell      []string
		asked      string
		said       string
	}{
		{"an agent", "tell", "", nil, "[--notify-fd 3]", disabled},
		{"an agent, interrupted", "ask", "", nil, "[--notify-fd 3]", "interrupted: true"},
		{"an agent, on a desktop", "tell", ":0", nil, "[--notify-fd 3 --fallback]", disabled},
		{"no agent", "tell-without", "", nil, "", `flags: ""`},
		{"in the background", "tell", "", []string{self, "in-background"}, "", disabled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ours, theirs := openPTY(t)
			defer ours.Close()
			policy := filepath.Join(t.TempDir(), "policy")
			writePolicy(t, policy, "/role/"+c.role)
			args := append(c.shell, self, "on-terminal", c.role, policy)
			cmd := exec.Command(args[0], args[1:]...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			cmd.Env = append(os.Environ(), "DISPLAY="+c.display, "WAYLAND_DISPLAY=")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
			cmd.ExtraFiles = []*os.File{theirs}
			if err := cmd.Run(); err != nil {
				t.Fatal(err, said.String())
			}
			state, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
			if err != nil || state.Lflag&unix.ECHO == 0 {
				t.Errorf("echo is off: %v", err)
			}
			_ = theirs.Close()
			var shown bytes.Buffer
			// It ends with EIO when all have closed the other side, the agent too.
			_, _ = shown.ReadFrom(ours)
			pid, _, _ := strings.Cut(said.String(), " ")
			asked := c.asked
			if asked != "" {
				asked = "Agent of " + pid + ", " + asked + ", Password: "
			}
			if strings.TrimSpace(shown.String()) != strings.TrimSpace(asked) || !strings.Contains(said.String(), c.said) {
				t.Errorf("shown %q, said %q", shown.String(), said.String())
			}
		})
	}
}

// Nobody waits for an agent that does not start.
func TestAgentThatIsNone(t *testing.T) {
	for _, program := range []string{"/bin/false", "/nonexistent/agent"} {
		k := &Keeper{Agent: program}
		if a := k.startAgent(t.Context()); a != nil {
			t.Errorf("%s is an agent", program)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	quiet, open, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	defer quiet.Close()
	if (&agent{exited: make(chan struct{})}).ready(ctx, quiet) {
		t.Error("who says nothing is ready")
	}
}
