package journal

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nmgre/routes/fault"
)

// logs returns a root folder where a log listens at the socket, and its next datagram.
func logs(t *testing.T, socket string) (root string, next func() string) {
	t.Helper()
	root, err := os.MkdirTemp("", "j") // the paths of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	path := filepath.Join(root, socket)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return root, func() string {
		t.Helper()
		text := make([]byte, 1<<16)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
}

// A line names who asked, the change and the outcome, in the form of the log that is there.
func TestWrite(t *testing.T) {
	const uuid = "8fc1c7d4-5a0c-4f7e-9d0a-2f0b8a3c1d2e"
	done := Entry{Who: "ann (1000) by pkexec", What: "gre1 routes SNAT", Tunnel: uuid}
	failed, partly := done, done
	failed.Err = &fault.Error{What: "the kernel refuses", Hint: "look"}
	partly.Trouble = []string{"gre2: no such device", "gre3: no such device"}
	pid := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		name   string
		e      Entry
		native string
		syslog string
	}{
		{"done", done, "MESSAGE=ann (1000) by pkexec: gre1 routes SNAT: done\nPRIORITY=5\nSYSLOG_IDENTIFIER=nmgre\nNMGRE_CALLER=ann (1000) by pkexec\nNMGRE_CHANGE=gre1 routes SNAT\nNMGRE_TUNNEL=" + uuid + "\n",
			"<29>nmgre[" + pid + "]: ann (1000) by pkexec: gre1 routes SNAT: done"},
		{"failed", failed, "MESSAGE=ann (1000) by pkexec: gre1 routes SNAT: failed: the kernel refuses\nPRIORITY=4\n", "<28>nmgre[" + pid + "]: ann (1000) by pkexec: gre1 routes SNAT: failed: the kernel refuses"},
		{"partly", partly, "MESSAGE=ann (1000) by pkexec: gre1 routes SNAT: done, but for 2: gre2: no such device\nPRIORITY=4\n", "<28>nmgre[" + pid + "]: ann (1000) by pkexec: gre1 routes SNAT: done, but for 2: gre2: no such device"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, next := logs(t, journalSocket)
			if err := Write(root, c.e); err != nil {
				t.Fatal(err)
			}
			if got := next(); !strings.HasPrefix(got, c.native) {
				t.Errorf("the journal got %q", got)
			}
			root, next = logs(t, syslogSocket)
			if err := Write(root, c.e); err != nil {
				t.Fatal(err)
			}
			if got := next(); got != c.syslog {
				t.Errorf("syslog got %q", got)
			}
		})
	}
	if err := Write(t.TempDir(), done); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a log: %v", err)
	}
}

// No text makes another line or field, acts on a terminal, or is endless.
func TestWriteHostileText(t *testing.T) {
	root, next := logs(t, journalSocket)
	evil := "a\nPRIORITY=0\nMESSAGE=root: fine\x1b[2J\u202e" + strings.Repeat("ä", maxText)
	if err := Write(root, Entry{Who: evil, What: evil, Tunnel: evil, Err: errors.New(evil)}); err != nil {
		t.Fatal(err)
	}
	got := next()
	if strings.Count(got, "\n") != 6 || strings.Count(got, "\nPRIORITY=") != 1 || len(got) > 10*maxText || !utf8.ValidString(got) {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	for _, line := range strings.Split(got, "\n") {
		if !fault.IsPrintable(line) {
			t.Errorf("%q", line)
		}
	}
}

// A log that is full holds nobody up for long.
func TestWriteToAFullLog(t *testing.T) {
	root, _ := logs(t, journalSocket)
	begin := time.Now()
	var err error
	for range 10_000 {
		if err = Write(root, Entry{Who: "w", What: strings.Repeat("x", maxText)}); err != nil {
			break
		}
	}
	if err == nil || time.Since(begin) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(begin))
	}
}

func TestCaller(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	passwd := "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\nodd\nevil\x1b:x:1001:::\n"
	if err := os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(passwd), 0o644); err != nil {
		t.Fatal(err)
	}
	self := user(root, uint32(os.Getuid()))
	for _, c := range []struct{ variable, value, want string }{
		{"PKEXEC_UID", "1000", "ann (1000) by pkexec"}, {"SUDO_UID", "0", "root (0) by sudo"}, {"PKEXEC_UID", "77", "user 77 by pkexec"},
		{"PKEXEC_UID", "1001", `evil\x1b (1001) by pkexec`}, {"PKEXEC_UID", "-1", self}, {"SUDO_UID", "1000\nx", self}, {"OTHER", "1000", self},
	} {
		got := Caller(root, func(name string) string { return map[string]string{c.variable: c.value}[name] })
		if got != c.want {
			t.Errorf("%s=%q: %q, want %q", c.variable, c.value, got, c.want)
		}
	}
	for value, want := range map[string]string{"1000": "ann", "77": "77", "": "", "ann": "", "1001": `evil\x1b`} {
		if got := Asking(root, func(name string) string { return map[string]string{"PKEXEC_UID": value, "SUDO_UID": "0"}[name] }); got != want {
			t.Errorf("PKEXEC_UID=%q: %q asks, want %q", value, got, want)
		}
	}
	if got := user(t.TempDir(), 1000); got != "user 1000" {
		t.Errorf("without names: %q", got)
	}
}
