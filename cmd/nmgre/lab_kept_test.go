package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// Routes, SNAT and forwarding that NetworkManager cannot hold and nmgre keeps, with ip, nft, nmcli,
// ping and tcpdump as the witnesses.

// needHook prepares hosts with nmgre and its hook installed, and a witness of the hook's events.
func needHook(t *testing.T, hosts ...lab.Host) {
	t.Helper()
	for _, host := range hosts {
		installHook(t, host)
		addWitness(t, host)
	}
}

// installHook installs nmgre and its hook.
func installHook(t *testing.T, host lab.Host) {
	t.Helper()
	program, err := os.ReadFile("/tmp/bin/nmgre")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(host.Root(), "usr/local/bin/nmgre"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	host.Run(t, "/usr/local/bin/nmgre", "install-hook")
}

// witnessed is where the witness notes the events, a line each: the device and the action.
const witnessed = "run/witnessed"

// addWitness adds a script to the dispatcher's that runs after nmgre's hook and notes each event.
func addWitness(t *testing.T, host lab.Host) {
	t.Helper()
	const dir = "etc/NetworkManager/dispatcher.d"
	for _, sub := range []string{"", "pre-up.d", "pre-down.d"} {
		name := filepath.Join(host.Root(), dir, sub, "99-witness")
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/sh\necho \"$1 $2\" >>/"+witnessed+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(filepath.Join(host.Root(), witnessed)); err != nil {
		t.Fatal(err)
	}
}

// settled waits until the hook has run for every event so far. The events up and down come when the
// command that caused them has ended long ago, but each follows one that NetworkManager waits for:
// pre-up or pre-down.
func settled(t *testing.T, host lab.Host) {
	t.Helper()
	eventually(t, "the hook has run for all events of "+string(host), func() bool {
		// there is none without a witness
		text, _ := os.ReadFile(filepath.Join(host.Root(), witnessed))
		last := make(map[string]string)
		for line := range strings.Lines(string(text)) {
			dev, action, _ := strings.Cut(strings.TrimSpace(line), " ")
			last[dev] = action
		}
		for _, action := range last {
			if strings.HasPrefix(action, "pre-") {
				return false
			}
		}
		return true
	})
}

// snapshot returns the host's state when the hook has run for every event so far.
func snapshot(t *testing.T, host lab.Host) string {
	t.Helper()
	settled(t, host)
	return host.Snapshot(t)
}

// eventually waits until a condition is true, because the dispatcher takes its time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatalf("it did not come to this: %s", what)
}

// ownRoutes returns the kernel's routes of protocol 213, as ip shows them.
func ownRoutes(t *testing.T, host lab.Host) string {
	t.Helper()
	return host.Run(t, "ip", "route", "show", "table", "all", "proto", "213") + host.Run(t, "ip", "-6", "route", "show", "table", "all", "proto", "213")
}

// survives does everything that NetworkManager's own routes survive, and checks each time that all
// is there.
func survives(t *testing.T, ends []end, tunnels []string, works func(when string)) {
	t.Helper()
	works("after create")
	for _, e := range ends {
		for _, name := range tunnels {
			e.host.Run(t, "nmcli", "connection", "down", name)
			e.host.Run(t, "nmcli", "connection", "up", name)
		}
	}
	works("after down and up by nmcli")
	for _, e := range ends {
		e.host.RestartNM(t)
	}
	works("after a restart of NetworkManager")
	for _, e := range ends {
		e.host.Reboot(t)
		for _, name := range tunnels {
			waitActive(t, e.host, name)
		}
	}
	works("after a reboot")
}

// linux1 alone reaches the LAN behind linux2, whose hosts have no route back.
func TestLabReachesALANBySNAT(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux2)
	lab.LAN2.Run(t, "ip", "route", "del", "default")
	defer lab.LAN2.Run(t, "ip", "route", "add", "default", "via", "10.10.2.1")
	lab.Linux2.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=0")
	lab.Linux2.Run(t, "nft", "add table ip others; add chain ip others post { type nat hook postrouting priority 0; }; add rule ip others post counter")
	before1, before2 := snapshot(t, lab.Linux1), withoutCounters(snapshot(t, lab.Linux2))
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	r := nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "172.16.0.2/30",
		"--snat", "10.10.2.0/24=10.10.2.1", "--forward", "--clamp-mss")
	if !strings.Contains(r.Stdout, "verdict: pass") {
		t.Errorf("create on linux2:\n%s", r.Stdout)
	}
	lab.Linux2.Run(t, "nmcli", "device", "reapply", "eth1") // from 1.54 on it stops forwarding then
	eventually(t, "the hook has run for the reapply", func() bool {
		text, _ := os.ReadFile(filepath.Join(lab.Linux2.Root(), witnessed))
		return strings.Contains(string(text), "eth1 reapply")
	})
	survives(t, []end{right, left}[:ofSweep(1, 2)], []string{"gre1"}, func(when string) {
		t.Helper()
		eventually(t, when+": linux1 reaches lan2 by SNAT", func() bool { return lab.Ping(t, lab.Linux1, lab.LAN2Addr) })
		rules := lab.Linux2.Run(t, "nft", "list", "table", "ip", "nmgre")
		if strings.Count(rules, "snat to 10.10.2.1") != 1 || strings.Count(rules, "comment \"nmgre:") != 1 {
			t.Errorf("%s: nft does not show one rule of one tunnel:\n%s", when, rules)
		}
		if clamp := lab.Linux2.Run(t, "nft", "list", "table", "inet", "nmgre"); !strings.Contains(clamp, "maxseg size set rt mtu") {
			t.Errorf("%s: nft shows no MSS clamp:\n%s", when, clamp)
		}
		forwarding := map[string]string{"gre1": "1", "eth1": "1"}
		if !strings.Contains(when, "reboot") { // at its boot the host forwards everything
			forwarding["eth0"], forwarding["all"] = "0", "0"
		}
		for dev, want := range forwarding {
			if got := strings.TrimSpace(lab.Linux2.Run(t, "cat", "/proc/sys/net/ipv4/conf/"+dev+"/forwarding")); got != want {
				t.Errorf("%s: forwarding of %s is %s, want %s", when, dev, got, want)
			}
		}
		if got := verdict(t, lab.Linux2, exitDone, "gre1"); got != "pass" {
			t.Errorf("%s: verify on linux2 says %s", when, got)
		}
	})
	mustSeeSource(t, "10.10.2.1")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
	mustEqual(t, "after delete, linux1", before1, snapshot(t, lab.Linux1))
	// The reboot removed the table of others, which belongs to no profile.
	lab.Linux2.Run(t, "sh", "-c", "nft delete table ip others 2>/dev/null; sysctl -qw net.ipv4.ip_forward=0; nft add table ip others; nft add chain ip others post '{ type nat hook postrouting priority 0; }'; nft add rule ip others post counter")
	mustEqual(t, "after delete, linux2", before2, withoutCounters(snapshot(t, lab.Linux2)))
}

