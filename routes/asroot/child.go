//nolint:forbidigo // pkexec is run here, polkit's own program: see start
package asroot

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Limits of waiting for a process that has been told to end, or has ended.
const (
	endTimeout = 3 * time.Second // for pkexec that asks still
	restLimit  = 2 * time.Second // for what has its output open after it
)

// child is the helper, and pkexec before it is let through: one process, which pkexec turns into
// the helper.
type child struct {
	cmd      *exec.Cmd
	line     net.Conn // our end of its standard input, on which the helper sees that we are gone
	output   *os.File
	words    *beginning // of its standard error
	messages chan message
	quit     chan struct{} // nobody listens any more
	exited   chan struct{}
	grace    time.Duration

	hello  bool // the helper is at work
	hung   bool // it was given up
	result *resultJSON
	bad    error // its answer is none
}

// start starts pkexec, which may ask on the terminal by itself or not. It and its agent are the
// only programs that nmgre runs: the step from a user's rights to root's is made by a program that
// is setuid root, and pkexec is polkit's own. They get absolute paths, no shell, and an environment
// of our own.
func (k *Keeper) start(r Request, ask bool) (*child, error) {
	args := []string{k.Exe, Command}
	if !ask {
		args = append([]string{"--disable-internal-agent"}, args...)
	}
	c := &child{words: &beginning{most: 4096}, messages: make(chan message), quit: make(chan struct{}), exited: make(chan struct{}), grace: k.grace}
	c.cmd = exec.Command(k.Pkexec, args...)
	c.cmd.Env, c.cmd.Stderr, c.cmd.WaitDelay = environment(), c.words, restLimit
	theirs, err := c.connect()
	if err == nil {
		err = c.cmd.Start()
	}
	for _, file := range theirs {
		_ = file.Close() // the process has its own
	}
	if err != nil {
		c.close()
		return nil, &fault.Error{What: "run " + k.Pkexec, Err: err}
	}
	go func() { defer close(c.exited); _ = c.cmd.Wait() }() // outcome looks at the state
	go func() {
		defer close(c.messages)
		listen(c.output, c.hand)
	}()
	go c.say(r)
	return c, nil
}

// connect makes the process' standard input and output, and returns its ends of them. Standard
// input is a socket, of which one direction can end without the other.
func (c *child) connect() (theirs []*os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, stdin := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "stdin") //nolint:gosec // descriptors
	// the connection has a copy
	defer func() { _ = ours.Close() }()
	theirs = append(theirs, stdin)
	if c.line, err = net.FileConn(ours); err != nil {
		return theirs, err
	}
	output, stdout, err := os.Pipe()
	if err != nil {
		return theirs, err
	}
	c.output, c.cmd.Stdin, c.cmd.Stdout = output, stdin, stdout
	return append(theirs, stdout), nil
}

// say writes the request. That it cannot be written, or not to its end, is for the helper's answer
// to tell.
func (c *child) say(r Request) {
	if err := r.write(c.line); err != nil {
		return
	}
	if half, ok := c.line.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// hand hands a message to whoever listens.
func (c *child) hand(m message) {
	select {
	case c.messages <- m:
	case <-c.quit:
	}
}

// follow returns when the process has ended and said everything, or when it was given up.
func (c *child) follow(ctx context.Context, progress func(done, total int)) {
	messages, exited, ended := c.messages, c.exited, ctx.Done()
	var limit <-chan time.Time
	for messages != nil || exited != nil {
		select {
		case m, more := <-messages:
			if !more {
				messages = nil
				continue
			}
			c.take(m, progress)
			switch {
			case m.err != nil:
				limit = time.After(c.cancel())
			case m.hello && ended == nil: // it came to work just now, and takes back
				limit = time.After(c.grace)
			}
		case <-exited:
			exited, limit = nil, time.After(restLimit)
		case <-ended:
			ended, limit = nil, time.After(c.cancel())
		case <-limit:
			c.hung = exited != nil
			_ = c.cmd.Process.Kill() // which root's own process survives, if we are not root
			return
		}
	}
}

// take notes what the helper says.
func (c *child) take(m message, progress func(done, total int)) {
	switch {
	case m.err != nil:
		c.bad = m.err
	case m.progress != nil && progress != nil:
		progress(m.progress.Done, m.progress.Total)
	case m.result != nil:
		c.result = m.result
	}
	c.hello = c.hello || m.hello
}

// cancel has the process end, and says how long that may take. pkexec that asks still is ended by a
// signal: it is our own as long as it is not root's. The helper sees that the line is closed, and
// takes back what it has done.
func (c *child) cancel() time.Duration {
	_ = c.line.Close()
	if c.hello {
		return c.grace
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	return endTimeout
}

// release lets go of what is left.
func (c *child) release() {
	close(c.quit)
	c.close()
}

func (c *child) close() {
	if c.line != nil {
		_ = c.line.Close()
	}
	if c.output != nil {
		_ = c.output.Close()
	}
}

// outcome is what has become of the request.
func (c *child) outcome(ctx context.Context) (keep.Converged, error) {
	switch {
	case c.bad != nil:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "the answer of nmgre's helper cannot be understood", Err: c.bad}
	case c.result != nil:
		return c.result.decode()
	case c.hello && c.hung:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "nmgre's helper does not come to its end", Err: ctx.Err()}
	case c.hello:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "nmgre's helper ended in the middle" + c.lastWords()}
	case ctx.Err() != nil:
		return keep.Converged{}, &fault.Error{What: "asking for root's rights", Err: ctx.Err()}
	}
	return keep.Converged{}, c.refused()
}

// refused is the error when the helper did not come to work. The codes are pkexec's own (see its
// manual page).
func (c *child) refused() error {
	const dismissed, notAuthorized = 126, 127
	words := c.lastWords()
	switch code := c.cmd.ProcessState.ExitCode(); code {
	case dismissed, notAuthorized:
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "root's rights were asked for by pkexec, and not given" + words, Hint: fault.HintRoot}
	default:
		return &fault.Error{What: fmt.Sprintf("nmgre's helper did not come to work: exit status %d%s", code, words), Hint: fault.HintRoot}
	}
}

// lastWords are what the process has said about its end, as what can stand behind a sentence.
func (c *child) lastWords() string {
	line, _, _ := strings.Cut(strings.TrimSpace(c.words.String()), "\n")
	line = strings.TrimPrefix(line, "Error executing command as another user: ")
	if line == "" {
		return ""
	}
	return ": " + fault.Printable(strings.TrimSpace(line))
}

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	bytes.Buffer
	most int
}

func (b *beginning) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); room > 0 {
		_, _ = b.Buffer.Write(p[:min(len(p), room)]) // it never fails
	}
	return len(p), nil
}

// locale is what a variable of the locale looks like that pkexec takes; with others it refuses to
// work.
var locale = regexp.MustCompile(`^[A-Za-z0-9_.@:-]{1,64}$`)

// environment is what pkexec needs to ask in the person's language. It makes the helper's
// environment itself.
func environment() []string {
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"} {
		if value := os.Getenv(name); locale.MatchString(value) {
			env = append(env, name+"="+value)
		}
	}
	return env
}
