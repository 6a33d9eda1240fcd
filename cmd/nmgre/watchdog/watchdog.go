//nolint:forbidigo // the only program that is run is this one itself
package watchdog

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"

	"nmgre"
)

// Command is the name of the hidden command that the process runs.
const Command = "undo-killed"

// done is the line that ends the watch well.
const done = "done"

// maxLine bounds a line that the process reads, in bytes.
const maxLine = 4096

// Dog is the process, as the command sees it. A nil Dog does nothing.
type Dog struct {
	line io.WriteCloser
	cmd  *exec.Cmd
}

// Start starts the process, which is exe with [Command]. It has a session of its own, so that
// neither the end of the terminal nor a key reaches it. A process that cannot be started is nil:
// the next command undoes the same.
func Start(exe string) *Dog {
	if exe == "" {
		return nil
	}
	cmd := exec.Command(exe, Command)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Setsid: true}
	line, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil
	}
	return &Dog{line, cmd}
}

// Tell names the undo for the case that the command is killed from now on: an empty line for the
// edit of a killed process, which the process finds by itself.
func (d *Dog) Tell(what string) {
	if d != nil {
		_, _ = io.WriteString(d.line, what+"\n") // without it, the next command undoes the same
	}
}

// Done ends the process: there is nothing to undo.
func (d *Dog) Done() {
	if d != nil {
		d.Tell(done)
		d.Leave()
	}
}

// Leave lets the process do its work while this one ends.
func (d *Dog) Leave() {
	if d != nil {
		_ = d.line.Close()
		_ = d.cmd.Process.Release()
	}
}

// Asking returns the host for a change that may have to be confirmed. While it is asked about, a
// process is beside this one, which exe and back are for: see [Start] and [Dog.Tell].
func Asking(h *nmgre.Host, exe, back string) *nmgre.Host {
	if h.ConfirmCut == nil {
		return h
	}
	host := *h
	host.ConfirmCut = beside(h.ConfirmCut, exe, back)
	return &host
}

// beside returns a function that asks as ask does, with a process beside this one.
func beside[Applied any](ask func(context.Context, Applied) error, exe, back string) func(context.Context, Applied) error {
	return func(ctx context.Context, applied Applied) error {
		dog := Start(exe)
		defer dog.Done()
		dog.Tell(back)
		return ask(ctx, applied)
	}
}

// Wait is the process' side: it returns when the command has ended, with its last line. ended is
// true if there is nothing to undo.
func Wait(in io.Reader) (what string, ended bool) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		if what = lines.Text(); what == done {
			return "", true
		}
	}
	return what, false
}

// Self is the path of this program for [Start] if its file is gone.
const Self = "/proc/self/exe"

// Exe returns the path of this program, or the empty string.
func Exe() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	return exe
}
