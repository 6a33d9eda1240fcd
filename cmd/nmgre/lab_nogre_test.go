package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// A kernel without GRE, made for real: its modules are unloaded, and there are none to load. All
// hosts of the lab have one kernel, so both ends are without GRE then.

// modulesAway unloads GRE, and lays an empty folder over the modules. modulesBack undoes that. Both
// run where the kernel looks for modules, outside of the hosts. GRE over IPv6 brings ip6_tunnel,
// whose fallback device has to stand in its place among the others again.
const (
	modulesAway = `mount -t tmpfs none "/lib/modules/$(uname -r)"; rmmod ip6_gre ip6_tunnel ip_gre gre`
	modulesBack = `umount "/lib/modules/$(uname -r)"; modprobe -a ip_gre ip6_gre`
	folderAway  = `mount -t tmpfs none "/lib/modules/$(uname -r)"`
	folderBack  = `umount "/lib/modules/$(uname -r)"`
)

// outside runs a script on the lab's machine, on none of its hosts.
func outside(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}

// needOwnKernel skips a test that changes the kernel, where that is the kernel of a machine with
// work of its own.
func needOwnKernel(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/run/lab/base"); err == nil {
		t.Skip("needs a kernel of the lab's own: NMGRE_LAB_MODE=vm")
	}
}

// loseGRE takes GRE away until giveBack is called, or the test ends.
func loseGRE(t *testing.T) (giveBack func()) {
	t.Helper()
	given := false
	giveBack = func() {
		if given {
			return
		}
		given = true
		outside(t, modulesBack)
		lab.Linux1.Run(t, "sh", "-ec", folderBack)
	}
	t.Cleanup(func() {
		giveBack()
		// the fallback devices have come to be anew, behind the others
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			host.Reboot(t)
		}
	})
	lab.Linux1.Run(t, "sh", "-ec", folderAway)
	outside(t, modulesAway)
	return giveBack
}

// D01: this host's kernel has no GRE. It is no row of causeRows: the whole lab loses GRE, and D09,
// a far end without GRE, cannot be verified from here then. The answer of such a far end is
// compared with the one that the row D09 has its firewall give.
//
//lab:faults
func TestLabCauseNoGRE(t *testing.T) {
	lab.Need(t)
	needOwnKernel(t)
	makeHealthy(t)
	lab.Linux2.Run(t, "sh", "-ec", noGREThere+"; "+noFilter) // loads the modules of the rule
	giveBack := loseGRE(t)
	row := causeRow{id: "D01", name: "this host's kernel has no GRE", cause: "no-gre-here", check: "device", says: []string{"has no module ip_gre", "install the rest of the kernel's modules"},
		verdict: "fail", certainty: "proved"}
	var r lab.Result
	eventually(t, "NetworkManager has given up", func() bool {
		r = lab.Linux1.Try("nmgre", verifyArgs("gre1", nil)...)
		return !strings.Contains(r.Stdout, `"coming-up"`)
	})
	report := told(t, r)
	row.judge(t, report)
	row.tryAsUser(t, r)
	t.Logf("what verify told:\n%s", causeTable([]causeLine{{row: row, said: report.first(row), verdict: report.Verdict, verify: r.Took}}))
	if r := lab.Linux1.Try("nmgre", "create", "--name", "gre2", "--peer", "100.0.2.100", "--address", "172.16.9.1/30", "--key", "43"); r.Code == exitDone || !strings.Contains(r.Stderr, "has no module ip_gre") {
		t.Errorf("create: %s", r)
	}
	said := farRefusal(t)
	lab.Linux2.Run(t, "sh", "-ec", noGREThere)
	stoodFor := farRefusal(t)
	lab.Linux2.Run(t, "sh", "-ec", noFilter)
	mustEqual(t, "the answer of a far end without GRE, and the one that stands for it in D09", stoodFor, said)
	if !strings.Contains(said, "protocol 47 unreachable") {
		t.Errorf("a far end without GRE says %q", said)
	}
	giveBack()
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		nmgreOn(t, host, exitDone, "up", "gre1")
	}
	mustBeHealthy(t, "after GRE was given back")
}

// farRefusal sends GRE to the far end without a tunnel, and returns the ICMP error that comes back,
// as tcpdump shows it.
func farRefusal(t *testing.T) string {
	t.Helper()
	dump := lab.Linux1.Start(t, "timeout", "20", "tcpdump", "-nn", "-t", "-l", "-i", "eth0", "-c", "1", "icmp[icmptype] == icmp-unreach")
	eventually(t, "tcpdump listens", func() bool { return strings.Contains(dump.Stderr(), "listening") })
	time.Sleep(1200 * time.Millisecond) // the kernel tells a host of one error a second
	stop := sendGRE(t, lab.Linux1, lab.Linux1WAN, lab.Linux2WAN, []byte{0x20, 0, 8, 0, 0, 0, 0, 42})
	r := dump.Wait(t)
	stop()
	if r.Code != 0 {
		t.Errorf("no ICMP error comes back: %s", r)
	}
	return r.Stdout
}
