package main

import (
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// Where a hook has left everything right, the next one asks neither the bus nor NetworkManager. It
// does as soon as anybody changes the kernel, root's file, the profile or the device's state, and
// then sets the missing routes and rules, or refuses those that are not allowed.
//
//lab:every
func TestLabHookSettled(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	before := policyRules(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "10.0.0.2/30", "--no-probe",
		"--route", "10.78.0.0/16 table 100 ssthresh 7", "--rule", "from 10.0.0.2 table 100 suppress_ifgroup 7 priority 19000")
	settled(t, lab.Linux1)
	const lost, hook = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere ", "nmgre hook -- gre1 up"
	isSet := func() bool {
		return strings.Contains(policyRules(t, lab.Linux1), "19000:\tfrom 10.0.0.2 lookup 100 suppress_ifgroup 7 proto 213\n") &&
			strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "table", "all", "proto", "213"), "10.78.0.0/16 dev gre1 table 100")
	}
	// rests runs the hook twice, and checks that the second one asks nobody
	rests := func(when string) {
		t.Helper()
		for _, line := range []string{hook, lost + hook} {
			if r := lab.Linux1.Try("sh", "-c", line); r.Code != exitDone || !isSet() {
				t.Errorf("%s: %s: %s\n%s", when, line, r, policyRules(t, lab.Linux1))
			}
		}
	}
	rests("after create")
	file := strings.TrimSpace(lab.Linux1.Run(t, "sh", "-c", "ls /etc/nmgre/tunnels/*"))
	for _, change := range []string{
		"ip rule delete priority 19000",
		"ip route flush table 100 proto 213",
		"ip link set gre1 down && ip link set gre1 up",
		"sed -i s/19000/19001/ " + file + " && nmgre hook -- gre1 up && sed -i s/19001/19000/ " + file,
		"nmcli connection modify wan connection.autoconnect-priority 3",
		"nmcli device set gre1 managed no && sleep 1 && nmcli device set gre1 managed yes && nmcli connection up gre1",
	} {
		lab.Linux1.Run(t, "sh", "-c", change)
		settled(t, lab.Linux1)
		if strings.HasPrefix(change, "ip ") { // no event of NetworkManager's has come
			if r := lab.Linux1.Try("sh", "-c", lost+hook); r.Code == exitDone {
				t.Errorf("%s: the hook asks nobody: %s", change, r)
			}
		}
		rests(change)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "gre1", "ip-tunnel.remote", "100.0.2.101")
	if r := lab.Linux1.Try("sh", "-c", hook); !strings.Contains(r.Stderr, "the far end of the profile is 100.0.2.101 by now") || isSet() {
		t.Errorf("another far end: %s\n%s", r, policyRules(t, lab.Linux1))
	}
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "gre1", "ip-tunnel.remote", "100.0.2.100")
	rests("after the other far end")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	settled(t, lab.Linux1)
	mustEqual(t, "the rules after delete", before, policyRules(t, lab.Linux1))
	if r := lab.Linux1.Try("ls", "/run/nmgre"); r.Code == 0 {
		t.Errorf("after delete there is still %s", r.Stdout)
	}
}
