//nolint:forbidigo // ssh is one of the few programs that nmgre runs
package ssh

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"nmgre/routes/fault"
)

// Options say which host, and how nmgre is started there.
type Options struct {
	Host    string // in the words of ssh: a name of its configuration, USER@HOST, or ssh://...
	Become  bool   // by sudo, which must not ask for a password
	Program string // nmgre's path there; empty for the one that the far shell finds
	Copy    string // this program, which is copied there for the time of the call; empty for none
	// Told is called with each line that ssh and the far side write to standard error. The lines
	// are printable.
	Told func(line string)
}

// Command is the hidden command of nmgre that is started on the far side.
const Command = "far-end"

// Copied is its flag for a program that was copied there: it removes its own file as it begins, so
// that nothing is left of it however it ends.
const Copied = "--copied"

// CheckHost refuses a text that is no host. The error is of the kind [fault.ErrInvalid].
func CheckHost(host string) error {
	const hint = "give a host as for ssh, such as linux2 or ann@203.0.113.2"
	switch {
	case host == "":
		return fault.Invalid("", hint, "the host is empty")
	case strings.HasPrefix(host, "-"):
		return fault.Invalid("", hint, "\"%s\" begins with a dash, and is no host", fault.Printable(host))
	case len(host) > 1024 || !fault.IsPrintable(host) || strings.ContainsAny(host, " \t"):
		return fault.Invalid("", hint, "\"%.80s\" is no host", fault.Printable(host))
	}
	return nil
}

// Conn is nmgre on another host: writes go to its standard input, and reads come from its standard
// output.
type Conn struct {
	io.WriteCloser
	io.Reader
	cmd    *exec.Cmd
	opts   Options
	mu     sync.Mutex
	last   []string  // lines of standard error
	says   io.Closer // standard error
	errors sync.WaitGroup
	once   sync.Once
	err    error
}

// Dial starts nmgre on the other host. It does not wait for an answer: ssh may ask the person
// something first, on the terminal. Where there is none, ssh asks nothing.
func Dial(_ context.Context, opts Options) (*Conn, error) {
	if err := CheckHost(opts.Host); err != nil {
		return nil, err
	}
	program, line, err := opts.line()
	if err != nil {
		return nil, err
	}
	c := &Conn{cmd: exec.Command("ssh", opts.words(line)...), opts: opts}
	if c.WriteCloser, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.Reader, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	says, err := c.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	c.says = says
	if err := c.cmd.Start(); err != nil {
		hint := ""
		if errors.Is(err, exec.ErrNotFound) {
			hint = "install OpenSSH's client: the package openssh-client or openssh-clients"
		}
		return nil, &fault.Error{Kind: fault.ErrUnsupported, What: "ssh cannot be started: " + fault.Printable(err.Error()), Hint: hint}
	}
	c.errors.Go(func() { c.listen(says) })
	if program != nil {
		go func() { _, _ = c.Write(program) }() // an error shows in the answer that does not come
	}
	return c, nil
}

// words are ssh's arguments. Options that would make the connection something else than a pipe are
// switched off, as scp does; everything else is as the user has configured it.
func (o Options) words(line string) []string {
	words := []string{"-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "PermitLocalCommand=no"}
	if knows(newer) {
		words = append(words, newer...)
	}
	if !hasTerminal() {
		words = append(words, "-o", "BatchMode=yes")
	}
	return append(words, "--", o.Host, line)
}

// newer are options that OpenSSH has had since 8.7, by which a host's configuration can ask for no
// command, for no input, or for an ssh that goes to the background.
var newer = []string{"-o", "SessionType=default", "-o", "ForkAfterAuthentication=no", "-o", "StdinNull=no"}

// knows reports whether this ssh takes the options: it ends at one that it does not know. The
// option IgnoreUnknown would not do, since it would take the place of the user's own.
func knows(options []string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "ssh", append(slices.Clone(options), "-V")...).Run() == nil
}

// hasTerminal reports whether ssh can ask a person.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}

// Bounds of the lines of standard error that are shown and kept.
const (
	maxLine  = 1000
	maxLines = 200
	keptLast = 20
)

// listen shows the lines of standard error, and keeps the last ones.
func (c *Conn) listen(in io.Reader) {
	lines := bufio.NewReaderSize(in, maxLine)
	for n := 0; ; {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		for more && err == nil { // the rest of a line that is too long
			_, more, err = lines.ReadLine()
		}
		text := fault.Printable(strings.TrimRight(string(line), "\r"))
		c.mu.Lock()
		c.last = append(c.last[max(0, len(c.last)-keptLast+1):], text)
		c.mu.Unlock()
		if n++; n <= maxLines && text != "" && c.opts.Told != nil {
			c.opts.Told(text)
		}
	}
}

// leave is how long ssh may take to end once its input has ended.
const leave = 20 * time.Second

// Close ends the input, waits for the end of ssh, and returns its failure with a hint. Later calls
// return the same.
func (c *Conn) Close() error {
	c.once.Do(func() {
		_ = c.WriteCloser.Close() // it may have been closed by its other end
		timer := time.AfterFunc(leave, c.Abort)
		_, _ = io.Copy(io.Discard, io.LimitReader(c.Reader, 1<<20))
		c.errors.Wait()
		err := c.cmd.Wait()
		timer.Stop()
		c.err = c.explain(err)
	})
	return c.err
}

// Abort ends ssh, and the waiting of [Conn.Close] for its output: a connection that is shared with
// other calls of ssh may hold that open for long.
func (c *Conn) Abort() {
	_ = c.cmd.Process.Kill()
	_ = c.says.Close()
}
