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
	endTimeout = 3 * time.Second // for a pkexec that still asks
	restLimit  = 2 * time.Second // for others that hold its output open after its end
)

// child is one process: first pkexec, which turns into the helper when polkit permits it.
type child struct {
	cmd      *exec.Cmd
	line     net.Conn // our end of its standard input; closing it tells the helper that we are gone
	output   *os.File
	words    *beginning // the first bytes of its standard error
	messages chan message
	quit     chan struct{} // closed when nobody receives messages any more
	exited   chan struct{}
	grace    time.Duration

	stays  bool // the request begins a trial: the helper goes on after its result
	hello  bool // the helper has begun its answer
	hung   bool // it was given up before its end
	result *resultJSON
	bad    error // why its answer is not valid
}

// start starts pkexec; ask permits it to ask on the terminal by itself. It and its agent are the
// only programs that nmgre runs: only a setuid program can turn a user's rights into root's, and
// pkexec is polkit's own. They get absolute paths, no shell, and an environment of our own.
//
// polkit's question, q, is on the command line.
func (k *Keeper) start(r Request, q Question, ask bool) (*child, error) {
	args := append([]string{k.Exe, Command}, q...)
	if !ask {
		args = append([]string{"--disable-internal-agent"}, args...)
	}
	c := &child{words: &beginning{most: 4096}, messages: make(chan message), quit: make(chan struct{}), exited: make(chan struct{}), grace: k.grace}
	c.stays = r.Verb.tries()
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
	go func() { defer close(c.exited); _ = c.cmd.Wait() }() // outcome reads the process' state
	go func() {
		defer close(c.messages)
		listen(c.output, r.Verb.results(), c.hand)
	}()
	go c.say(r)
	return c, nil
}

// connect makes the process' standard input and output, and returns its ends of them. Standard
// input is a socket, because we have to end our direction without closing it.
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

// say writes the request. If that fails, the helper's answer will tell.
func (c *child) say(r Request) {
	if err := r.write(c.line); err != nil || r.Verb.tries() {
		return
	}
	if half, ok := c.line.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// hand passes a message on to the receiver, if there still is one.
func (c *child) hand(m message) {
	select {
	case c.messages <- m:
	case <-c.quit:
	}
}

// follow takes messages until the process has ended and its answer is complete, or until it gives
// up waiting.
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
			case m.hello && ended == nil: // it has only just started, and undoes its changes
				limit = time.After(c.grace)
			case c.stays && m.result != nil && m.result.Error == nil:
				return
			}
		case <-exited:
			exited, limit = nil, time.After(restLimit)
		case <-ended:
			ended, limit = nil, time.After(c.cancel())
		case <-limit:
			c.hung = exited != nil
			_ = c.cmd.Process.Kill() // a process of root's survives it, unless we are root
			return
		}
	}
}

// take takes a message of the helper.
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

// cancel tells the process to end, and returns how long that may take. A signal ends a pkexec that
// still asks; until it is permitted, it is a process of our own. A helper sees that the line is
// closed, and undoes its changes.
func (c *child) cancel() time.Duration {
	_ = c.line.Close()
	if c.hello {
		return c.grace
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	return endTimeout
}

// release closes all that is left of the child.
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

// outcome returns the result of the request, or the reason why there is none.
func (c *child) outcome(ctx context.Context) (keep.Converged, error) {
	switch {
	case c.bad != nil:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "the answer of nmgre's helper cannot be understood", Err: c.bad}
	case c.result != nil:
		return c.result.decode()
	case c.hello && c.hung:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "nmgre's helper does not finish", Err: ctx.Err()}
	case c.hello:
		return keep.Converged{}, &fault.Error{Kind: fault.ErrLeftBehind, What: "nmgre's helper ended too early" + c.lastWords()}
	case ctx.Err() != nil:
		return keep.Converged{}, &fault.Error{What: "ask for root's rights", Err: ctx.Err()}
	}
	return keep.Converged{}, c.refused()
}

// refused returns the error for a helper that did not start. The exit codes are those of pkexec(1).
func (c *child) refused() error {
	const dismissed, notAuthorized = 126, 127
	words := c.lastWords()
	switch code := c.cmd.ProcessState.ExitCode(); code {
	case dismissed, notAuthorized:
		return &fault.Error{Kind: fault.ErrNotPermitted, What: "pkexec asked for root's rights, which were not given" + words, Hint: fault.HintRoot}
	default:
		return &fault.Error{What: fmt.Sprintf("nmgre's helper did not start: exit status %d%s", code, words), Hint: fault.HintRoot}
	}
}

// lastWords returns the first line of the process' standard error, in a form to append to a
// sentence.
func (c *child) lastWords() string {
	line, _, _ := strings.Cut(strings.TrimSpace(c.words.String()), "\n")
	line = strings.TrimPrefix(line, "Error executing command as another user: ")
	if line == "" {
		return ""
	}
	return ": " + fault.Printable(strings.TrimSpace(line))
}

// beginning is a writer that keeps the first bytes.
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

// locale matches the values of locale variables that pkexec accepts. With other values it refuses
// to run.
const locale = `^[A-Za-z0-9_.@:-]{1,64}$`

// environment returns the variables that pkexec needs to ask in the person's language. pkexec makes
// the helper's environment itself.
func environment() []string {
	matches := regexp.MustCompile(locale).MatchString // here, since most runs need no helper
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"} {
		if value := os.Getenv(name); matches(value) {
			env = append(env, name+"="+value)
		}
	}
	return env
}