func withoutCounters(state string) string {
	lines := strings.Split(state, "\n")
	for i, line := range lines {
		if strings.Contains(line, "counter packets") {
			lines[i] = "counter"
		}
	}
	return strings.Join(lines, "\n")
}

// mustSeeSource captures linux1's packets on lan2 and checks their source address.
func mustSeeSource(t *testing.T, source string) {
	t.Helper()
	dump := lab.LAN2.Start(t, "timeout", "20", "tcpdump", "-nni", "eth0", "-c", "1", "icmp[icmptype] == icmp-echo")
	eventually(t, "tcpdump listens", func() bool { return strings.Contains(dump.Stderr(), "listening") })
	mustPing(t, lab.Linux1, lab.LAN2Addr)
	if seen := dump.Wait(t).Stdout; !strings.Contains(seen, "IP "+source+" > "+lab.LAN2Addr) {
		t.Errorf("lan2 sees %q, want the source %s", seen, source)
	}
}

// verify sees changes that others make to nmgre's nft rules, and the next up repairs them. Other
// tables are left alone.
func TestLabRulesetFlushed(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux2)
	nmgreOn(t, lab.Linux2, exitDone, "create", "--peer", "100.0.1.100", "--address", "172.16.0.2/30", "--snat", "10.10.2.0/24=masquerade", "--no-probe")
	for _, mend := range [][]string{
		{"nmgre", "up", "gre1"},
		{"sh", "-c", "nmcli connection down gre1 && nmcli connection up gre1"},
		// systemd's unit, after nftables.service
		{"/usr/local/bin/nmgre", "hook", "--", "none", "firewall"},
	} {
		settled(t, lab.Linux2)
		lab.Linux2.Run(t, "nft", "flush", "ruleset")
		lab.Linux2.Run(t, "nft", "add", "table", "ip", "others")
		r := nmgreOn(t, lab.Linux2, exitFault, "verify", "gre1", "--no-probe", "--json")
		if c := checkNamed(t, r.Stdout, "snat 10.10.2.0/24 from 172.16.0.0/30"); c.Status != "fail" || c.Hint == "" {
			t.Errorf("verify says %+v", c)
		}
		lab.Linux2.Run(t, mend[0], mend[1:]...)
		eventually(t, "the rule is back", func() bool {
			return strings.Contains(lab.Linux2.Try("nft", "list", "ruleset").Stdout, "masquerade")
		})
		nmgreOn(t, lab.Linux2, exitDone, "verify", "gre1", "--no-probe")
		if tables := lab.Linux2.Run(t, "nft", "list", "tables"); !strings.Contains(tables, "table ip others") {
			t.Errorf("the table of others is gone: %s", tables)
		}
	}
}

