package ssh

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// exit statuses of the far shell and of ssh.
const (
	exitNotRun   = 126
	exitNotFound = 127
	exitSSH      = 255
)

// alone is the hint about a host that ssh does not reach. ssh reads a port behind a colon only in
// the form of a URI, and an address in brackets only there.
func alone(host string) string {
	name, port, _ := strings.Cut(host, ":")
	if _, err := strconv.ParseUint(port, 10, 16); err == nil && name != "" {
		return "give the port as ssh does: " + fault.ShellWord("ssh://"+host)
	}
	user, bare, found := strings.Cut(host, "@")
	if !found {
		user, bare = "", host
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(bare, "["), "]")
	if _, err := netip.ParseAddr(inner); err == nil && inner != bare {
		if user != "" {
			inner = user + "@" + inner
		}
		return "ssh takes an address without brackets: " + fault.ShellWord(inner)
	}
	return "try it alone: ssh " + fault.ShellWord(host) + " true"
}

// explain says why ssh has ended.
func (c *Conn) explain(err error) error {
	var ended interface { // *exec.ExitError
		error
		ExitCode() int
	}
	if !errors.As(err, &ended) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := end{opts: c.opts, host: fault.Printable(c.opts.Host), code: ended.ExitCode(), last: c.last}
	for _, reason := range []func() *fault.Error{e.sudo, e.copying, e.start} {
		if why := reason(); why != nil {
			return why
		}
	}
	return e.other()
}

// end is how ssh has ended.
type end struct {
	opts Options
	host string // printable
	code int
	last []string // lines of standard error
}

// says reports whether one of the last lines has all of the words.
func (e end) says(words ...string) bool {
	return slices.ContainsFunc(e.last, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

// begins reports whether one of the last lines begins so.
func (e end) begins(start string) bool {
	return slices.ContainsFunc(e.last, func(line string) bool { return strings.HasPrefix(line, start) })
}

// permit is the hint about what sudo has to let the user do. A copy has another name each time.
func (e end) permit() string {
	if e.opts.Copy != "" {
		return "a copy has another path each time: log in as root; or allow all programs there, with visudo: USER ALL=(root) NOPASSWD: ALL; or install nmgre there, and leave --copy out"
	}
	program := "/usr/local/bin/nmgre"
	if filepath.IsAbs(e.opts.Program) {
		program = fault.Printable(e.opts.Program)
	}
	return "log in as root, or allow it without a password there, with visudo: USER ALL=(root) NOPASSWD: " + program + " " + Command
}

// sudo says why sudo has not started nmgre.
func (e end) sudo() *fault.Error {
	refused := func(what string) *fault.Error {
		return &fault.Error{Kind: fault.ErrNotPermitted, Field: "become", What: what, Hint: e.permit()}
	}
	switch {
	case !e.opts.Become:
		return nil
	case e.says("a password is required"), e.says("a terminal is required"), e.says("must have a tty"):
		return refused("sudo on " + e.host + " asks for a password, and there is no terminal for that")
	case e.says("not in the sudoers file"), e.says("is not allowed to execute"), e.says("may not run sudo"):
		return refused("sudo on " + e.host + " does not let this user run nmgre")
	case e.code == exitNotFound: // of the far shell: sudo's own is another one
		return &fault.Error{Kind: fault.ErrUnsupported, Field: "become", What: "there is no sudo on " + e.host, Hint: "log in as root, and leave --become out"}
	case e.says("sudo: ", "command not found"):
		return &fault.Error{Kind: fault.ErrUnsupported, Field: "become", What: "sudo finds no nmgre on " + e.host + ": it looks in its secure_path only",
			Hint: "give nmgre's path there with --far-nmgre; or install it: make build && sudo make install; or add --copy, which puts this program there for the time of the call"}
	}
	return nil
}

// copying says why a copy did not run.
func (e end) copying() *fault.Error {
	failed := func(kind error, hint string) *fault.Error {
		return &fault.Error{Kind: kind, Field: "copy", What: "no copy of nmgre runs on " + e.host, Err: e.lastLine(), Hint: hint}
	}
	switch {
	case e.opts.Copy == "":
		return nil
	case e.begins(otherMachine), e.says("Exec format error"):
		return failed(fault.ErrUnsupported, "install an nmgre for that machine there, and leave --copy out")
	case e.begins(noFolder), e.says("No space left on device"):
		return failed(nil, "make room in a folder where programs may be run, or install nmgre there, and leave --copy out")
	case e.begins(otherSum):
		return failed(nil, "the connection has changed or cut it: try again")
	}
	return nil
}

// start says why the far shell did not start nmgre.
func (e end) start() *fault.Error {
	switch {
	case e.code == exitNotFound:
		return &fault.Error{Kind: fault.ErrUnsupported, What: "there is no nmgre on " + e.host,
			Hint: "install it there: make build && sudo make install; or give its path with --far-nmgre; or add --copy, which puts this program there for the time of the call"}
	case e.code == exitSSH:
		return &fault.Error{What: "ssh could not connect to " + e.host + ", or has lost it", Err: e.lastLine(), Hint: alone(e.opts.Host)}
	case e.code == exitNotRun:
		return &fault.Error{What: "nmgre could not be started on " + e.host, Err: e.lastLine(), Hint: "install one there that this user may run, or give its path with --far-nmgre"}
	}
	return nil
}

// other is the error for an end that nothing explains.
func (e end) other() *fault.Error {
	ended := &fault.Error{What: fmt.Sprintf("nmgre on %s ended with exit code %d", e.host, e.code), Err: e.lastLine(), Hint: "use the same version of nmgre at both ends"}
	if ended.Err == nil { // as of a login shell that is /bin/false
		ended.What = fmt.Sprintf("the command on %s ended with exit code %d, and said nothing", e.host, e.code)
		ended.Hint = "does this user have a shell there? " + alone(e.opts.Host)
	}
	return ended
}

// lastLine is the last line of standard error; nil if there was none.
func (e end) lastLine() error {
	if at := len(e.last) - 1; at >= 0 && e.last[at] != "" {
		return errors.New(e.last[at])
	}
	return nil
}
