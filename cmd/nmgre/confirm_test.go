package main

import (
	"bufio"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/nm/verify"
)

// Every command that changes something refuses to cut off the session, and asks with --confirm.
func TestEveryCommandIsGuarded(t *testing.T) {
	const client = "SSH_CONNECTION"
	for _, c := range []struct {
		name     string
		before   string // a command that comes first; empty for none
		args     string
		canForce bool
	}{
		{"create", "delete gre1", "create --name gre1 --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24", false},
		{"edit", "", "edit gre1 --ttl 9", false},
		{"route add", "", "route add gre1 10.10.2.8/29 encap ip id 7 dst 172.16.0.9", false},
		{"route replace", "", "route replace gre1 10.10.2.0/24 encap ip id 7 dst 172.16.0.9", false},
		{"route delete", "", "route delete gre1 10.10.2.0/24", false},
		{"rule add", "", "rule add gre1 to 10.10.2.8/29 prohibit", false},
		{"up", "down gre1", "up gre1", false},
		{"down", "", "down gre1", true},
		{"delete", "", "delete gre1", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(client, "")
			w := newWorld(t)
			w.must(createArgs...)
			if c.before != "" {
				w.must(strings.Fields(c.before)...)
			}
			t.Setenv(client, "10.10.2.9 50000 172.16.0.1 22")
			args := strings.Fields(c.args)
			o := w.run(args...)
			if o.code != exitInvalid || !strings.Contains(o.stderr, "your ssh client 10.10.2.9") || !strings.Contains(o.stderr, "hint: add --confirm 60s") || strings.Contains(o.stderr, "--force") != c.canForce {
				t.Errorf("exit %d\n%s", o.code, o.stderr)
			}
			o = w.run(append(args, "--confirm", "10s")...) // the input has ended
			if o.code != exitFailed || !strings.Contains(o.stderr, "warning: the route to your ssh client") || !strings.Contains(o.stderr, "undid everything") {
				t.Errorf("not confirmed: exit %d\n%s", o.code, o.stderr)
			}
			if c.canForce {
				args = append(args, "--force")
			} else {
				args = append(args, "--confirm", "10s")
				w.stdin = strings.NewReader("\n")
			}
			w.must(args...)
		})
	}
}

// A duration that is not possible, or an input that is needed twice, is refused by every command.
func TestConfirmFlag(t *testing.T) {
	w := newWorld(t)
	silent, _ := io.Pipe()
	w.stdin = silent
	for _, c := range []struct{ args, words string }{
		{"create --peer 100.0.2.100 --address 172.16.0.1/30 --confirm 2h", "confirm: 2h0m0s is not possible"},
		{"create --peer 100.0.2.100 --address 172.16.0.1/30 --routes-from - --confirm 5s", "standard input cannot both"},
		{"route add gre1 10.0.0.0/8 --confirm -1s", "confirm: -1s is not possible"},
		{"route add gre1 --routes-from - --confirm 5s", "standard input cannot both"},
		{"up gre1 --confirm 0s", "confirm: 0s is not possible"},
		{"down gre1 --confirm 61m", "confirm: 1h1m0s is not possible"},
		{"delete gre1 --confirm x", "is not a duration"},
		{"--plain --confirm 61m", "confirm: 1h1m0s is not possible"},
		{"--confirm 0s", "confirm: 0s is not possible"},
	} {
		if o := w.run(strings.Fields(c.args)...); o.code != exitInvalid || !strings.Contains(o.stderr, c.words) {
			t.Errorf("%s: exit %d\n%s", c.args, o.code, o.stderr)
		}
	}
}

// The questions line by line ask once more where the session may be cut off, and undo a change that
// is not confirmed.
func TestPlainIsGuarded(t *testing.T) {
	for answers, stays := range map[string]bool{"down gre1 yes no quit": false, "down gre1 yes yes quit": true, "down gre1 yes": false, "delete gre1 yes no quit": false} {
		t.Setenv("SSH_CONNECTION", "")
		w := newWorld(t)
		w.must(createArgs...)
		t.Setenv("SSH_CONNECTION", "10.10.2.9 50000 172.16.0.1 22")
		w.stdin = strings.NewReader(strings.ReplaceAll(answers, " ", "\n") + "\n")
		o := w.run("--plain", "--confirm", "20s")
		if all := w.bus.Profiles(); len(all) != 1 || all[0].Active == stays || !strings.Contains(o.stderr, "undone in 20s") {
			t.Errorf("%s: %d profiles, exit %d\n%s", answers, len(all), o.code, o.stderr)
		}
	}
}

// lookingAtSignals is an input that has ended. When it is read, it notes which signals stop the
// process.
type lookingAtSignals struct{ stopping []os.Signal }

func (l *lookingAtSignals) Read([]byte) (int, error) {
	for _, s := range []os.Signal{syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU} {
		if !signal.Ignored(s) {
			l.stopping = append(l.stopping, s)
		}
	}
	return 0, io.EOF
}

// A process that was stopped, by ctrl+z or in the background, would not undo in time.
func TestNothingStopsTheQuestion(t *testing.T) {
	w := newWorld(t)
	w.must(createArgs...)
	defer signal.Reset(syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	signal.Reset(syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	in := &lookingAtSignals{}
	w.stdin = in
	if o := w.run("edit", "gre1", "--mtu", "1400", "--confirm", "10s"); o.code != exitFailed || len(in.stopping) > 0 {
		t.Errorf("exit %d; these stop it: %v\n%s", o.code, in.stopping, o.stderr)
	}
}

// Only a key typed after the question confirms: an Enter too many before it does not.
func TestTypedAheadDoesNotConfirm(t *testing.T) {
	for _, c := range []struct{ before, after string }{{"\n\ny\n", ""}, {"no\n", "\n"}} {
		ours, theirs := openPTY(t)
		defer ours.Close()
		defer theirs.Close()
		if _, err := ours.WriteString(c.before); err != nil {
			t.Fatal(err)
		}
		said, stderr := io.Pipe()
		go func() {
			lines := bufio.NewScanner(said)
			for lines.Scan() && !strings.Contains(lines.Text(), "press Enter") {
			}
			_, _ = ours.WriteString(c.after)
			_, _ = io.Copy(io.Discard, said)
		}()
		a := &app{stdin: theirs, stderr: stderr}
		err := a.confirmWithin(time.Second)(t.Context(), verify.Report{})
		stderr.Close()
		if confirmed := err == nil; confirmed != (c.after != "") {
			t.Errorf("typed %q before and %q after the question: %v", c.before, c.after, err)
		}
	}
}
