package socket_test

import (
	"bufio"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/socket"
)

// daemon listens as a bus does, and answers the first read of a connection with an answer. It sends
// the bytes of that read.
func daemon(t *testing.T, answer string) (net.Conn, <-chan string) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		b := make([]byte, 1<<16)
		n, _ := conn.Read(b)
		heard <- string(b[:n])
		_, _ = conn.Write([]byte(answer))
		_, _ = conn.Read(b) // until the client is gone
	}()
	conn, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close(); _ = conn.Close() })
	return conn, heard
}

func patience() time.Duration { return 5 * time.Second }

// The handshake and all that is said while it is held go out at once, before any answer.
func TestOneFlight(t *testing.T) {
	raw, heard := daemon(t, "DATA\r\nOK 1234\r\n")
	c := socket.New(raw, patience)
	bus, err := dbus.NewConn(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bus.Close() }()
	c.Hold()
	if err := bus.Auth(socket.Methods); err != nil {
		t.Fatal(err)
	}
	c.Hold()
	for _, word := range []string{"first", "second"} {
		if n, err := c.Write([]byte(word)); n != len(word) || err != nil {
			t.Errorf("%s: %d, %v", word, n, err)
		}
	}
	c.Release()
	select {
	case said := <-heard:
		t.Errorf("%q was said while it was held", said)
	case <-time.After(20 * time.Millisecond):
	}
	c.Release()
	if said := <-heard; said != "\x00AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\nfirstsecond" {
		t.Errorf("said %q", said)
	}
}

// godbus reads the bytes behind the daemon's answers. A daemon that lets nobody in is an error.
func TestAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		"DATA\r\nOK 1234\r\nthe rest":          "the rest",
		"REJECTED EXTERNAL\r\n":                "",
		"DATA\r\nREJECTED\r\n":                 "",
		"DATA\r\n":                             "",
		"":                                     "",
		strings.Repeat("x", 1<<15):             "",
		"DATA\r\nOK " + strings.Repeat("x", 9): "",
	} {
		raw, _ := daemon(t, answer)
		c := socket.New(raw, patience)
		shown := make([]byte, 4096)
		if n, err := c.Read(shown); string(shown[:n]) != "REJECTED EXTERNAL\r\nOK 0\r\n" || err != nil {
			t.Errorf("godbus is shown %q, %v", shown[:n], err)
		}
		if _, err := c.Write([]byte("BEGIN\r\n")); err != nil {
			t.Error(err)
		}
		if _, err := c.Write([]byte("Hello")); err != nil {
			t.Error(err)
		}
		go func() { time.Sleep(50 * time.Millisecond); _ = raw.SetReadDeadline(time.Now()) }()
		got, err := bufio.NewReader(c).Peek(len("the rest"))
		if (want == "") == (err == nil) || err == nil && string(got) != want {
			t.Errorf("%.40q: %q, %v", answer, got, err)
		}
	}
}

// A daemon that takes nothing any more ends the write and the connection.
func TestStuck(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	raw, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := socket.New(raw, func() time.Duration { return 20 * time.Millisecond })
	if _, err := c.Write([]byte("BEGIN\r\n")); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err = c.Write(make([]byte, 1<<16)); err != nil {
			break
		}
	}
	if !errors.Is(err, socket.ErrSilent) || !c.Stuck() {
		t.Errorf("%v, stuck %t", err, c.Stuck())
	}
	c.Hold()
	if _, err := c.Write([]byte("more")); err != nil {
		t.Error(err)
	}
	c.Release() // the connection is closed, and this does not wait
}
