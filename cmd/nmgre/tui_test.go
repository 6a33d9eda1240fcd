package main

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nmgre"
	"nmgre/cmd/nmgre/screens"
	"nmgre/nm"
	"nmgre/nm/verify"
	"nmgre/tui"
)

// talk runs nmgre --plain with these answers.
func (w *world) talk(answers ...string) outcome {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdin: strings.NewReader(strings.Join(answers, "\n") + "\n"), stdout: &stdout, stderr: &stderr, root: w.root, owner: os.Getuid(), open: w.open}
	code := a.run([]string{"--plain"})
	return outcome{code, stdout.String(), stderr.String()}
}

// The questions, line by line, against NetworkManager's bus: a tunnel is made, and the end of the
// input is an error.
func TestPlainAgainstTheBus(t *testing.T) {
	w := newWorld(t)
	o := w.talk("new", "", "100.0.2.100", "", "", "", "3", "172.16.0.1/30", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "10.10.2.0/24", "", "", "", "", "", "yes", "quit")
	if o.code != exitDone || !strings.Contains(o.stdout, "far end: nmgre create --peer") {
		t.Fatalf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	if o := w.must("list"); !strings.Contains(o.stdout, "gre1") {
		t.Errorf("nmgre list: %s", o.stdout)
	}
	if o := w.talk("new", "", "100.0.2.101"); o.code != exitFailed || !strings.Contains(o.stderr, "the input has ended") {
		t.Errorf("exit %d\n%s", o.code, o.stderr)
	}
}

// A route may have a name that iproute2's files on this host give to a routing table.
func TestPlainKnowsTheHostsNames(t *testing.T) {
	w := newWorld(t)
	folder := filepath.Join(w.root, "etc/iproute2")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "rt_tables"), []byte("100 vpn\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := w.talk("new", "", "100.0.2.100", "", "", "", "3", "172.16.0.1/30", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "10.10.2.0/24 table vpn", "", "", "", "", "", "no", "quit")
	if want := "ipv4.routes '10.10.2.0/24 table=100'"; o.code != exitDone || !strings.Contains(o.stderr, want) {
		t.Errorf("exit %d, the plan lacks %s\n%s%s", o.code, want, o.stdout, o.stderr)
	}
}

// Without a terminal there is nobody to talk to: the help, and exit code 2.
func TestNoScreensWithoutATerminal(t *testing.T) {
	w := newWorld(t)
	if o := w.run(); o.code != exitInvalid || !strings.Contains(o.stderr, "Usage:") || o.stdout != "" {
		t.Errorf("exit %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// The screens' log has every call to the bus and the kernel, with its time and the command that
// does the same.
func TestReportingTellsEveryCall(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	d, closeHost, err := w.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer closeHost()
	var said, commands []string
	var checks int
	wf := screens.New(d, nil, "").Reporting(tui.Listener{
		Step:  func(e nmgre.Event) { said = append(said, e.What); commands = append(commands, e.Commands...) },
		Check: func(verify.Check) { checks++ },
	})
	want := nm.NewTunnel()
	want.Remote, want.Addresses = netip.MustParseAddr("100.0.2.100"), []netip.Prefix{netip.MustParsePrefix("172.16.0.1/30")}
	plan, err := wf.Plan(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	created, err := wf.Create(ctx, plan, nmgre.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wf.Delete(ctx, created.Status.UUID); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(said, "\n")
	for _, want := range []string{"D-Bus: Settings.AddConnection2", "added the profile gre1, in memory", "D-Bus: ActivateConnection", "netlink: RTM_GETLINK", "ICMP:", "D-Bus: Settings.Connection.Delete"} {
		if !strings.Contains(all, want) {
			t.Errorf("it did not tell %q:\n%s", want, all)
		}
	}
	all = strings.Join(commands, "\n")
	for _, want := range []string{"nmcli connection add", "nmcli connection up", "ip -d -s address show", "ping -c", "nmcli connection delete"} {
		if !strings.Contains(all, want) {
			t.Errorf("no command %q:\n%s", want, all)
		}
	}
	if checks == 0 || checks != len(created.Report.Checks) {
		t.Errorf("%d checks came in, the report has %d", checks, len(created.Report.Checks))
	}
}

// While the screens ask about a change that may cut the person off, another process undoes it if
// this one is killed.
func TestScreensAskBesideAnotherProcess(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	d, closeHost, err := w.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeHost()
	told := filepath.Join(t.TempDir(), "told")
	exe := told + ".sh"
	if err := os.WriteFile(exe, []byte("#!/bin/sh\nexec cat >> "+told+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	session := func() nmgre.Session { return nmgre.Session{Client: netip.MustParseAddr("10.10.2.7")} }
	wf := screens.New(d, session, exe).Reporting(tui.Listener{ConfirmCut: func(context.Context, verify.Report) error { return nil }})
	for _, c := range []struct {
		do   func(context.Context, string) (nm.Profile, error)
		want string
	}{{wf.Down, "up gre1\ndone\n"}, {wf.Up, "down gre1\ndone\n"}, {wf.Delete, "up gre1\ndone\n"}} {
		_ = os.Remove(told)
		if _, err := c.do(t.Context(), "gre1"); err != nil {
			t.Fatal(err)
		}
		var text []byte
		for end := time.Now().Add(10 * time.Second); string(text) != c.want && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			text, _ = os.ReadFile(told)
		}
		if string(text) != c.want {
			t.Errorf("it was told %q, want %q", text, c.want)
		}
	}
}

// On a terminal without NetworkManager the message is the command line's, and nothing is drawn.
func TestScreensWithoutNetworkManager(t *testing.T) {
	binary := buildProduct(t)
	ours, theirs := openPTY(t)
	defer ours.Close()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	begin := time.Now()
	_ = cmd.Run() // the exit code says it
	theirs.Close()
	var out bytes.Buffer
	_, _ = out.ReadFrom(ours) // ends with EIO when the other side is closed
	if code := cmd.ProcessState.ExitCode(); code != exitNoNetworkManager || time.Since(begin) > 5*time.Second {
		t.Errorf("exit %d after %s", code, time.Since(begin))
	}
	if bytes.ContainsRune(out.Bytes(), '\x1b') || !bytes.Contains(out.Bytes(), []byte("nmgre: ")) {
		t.Errorf("it wrote %q", out.Bytes())
	}
}
