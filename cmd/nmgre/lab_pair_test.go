package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// From two hosts without a tunnel, one command joins the LANs: as root, and as ann by sudo. The
// other host is as before after delete, and a second pair is refused or mends.
//
//lab:trixie
func TestLabPair(t *testing.T) {
	lab.Need(t)
	lab.Linux2.SSH(t, lab.Linux1)
	before1, before2 := lab.Linux1.Snapshot(t), lab.Linux2.Snapshot(t)
	plan := nmgreOn(t, lab.Linux1, exitDone, "pair", "linux2", "--dry-run")
	for _, want := range []string{"172.16.0.1/30", "172.16.0.2/30", "# at linux2", "--route 10.10.1.0/24"} {
		if !strings.Contains(plan.Stdout, want) {
			t.Errorf("the plan has no %q:\n%s", want, plan.Stdout)
		}
	}
	mustEqual(t, "after a dry run, linux1", before1, lab.Linux1.Snapshot(t))
	mustEqual(t, "after a dry run, linux2", before2, lab.Linux2.Snapshot(t))
	// By a jump host, to an address that is not the outer one; and with a configuration for people.
	lab.Linux1.Run(t, "sh", "-c", "cat > /root/.ssh/config <<E\n"+officeConfig+"E")
	plan = nmgreOn(t, lab.Linux1, exitDone, "pair", "office", "--dry-run")
	if !strings.Contains(plan.Stdout, "ssh came to office at 10.10.2.1, but not from here") || !strings.Contains(plan.Stdout, "remote 100.0.2.100 local 100.0.1.100") {
		t.Errorf("the plan by a jump host: %s", plan)
	}
	for host, more := range map[string][]string{"linux2": nil, "ann@linux2": {"--become"}} {
		r := nmgreOn(t, lab.Linux1, exitDone, append([]string{"pair", host}, more...)...)
		t.Logf("%s%s", r.Stderr, r.Stdout)
		mustPing(t, lab.LAN1, lab.LAN2Addr)
		mustPing(t, lab.LAN2, lab.LAN1Addr)
		for _, e := range []end{left, right} {
			if got := verdict(t, e.host, exitDone, "gre1"); got != "pass" {
				t.Errorf("%s: verify says %s", e.host, got)
			}
		}
		both := nmgreOn(t, lab.Linux1, exitDone, append([]string{"verify", "gre1", "--far", host, "--all-checks"}, more...)...)
		if !strings.Contains(both.Stdout, "each end answers the other one") || !strings.Contains(both.Stdout, "verdict: pass") {
			t.Errorf("verify --far %s:\n%s", host, both)
		}
		if more == nil { // this end is made from the far one, which stays as it is
			far := lab.Linux2.Snapshot(t)
			nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
			again := nmgreOn(t, lab.Linux1, exitDone, "pair", host)
			if !strings.Contains(again.Stderr, "gre1 is there at linux2 already") {
				t.Errorf("the far end alone is there: %s", again)
			}
			mustPing(t, lab.LAN1, lab.LAN2Addr)
			mustEqual(t, "linux2, whose tunnel was there", far, lab.Linux2.Snapshot(t))
		}
		for _, e := range []end{left, right} {
			nmgreOn(t, e.host, exitDone, "delete", "gre1")
		}
		mustEqual(t, "after delete, linux1", before1, lab.Linux1.Snapshot(t))
		mustEqual(t, "after delete, linux2", before2, lab.Linux2.Snapshot(t))
	}
}

// officeConfig is for ssh. Without its overruling pair would get no answer.
const officeConfig = `Host office
  HostName 10.10.2.1
  HostKeyAlias linux2
  ProxyJump linux2
  SessionType none
  ForkAfterAuthentication yes
  StdinNull yes
  RemoteCommand tmux attach
  RequestTTY force
  PermitLocalCommand yes
  LocalCommand cat
`

// A step that is not permitted, a host that is not known and a program that is not there are named,
// with the remedy, and nothing is left; a host without nmgre gets a copy for the time of the call;
// and --confirm is for both ends.
func TestLabPairSafe(t *testing.T) {
	lab.Need(t)
	lab.Linux2.SSH(t, lab.Linux1)
	before1, before2 := lab.Linux1.Snapshot(t), lab.Linux2.Snapshot(t)
	refused := func(code int, says string, args ...string) {
		t.Helper()
		r := nmgreOn(t, lab.Linux1, code, args...)
		if !strings.Contains(r.Stderr, says) {
			t.Errorf("nmgre %q: %s", args, r)
		}
		mustEqual(t, "after "+strings.Join(args, " ")+", linux1", before1, lab.Linux1.Snapshot(t))
		mustEqual(t, "after "+strings.Join(args, " ")+", linux2", before2, lab.Linux2.Snapshot(t))
	}
	refused(exitFailed, "add --copy", "pair", "linux2", "--far-nmgre", "/nowhere/nmgre")
	refused(exitNotPermitted, "ann@linux2", "pair", "ann@linux2")
	sudoers := lab.Linux2.Root() + "/etc/sudoers.d/lab"
	text, err := os.ReadFile(sudoers) //nolint:gosec // the lab's own
	if err != nil {
		t.Fatal(err)
	}
	setSudoers := func(text string) {
		if err := os.WriteFile(sudoers, []byte(text), 0o440); err != nil { //nolint:gosec // sudo's mode
			t.Fatal(err)
		}
	}
	setSudoers(strings.ReplaceAll(string(text), "NOPASSWD: ", ""))
	refused(exitNotPermitted, "sudo on ann@linux2 asks for a password", "pair", "ann@linux2", "--become")
	setSudoers(string(text))
	lab.Linux1.Run(t, "mv", "/root/.ssh/known_hosts", "/root/.ssh/unknown_hosts")
	refused(exitFailed, "Host key verification failed", "pair", "linux2")
	lab.Linux1.Run(t, "mv", "/root/.ssh/unknown_hosts", "/root/.ssh/known_hosts")
	refused(exitFailed, "not confirmed", "pair", "linux2", "--confirm", "20s") // the input ends

	nmgreOn(t, lab.Linux1, exitDone, "pair", "linux2", "--copy", "--name", "gre5", "--wait", "100s")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if left, _ := filepath.Glob("/tmp/nmgre.????????"); len(left) > 0 {
		t.Errorf("the copy is left: %q", left)
	}
	if r := lab.Linux1.TryInput("\n", "nmgre", "pair", "linux2", "--key", "7", "--route", "none", "--far-route", "none", "--confirm", "60s"); r.Code != exitDone {
		t.Errorf("confirmed: %s", r)
	}
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		if got := verdict(t, host, exitDone, "gre1"); got != "pass" {
			t.Errorf("%s: %s", host, got)
		}
	}
}