// A NetworkManager that hangs holds the hook for seconds. A tunnel is up then if the kernel has its
// device, and all is set. Root's part is for one far end: if the profile leads elsewhere, nothing
// of it is set, until an edit moves it. A LAN's device that is made anew forwards again.
func TestLabKeptFollowsTheHost(t *testing.T) {
	lab.Need(t)
	h := lab.Linux1
	needHook(t, h)
	h.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=0")
	h.Run(t, "nmcli", "connection", "add", "type", "dummy", "con-name", "lan9", "ifname", "lan9", "ipv4.method", "manual", "ipv4.addresses", "10.99.0.1/24", "ipv6.method", "disabled")
	h.Run(t, "nmcli", "connection", "up", "lan9")
	nmgreOn(t, h, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--no-probe", "--snat", "10.99.0.0/24=masquerade", "--forward",
		"--route", "100.0.2.0/24", "--route", "10.77.0.0/16 ssthresh 7")
	there := func(when, far string) {
		t.Helper()
		eventually(t, when+": everything is set", func() bool {
			own := ownRoutes(t, h)
			return strings.Contains(own, "10.77.0.0/16") && strings.Contains(own, far+" via 100.0.1.1 dev eth0") && strings.Contains(h.Try("nft", "list", "ruleset").Stdout, "masquerade") &&
				h.Try("cat", "/proc/sys/net/ipv4/conf/lan9/forwarding").Stdout == "1\n"
		})
	}
	settled(t, h)
	there("after create", "100.0.2.100")

	h.Run(t, "nft", "flush", "ruleset")
	hanging := strconv.Itoa(h.NMPid())
	h.Run(t, "kill", "-STOP", hanging)
	r := h.Try("/usr/local/bin/nmgre", "hook", "--", "gre1", "pre-up")
	h.Run(t, "kill", "-CONT", hanging)
	if r.Code == exitDone || r.Took > 30*time.Second || !strings.Contains(r.Stderr, "NetworkManager cannot say which tunnels are up") {
		t.Errorf("with a NetworkManager that hangs: %s", r)
	}
	there("after the hook without NetworkManager", "100.0.2.100")

	for _, move := range []string{"down", "up"} {
		h.Run(t, "nmcli", "connection", move, "lan9")
	}
	there("after the LAN's device was made anew", "100.0.2.100")

	h.Run(t, "nmcli", "connection", "modify", "gre1", "ip-tunnel.remote", "100.0.2.101")
	for _, move := range []string{"down", "up"} {
		h.Run(t, "nmcli", "connection", move, "gre1")
	}
	settled(t, h)
	if left := ownRoutes(t, h) + h.Run(t, "nft", "list", "ruleset") + h.Run(t, "cat", "/proc/sys/net/ipv4/conf/lan9/forwarding"); left != "0\n" {
		t.Errorf("for another far end there is still:\n%s", left)
	}
	c := checkNamed(t, nmgreOn(t, h, exitFault, "verify", "gre1", "--no-probe", "--json").Stdout, "kept")
	if c.Status != "fail" || !strings.Contains(c.Evidence, "100.0.2.101 by now") || c.Hint != "if that is right, move it: sudo nmgre edit --peer 100.0.2.101 gre1" {
		t.Errorf("verify says %+v", c)
	}
	if list := nmgreOn(t, h, exitDone, "list"); !strings.Contains(list.Stderr, "100.0.2.101 by now") {
		t.Errorf("list says %s", list.Stderr)
	}
	nmgreOn(t, h, exitDone, "edit", "gre1", "--no-probe", "--peer", "100.0.2.101")
	there("after the edit", "100.0.2.101")
	nmgreOn(t, h, exitDone, "verify", "gre1", "--no-probe")
}

// twoTunnels makes both ends of two tunnels between the gateways.
func twoTunnels(t *testing.T) {
	t.Helper()
	for _, e := range []struct {
		host       lab.Host
		peer, last string
	}{{lab.Linux1, "100.0.2.100", "1"}, {lab.Linux2, "100.0.1.100", "2"}} {
		for n, key := range []string{"1", "2"} {
			nmgreOn(t, e.host, exitDone, "create", "--peer", e.peer, "--address", fmt.Sprintf("172.16.%d.%s/30", n, e.last), "--key", key, "--no-probe")
		}
	}
}

// The LANs reach each other by routes that NetworkManager cannot hold: one way by a route with MPLS
// labels, the other way by a multipath route over two tunnels.
func TestLabEncapAndMultipath(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1, lab.Linux2)
	before1, before2 := snapshot(t, lab.Linux1), snapshot(t, lab.Linux2)
	twoTunnels(t)
	nmgreOn(t, lab.Linux1, exitDone, "route", "add", "gre1", "10.10.2.0/24", "encap", "mpls", "100", "via", "172.16.0.2")
	nmgreOn(t, lab.Linux2, exitDone, "route", "add", "gre1", "10.10.1.0/24", "nexthop", "via", "172.16.0.1", "nexthop", "via", "172.16.1.1", "dev", "gre2")
	labels := func() {
		t.Helper()
		lab.Linux2.Run(t, "sysctl", "-qw", "net.mpls.platform_labels=1000", "net.mpls.conf.gre1.input=1")
		lab.Linux2.Run(t, "ip", "-f", "mpls", "route", "replace", "100", "via", "inet", lab.LAN2Addr, "dev", "eth1")
	}
	defer lab.Linux2.Run(t, "sysctl", "-qw", "net.mpls.platform_labels=0")
	survives(t, []end{left, right}, []string{"gre1", "gre2"}, func(when string) {
		t.Helper()
		labels() // the far end's labels belong to no tunnel
		eventually(t, when+": the routes are there", func() bool {
			return strings.Contains(ownRoutes(t, lab.Linux1), "10.10.2.0/24  encap mpls  100 via 172.16.0.2 dev gre1") &&
				strings.Contains(ownRoutes(t, lab.Linux2), "nexthop via 172.16.1.1 dev gre2 weight 1")
		})
		mustPing(t, lab.LAN1, lab.LAN2Addr)
		mustPing(t, lab.LAN2, lab.LAN1Addr)
		for _, e := range []end{left, right} {
			if got := verdict(t, e.host, exitDone, "gre1"); got != "pass" {
				t.Errorf("%s, %s: verify says %s\n%s", when, e.host, got, e.host.Try("nmgre", "verify", "gre1"))
			}
		}
	})
	// When one tunnel goes down, the kernel drops the whole route. nmgre sets it with the other
	// nexthop, and with both when the tunnel is back.
	for _, name := range []string{"gre2", "gre1"} {
		other := map[string]string{"gre1": "gre2", "gre2": "gre1"}[name]
		lab.Linux2.Run(t, "nmcli", "connection", "down", name)
		eventually(t, "the route goes by "+other+" alone", func() bool {
			own := ownRoutes(t, lab.Linux2)
			return strings.Contains(own, "10.10.1.0/24 via") && strings.Contains(own, "dev "+other) && !strings.Contains(own, "dev "+name)
		})
		lab.Linux2.Run(t, "nmcli", "connection", "up", name)
		eventually(t, "the route goes by both", func() bool { return strings.Count(ownRoutes(t, lab.Linux2), "nexthop via") == 2 })
	}
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		nmgreOn(t, host, exitDone, "delete", "gre2")
		nmgreOn(t, host, exitDone, "delete", "gre1")
	}
	lab.Linux2.Run(t, "ip", "-f", "mpls", "route", "del", "100")
	mustEqual(t, "after delete, linux1", before1, snapshot(t, lab.Linux1))
	mustEqual(t, "after delete, linux2", before2, snapshot(t, lab.Linux2))
}

