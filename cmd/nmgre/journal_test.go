package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// journal makes the world a systemd journal, and returns a function that waits for its next line.
func (w *world) journal() func() string {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "j") // the paths of sockets are short
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w.root = dir
	return listenJournal(w.t, dir)
}

// listenJournal is the journal of the host whose files are below root.
func listenJournal(t *testing.T, root string) func() string {
	t.Helper()
	path := filepath.Join(root, "run/systemd/journal/socket")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10_000) // who writes must not wait for the test
	go func() {
		text := make([]byte, 1<<16)
		for {
			n, err := conn.Read(text)
			if err != nil {
				return
			}
			line, _, _ := strings.Cut(string(text[:n]), "\n")
			lines <- line
		}
	}()
	t.Cleanup(func() { _, _ = conn.Close(), os.RemoveAll(filepath.Dir(path)) })
	return func() string {
		t.Helper()
		select {
		case line := <-lines:
			return line
		case <-time.After(time.Minute):
			t.Fatal("the journal gets nothing")
			return ""
		}
	}
}

// The helper and the hook write a line for each change, and for each refusal: who asked, the change
// and the outcome.
func TestJournal(t *testing.T) {
	w := newWorld(t)
	next := w.journal()
	w.must("create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	t.Setenv("PKEXEC_UID", "4242")
	good := w.keepRequest(multipath)
	for _, c := range []struct{ request, asked, want string }{
		{good, "gre1 routes", "MESSAGE=user 4242 by pkexec: gre1 routes: done"},
		{strings.ReplaceAll(good, "dev gre1", "dev eth0"), "gre1 routes", "MESSAGE=user 4242 by pkexec: gre1 routes: failed: route: 10.77.0.0/16"},
		{good, "gre2 routes", "MESSAGE=user 4242 by pkexec: gre2 routes: failed: the request: permission was asked for"},
		{"rm -rf /\n", "gre1 routes", "MESSAGE=user 4242 by pkexec: gre1 routes: failed: the request"},
	} {
		w.help(strings.NewReader(c.request), strings.Fields(c.asked)...)
		if line := next(); !strings.HasPrefix(line, c.want) {
			t.Errorf("%s: the journal has %q, want %q", c.asked, line, c.want)
		}
	}
	uuid := uuidPattern.FindString(w.files())
	path := filepath.Join(w.root, "etc/nmgre/tunnels", uuid)
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(text, "snat 10.10.1.0/24 masquerade\nnonsense\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.run("hook", "gre1", "up")
	if line := next(); !strings.HasPrefix(line, "MESSAGE=the hook at gre1 up: set what is kept for the tunnels: done, but for 1: gre1: line ") {
		t.Errorf("the journal has %q", line)
	}
}
