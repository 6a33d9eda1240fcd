package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// pairWith starts pair on linux1, and returns when it has said that.
func pairWith(t *testing.T, say string, more ...string) *lab.Process {
	t.Helper()
	p := lab.Linux1.Start(t, "nmgre", append([]string{"pair", "linux2"}, more...)...)
	for begin := time.Now(); !strings.Contains(p.Stderr(), say); time.Sleep(2 * time.Millisecond) {
		if !p.Running() || time.Since(begin) > lab.Limit {
			t.Fatalf("it never said %q: %s", say, p.Wait(t))
		}
	}
	return p
}

// processes returns those of a host whose command line has the word.
func processes(host lab.Host, word string) (pids []int) {
	own, _ := os.Readlink(host.NetNSPath())
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		ns, _ := os.Readlink(filepath.Join(filepath.Dir(file), "ns/net"))
		words := strings.Split(string(text), "\x00")
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && ns == own && slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, word) }) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// kill9 kills the processes of a host whose command line has the word.
func kill9(t *testing.T, host lab.Host, word string) {
	t.Helper()
	pids := processes(host, word)
	if len(pids) == 0 {
		t.Logf("%s: there is no %s any more", host, word)
	}
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// endsThere returns how many of both ends are there, saved or not.
func endsThere(t *testing.T) (there int, state string) {
	t.Helper()
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		r := host.Try("nmcli", "-t", "-f", "NAME", "connection", "show")
		if strings.Contains("\n"+r.Stdout, "\ngre1\n") {
			there++
		}
		state += fmt.Sprintf("%s: %q\n", host, r.Stdout)
	}
	return there, state
}

// bothOrNone waits up to a minute until both ends are there and carry packets, or none is.
func bothOrNone(t *testing.T, what string, before1, before2 string) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(500 * time.Millisecond) {
		if there, _ := endsThere(t); there != 1 && len(processes(lab.Linux1, "undo-killed")) == 0 && len(processes(lab.Linux2, "far-end")) == 0 && len(processes(lab.Linux2, "undo-killed")) == 0 {
			break
		}
	}
	there, state := endsThere(t)
	switch there {
	case 0:
		mustEqual(t, what+", linux1", before1, lab.Linux1.Snapshot(t))
		mustEqual(t, what+", linux2", before2, lab.Linux2.Snapshot(t))
	case 1:
		t.Errorf("%s: one end alone\n%s", what, state)
	case 2:
		mustPing(t, lab.LAN1, lab.LAN2Addr)
	}
	t.Logf("%s: %d ends", what, there)
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		host.Try("nmgre", "delete", "gre1")
	}
}

// Whatever is killed or cut, at each step of pair: both ends are there within a minute, or none is.
//
//lab:faults
func TestLabPairFaults(t *testing.T) {
	lab.Need(t)
	lab.Linux2.SSH(t, lab.Linux1)
	before1, before2 := lab.Linux1.Snapshot(t), lab.Linux2.Snapshot(t)
	for _, c := range []struct {
		what string
		do   func(p *lab.Process)
		more []string
	}{
		{"kill -9 of pair", func(p *lab.Process) { p.Kill() }, nil},
		{"kill -9 of ssh", func(*lab.Process) { kill9(t, lab.Linux1, "RemoteCommand=none") }, nil},
		{"kill -9 of the far end", func(*lab.Process) { kill9(t, lab.Linux2, "far-end") }, nil},
		{"kill -9 of a copy and its shell", func(*lab.Process) { kill9(t, lab.Linux2, "far-end") }, []string{"--copy", "--wait", "100s"}},
		{"kill -9 of sshd's session", func(*lab.Process) { kill9(t, lab.Linux2, "sshd: root"); kill9(t, lab.Linux2, "sshd-session") }, nil},
		{"a cut underlay", func(p *lab.Process) {
			lab.Router.Run(t, "ip", "link", "set", "eth2", "down")
			time.Sleep(14 * time.Second)
			lab.Router.Run(t, "ip", "link", "set", "eth2", "up")
			lab.Router.Try("ip", "addr", "replace", "2001:db8:2::1/64", "dev", "eth2", "nodad")
		}, nil},
		{"Ctrl-C", func(p *lab.Process) { _ = p.Signal(syscall.SIGINT) }, nil},
	} {
		for _, step := range []string{"brought it up", "wrote the profile"} {
			p := pairWith(t, step, c.more...)
			c.do(p)
			r := p.Wait(t)
			what := c.what + " at \"" + step + "\""
			bothOrNone(t, what, before1, before2)
			if left, _ := filepath.Glob("/tmp/nmgre.????????"); len(left) > 0 {
				t.Errorf("the copy is left: %q", left)
			}
			if t.Failed() {
				t.Fatalf("%s: %s", what, r)
			}
		}
	}
}