// A tunnel goes down and up by nmcli: each time every route is there, once.
func TestLabDownAndUp(t *testing.T) { downAndUp(t, 6) }

// The same a hundred times.
//
//lab:faults
func TestLabDownAndUpAHundredTimes(t *testing.T) { downAndUp(t, 100) }

func downAndUp(t *testing.T, times int) {
	t.Helper()
	lab.Need(t)
	installHook(t, lab.Linux1)
	args := left.create("--no-probe", "--snat", "10.10.1.0/24=10.10.1.1")
	for n := range 20 {
		args = append(args, "--route", fmt.Sprintf("10.77.%d.0/24 ssthresh 7", n))
	}
	nmgreOn(t, lab.Linux1, exitDone, args...)
	want, rules := ownRoutes(t, lab.Linux1), lab.Linux1.Run(t, "nft", "list", "ruleset")
	if strings.Count(want, "dev gre1") != 20 {
		t.Fatalf("the routes:\n%s", want)
	}
	for round := range times {
		lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
		lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
		// nmcli waits for pre-up, so all routes are there at once. The hook of the down before may
		// be late, and must not remove them.
		mustEqual(t, fmt.Sprintf("round %d, routes", round), want, ownRoutes(t, lab.Linux1))
		if t.Failed() {
			return
		}
	}
	addWitness(t, lab.Linux1) // only now: its scripts would take a third of the time
	lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	settled(t, lab.Linux1)
	mustEqual(t, "routes in the end", want, ownRoutes(t, lab.Linux1))
	mustEqual(t, "rules in the end", rules, lab.Linux1.Run(t, "nft", "list", "ruleset"))
}

// keptFile returns the path of the only tunnel's kept file.
func keptFile(t *testing.T, host lab.Host) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(host.Root(), "etc/nmgre/tunnels/*-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files: %v, %v", files, err)
	}
	return files[0]
}

