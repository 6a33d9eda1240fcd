package main

import (
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// From two hosts without a tunnel, one command joins the LANs: as root, and as ann by sudo. The
// other host is as before after delete, and a second pair is refused or mends.
//
//lab:every
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
		for _, e := range []end{left, right} {
			nmgreOn(t, e.host, exitDone, "delete", "gre1")
		}
		mustEqual(t, "after delete, linux1", before1, lab.Linux1.Snapshot(t))
		mustEqual(t, "after delete, linux2", before2, lab.Linux2.Snapshot(t))
	}
}
