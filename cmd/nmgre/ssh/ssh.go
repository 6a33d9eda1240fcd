//nolint:forbidigo // ssh is one of the few programs that nmgre runs
package ssh

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
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

// alone is the hint about a host that ssh does not reach. ssh reads a port behind a colon only in
// the form of a URI.
func alone(host string) string {
	name, port, _ := strings.Cut(host, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err == nil && name != "" {
		return "give the port as ssh does: " + fault.ShellWord("ssh://"+host)
	}
	return "try it alone: ssh " + fault.ShellWord(host) + " true"
}

// Conn is nmgre on another host: writes go to its standard input, and reads come from its standard
// output.
type Conn struct {
	io.WriteCloser
	io.Reader
	cmd    *exec.Cmd
	opts   Options
	mu     sync.Mutex
	last   []string // lines of standard error
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
// switched off; everything else is as the user has configured it.
func (o Options) words(line string) []string {
	words := []string{"-T", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none"}
	if !hasTerminal() {
		words = append(words, "-o", "BatchMode=yes")
	}
	return append(words, "--", o.Host, line)
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

// line is the command line for the far shell, and the program that is sent to it first.
func (o Options) line() (program []byte, line string, err error) {
	if o.Copy == "" {
		return nil, o.start(fault.ShellWord(orDefault(o.Program, "nmgre"))), nil
	}
	if program, err = os.ReadFile(o.Copy); err != nil {
		return nil, "", &fault.Error{What: "this program cannot be read: " + fault.Printable(err.Error())}
	}
	sum := sha256.Sum256(program)
	script := strings.Join([]string{
		"umask 077", "d=$(mktemp -d /tmp/nmgre.XXXXXXXX) || exit 126", `trap 'rm -rf -- "$d"' EXIT`, `trap '' HUP PIPE`,
		"head -c " + strconv.Itoa(len(program)) + ` > "$d/nmgre"`,
		"echo '" + hex.EncodeToString(sum[:]) + `  '"$d/nmgre" | sha256sum -c --status || { echo 'nmgre: the copy has another checksum' >&2; exit 126; }`,
		`chmod 700 "$d/nmgre"`, o.start(`"$d/nmgre"`)}, "; ")
	return program, "sh -c '" + strings.ReplaceAll(script, "'", `'\''`) + "'", nil // whatever the login shell is
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// start is the command that starts the program. Its messages are in English, by which they are told
// apart.
func (o Options) start(program string) string {
	if o.Become {
		return "env LC_ALL=C sudo -n -- " + program + " " + Command
	}
	return "env LC_ALL=C " + program + " " + Command
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
		timer := time.AfterFunc(leave, func() { _ = c.cmd.Process.Kill() })
		_, _ = io.Copy(io.Discard, io.LimitReader(c.Reader, 1<<20))
		c.errors.Wait()
		err := c.cmd.Wait()
		timer.Stop()
		c.err = c.explain(err)
	})
	return c.err
}

// exit statuses of the far shell and of ssh.
const (
	exitNotRun   = 126
	exitNotFound = 127
	exitSSH      = 255
)

// explain says why ssh has ended.
func (c *Conn) explain(err error) error {
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	host, code := fault.Printable(c.opts.Host), ended.ExitCode()
	c.mu.Lock()
	defer c.mu.Unlock()
	says := func(words ...string) bool {
		return slices.ContainsFunc(c.last, func(line string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
		})
	}
	switch {
	case says("a password is required", "a terminal is required", "must have a tty"):
		return &fault.Error{Kind: fault.ErrNotPermitted, Field: "become", What: "sudo on " + host + " asks for a password, and there is no terminal for that",
			Hint: "log in as root, or allow it without a password there, with visudo: USER ALL=(root) NOPASSWD: /usr/local/bin/nmgre " + Command}
	case says("not in the sudoers file", "is not allowed to execute", "may not run sudo"):
		return &fault.Error{Kind: fault.ErrNotPermitted, Field: "become", What: "sudo on " + host + " does not let this user run nmgre",
			Hint: "allow it there, with visudo: USER ALL=(root) NOPASSWD: /usr/local/bin/nmgre " + Command}
	case code == exitNotFound || says("command not found", "No such file or directory"):
		return &fault.Error{Kind: fault.ErrUnsupported, What: "there is no nmgre on " + host,
			Hint: "install it there: make build && sudo make install; or give its path with --far-nmgre; or add --copy, which puts this program there for the time of the call"}
	case says("Exec format error"):
		return &fault.Error{Kind: fault.ErrUnsupported, Field: "copy", What: "this program does not run on " + host + ": it is a machine of another kind", Hint: "install an nmgre for it there"}
	case code == exitSSH:
		return &fault.Error{What: "ssh could not connect to " + host + ", or has lost it", Err: c.lastLine(), Hint: alone(c.opts.Host)}
	case code == exitNotRun:
		return &fault.Error{What: "nmgre could not be started on " + host, Err: c.lastLine()}
	}
	return &fault.Error{What: fmt.Sprintf("nmgre on %s ended with exit code %d", host, code), Err: c.lastLine(), Hint: "use the same version of nmgre at both ends"}
}

// lastLine is the last line of standard error; nil if there was none.
func (c *Conn) lastLine() error {
	if len(c.last) == 0 || c.last[len(c.last)-1] == "" {
		return nil
	}
	return errors.New(c.last[len(c.last)-1])
}
