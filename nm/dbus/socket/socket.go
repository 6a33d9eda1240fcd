// Package socket is a connection to a D-Bus daemon below godbus: its writes end in time, several
// messages can go out at once, and the handshake is no round trip of its own.
//
// Each message that goes out alone wakes the daemon, and each answer that is waited for costs two
// switches of processes. For a short command that is most of its time. So nmgre says who it is and
// asks its first questions in one go, as systemd's own client does (sd-bus), and reads the answers
// to the handshake when they come, with those to the questions.
//
// Begin with [New].
package socket

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
)

// SystemBus returns the D-Bus address of the system bus, found as godbus finds it.
func SystemBus() string {
	return cmp.Or(os.Getenv("DBUS_SYSTEM_BUS_ADDRESS"), "unix:path=/var/run/dbus/system_bus_socket")
}

// ErrSilent says that the daemon has not taken a message in time.
var ErrSilent = errors.New("no answer from the bus")

// errRefused says that the daemon does not let this user in.
var errRefused = errors.New("the bus has refused the handshake")

// handshake says to the daemon that the user is the one whom the kernel names for the socket (D-Bus
// specification, "Authentication Protocol"). It needs no answer before the first message follows.
const handshake = "\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"

// answers are the daemon's answers to the handshake, a line each.
var answers = [...]string{"DATA", "OK "}

// shown are the answers for godbus, while it believes that it speaks the handshake itself.
const shown = "REJECTED EXTERNAL\r\nOK 0\r\n"

// begin is the last that godbus says of the handshake.
const begin = "BEGIN\r\n"

// Methods are the ways to authenticate that godbus wants. A [Conn] does the work of all.
var Methods = []dbus.Auth{external{}}

type external struct{}

func (external) FirstData() (name, answer []byte, status dbus.AuthStatus) {
	return []byte("EXTERNAL"), nil, dbus.AuthOk
}

func (external) HandleData([]byte) ([]byte, dbus.AuthStatus) { return nil, dbus.AuthError }

// Conn is such a connection. Any number of goroutines may write to it at once, and one may read.
type Conn struct {
	net.Conn
	// patience is the longest time that a write may take.
	patience func() time.Duration
	in       *bufio.Reader // godbus reads a few bytes at a time
	stuck    atomic.Bool
	shown    *strings.Reader // nil when godbus is done with the handshake
	awaited  int             // how many answers to the handshake have come

	mu    sync.Mutex // guards the rest, and the order of writes
	begun bool
	holds int
	held  []byte
}

// New makes a connection of a socket to a daemon that nothing was said to yet. patience is asked at
// each write for the longest time that it may take.
func New(socket net.Conn, patience func() time.Duration) *Conn {
	return &Conn{Conn: socket, patience: patience, in: bufio.NewReader(socket), shown: strings.NewReader(shown)}
}

// Stuck reports whether the daemon has not taken a message in time. The connection is closed then.
func (c *Conn) Stuck() bool { return c.stuck.Load() }

// Hold keeps back the bytes to write until as many calls of Release.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds++
}

// Release writes the held bytes. An error closes the connection, which its reader sees.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds--; c.holds > 0 || len(c.held) == 0 {
		return
	}
	if _, err := c.write(c.held); err != nil {
		_ = c.Close()
	}
	c.held = nil
}

// Write implements [net.Conn]. It fails when the daemon does not take everything in time. Nothing
// can be said over the connection after that, so it is closed: godbus writes while it holds a lock
// that closing the connection needs, and would hold up both for ever.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		if c.begun = string(b) == begin; c.begun {
			c.held = append(c.held, handshake...)
		}
		return len(b), nil
	}
	if c.holds > 0 || len(c.held) > 0 {
		c.held = append(c.held, b...)
		if c.holds > 0 {
			return len(b), nil
		}
		b, c.held = c.held, nil
	}
	return c.write(b)
}

func (c *Conn) write(b []byte) (int, error) {
	n, err := 0, c.SetWriteDeadline(time.Now().Add(c.patience()))
	if err == nil {
		n, err = c.Conn.Write(b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.stuck.Store(true)
		_ = c.Close()
		err = ErrSilent
	}
	return n, err
}

// Read implements [net.Conn].
func (c *Conn) Read(b []byte) (int, error) {
	if c.shown != nil {
		if n, _ := c.shown.Read(b); n > 0 {
			return n, nil
		}
		c.shown = nil
	}
	for ; c.awaited < len(answers); c.awaited++ {
		line, err := c.in.ReadSlice('\n') // as long as the reader's memory at most
		if err != nil {
			return 0, err
		}
		if !strings.HasPrefix(string(line), answers[c.awaited]) {
			return 0, fmt.Errorf("%w: %q", errRefused, line[:min(len(line), 80)])
		}
	}
	return c.in.Read(b)
}
