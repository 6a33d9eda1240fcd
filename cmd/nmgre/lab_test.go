package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// end holds the settings of one gateway of the tunnel between the LANs.
type end struct {
	host             lab.Host
	peer, address    string
	farLAN, farInner string
}

var (
	left  = end{lab.Linux1, "100.0.2.100", "172.16.0.1/30", "10.10.2.0/24", "172.16.0.2"}
	right = end{lab.Linux2, "100.0.1.100", "172.16.0.2/30", "10.10.1.0/24", "172.16.0.1"}
)

// create returns the command line that makes the end, with more flags.
func (e end) create(more ...string) []string {
	return append([]string{"create", "--peer", e.peer, "--address", e.address, "--route", e.farLAN}, more...)
}

// nmgreOn runs nmgre on a host and checks its exit code.
func nmgreOn(t *testing.T, host lab.Host, code int, args ...string) lab.Result {
	t.Helper()
	r := host.Try("nmgre", args...)
	if r.Code != code {
		t.Fatalf("%s: nmgre %s: exit %d, want %d\n%s%s", host, strings.Join(args, " "), r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// verdict reads the verdict of verify --json.
func verdict(t *testing.T, host lab.Host, code int, name string) string {
	t.Helper()
	var report struct{ Verdict string }
	r := nmgreOn(t, host, code, "verify", name, "--json")
	if err := json.Unmarshal([]byte(r.Stdout), &report); err != nil {
		t.Fatalf("verify --json: %v\n%s", err, r.Stdout)
	}
	return report.Verdict
}

// mustEqual compares two snapshots line by line.
func mustEqual(t *testing.T, what, before, after string) {
	t.Helper()
	if before == after {
		return
	}
	t.Errorf("%s: the host is not as it was:\n%s", what, difference(before, after))
}

// mustPing is the witness that packets get through.
func mustPing(t *testing.T, from lab.Host, to string) {
	t.Helper()
	if !lab.Ping(t, from, to) {
		t.Errorf("%s does not reach %s", from, to)
	}
}

// difference shows the lines that only one of two texts has.
func difference(before, after string) string {
	count := make(map[string]int)
	for _, line := range strings.Split(before, "\n") {
		count[line]--
	}
	var b strings.Builder
	for _, line := range strings.Split(after, "\n") {
		if count[line]++; count[line] > 0 {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
	}
	for _, line := range strings.Split(before, "\n") {
		if count[line] < 0 {
			count[line]++
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	return b.String()
}

// nmgre alone joins the LANs, and the tunnel survives restarts and reboots.
//
//lab:every
func TestLabJoinsTheLANs(t *testing.T) {
	lab.Need(t)
	before1, before2 := lab.Linux1.Snapshot(t), lab.Linux2.Snapshot(t)

	first := nmgreOn(t, left.host, exitDone, left.create()...)
	if !strings.Contains(first.Stdout, "verdict: warn") {
		t.Errorf("the first end alone should be a warning:\n%s", first.Stdout)
	}
	if got := verdict(t, left.host, exitFault, "gre1"); got != "fail" {
		t.Errorf("verify of a tunnel without a far end: %s, want fail", got)
	}
	second := nmgreOn(t, right.host, exitDone, right.create("--json")...)
	var created struct {
		Tunnel struct{ Interface, State, Local string }
		Verify struct{ Verdict string }
	}
	if err := json.Unmarshal([]byte(second.Stdout), &created); err != nil {
		t.Fatalf("create --json: %v\n%s", err, second.Stdout)
	}
	if created.Tunnel.Interface != "gre1" || created.Tunnel.State != "active" || created.Tunnel.Local != "100.0.2.100" || created.Verify.Verdict != "pass" {
		t.Errorf("create --json says %+v", created)
	}
	joined := func(when string) {
		t.Helper()
		mustPing(t, lab.LAN1, lab.LAN2Addr)
		mustPing(t, lab.LAN2, lab.LAN1Addr)
		for _, e := range []end{left, right} {
			if got := verdict(t, e.host, exitDone, "gre1"); got != "pass" {
				t.Errorf("%s, %s: verify says %s", when, e.host, got)
			}
		}
	}
	joined("after create")

	profile := lab.Linux1.Run(t, "nmcli", "-t", "-f", "connection.type,ip-tunnel.mode,ip-tunnel.remote,ipv4.addresses", "connection", "show", "gre1")
	for _, want := range []string{"ip-tunnel", "100.0.2.100", "172.16.0.1/30"} {
		if !strings.Contains(profile, want) {
			t.Errorf("nmcli does not show %s:\n%s", want, profile)
		}
	}
	for _, e := range []end{left, right} {
		e.host.Run(t, "nmcli", "connection", "down", "gre1")
		e.host.Run(t, "nmcli", "connection", "up", "gre1")
	}
	joined("after down and up by nmcli")
	for _, e := range []end{left, right} {
		e.host.RestartNM(t)
	}
	joined("after a restart of NetworkManager")
	for _, e := range []end{left, right} {
		e.host.Reboot(t)
		waitActive(t, e.host, "gre1")
	}
	joined("after a reboot")

	for _, e := range []end{left, right} {
		nmgreOn(t, e.host, exitDone, "delete", "gre1")
	}
	mustEqual(t, "after delete, linux1", before1, lab.Linux1.Snapshot(t))
	mustEqual(t, "after delete, linux2", before2, lab.Linux2.Snapshot(t))
}

// waitActive waits until NetworkManager has brought a tunnel up by itself.
func waitActive(t *testing.T, host lab.Host, name string) {
	t.Helper()
	for range 100 {
		if strings.Contains(host.Try("nmcli", "-t", "-f", "NAME,STATE", "connection", "show", "--active").Stdout, name+":activated") {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("%s: %s did not come up by itself", host, name)
}

// Every refused request leaves the host byte for byte as it was.
func TestLabRefusesWithoutATrace(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--no-probe", "--key", "7")...)
	lab.Linux1.Run(t, "nmcli", "connection", "add", "type", "dummy", "con-name", "taken", "ifname", "dummy7", "autoconnect", "no",
		"ipv4.method", "disabled", "ipv6.method", "disabled")
	before := lab.Linux1.Snapshot(t)
	base := func(more ...string) []string {
		return append([]string{"create", "--peer", "100.0.2.100", "--address", "172.16.9.1/30"}, more...)
	}
	for _, c := range []struct {
		name string
		args []string
		want string // in the error
	}{
		{"a word as key", base("--key", "desistdaydream"), "a GRE key is a number of 32 bits, equal at both ends"},
		{"no peer", []string{"create", "--address", "172.16.9.1/30"}, "peer: the far end's outer address is missing"},
		{"no address", []string{"create", "--peer", "100.0.2.100"}, "address: the inner address is missing"},
		{"name taken by a tunnel", base("--name", "gre1", "--key", "8"), "name: the profile gre1"},
		{"name taken by another profile", base("--name", "taken"), "name: the profile taken"},
		{"interface taken by another profile", base("--name", "dummy7"), "name: the profile taken"},
		{"name taken by a link", base("--name", "eth0"), "name: "},
		{"name too long", base("--name", "a234567890123456"), "16 bytes long"},
		{"fallback device", base("--name", "gre0"), "gre0 is a fallback device"},
		{"duplicate", base("--key", "7"), "same input key"},
		{"local not here", base("--local", "100.0.1.99"), "local: 100.0.1.99 is not an address of this host"},
		{"equal ends", base("--local", "100.0.2.100"), "peer: the far end and this end have the same outer address 100.0.2.100"},
		{"far end here", []string{"create", "--peer", "10.10.1.1", "--address", "172.16.9.1/30"}, "peer: 10.10.1.1 is this host's own address"},
		{"inner overlaps outer", []string{"create", "--peer", "100.0.2.100", "--address", "100.0.2.1/24"}, "contains the far end's outer address"},
		{"inner overlaps a LAN", []string{"create", "--peer", "100.0.2.100", "--address", "10.10.1.5/30"}, "overlaps 10.10.1.0/24"},
		{"family", base("--mode", "ip6gre"), "peer: 100.0.2.100 is an IPv4 address"},
		{"ttl without path MTU discovery", base("--no-pmtud"), "ttl: a fixed TTL (64)"},
		{"a route into itself", base("--route", "100.0.2.100"), "covers the far end's outer address"},
		{"a bad route", base("--route", "10.10.2.0/24 via nowhere"), `"nowhere" after via`},
		{"own network", base("--route", "10.10.1.0/24"), "is this host's own network"},
		{"no such flag", base("--pear", "1.2.3.4"), "unknown flag"},
	} {
		r := lab.Linux1.Try("nmgre", c.args...)
		if r.Code != exitInvalid || !strings.Contains(r.Stderr, c.want) || !strings.Contains(r.Stderr, "hint: ") || r.Stdout != "" {
			t.Errorf("%s: exit %d, want 2 with %q and a hint\n%s%s", c.name, r.Code, c.want, r.Stdout, r.Stderr)
		}
	}
	mustEqual(t, "after refused requests", before, lab.Linux1.Snapshot(t))
}

func TestLabNoRouteToTheFarEnd(t *testing.T) {
	lab.Need(t)
	lab.Linux1.Run(t, "ip", "route", "add", "unreachable", "192.0.2.0/24")
	defer lab.Linux1.Run(t, "ip", "route", "del", "unreachable", "192.0.2.0/24")
	before := lab.Linux1.Snapshot(t)
	r := nmgreOn(t, lab.Linux1, exitInvalid, "create", "--peer", "192.0.2.9", "--address", "172.16.9.1/30")
	if !strings.Contains(r.Stderr, "peer: this host has no route to the far end 192.0.2.9") {
		t.Errorf("stderr: %s", r.Stderr)
	}
	mustEqual(t, "no route", before, lab.Linux1.Snapshot(t))
}

// A dry run says everything and does nothing.
//
//lab:forky
func TestLabDryRun(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	r := nmgreOn(t, lab.Linux1, exitDone, left.create("--dry-run")...)
	for _, want := range []string{
		"nmcli connection add type ip-tunnel con-name gre1 ifname gre1 mode gre remote 100.0.2.100 local 100.0.1.100",
		"ip link add name gre1 type gre remote 100.0.2.100 local 100.0.1.100 ttl 64", "mtu 1476", "ping -c 3 -I gre1 172.16.0.2",
	} {
		if !strings.Contains(r.Stdout, want) {
			t.Errorf("the plan lacks %q:\n%s", want, r.Stdout)
		}
	}
	mustEqual(t, "after a dry run", before, lab.Linux1.Snapshot(t))
}

// The plan's nmcli commands are right: typed by hand, they make a tunnel whose own end verify
// passes.
func TestLabPlanCanBeTyped(t *testing.T) {
	lab.Need(t)
	r := nmgreOn(t, lab.Linux1, exitDone, left.create("--dry-run", "--json", "--key", "42", "--route", "10.99.0.0/16 via 172.16.0.2 metric 50 table 100 mtu lock 1400")...)
	var out struct {
		Plan struct{ Steps []struct{ Commands []string } }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil {
		t.Fatal(err)
	}
	for _, step := range out.Plan.Steps[:2] {
		for _, command := range step.Commands {
			lab.Linux1.Run(t, "sh", "-c", command)
		}
	}
	nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}

// A process that is killed at any moment leaves the whole tunnel or none of it, at the latest after
// the next nmgre command.
//
//lab:forky
func TestLabKilledAtAnyMoment(t *testing.T) {
	lab.Need(t)
	whole, nothing := 0, 0
	before := lab.Linux1.Snapshot(t)
	took := lab.Linux1.Try("nmgre", left.create("--no-probe")...).Took
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	steps := ofSweep(6, 10)
	most := 3 * steps // later and later, until some come too late
	for i := 0; i < most && whole < 2; i++ {
		p := lab.Linux1.Start(t, "nmgre", left.create("--no-probe")...)
		time.Sleep(took * time.Duration(i) / time.Duration(steps))
		p.Kill()
		list := nmgreOn(t, lab.Linux1, exitDone, "list").Stdout
		if !strings.Contains(list, "gre1") {
			nothing++
			mustEqual(t, fmt.Sprintf("killed at moment %d", i), before, lab.Linux1.Snapshot(t))
			continue
		}
		whole++
		nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe")
		if saved := lab.Linux1.Try("test", "-s", "/etc/NetworkManager/system-connections/gre1.nmconnection"); saved.Code != 0 {
			t.Errorf("killed at moment %d: the tunnel is there, but not on disk", i)
		}
		nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	}
	t.Logf("%d times the whole tunnel, %d times none of it", whole, nothing)
	if whole == 0 || nothing == 0 {
		t.Errorf("the moments did not cover both sides: %d whole, %d nothing", whole, nothing)
	}
}

// Ctrl-C undoes the change within the process itself.
func TestLabInterrupted(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	// with the probe of a silent far end: a second to hit
	took := lab.Linux1.Try("nmgre", left.create()...).Took
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	moments, interrupted := ofSweep(5, 10), 0
	for i := range moments {
		p := lab.Linux1.Start(t, "nmgre", left.create()...)
		time.Sleep(took * time.Duration(i+1) / time.Duration(moments+1))
		_ = p.Signal(syscall.SIGINT) // it may have ended already
		if p.Wait(t).Code == exitDone {
			nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
			continue
		}
		interrupted++
		mustEqual(t, fmt.Sprintf("interrupted at moment %d", i), before, lab.Linux1.Snapshot(t))
	}
	if interrupted < moments/3 { // a busy machine is late with the signal
		t.Errorf("only %d of %d were interrupted", interrupted, moments)
	}
}

func TestLabTooLittleTime(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	for _, wait := range []string{"1ms", "100ms", "300ms"} {
		r := lab.Linux1.Try("nmgre", left.create("--wait", wait)...)
		if r.Code == exitDone {
			continue // a fast machine
		}
		if r.Code != exitFailed || !strings.Contains(r.Stderr, "time allowed") && !strings.Contains(r.Stderr, "too long") {
			t.Errorf("--wait %s: exit %d\n%s", wait, r.Code, r.Stderr)
		}
		mustEqual(t, "after --wait "+wait, before, lab.Linux1.Snapshot(t))
	}
}

// NetworkManager is restarted while a tunnel is being made.
func TestLabNetworkManagerRestartedInTheMiddle(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	for i, delay := range []int{100, 600, 300, 1000}[:ofSweep(2, 4)] {
		p := lab.Linux1.Start(t, "nmgre", left.create()...)
		time.Sleep(time.Duration(delay) * time.Millisecond)
		lab.Linux1.RestartNM(t)
		if p.Wait(t).Code == exitDone {
			nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe")
			nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
			continue
		}
		mustEqual(t, fmt.Sprintf("restart %d", i), before, lab.Linux1.Snapshot(t))
	}
}

func TestLabNetworkManagerAbsent(t *testing.T) {
	lab.Need(t)
	lab.Linux1.StopNM(t)
	defer lab.Linux1.StartNM(t)
	for _, args := range [][]string{left.create(), {"list"}, {"verify", "gre1"}} {
		r := nmgreOn(t, lab.Linux1, exitNoNetworkManager, args...)
		if !strings.Contains(r.Stderr, "NetworkManager") || !strings.Contains(r.Stderr, "hint: ") {
			t.Errorf("nmgre %v: %s", args, r.Stderr)
		}
	}
}

// One that is stopped by a signal answers nothing, and the bus keeps all questions for it. No
// command waits for it for long.
func TestLabNetworkManagerHangs(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	pid := lab.Linux1.NMPid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	goOn := sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	defer goOn()
	for _, args := range [][]string{{"list"}, {"verify", "gre1"}, {"__complete", "show", ""}} {
		begin := time.Now()
		r := lab.Linux1.Try("nmgre", args...)
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("nmgre %v took %s", args, took)
		}
		if args[0] != "__complete" && (r.Code != exitNoNetworkManager || !strings.Contains(r.Stderr, "NetworkManager does not answer")) {
			t.Errorf("nmgre %v: %s", args, r)
		}
	}
	goOn()
	nmgreOn(t, lab.Linux1, exitDone, "show", "gre1")
}

// Two creates of the same name at the same moment: one wins, the other says so, and no half profile
// stays.
func TestLabTwoAtOnce(t *testing.T) {
	lab.Need(t)
	for i := range ofSweep(2, 5) {
		a := lab.Linux1.Start(t, "nmgre", left.create("--no-probe", "--name", "gre5", "--key", "1")...)
		b := lab.Linux1.Start(t, "nmgre", left.create("--no-probe", "--name", "gre5", "--key", "2", "--address", "172.16.5.1/30")...)
		codeA, codeB := a.Wait(t).Code, b.Wait(t).Code
		if (codeA == exitDone) == (codeB == exitDone) {
			t.Fatalf("round %d: exit codes %d and %d, want one winner\n%s\n%s", i, codeA, codeB, a.Stderr(), b.Stderr())
		}
		if profiles := lab.Linux1.Run(t, "nmcli", "-t", "-f", "NAME", "connection", "show"); strings.Count(profiles, "gre5") != 1 {
			t.Errorf("round %d: profiles:\n%s", i, profiles)
		}
		nmgreOn(t, lab.Linux1, exitDone, "verify", "gre5", "--no-probe")
		nmgreOn(t, lab.Linux1, exitDone, "delete", "gre5")
	}
	// Without a name, each gets one of its own.
	a := lab.Linux1.Start(t, "nmgre", left.create("--no-probe", "--key", "1")...)
	b := lab.Linux1.Start(t, "nmgre", "create", "--peer", "100.0.2.100", "--address", "172.16.5.1/30", "--no-probe", "--key", "2")
	if codeA, codeB := a.Wait(t).Code, b.Wait(t).Code; codeA != exitDone || codeB != exitDone {
		t.Errorf("two creates without names: exit %d and %d\n%s\n%s", codeA, codeB, a.Stderr(), b.Stderr())
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre2")
}

//lab:trixie
func TestLabNotPermitted(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	r := lab.Linux1.TryAs(1000, "nmgre", left.create()...)
	if r.Code != exitNotPermitted || !strings.Contains(r.Stderr, "sudo") {
		t.Errorf("as a user: exit %d\n%s", r.Code, r.Stderr)
	}
	if r := lab.Linux1.TryAs(1000, "nmgre", "list"); r.Code != exitDone {
		t.Errorf("list as a user: exit %d\n%s", r.Code, r.Stderr)
	}
	mustEqual(t, "not permitted", before, lab.Linux1.Snapshot(t))
}

// Every mode comes up with all its settings as the profile says, and carries traffic.
func TestLabModes(t *testing.T) {
	lab.Need(t)
	for _, c := range []struct {
		mode  string
		v6    bool
		flags []string // of the left end
		back  []string // of the right end, where it differs
		sweep bool     // differs from another one by a number only, or a test of nm/dbus has it
	}{
		{"gre", false, []string{"--key", "0"}, nil, true},
		{"gre", false, []string{"--input-key", "1", "--output-key", "0x2"}, []string{"--input-key", "0.0.0.2", "--output-key", "01"}, false},
		{"gre", false, []string{"--ttl", "inherit", "--no-pmtud", "--tos", "inherit"}, nil, false},
		{"gre", false, []string{"--ttl", "255", "--tos", "0x10", "--mtu", "1400"}, nil, true},
		{"gre", false, []string{"--local", "any", "--parent", "eth0"}, nil, false},
		{"gretap", false, []string{"--key", "4294967295"}, nil, false},
		{"ip6gre", true, []string{"--key", "42"}, nil, true},
		{"ip6gre", true, []string{"--flow-label", "74565", "--tos", "32"}, nil, false},
		{"ip6gre", true, []string{"--encap-limit", "7"}, nil, true},
		{"ip6gretap", true, nil, nil, false},
	} {
		if c.sweep && !isSweep() {
			continue
		}
		t.Run(c.mode+" "+strings.Join(c.flags, " "), func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() { // its rest must not disturb the next one
					lab.Linux1.Reset(t)
					lab.Linux2.Reset(t)
				}
			})
			l, r := left, right
			if c.v6 {
				l.peer, r.peer = "2001:db8:2::100", "2001:db8:1::100"
			}
			back := c.back
			if back == nil {
				back = c.flags
			}
			nmgreOn(t, l.host, exitDone, l.create(append([]string{"--mode", c.mode}, c.flags...)...)...)
			out := nmgreOn(t, r.host, exitDone, r.create(append([]string{"--mode", c.mode}, back...)...)...)
			warnings := strings.Count(out.Stdout, "\nwarn ")
			if slices.Contains(c.flags, "inherit") { // an inherited TTL is worth a warning
				warnings -= strings.Count(out.Stdout, "\nwarn  ttl ")
			}
			if warnings != 0 || strings.Contains(out.Stdout, "\nfail ") {
				t.Errorf("the second end:\n%s", out.Stdout)
			}
			mustPing(t, lab.LAN1, lab.LAN2Addr)
			for _, command := range []string{"verify", "delete"} {
				for _, e := range []end{l, r} {
					nmgreOn(t, e.host, exitDone, command, "gre1")
				}
			}
		})
	}
}

// verify names each change that somebody makes behind NetworkManager's back.
//
//lab:every
func TestLabVerifyFindsFaults(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, left.host, exitDone, left.create("--key", "42")...)
	nmgreOn(t, right.host, exitDone, right.create("--key", "42")...)
	run := func(args ...string) func() { return func() { lab.Linux1.Run(t, args[0], args[1:]...) } }
	anew := func() { // as the hint says: a second activation would keep the link
		nmgreOn(t, lab.Linux1, exitDone, "down", "gre1")
		nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
	}
	for _, c := range []struct {
		name      string
		do, undo  func()
		id, words string
	}{
		{"key", run("ip", "link", "set", "dev", "gre1", "type", "gre", "ikey", "43", "okey", "42", "ttl", "64", "local", "100.0.1.100", "remote", "100.0.2.100"),
			anew, "link", "input key: profile 42, kernel 43"},
		{"mtu", run("ip", "link", "set", "dev", "gre1", "mtu", "1400"), run("ip", "link", "set", "dev", "gre1", "mtu", "1472"), "link", "mtu: profile 1472, kernel 1400"},
		{"address", run("ip", "address", "del", "172.16.0.1/30", "dev", "gre1"), run("nmcli", "connection", "up", "gre1"), "addresses", "the device does not have 172.16.0.1/30"},
		{"route", run("ip", "route", "del", "10.10.2.0/24", "dev", "gre1"), run("nmcli", "connection", "up", "gre1"), "route 10.10.2.0/24", "do not go into the tunnel"},
		{"shadowed route", run("ip", "route", "add", "10.10.2.0/24", "via", "100.0.1.1", "metric", "1"), run("ip", "route", "del", "10.10.2.0/24", "metric", "1"),
			"route 10.10.2.0/24", "do not go into the tunnel"},
		{"recursion", run("ip", "route", "add", "100.0.2.100", "dev", "gre1"), run("ip", "route", "del", "100.0.2.100"), "underlay", "back into the tunnel"},
		{"local moved", run("ip", "address", "del", "100.0.1.100/24", "dev", "eth0"), run("nmcli", "connection", "up", "wan"), "underlay", "is not on this host"},
		{"down", run("nmcli", "connection", "down", "gre1"), run("nmcli", "connection", "up", "gre1"), "device", "not up"},
		{"far end gone", func() { lab.Linux2.Run(t, "nmcli", "connection", "down", "gre1") }, func() { lab.Linux2.Run(t, "nmcli", "connection", "up", "gre1") }, "probe", "has no tunnel for these packets"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.do()
			r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre1", "--json")
			found := checkNamed(t, r.Stdout, c.id)
			if found.Status != "fail" || !strings.Contains(found.Summary+found.Evidence, c.words) {
				t.Errorf("check %s says %+v, want fail with %q\n%s", c.id, found, c.words, r.Stdout)
			}
			c.undo()
			// nmcli does not always wait until NetworkManager has set the addresses
			eventually(t, "verify passes after it was mended", func() bool { return lab.Linux1.Try("nmgre", "verify", "gre1").Code == exitDone })
			if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" {
				t.Errorf("after it was mended: %s", got)
			}
		})
	}
}

type checkJSON struct{ ID, Status, Summary, Evidence, Hint string }

func checkNamed(t *testing.T, report, id string) checkJSON {
	t.Helper()
	var r struct{ Checks []checkJSON }
	if err := json.Unmarshal([]byte(report), &r); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("there is no check %q in\n%s", id, report)
	return checkJSON{}
}

// NetworkManager cannot hold a route over several nexthops, so nmgre sets it in the kernel.
//
//lab:every
func TestLabMultipath(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--key", "1", "--no-probe")
	before := lab.Linux1.Snapshot(t)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.1.1/30", "--key", "2", "--no-probe",
		"--route", "10.10.2.0/24 nexthop dev gre1 weight 1 nexthop dev gre2 weight 3", "--route", "10.77.0.0/16 via 172.16.1.2 metric 50 mtu 1300")
	routes := lab.Linux1.Run(t, "ip", "-d", "route", "show", "10.10.2.0/24")
	for _, want := range []string{"proto 213", "dev gre1 weight 1", "dev gre2 weight 3"} {
		if !strings.Contains(routes, want) {
			t.Errorf("ip route lacks %q: %s", want, routes)
		}
	}
	list := nmgreOn(t, lab.Linux1, exitDone, "show", "gre2").Stdout
	for _, want := range []string{"(kernel: ", "(profile: "} {
		if !strings.Contains(list, want) {
			t.Errorf("show lacks %q:\n%s", want, list)
		}
	}
	nmgreOn(t, lab.Linux1, exitDone, "verify", "gre2", "--no-probe")
	// A nexthop by a device that does not exist is refused.
	saved := lab.Linux1.Snapshot(t)
	r := nmgreOn(t, lab.Linux1, exitInvalid, "create", "--peer", "100.0.2.100", "--address", "172.16.2.1/30", "--key", "3",
		"--route", "10.88.0.0/16 nexthop dev nosuch nexthop via 172.16.2.2")
	if !strings.Contains(r.Stderr, "nosuch") {
		t.Errorf("stderr: %s", r.Stderr)
	}
	mustEqual(t, "after a refused route", saved, lab.Linux1.Snapshot(t))
	// A route that the kernel refuses undoes the whole tunnel.
	r = nmgreOn(t, lab.Linux1, exitFailed, "create", "--peer", "100.0.2.100", "--address", "172.16.2.1/30", "--key", "3", "--route", "10.88.0.0/16 nhid 4711")
	if !strings.Contains(r.Stderr, "10.88.0.0/16 nhid 4711") {
		t.Errorf("stderr: %s", r.Stderr)
	}
	mustEqual(t, "after a route that the kernel refused", saved, lab.Linux1.Snapshot(t))
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre2")
	mustEqual(t, "after delete", before, lab.Linux1.Snapshot(t))
}

// A tunnel made by hand is shown as external, and left alone.
func TestLabExternal(t *testing.T) {
	lab.Need(t)
	lab.Linux1.Run(t, "ip", "link", "add", "name", "byhand", "type", "gre", "remote", "100.0.2.100", "local", "100.0.1.100", "ttl", "64")
	defer lab.Linux1.Run(t, "ip", "link", "delete", "dev", "byhand")
	lab.Linux1.Run(t, "ip", "address", "add", "172.16.7.1/30", "dev", "byhand")
	lab.Linux1.Run(t, "ip", "link", "set", "dev", "byhand", "up")
	var list string
	for range 50 { // NetworkManager takes a moment to see it
		if list = nmgreOn(t, lab.Linux1, exitDone, "list").Stdout; strings.Contains(list, "external") {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !strings.Contains(list, "external") {
		t.Fatalf("list does not show it:\n%s", list)
	}
	r := nmgreOn(t, lab.Linux1, exitInvalid, "delete", "byhand")
	if !strings.Contains(r.Stderr, "made by hand") {
		t.Errorf("stderr: %s", r.Stderr)
	}
}

// The three shells complete the names of tunnels, and of a profile with spaces and a colon where
// the word begins as it does.
func TestLabCompletion(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, left.host, exitDone, left.create("--no-probe", "--name", "gre77")...)
	mustComplete(t, "gr", "gre77")
	left.host.Run(t, "nmcli", "connection", "modify", "gre77", "connection.id", "My tunnel: A")
	mustComplete(t, `My\ tunnel:`, "My tunnel: A")
}

// mustComplete has each shell complete the last word of nmgre verify.
func mustComplete(t *testing.T, word, want string) {
	t.Helper()
	for shell, script := range map[string]string{
		"bash": `. /usr/share/bash-completion/bash_completion; . <(nmgre completion bash)
			COMP_WORDBREAKS=${COMP_WORDBREAKS//:}; COMP_LINE='nmgre verify ` + word + `'; COMP_WORDS=(nmgre verify '` + word + `'); COMP_CWORD=2; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9
			__start_nmgre; printf '%s\n' "${COMPREPLY[@]}"`,
		"fish": `nmgre completion fish | source; complete -C 'nmgre verify ` + word + `'`,
		"zsh": `autoload -Uz compinit; compinit -u -d /tmp/zcompdump; eval "$(nmgre completion zsh)"
			compadd() { print -l -- "$@" }; _describe() { print -l -- ${(P)${@[$#]}} }
			words=(nmgre verify '` + word + `'); CURRENT=3; _nmgre`,
	} {
		r := left.host.Try(shell, "-c", script)
		// bash types backslashes, and zsh's list has one before a colon
		if !strings.Contains(strings.ReplaceAll(r.Stdout, `\`, ""), want) {
			t.Errorf("%s offers %q for %s\n%s", shell, r.Stdout, word, r.Stderr)
		}
	}
}