// A bad line in the kept file is named, and the good ones work.
func TestLabStoreEditedByHand(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--route", "10.77.0.0/16 ssthresh 7")...)
	file := keptFile(t, lab.Linux1)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := string(text) + "route 10.78.0.0/16 ssthresh lots\nroute 10.79.0.0/16 ssthresh 8\n"
	if err := os.WriteFile(file, []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	own := ownRoutes(t, lab.Linux1)
	for _, want := range []string{"10.77.0.0/16", "10.79.0.0/16"} {
		if !strings.Contains(own, want) {
			t.Errorf("%s is not there:\n%s", want, own)
		}
	}
	bad := fmt.Sprintf("line %d", strings.Count(string(text), "\n")+1)
	r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1", "--no-probe", "--json")
	if c := checkNamed(t, r.Stdout, "kept"); c.Status != "fail" || !strings.Contains(c.Summary, bad) {
		t.Errorf("verify says %+v, want %s", c, bad)
	}
	// A change that would lose the line is refused.
	if r := nmgreOn(t, lab.Linux1, exitInvalid, "route", "add", "gre1", "10.80.0.0/16", "ssthresh", "9"); !strings.Contains(r.Stderr, bad) {
		t.Errorf("route add says %s", r.Stderr)
	}
	settled(t, lab.Linux1)
	// A file that others can write is ignored.
	for _, spoil := range [][]string{{"chmod", "0666"}, {"chown", "1000"}} {
		lab.Linux1.Run(t, spoil[0], spoil[1], strings.TrimPrefix(file, lab.Linux1.Root()))
		r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1", "--no-probe", "--json")
		if c := checkNamed(t, r.Stdout, "kept"); c.Status != "fail" || !strings.Contains(c.Evidence, "nmgre ignores it") {
			t.Errorf("after %v verify says %+v", spoil, c)
		}
		lab.Linux1.Run(t, "sh", "-c", "chmod 644 $0; chown root $0", strings.TrimPrefix(file, lab.Linux1.Root()))
	}
}

// A route that the kernel refuses in the middle of a list: nothing is changed, and the line is
// named.
func TestLabRefusedInTheMiddle(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe")...)
	// stands in the way
	lab.Linux1.Run(t, "ip", "route", "add", "10.0.30.0/24", "dev", "eth1", "proto", "99")
	before := snapshot(t, lab.Linux1)
	var list strings.Builder
	for n := range 600 {
		fmt.Fprintf(&list, "10.%d.%d.0/24\n", n/256, n%256)
	}
	r := lab.Linux1.TryInput("# routes\n\n"+list.String(), "nmgre", "route", "add", "gre1", "--routes-from", "-")
	if r.Code != exitFailed || !strings.Contains(r.Stderr, "line 33: 10.0.30.0/24") {
		t.Errorf("a refused route: exit %d\n%s", r.Code, r.Stderr)
	}
	mustEqual(t, "after a refused route", before, snapshot(t, lab.Linux1))
	// Each line that cannot be read is named, and neither NetworkManager nor the kernel is asked.
	r = lab.Linux1.TryInput("10.1.0.0/24\n10.2.0.0/33\n10.3.0.0/24 metrik 5\n", "nmgre", "route", "add", "gre1", "--routes-from", "-")
	if r.Code != exitInvalid || !strings.Contains(r.Stderr, "line 2") || !strings.Contains(r.Stderr, "line 3") {
		t.Errorf("wrong lines: exit %d\n%s", r.Code, r.Stderr)
	}
	mustEqual(t, "after wrong lines", before, snapshot(t, lab.Linux1))
}

// The disk is full when the kept file is written: nothing is changed.
func TestLabDiskFull(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	lab.Linux1.Run(t, "mkdir", "-p", "/etc/nmgre/tunnels")
	defer lab.Linux1.Run(t, "sh", "-c", "umount /etc/nmgre/tunnels; rm -rf /etc/nmgre")
	lab.Linux1.Run(t, "mount", "-t", "tmpfs", "-o", "size=16k,mode=755", "full", "/etc/nmgre/tunnels")
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--route", "10.77.0.0/16 ssthresh 7")...)
	before := snapshot(t, lab.Linux1)
	var list strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&list, "10.%d.%d.0/24 ssthresh 9\n", 80+n/256, n%256)
	}
	r := lab.Linux1.TryInput(list.String(), "nmgre", "route", "add", "gre1", "--routes-from", "-")
	if r.Code != exitFailed || !strings.Contains(r.Stderr, "no space left") {
		t.Errorf("with a full disk: exit %d\n%s", r.Code, r.Stderr)
	}
	mustEqual(t, "with a full disk", before, snapshot(t, lab.Linux1))
}

// nmcli deletes the profile, also while hooks run: nothing stays.
func TestLabDeletedByNmcli(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	lab.Linux1.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=0")
	before := snapshot(t, lab.Linux1)
	gone := func(when string) {
		t.Helper()
		eventually(t, when+": no routes, no files, no rules", func() bool {
			files, _ := filepath.Glob(filepath.Join(lab.Linux1.Root(), "etc/nmgre/tunnels/*"))
			return len(files) == 0 && ownRoutes(t, lab.Linux1) == "" && !strings.Contains(lab.Linux1.Run(t, "nft", "list", "tables"), "nmgre")
		})
		eventually(t, when+": the host is as it was", func() bool { return snapshot(t, lab.Linux1) == before })
	}
	// A blackhole with a metric that no profile holds, in a table of its own, belongs to no device,
	// so the kernel does not remove it with the device.
	create := left.create("--no-probe", "--forward", "--snat", "10.10.1.0/24=10.10.1.1", "--route", "10.77.0.0/16 ssthresh 7", "--route", "blackhole 10.78.0.0/16 hoplimit 9")
	nmgreOn(t, lab.Linux1, exitDone, create...)
	lab.Linux1.Run(t, "nmcli", "connection", "delete", "gre1")
	gone("deleted while it was up")
	nmgreOn(t, lab.Linux1, exitDone, create...)
	lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
	lab.Linux1.Run(t, "nmcli", "connection", "delete", "gre1")
	// NetworkManager calls no hook when a profile that is down is deleted
	nmgreOn(t, lab.Linux1, exitDone, "list")
	gone("deleted while it was down")
	rounds := ofSweep(3, 8)
	for i := range rounds {
		nmgreOn(t, lab.Linux1, exitDone, create...)
		hooks := []*lab.Process{
			lab.Linux1.Start(t, "/usr/local/bin/nmgre", "hook", "gre1", "up"),
			lab.Linux1.Start(t, "/usr/local/bin/nmgre", "hook", "gre1", "reapply"),
		}
		time.Sleep(time.Duration(i) * 140 * time.Millisecond / time.Duration(rounds-1))
		lab.Linux1.Run(t, "nmcli", "connection", "delete", "gre1")
		for _, hook := range hooks {
			hook.Wait(t)
		}
		gone(fmt.Sprintf("deleted while hooks ran, %d", i))
	}
}

