package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// startApply starts an apply of /root/apply.yaml on linux1, and returns when it has said that.
func startApply(t *testing.T, say string) *lab.Process {
	t.Helper()
	p := lab.Linux1.Start(t, "nmgre", "apply", "-f", "/root/apply.yaml", "--no-probe", "--verbose")
	for begin := time.Now(); !strings.Contains(p.Stderr(), say); time.Sleep(2 * time.Millisecond) {
		if !p.Running() || time.Since(begin) > lab.Limit {
			t.Fatalf("it never said %q: %s", say, p.Wait(t))
		}
	}
	return p
}

// ownMetric is a metric that NetworkManager chooses by the order in which devices come up.
var ownMetric = regexp.MustCompile(` metric 6(7[5-9]|[89][0-9]) `)

// alike is the state of linux1 without the metrics, numbers and UUIDs that differ between two ways
// to the same tunnels.
func alike(t *testing.T) string {
	t.Helper()
	return comparable(ownMetric.ReplaceAllString(lab.Linux1.Snapshot(t), " "))
}

// An apply that makes, changes and deletes tunnels is killed after each of its steps, and while it
// waits to be confirmed; NetworkManager, or the system bus, is killed, or started anew, in the
// middle. After the next command all tunnels are as before, or all are as the document wants them.
//
//lab:faults
func TestLabApplyKilled(t *testing.T) {
	lab.Need(t)
	host := lab.Linux1
	installHook(t, host)
	wanted := strings.NewReplacer("addresses: [172.20.1.1/30]", "addresses: [172.20.1.1/30]\n    mtu: 1300",
		"  - name: ap2\n", "  - {name: ap3, state: absent}\n  - {name: ap8, peer: 100.0.2.100, key: 8, addresses: 172.20.8.1/30, routes: 10.30.8.0/24}\n  - name: ap2\n").Replace(labDocument)
	if err := os.WriteFile(filepath.Join(host.Root(), "root", "apply.yaml"), []byte(wanted), 0o600); err != nil {
		t.Fatal(err)
	}
	base := labDocument + "  - {name: ap3, peer: 100.0.2.100, key: 3, addresses: 172.20.3.1/30, routes: 10.30.9.0/24}\n"
	state := func() string {
		nmgreOn(t, host, exitDone, "list")
		host.Run(t, "/usr/local/bin/nmgre", "hook", "eth0", "up")
		return alike(t)
	}
	apply := func(text string) string {
		t.Helper()
		if _, r := applyOn(t, host, text, "--no-probe", "--prune"); r.Code != exitDone {
			t.Fatalf("apply: %s", r)
		}
		return state()
	}
	before := apply(base)
	after := apply(wanted)
	if again := apply(base); again != before {
		t.Fatalf("there and back differs:\n%s", difference(before, again))
	}
	olds, news := 0, 0
	settle := func(what string) {
		t.Helper()
		eventually(t, what+": nothing undoes it any more", func() bool { return len(processes(host, "undo-killed")) == 0 })
		var now string
		settled := func() bool { now = state(); return now == before || now == after }
		for end := time.Now().Add(20 * time.Second); !settled() && time.Now().Before(end); {
			time.Sleep(100 * time.Millisecond)
		}
		switch now {
		case before:
			olds++
		case after:
			news++
			apply(base)
		default:
			t.Fatalf("%s: neither as before nor as after:\n%s\nor\n%s", what, difference(before, now), difference(after, now))
		}
		t.Logf("%s: %d times as before, %d times as after", what, olds, news)
	}
	for _, step := range []string{"took it down", "added the profile", "brought it up", "wrote the profile to disk", "deleted it"} {
		startApply(t, step).Kill()
		settle("killed at \"" + step + "\"")
	}
	for _, c := range []struct {
		what, step string
		restart    func()
	}{
		{"NetworkManager", "brought it up", func() { host.RestartNM(t) }},
		{"NetworkManager that was killed", "wrote the profile to disk", func() { host.KillNM(t); host.StartNM(t) }},
		{"the bus", "added the profile", func() { host.RestartBus(t) }},
		{"the bus", "brought it up", func() { host.RestartBus(t) }},
	} {
		p := startApply(t, c.step)
		c.restart()
		r := p.Wait(t)
		waitActive(t, host, "ap1")
		what := c.what + " is started anew at \"" + c.step + "\": " + r.Stderr[max(0, len(r.Stderr)-400):]
		if r.Code != exitDone && (!strings.Contains(r.Stderr, "undid everything") || r.Code == exitNotPermitted || r.Code == exitInvalid) {
			t.Errorf("%s: exit %d", what, r.Code)
		}
		settle(what)
	}
	startConfirm(t, "apply", "-f", "/root/apply.yaml", "--no-probe", "--confirm", "60s").kill9(t, true)
	settle("killed while it waits to be confirmed, with the process beside it")
	if olds == 0 || news == 0 {
		t.Errorf("the moments did not cover both sides: %d before, %d after", olds, news)
	}
}
