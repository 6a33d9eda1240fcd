package main

import (
	"strconv"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// A second uplink of linux1, to which only a rule or a VRF leads.

// secondUplink gives linux1 the device eth9, a wire to the router, with the address 100.0.9.100 and
// packets of 1400 bytes. Its profile has these words more.
func secondUplink(t *testing.T, more string) {
	t.Helper()
	wireUplink(t)
	t.Cleanup(func() { lab.Router.Try("ip", "link", "del", "up9") })
	lab.Linux1.Run(t, "sh", "-c", "nmcli connection add type ethernet con-name uplink ifname eth9 ethernet.mtu 1400 ipv4.method manual ipv4.addresses 100.0.9.100/24 ipv6.method disabled "+more+" && nmcli connection up uplink")
	t.Cleanup(func() { lab.Linux1.Try("nmcli", "connection", "delete", "uplink") })
}

// wireUplink puts the wire between eth9 and the router.
func wireUplink(t *testing.T) {
	t.Helper()
	lab.Router.Run(t, "ip", "link", "add", "up9", "mtu", "1400", "type", "veth", "peer", "name", "eth9", "mtu", "1400", "netns", strconv.Itoa(lab.Linux1.Pid()))
	lab.Router.Run(t, "sh", "-c", "ip address add 100.0.9.1/24 dev up9; ip link set up9 up; sysctl -qw net.ipv4.conf.up9.forwarding=1 net.ipv4.conf.up9.rp_filter=0")
}

// mustLeaveAfterReboot plays a reboot, in which eth9 appears late, and checks that the tunnel goes
// by it again.
func mustLeaveAfterReboot(t *testing.T) {
	t.Helper()
	lab.Linux1.Reboot(t)
	wireUplink(t)
	waitActive(t, lab.Linux1, "uplink")
	waitActive(t, lab.Linux1, "gre1")
	eventually(t, "after a reboot the far end answers", func() bool { return lab.Ping(t, lab.Linux1, "172.16.0.2") })
	mustGoByUplink(t)
	if own := ownRoutes(t, lab.Linux1); own != "" {
		t.Errorf("after a reboot there are routes of nmgre's: %s", own)
	}
}

// mustLeaveByUplink checks that the packets of gre1 go by eth9, with its MTU, both as nmgre says
// and as they really do.
func mustLeaveByUplink(t *testing.T, r lab.Result) {
	t.Helper()
	if !strings.Contains(r.Stderr, "MTU 1376: 1400 - 20 (IPv4) - 4 (GRE) = 1376, on the way to 100.0.2.100 by eth9") || !strings.Contains(r.Stdout, "100.0.9.100 -> 100.0.2.100") {
		t.Errorf("create goes another way: %s", r)
	}
	if !strings.Contains(r.Stdout, "nmgre create --peer 100.0.9.100 ") || strings.Contains(r.Stdout, "--route 100.0.1.0/24") || !strings.Contains(r.Stdout+r.Stderr, "100.0.1.0/24 on eth0, an uplink by the gateway 100.0.1.1") {
		t.Errorf("the far end's line: %s", r)
	}
	far := makeFarEnd(t, lab.Linux2, r)
	if !strings.Contains(far.Stdout, "verdict: pass") {
		t.Errorf("at the far end: %s", far)
	}
	mustGoByUplink(t)
}

// mustGoByUplink checks that the packets of gre1 go by eth9.
func mustGoByUplink(t *testing.T) {
	t.Helper()
	sent := func() string { return lab.Linux1.Run(t, "sh", "-c", "cat /sys/class/net/eth9/statistics/tx_packets") }
	before := sent()
	mustPing(t, lab.Linux1, "172.16.0.2")
	if sent() == before {
		t.Error("nothing goes by eth9")
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks"); !strings.Contains(r.Stdout, "dev eth9") || !strings.Contains(r.Stdout, "verdict: pass") {
		t.Errorf("verify: %s", r)
	}
}

// The local address is on an uplink that only a rule leads to: MTU, way and far end's line are
// those of the rule's table, and a default route into the tunnel takes nothing from it.
//
//lab:trixie
func TestLabSecondUplink(t *testing.T) {
	lab.Need(t)
	secondUplink(t, "ipv4.routes '0.0.0.0/0 100.0.9.1 table=100' ipv4.routing-rules 'priority 100 from 100.0.9.100 table 100'")
	lab.Linux1.SSH(t, lab.Linux2)
	paired := nmgreOn(t, lab.Linux2, exitDone, "pair", "linux1", "--dry-run").Stdout
	if !strings.Contains(paired, "no route to 100.0.9.0/24 at linux1, an uplink there") || !strings.Contains(paired, "ipv4.routes 10.10.1.0/24 ") {
		t.Errorf("the plan of pair: %s", paired)
	}
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--local", "100.0.9.100", "--address", "172.16.0.1/30", "--route", "default metric 50", "--no-probe")
	mustLeaveByUplink(t, r)
	if strings.Contains(r.Stderr, "host route") || ownRoutes(t, lab.Linux1) != "" {
		t.Errorf("the far end has a host route, though a rule leads to it: %s\n%s", r, ownRoutes(t, lab.Linux1))
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "auto", "--no-probe"); strings.Contains(r.Stderr, "mtu: 1376 ->") {
		t.Errorf("the MTU is computed by another way: %s", r)
	}
	nmcli(t, "connection down gre1")
	nmcli(t, "connection up gre1")
	mustPing(t, lab.Linux1, "172.16.0.2")
	mustLeaveAfterReboot(t)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	lab.Linux1.Run(t, "ip", "rule", "del", "from", "100.0.9.100")
	r = nmgreOn(t, lab.Linux1, exitDone, "create", "--dry-run", "--peer", "100.0.2.100", "--local", "100.0.9.100", "--address", "172.16.0.1/30")
	if !strings.Contains(r.Stdout, "100.0.9.100 is on eth9, but its packets leave by eth0") {
		t.Errorf("without the rule nothing tells of the way: %s", r)
	}
}

// The device that the tunnel is bound to is in a VRF: the local address, the MTU and the way are
// those of the VRF's table.
//
//lab:forky
func TestLabParentInVRF(t *testing.T) {
	lab.Need(t)
	lab.Linux1.Run(t, "sh", "-c", "nmcli connection add type vrf con-name red ifname red vrf.table 100 ipv4.method disabled ipv6.method disabled && nmcli connection up red")
	t.Cleanup(func() { lab.Linux1.Try("nmcli", "connection", "delete", "red") })
	secondUplink(t, "ipv4.gateway 100.0.9.1 connection.master red connection.slave-type vrf")
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--parent", "eth9", "--address", "172.16.0.1/30", "--route", "default metric 50", "--no-probe")
	mustLeaveByUplink(t, r)
	if strings.Contains(r.Stderr, "host route") || ownRoutes(t, lab.Linux1) != "" {
		t.Errorf("the far end has a host route, though the VRF has a table of its own: %s\n%s", r, ownRoutes(t, lab.Linux1))
	}
	nmcli(t, "connection down gre1")
	nmcli(t, "connection up gre1")
	mustPing(t, lab.Linux1, "172.16.0.2")
	mustMissTheRuleOfVRFs(t)
	mustLeaveAfterReboot(t)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	// A tunnel outside the VRF: the rule for VRFs leads to no other table.
	r = nmgreOn(t, lab.Linux1, exitDone, "create", "--dry-run", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "default via 172.16.0.2 table 77")
	if !strings.Contains(r.Stdout, "no rule leads to table 77") || strings.Contains(r.Stdout, "--route 100.0.9.0/24") || !strings.Contains(r.Stdout, "--route "+lab.LAN1Net) {
		t.Errorf("beside a VRF: %s", r)
	}
	mustBeFoundInVRF(t)
}

// mustBeFoundInVRF puts a tunnel into the VRF by nmcli: NetworkManager sets its route in the VRF's
// table, and verify looks for it there. The route that root keeps is in that table alone, too.
func mustBeFoundInVRF(t *testing.T) {
	t.Helper()
	nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "inside", "--peer", "100.0.2.100", "--key", "7", "--address", "172.16.7.1/30", "--route", "10.20.0.0/24", "--no-probe")
	nmcli(t, "connection modify inside connection.master red connection.slave-type vrf")
	nmcli(t, "connection up inside")
	r := nmgreOn(t, lab.Linux1, exitDone, "verify", "inside", "--no-probe", "--all-checks")
	if !strings.Contains(r.Stdout, "pass  route 10.20.0.0/24 table 100") {
		t.Errorf("in a VRF: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "route", "list", "inside"); !strings.Contains(r.Stdout, " set ") || strings.Contains(r.Stdout, "missing") {
		t.Errorf("the route in a VRF: %s", r)
	}
	installHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, "route", "add", "inside", "10.21.0.0/24", "nexthop", "via", "172.16.7.2", "nexthop", "dev", "inside")
	kept := func() string { return ownRoutes(t, lab.Linux1) }
	if got := kept(); !strings.Contains(got, "10.21.0.0/24") || strings.Count(got, "table 100") != 1 {
		t.Errorf("root's route: %s", got)
	}
	nmcli(t, "connection down inside")
	nmcli(t, "connection up inside")
	eventually(t, "root's route in the VRF comes again", func() bool { return strings.Count(kept(), "table 100") == 1 })
	if r := nmgreOn(t, lab.Linux1, exitDone, "route", "list", "inside"); strings.Contains(r.Stdout, "missing") {
		t.Errorf("root's route in a VRF: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "inside", "--no-probe", "--all-checks"); !strings.Contains(r.Stdout, "pass  route 10.21.0.0/24") {
		t.Errorf("verify of root's route in a VRF: %s", r)
	}
	if form, r := applyOn(t, lab.Linux1, nmgreOn(t, lab.Linux1, exitDone, "export", "inside").Stdout); form.Changed {
		t.Errorf("apply mends a route that is there: %s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "inside")
}

// mustMissTheRuleOfVRFs flushes the rule that leads to the tables of VRFs. verify names it, and its
// hint's command mends that.
func mustMissTheRuleOfVRFs(t *testing.T) {
	t.Helper()
	lab.Linux1.Run(t, "ip", "rule", "del", "priority", "1000")
	r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1")
	_, mend, found := strings.Cut(r.Stdout, "on this host: sudo ")
	if !found || !strings.Contains(r.Stdout, "no rule leads to the table of the VRF red") {
		t.Fatal(r)
	}
	mend, _, _ = strings.Cut(mend, "\n")
	lab.Linux1.Run(t, "sh", "-c", mend)
	mustPing(t, lab.Linux1, "172.16.0.2")
}