// Two hooks at once, many times, with hostile arguments and environment: nothing changes.
func TestLabHooksAtOnce(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--snat", "10.10.1.0/24=10.10.1.1", "--route", "10.77.0.0/16 ssthresh 7")...)
	uuid := filepath.Base(keptFile(t, lab.Linux1))
	before := snapshot(t, lab.Linux1)
	script := "/etc/NetworkManager/dispatcher.d/50-nmgre"
	environments := [][]string{
		{"CONNECTION_UUID=" + uuid},
		{"CONNECTION_UUID=" + uuid, "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/tmp/evil", "PATH=/tmp/evil", "IFS=/", "ENV=/tmp/evil.sh", "HOME=/tmp/evil"},
		{"CONNECTION_UUID=../../" + uuid},
		{"CONNECTION_UUID=" + strings.Repeat("a", 100_000)},
		{"CONNECTION_UUID=$(touch /tmp/evil-ran)"},
		{},
	}
	for round := range ofSweep(2, 5) {
		var hooks []*lab.Process
		for _, environment := range environments {
			for _, args := range [][]string{{"gre1", "up"}, {"$(touch /tmp/evil-ran)", "up"}, {"--help", "down"}, {"", ""}, {"gre1\n", "reapply"}, {strings.Repeat("x", 10_000), "pre-up"}} {
				command := append([]string{"-i"}, environment...)
				hooks = append(hooks, lab.Linux1.Start(t, "env", append(append(command, script), args...)...))
			}
		}
		for _, hook := range hooks {
			// on a slow machine one of so many may run out of its patience, and says so
			if r := hook.Wait(t); r.Code != 0 && !strings.Contains(r.Stderr, "did not answer in the time allowed") {
				t.Errorf("a hook: %s", r)
			}
		}
		mustEqual(t, fmt.Sprintf("round %d", round), before, snapshot(t, lab.Linux1))
	}
	if lab.Linux1.Try("test", "-e", "/tmp/evil-ran").Code == 0 {
		t.Error("the hook ran a word that it was given")
	}
}

// A default route into the tunnel: the far end stays reachable, also when the gateway changes.
// Without a gateway the route is refused.
//
//lab:forky
func TestLabFarEndStaysReachable(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	before := withoutWAN(snapshot(t, lab.Linux1))
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--route", "default metric 50")
	if !strings.Contains(r.Stderr, "a host route keeps the far end reachable") || !strings.Contains(r.Stdout, "verdict: pass") {
		t.Errorf("create says\n%s%s", r.Stdout, r.Stderr)
	}
	pin := func(gateway string) func() bool {
		return func() bool {
			return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "proto", "213"), "100.0.2.100 via "+gateway+" dev eth0")
		}
	}
	if !pin("100.0.1.1")() {
		t.Errorf("there is no host route:\n%s", lab.Linux1.Run(t, "ip", "route"))
	}
	if got := lab.Linux1.Run(t, "ip", "route", "get", "198.51.100.1"); !strings.Contains(got, "dev gre1") {
		t.Errorf("the default route does not lead into the tunnel: %s", got)
	}
	mustPing(t, lab.Linux1, "172.16.0.2")
	lab.Router.Run(t, "ip", "address", "add", "100.0.1.2/24", "dev", "eth1")
	defer lab.Router.Run(t, "ip", "address", "del", "100.0.1.2/24", "dev", "eth1")
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "wan", "ipv4.gateway", "100.0.1.2")
	lab.Linux1.Run(t, "nmcli", "device", "reapply", "eth0")
	eventually(t, "the host route follows the gateway", pin("100.0.1.2"))
	mustPing(t, lab.Linux1, "172.16.0.2")
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "wan", "ipv4.gateway", "100.0.1.1")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "wan")
	eventually(t, "the host route follows the gateway back", pin("100.0.1.1"))
	nmgreOn(t, lab.Linux1, exitDone, "route", "delete", "gre1", "default")
	if routes := lab.Linux1.Run(t, "ip", "route", "show", "proto", "213"); routes != "" {
		t.Errorf("without the default route the host route stays: %s", routes)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustEqual(t, "after delete", before, withoutWAN(snapshot(t, lab.Linux1)))

	// The far end is on the link, and no gateway leads there: a route to it through the tunnel
	// would take a part of this host's own network, and has nothing to be pinned to.
	r = nmgreOn(t, lab.Linux1, exitInvalid, "create", "--peer", "100.0.1.1", "--address", "172.16.0.1/30", "--route", "100.0.1.1", "--no-probe")
	if !strings.Contains(r.Stderr, "100.0.1.1/32 is a part of this host's own network 100.0.1.0/24, on eth0") {
		t.Errorf("stderr: %s", r.Stderr)
	}
	mustEqual(t, "after it was refused", before, withoutWAN(snapshot(t, lab.Linux1)))
}

// withoutWAN leaves out the file of the profile wan, which nmcli and the lab write differently.
func withoutWAN(state string) string {
	lines := strings.Split(state, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, "/wan.nmconnection:") }), "\n")
}

// Routes change while the tunnel stays up, and routes that others have added to it stay.
//
//lab:every
func TestLabRouteCommands(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe")...)
	lab.Linux1.Run(t, "ip", "address", "add", "172.16.9.9/32", "dev", "gre1")
	lab.Linux1.Run(t, "ip", "route", "add", "10.66.0.0/16", "dev", "gre1")
	index := lab.Linux1.Run(t, "cat", "/sys/class/net/gre1/ifindex")
	route := func(code int, words ...string) lab.Result {
		t.Helper()
		return nmgreOn(t, lab.Linux1, code, append([]string{"route"}, words...)...)
	}
	route(exitDone, "add", "gre1", "10.50.0.0/16", "via", "172.16.0.2", "metric", "50")
	route(exitDone, "add", "gre1", "10.51.0.0/16", "ssthresh", "7")
	route(exitDone, "add", "gre1", "10.51.0.0/16", "ssthresh", "7") // again: nothing to do
	if r := route(exitInvalid, "add", "gre1", "10.51.0.0/16", "ssthresh", "8"); !strings.Contains(r.Stderr, "nmgre route replace") {
		t.Errorf("add in the place of another: %s", r.Stderr)
	}
	route(exitDone, "replace", "gre1", "10.51.0.0/16", "ssthresh", "8")
	// from the profile to the kernel
	route(exitDone, "replace", "gre1", "10.50.0.0/16", "metric", "50", "rtt", "100ms")
	var list []struct{ Route, Owner, Why, State string }
	if err := json.Unmarshal([]byte(route(exitDone, "list", "gre1", "--json").Stdout), &list); err != nil {
		t.Fatal(err)
	}
	owners := make(map[string]string)
	for _, r := range list {
		owners[r.Route] = r.Owner + " " + r.State
		if r.Why == "" {
			t.Errorf("%s: no reason is given", r.Route)
		}
	}
	for want, owner := range map[string]string{"10.10.2.0/24": "profile set", "10.51.0.0/16 ssthresh 8": "kernel set", "10.50.0.0/16 metric 50 rtt 100ms": "kernel set"} {
		if owners[want] != owner {
			t.Errorf("%s: %q, want %q of %v", want, owners[want], owner, owners)
		}
	}
	route(exitDone, "delete", "gre1", "10.51.0.0/16")
	route(exitInvalid, "delete", "gre1", "10.51.0.0/16")
	route(exitDone, "delete", "gre1", "10.50.0.0/16")
	if own := ownRoutes(t, lab.Linux1); own != "" {
		t.Errorf("routes that were deleted: %s", own)
	}
	if now := lab.Linux1.Run(t, "cat", "/sys/class/net/gre1/ifindex"); now != index {
		t.Errorf("the link was made anew: %s, before %s", now, index)
	}
	for _, want := range []string{"172.16.9.9/32", "10.66.0.0/16"} {
		if !strings.Contains(lab.Linux1.Run(t, "ip", "address", "show", "dev", "gre1")+lab.Linux1.Run(t, "ip", "route", "show", "dev", "gre1"), want) {
			t.Errorf("%s, which is not nmgre's, is gone", want)
		}
	}
}

// A multipath route over two tunnels is the kernel half's, and nobody is told to give it to the
// profiles: NetworkManager takes the other tunnel's route away, too, when one goes down.
//
//lab:every
func TestLabMultipathIsTheKernels(t *testing.T) {
	lab.Need(t)
	twoTunnels(t)
	r := nmgreOn(t, lab.Linux1, exitDone, "route", "add", "gre1", "10.50.0.0/16", "nexthop", "via", "172.16.0.2", "weight", "2", "nexthop", "via", "172.16.1.2", "dev", "gre2")
	if !strings.Contains(r.Stderr, "dev gre2: kernel (") || strings.Contains(r.Stderr, "NetworkManager could hold") {
		t.Errorf("it is offered to NetworkManager:\n%s", r.Stderr)
	}
	if routes := lab.Linux1.Run(t, "ip", "route", "show", "10.50.0.0/16"); strings.Count(routes, "nexthop via") != 2 || !strings.Contains(routes, "proto 213") {
		t.Errorf("ip says\n%s", routes)
	}
	for _, name := range []string{"gre1", "gre2"} {
		if held := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routes", "connection", "show", name); strings.Contains(held, "10.50.0.0") {
			t.Errorf("the profile of %s has it: %s", name, held)
		}
	}
}

// Forty thousand routes from a file, a hundred thousand in make test-all; one of the commands is
// interrupted.
func TestLabInBulk(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe")...)
	n := 40_000
	if isSweep() {
		n = 100_000
	}
	file := writeRoutes(t, n)
	before := snapshot(t, lab.Linux1)
	p := lab.Linux1.Start(t, "nmgre", "route", "add", "gre1", "--routes-from", file)
	// nmgre itself says so: the kernel would list its routes only after all of them are set.
	eventually(t, "some routes are set", func() bool { return strings.Contains(p.Stderr(), fmt.Sprintf(" of %d routes", n)) })
	if err := p.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := p.Wait(t); r.Code != exitFailed || !strings.Contains(r.Stderr, "interrupted") {
		t.Errorf("interrupted: %s", r)
	}
	mustEqual(t, "after Ctrl-C", before, snapshot(t, lab.Linux1))

	r := nmgreOn(t, lab.Linux1, exitDone, "route", "add", "gre1", "--routes-from", file)
	if !strings.Contains(r.Stderr, fmt.Sprintf("%d added", n)) {
		t.Errorf("the first time: %s", r.Stderr)
	}
	if got := countOwn(t); got != n {
		t.Errorf("the kernel has %d of %d routes", got, n)
	}
	again := nmgreOn(t, lab.Linux1, exitDone, "route", "add", "gre1", "--routes-from", file)
	if !strings.Contains(again.Stderr, fmt.Sprintf("%d unchanged", n)) {
		t.Errorf("the second time: %s", again.Stderr)
	}
	nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe")
	settled(t, lab.Linux1)
	lab.Linux1.Run(t, "ip", "route", "del", "20.0.7.0/24", "dev", "gre1")
	if c := checkNamed(t, nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1", "--no-probe", "--json").Stdout, "routes"); !strings.Contains(c.Summary, "lacks 1 of") {
		t.Errorf("verify says %+v", c)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	if got := countOwn(t); got != n {
		t.Errorf("after down and up the kernel has %d of %d routes", got, n)
	}
	r = nmgreOn(t, lab.Linux1, exitDone, "route", "delete", "gre1", "--routes-from", file)
	if !strings.Contains(r.Stderr, fmt.Sprintf("%d deleted", n)) || countOwn(t) != 0 {
		t.Errorf("deleted: %s\n%d are left", r.Stderr, countOwn(t))
	}
	mustEqual(t, "after they were deleted", withoutIndexes(before), withoutIndexes(snapshot(t, lab.Linux1)))
}

// withoutIndexes leaves out the links' indexes: a tunnel gets a new one each time it comes up.
func withoutIndexes(state string) string {
	return regexp.MustCompile(`(?m)^\d+: `).ReplaceAllString(state, "")
}

// writeRoutes writes n routes to a file on linux1.
func writeRoutes(t testing.TB, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d.%d.%d.0/24\n", 20+i>>16, i>>8&255, i&255)
	}
	const name = "/var/tmp/routes"
	if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), name), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// countOwn counts the routes of protocol 213 on linux1.
func countOwn(t *testing.T) int {
	t.Helper()
	return strings.Count(lab.Linux1.Run(t, "ip", "-4", "route", "show", "proto", "213"), "\n")
}

// The hook is installed and removed, and errors say that it is missing.
//
//lab:every
func TestLabInstallHook(t *testing.T) {
	lab.Need(t)
	before := snapshot(t, lab.Linux1)
	r := nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--route", "10.77.0.0/16 ssthresh 7")...)
	list := nmgreOn(t, lab.Linux1, exitDone, "list")
	for _, said := range []string{r.Stderr, list.Stderr, nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe").Stdout} {
		if !strings.Contains(said, "nmgre install-hook") {
			t.Errorf("that the hook is missing is not said:\n%s", said)
		}
	}
	// A program in a folder where others may write must not run as root.
	if r := nmgreOn(t, lab.Linux1, exitInvalid, "install-hook"); !strings.Contains(r.Stderr, "can be changed by others") {
		t.Errorf("install-hook of a program in /tmp: %s", r.Stderr)
	}
	installHook(t, lab.Linux1)
	installHook(t, lab.Linux1) // again
	if list := nmgreOn(t, lab.Linux1, exitDone, "list"); strings.Contains(list.Stderr, "install-hook") {
		t.Errorf("with the hook: %s", list.Stderr)
	}
	modes := lab.Linux1.Run(t, "stat", "-c", "%A %U:%G", "/etc/NetworkManager/dispatcher.d/50-nmgre")
	if modes != "-rwxr-xr-x root:root\n" {
		t.Errorf("the hook is %s", modes)
	}
	if link := lab.Linux1.Run(t, "readlink", "-f", "/etc/NetworkManager/dispatcher.d/pre-up.d/50-nmgre"); link != "/etc/NetworkManager/dispatcher.d/50-nmgre\n" {
		t.Errorf("pre-up.d leads to %s", link)
	}
	// Where systemd runs, it gets a unit. Here nobody answers for it, which is said.
	lab.Linux1.Run(t, "/usr/local/bin/nmgre", "remove-hook")
	lab.Linux1.Run(t, "mkdir", "-p", "/run/systemd/system")
	defer lab.Linux1.Run(t, "rm", "-rf", "/run/systemd/system")
	r = lab.Linux1.Try("/usr/local/bin/nmgre", "install-hook")
	unit := lab.Linux1.Run(t, "cat", "/etc/systemd/system/nftables.service.wants/nmgre-rules.service")
	if r.Code != exitDone || !strings.Contains(r.Stderr, "hint: type: sudo systemctl daemon-reload && sudo systemctl start nmgre-rules.service") || !strings.Contains(unit, "ExecReload=-\"/usr/local/bin/nmgre\" hook -- none firewall\n") {
		t.Errorf("install-hook with systemd: %s\n%s", r, unit)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	lab.Linux1.Run(t, "/usr/local/bin/nmgre", "remove-hook")
	if left := lab.Linux1.Try("ls", "/etc/systemd/system/nmgre-rules.service"); left.Code == 0 {
		t.Error("the unit is still there")
	}
	mustEqual(t, "after remove-hook", before, snapshot(t, lab.Linux1))
}
