package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// Edits of existing tunnels, with ip, nmcli and ping as the witnesses.

// joinEnds makes both ends of the tunnel between the LANs.
func joinEnds(t *testing.T) {
	t.Helper()
	for _, e := range []end{left, right} {
		nmgreOn(t, e.host, exitDone, e.create()...)
	}
	mustPing(t, lab.LAN1, lab.LAN2Addr)
}

// index returns the index of a device. A new link gets a new one.
func index(t *testing.T, host lab.Host, dev string) string {
	t.Helper()
	number, _, _ := strings.Cut(host.Run(t, "ip", "-o", "link", "show", "dev", dev), ":")
	return number
}

var (
	linkNumber = regexp.MustCompile(`(?m)^\d+: `)
	lastUp     = regexp.MustCompile(`timestamp=\d+`)
)

// withoutNumbers leaves out the devices' indexes and the times of their last activation: a new link
// differs in both.
func withoutNumbers(state string) string {
	return lastUp.ReplaceAllString(linkNumber.ReplaceAllString(state, "N: "), "timestamp")
}

// Addresses, routes and the MTU change while the tunnel is up and carries packets. Addresses and
// routes that others have added to it stay.
//
//lab:every
func TestLabEditStaysUp(t *testing.T) {
	lab.Need(t)
	joinEnds(t)
	for _, line := range []string{"addr add 172.31.0.1/24 dev gre1", "route add 10.200.0.0/16 dev gre1 proto 77"} {
		lab.Linux1.Run(t, "ip", strings.Fields(line)...)
	}
	number := index(t, lab.Linux1, "gre1")
	ping := lab.LAN1.Start(t, "ping", "-i", "0.2", "-w", "600", "-c", "600", lab.LAN2Addr)
	for _, args := range [][]string{
		{"--mtu", "1400"},
		{"--address", "172.16.0.1/30", "--address", "172.17.0.1/24"},
		{"--route", "10.10.2.0/24", "--route", "10.60.0.0/16 via 172.17.0.2 metric 9"},
		{"--autoconnect=false"},
		{"--mtu", "1300", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24", "--autoconnect"},
	} {
		r := nmgreOn(t, lab.Linux1, exitDone, append([]string{"edit", "gre1"}, args...)...)
		if !strings.Contains(r.Stderr, "it stays up") || !strings.Contains(r.Stdout, "verdict: pass") && !strings.Contains(r.Stdout, "verdict: warn") {
			t.Errorf("%v:\n%s%s", args, r.Stdout, r.Stderr)
		}
		if now := index(t, lab.Linux1, "gre1"); now != number {
			t.Errorf("%v: the link was made anew: %s, then %s", args, number, now)
		}
		if !lab.Ping(t, lab.LAN1, lab.LAN2Addr) {
			t.Errorf("%v: nothing gets through", args)
		}
		addresses, routes := lab.Linux1.Run(t, "ip", "addr", "show", "dev", "gre1"), lab.Linux1.Run(t, "ip", "route", "show", "dev", "gre1")
		if !strings.Contains(addresses, "172.31.0.1/24") || !strings.Contains(routes, "10.200.0.0/16") {
			t.Errorf("%v: an address or route of others is gone:\n%s%s", args, addresses, routes)
		}
		if has := strings.Contains(addresses, "172.17.0.1/24"); has != (strings.Contains(strings.Join(args, " "), "172.17.0.1/24") || args[0] == "--route" || args[0] == "--autoconnect=false") {
			t.Errorf("%v: the addresses are\n%s", args, addresses)
		}
	}
	if err := ping.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if said := ping.Wait(t).Stdout; !strings.Contains(said, " 0% packet loss") {
		t.Errorf("packets were lost: %s", said[max(0, len(said)-300):])
	}
	saved := lab.Linux1.Run(t, "cat", "/etc/NetworkManager/system-connections/gre1.nmconnection")
	if link := lab.Linux1.Run(t, "ip", "link", "show", "dev", "gre1"); !strings.Contains(saved, "mtu=1300") || !strings.Contains(link, "mtu 1300") {
		t.Errorf("ip says\n%sthe file\n%s", link, saved)
	}
	if left := lab.Linux1.Run(t, "ls", "/run/NetworkManager/system-connections"); strings.Contains(left, "gre1") {
		t.Errorf("in memory there is still %s", left)
	}
	if got := verdict(t, lab.Linux1, exitDone, "gre1"); got == "fail" {
		t.Errorf("verify says %s", got)
	}
}

// IPv6 addresses and routes of the tunnel's own survive too.
//
//lab:every
func TestLabEditIPv6StaysUp(t *testing.T) {
	lab.Need(t)
	for _, e := range []end{left, right} {
		nmgreOn(t, e.host, exitDone, e.create("--address", map[lab.Host]string{lab.Linux1: "fd16::1/126", lab.Linux2: "fd16::2/126"}[e.host])...)
	}
	number := index(t, lab.Linux1, "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400", "--route", "10.10.2.0/24", "--route", "fd20::/64 via fd16::2")
	if now := index(t, lab.Linux1, "gre1"); now != number {
		t.Errorf("the link was made anew")
	}
	mustPing(t, lab.Linux1, "fd16::2")
	if routes := lab.Linux1.Run(t, "ip", "-6", "route", "show", "dev", "gre1"); !strings.Contains(routes, "fd20::/64 via fd16::2") {
		t.Errorf("ip says\n%s", routes)
	}
}

// Properties of the link itself need a new link; a new interface name renames the profile too.
//
//lab:forky
func TestLabEditFlaps(t *testing.T) {
	lab.Need(t)
	joinEnds(t)
	number := index(t, lab.Linux1, "gre1")
	for _, args := range [][]string{
		{"--input-key", "7", "--output-key", "9"}, {"--key", "none", "--tos", "inherit"}, {"--key", "42"}, {"--ttl", "77", "--key", "none"},
	}[:ofSweep(2, 4)] {
		for _, e := range []end{left, right} {
			mirrored := args
			if e == right && args[0] == "--input-key" {
				mirrored = []string{"--input-key", "9", "--output-key", "7"}
			}
			r := nmgreOn(t, e.host, exitDone, append([]string{"edit", "gre1"}, mirrored...)...)
			if !strings.Contains(r.Stderr, "it goes down and up") {
				t.Errorf("%v: %s", mirrored, r.Stderr)
			}
		}
		if now := index(t, lab.Linux1, "gre1"); now == number {
			t.Errorf("%v: the link is the same", args)
		}
		mustPing(t, lab.LAN1, lab.LAN2Addr)
		if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" {
			t.Errorf("%v: verify says %s", args, got)
		}
	}
	if link := lab.Linux1.Run(t, "ip", "-d", "link", "show", "dev", "gre1"); !strings.Contains(link, "tos inherit") || strings.Contains(link, "key") || !strings.Contains(link, "mtu 1476") {
		t.Errorf("ip says\n%s", link)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--name", "office")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if r := lab.Linux1.Try("ip", "link", "show", "dev", "gre1"); r.Code == 0 {
		t.Errorf("the old link is there:\n%s", r.Stdout)
	}
	if names := lab.Linux1.Run(t, "nmcli", "-t", "-f", "NAME,DEVICE", "connection", "show"); !strings.Contains(names, "office:office") || strings.Contains(names, "gre1") {
		t.Errorf("nmcli says\n%s", names)
	}
	lab.Linux1.RestartNM(t)
	waitActive(t, lab.Linux1, "office")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "office")
}

// A profile made by hand keeps the settings that nmgre does not know.
//
//lab:trixie
func TestLabEditByHand(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux2, exitDone, right.create()...)
	lab.Linux1.Run(t, "nmcli", "connection", "add", "type", "ip-tunnel", "con-name", "to Berlin", "ifname", "tun7", "mode", "gre", "remote", "100.0.2.100",
		"local", "100.0.1.100", "ip-tunnel.ttl", "64", "ipv4.method", "manual", "ipv4.addresses", "172.16.0.1/30", "ipv4.routes", "10.10.2.0/24 5, 10.9.0.0/16 type=blackhole",
		"ipv4.dns-search", "example.org", "ipv4.route-metric", "77", "connection.zone", "work", "ipv6.method", "disabled")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "to Berlin")
	number := index(t, lab.Linux1, "tun7")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "to Berlin", "--mtu", "1380")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "tun7", "--address", "172.16.0.1/29")
	if now := index(t, lab.Linux1, "tun7"); now != number {
		t.Errorf("the link was made anew")
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "tun7", "--name", "tun8")
	for property, want := range map[string]string{"connection.id": "to Berlin", "connection.interface-name": "tun8", "connection.zone": "work", "ipv4.dns-search": "example.org",
		"ipv4.route-metric": "77", "ip-tunnel.mtu": "1380", "ipv4.addresses": "172.16.0.1/29"} {
		if got := strings.TrimSpace(lab.Linux1.Run(t, "nmcli", "-g", property, "connection", "show", "to Berlin")); got != want {
			t.Errorf("%s is %s, want %s", property, got, want)
		}
	}
	if routes := lab.Linux1.Run(t, "nmcli", "-g", "ipv4.routes", "connection", "show", "to Berlin"); !strings.Contains(routes, "blackhole") || !strings.Contains(routes, "10.10.2.0/24") {
		t.Errorf("the routes are %s", routes)
	}
	mustPing(t, lab.Linux1, lab.LAN2Addr)
}

// A refused edit leaves the host byte for byte as it was.
func TestLabEditRefused(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	before := lab.Linux1.Snapshot(t)
	for _, c := range []struct {
		args string
		code int
	}{
		{"--mtu 12", exitInvalid}, {"--name eth1", exitInvalid}, {"--address 10.10.1.9/24 --route none", exitInvalid}, {"--peer 10.10.1.1", exitInvalid},
		{"--local 192.0.2.1", exitInvalid}, {"--parent eth9", exitInvalid}, {"--route 100.0.2.100", exitInvalid}, {"--key x", exitInvalid},
		{"--mode ip6gre", exitInvalid}, {"--mtu 1400 --wait 1ms", exitFailed}, {"--key 7 --wait 1ms", exitFailed}, {"--mtu 1400 --confirm 60s", exitFailed},
		{"--mtu 1476", exitDone}, {"--mtu 1400 --dry-run", exitDone},
	} {
		nmgreOn(t, lab.Linux1, c.code, append([]string{"edit", "gre1"}, strings.Fields(c.args)...)...)
		if c.code != exitInvalid || isSweep() { // those that are not valid have one look together
			mustEqual(t, c.args, before, lab.Linux1.Snapshot(t))
		}
	}
	if r := lab.Linux1.TryAs(1000, "nmgre", "edit", "gre1", "--mtu", "1400"); r.Code != exitNotPermitted {
		t.Errorf("as a user: %s", r)
	}
	mustEqual(t, "as a user", before, lab.Linux1.Snapshot(t))
	// The kernel has another tunnel between the same ends with the wanted key: only the kernel can
	// tell.
	lab.Linux1.Run(t, "ip", "link", "add", "byhand", "type", "gretap", "local", "100.0.1.100", "remote", "100.0.2.100", "key", "7")
	defer lab.Linux1.Run(t, "ip", "link", "del", "byhand")
	nmgreOn(t, lab.Linux1, exitInvalid, "edit", "gre1", "--mode", "gretap", "--key", "7")
}

// Ctrl-C at any moment undoes the edit, also one that needs a new link.
func TestLabEditInterrupted(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	before := withoutNumbers(lab.Linux1.Snapshot(t))
	for _, args := range [][]string{{"edit", "gre1", "--mtu", "1400"}, {"edit", "gre1", "--key", "7", "--address", "172.18.0.1/30"}} {
		// an edit that nobody confirms is undone
		took := lab.Linux1.Try("nmgre", append(args, "--confirm", "1s")...).Took
		moments, interrupted := ofSweep(3, 5), 0
		for i := range moments {
			p := lab.Linux1.Start(t, "nmgre", args...)
			time.Sleep(took * time.Duration(i+1) / time.Duration(moments+1))
			_ = p.Signal(syscall.SIGINT) // it may have ended already
			if p.Wait(t).Code == exitDone {
				nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1476", "--key", "none", "--address", "172.16.0.1/30")
				continue
			}
			interrupted++
			mustEqual(t, fmt.Sprintf("%v interrupted at moment %d", args, i), before, withoutNumbers(lab.Linux1.Snapshot(t)))
		}
		if interrupted < moments/3 {
			t.Errorf("%v: only %d of %d were interrupted", args, interrupted, moments)
		}
	}
}

// NetworkManager is restarted while an edit waits to be confirmed: the edit is undone all the same.
func TestLabEditNetworkManagerRestarted(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	before := withoutNumbers(lab.Linux1.Snapshot(t))
	for _, args := range [][]string{{"--mtu", "1400"}, {"--key", "7"}} {
		p := startConfirm(t, append([]string{"edit", "gre1", "--confirm", "5s"}, args...)...)
		lab.Linux1.RestartNM(t)
		if r := p.wait(t); r.Code != exitFailed || !strings.Contains(r.Stderr, "undid everything") {
			t.Errorf("%v: %s", args, r)
		}
		waitActive(t, lab.Linux1, "gre1")
		mustEqual(t, fmt.Sprint(args), before, withoutNumbers(lab.Linux1.Snapshot(t)))
	}
}

// confirming is an edit that waits for Enter.
type confirming struct {
	*exec.Cmd
	input    *os.File
	out, err *os.File
}

// startConfirm starts an edit on linux1 and waits until it asks.
func startConfirm(t *testing.T, args ...string) *confirming {
	t.Helper()
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &confirming{Cmd: lab.Linux1.Command("nmgre", args...), input: ours}
	if c.err, err = os.CreateTemp(t.TempDir(), "stderr"); err != nil {
		t.Fatal(err)
	}
	if c.out, err = os.CreateTemp(t.TempDir(), "stdout"); err != nil {
		t.Fatal(err)
	}
	c.Cmd.Stdin, c.Cmd.Stdout, c.Cmd.Stderr = theirs, c.out, c.err
	if err := c.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	t.Cleanup(func() { _ = c.Cmd.Process.Kill(); _ = ours.Close() })
	eventually(t, "nmgre "+strings.Join(args, " ")+" asks", func() bool { return strings.Contains(read(t, c.err), "press Enter") })
	return c
}

func read(t *testing.T, file *os.File) string {
	t.Helper()
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (c *confirming) wait(t *testing.T) lab.Result {
	t.Helper()
	limit := time.AfterFunc(lab.Limit, func() { _ = c.Cmd.Process.Kill() })
	defer limit.Stop()
	_ = c.Cmd.Wait() // the code tells
	return lab.Result{Stdout: read(t, c.out), Stderr: read(t, c.err), Code: c.Cmd.ProcessState.ExitCode()}
}

// An edit that waits is applied, but not on disk. Enter keeps it; no answer, another answer, or the
// end of the session undoes it.
func TestLabEditConfirm(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, left.create()...)
	before := lab.Linux1.Snapshot(t)
	file := "/etc/NetworkManager/system-connections/gre1.nmconnection"
	saved := lab.Linux1.Run(t, "cat", file)
	for name, answer := range map[string]func(c *confirming) error{
		"nothing":      func(*confirming) error { return nil },
		"no":           func(c *confirming) error { _, err := io.WriteString(c.input, "no\n"); return err },
		"end of input": func(c *confirming) error { return c.input.Close() },
		"the session dies": func(c *confirming) error {
			for range 3 {
				if err := c.Cmd.Process.Signal(syscall.SIGHUP); err != nil {
					return err
				}
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		},
		"Ctrl-C": func(c *confirming) error { return c.Cmd.Process.Signal(syscall.SIGINT) },
	} {
		c := startConfirm(t, "edit", "gre1", "--mtu", "1400", "--route", "10.10.3.0/24", "--confirm", "4s")
		if link := lab.Linux1.Run(t, "ip", "link", "show", "dev", "gre1"); !strings.Contains(link, "mtu 1400") {
			t.Errorf("%s: it waits, and ip says\n%s", name, link)
		}
		if now := lab.Linux1.Run(t, "cat", file); now != saved {
			t.Errorf("%s: it waits, and is on disk already:\n%s", name, now)
		}
		if err := answer(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r := c.wait(t); r.Code != exitFailed {
			t.Errorf("%s: %s", name, r)
		}
		mustEqual(t, name, before, lab.Linux1.Snapshot(t))
	}
	c := startConfirm(t, "edit", "gre1", "--mtu", "1400", "--confirm", "30s")
	if _, err := io.WriteString(c.input, "\n"); err != nil {
		t.Error(err)
	}
	if r := c.wait(t); r.Code != exitDone {
		t.Errorf("confirmed: %s", r)
	}
	if link := lab.Linux1.Run(t, "ip", "link", "show", "dev", "gre1"); !strings.Contains(link, "mtu 1400") {
		t.Errorf("confirmed, and ip says\n%s", link)
	}
	if now := lab.Linux1.Run(t, "cat", file); !strings.Contains(now, "mtu=1400") {
		t.Errorf("confirmed, and the file says\n%s", now)
	}
}

// The ssh session that comes through the tunnel is not cut off by mistake.
func TestLabEditGuardsTheSession(t *testing.T) {
	lab.Need(t)
	joinEnds(t)
	before := lab.Linux1.Snapshot(t)
	r := lab.Linux1.Try("env", "SSH_CONNECTION="+lab.LAN2Addr+" 50000 172.16.0.1 22", "nmgre", "edit", "gre1", "--key", "7")
	if r.Code != exitInvalid || !strings.Contains(r.Stderr, "--confirm 60s") {
		t.Errorf("%s", r)
	}
	mustEqual(t, "refused", before, lab.Linux1.Snapshot(t))
	if r := lab.Linux1.Try("env", "SSH_CONNECTION="+lab.LAN2Addr+" 50000 172.16.0.1 22", "nmgre", "edit", "gre1", "--autoconnect=false"); r.Code != exitDone {
		t.Errorf("%s", r)
	}
	if r := lab.Linux1.Try("env", "SSH_CONNECTION=100.0.1.7 50000 100.0.1.100 22", "nmgre", "edit", "gre1", "--key", "7"); r.Code != exitDone {
		t.Errorf("%s", r)
	}
}

// Routes and rules that NetworkManager cannot hold change with the rest, and are set again on a new
// link.
//
//lab:every
func TestLabEditKept(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--route", "10.70.0.0/16 nexthop dev gre1 nexthop via 100.0.1.1 dev eth0")...)
	before := snapshot(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--snat", "10.10.1.0/24=masquerade", "--forward")
	if rules := lab.Linux1.Run(t, "nft", "list", "ruleset"); strings.Count(rules, "masquerade") != 1 {
		t.Errorf("nft says\n%s", rules)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--snat", "none", "--forward=false")
	mustEqual(t, "there and back", before, snapshot(t, lab.Linux1))
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--name", "office", "--key", "7")
	routes := ownRoutes(t, lab.Linux1)
	if !strings.Contains(routes, "10.70.0.0/16") || !strings.Contains(routes, "dev office") {
		t.Errorf("ip says\n%s", routes)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "down", "office")
	lab.Linux1.Run(t, "nmcli", "connection", "up", "office")
	eventually(t, "the route is back", func() bool { return strings.Contains(ownRoutes(t, lab.Linux1), "dev office") })
	nmgreOn(t, lab.Linux1, exitDone, "edit", "office", "--name", "gre1", "--key", "none")
	mustEqual(t, "renamed and back", withoutNumbers(before), withoutNumbers(snapshot(t, lab.Linux1)))
}

// kill9 kills an edit that waits to be confirmed. Without its dog, nobody is left to undo it.
func (c *confirming) kill9(t *testing.T, dog bool) {
	t.Helper()
	if dog {
		pid := lab.Linux1.Run(t, "pgrep", "-f", "^[^ ]*nmgre undo-killed$")
		lab.Linux1.Run(t, "kill", append([]string{"-9"}, strings.Fields(pid)...)...)
	}
	if err := c.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Cmd.Wait() // it was killed
}

// An edit with a new link, another name and another SNAT is killed while it waits to be confirmed.
// Its dog undoes it, or the next command if that was killed, too; a reboot has never heard of it.
//
//lab:trixie
func TestLabEditKilled(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux1, exitDone, left.create("--snat", "10.10.1.0/24=masquerade", "--forward")...)
	before := withoutNumbers(snapshot(t, lab.Linux1))
	uuid := strings.TrimSpace(lab.Linux1.Run(t, "nmcli", "-g", "connection.uuid", "connection", "show", "gre1"))
	files := []string{"/etc/NetworkManager/system-connections/gre1.nmconnection", "/etc/nmgre/tunnels/" + uuid}
	read := func() string { // without the time of the last activation, which NetworkManager writes along
		return regexp.MustCompile(`(?m)^timestamp=.*\n`).ReplaceAllString(lab.Linux1.Run(t, "cat", files...), "")
	}
	saved := read()
	kill := func(dog bool) {
		t.Helper()
		c := startConfirm(t, "edit", "gre1", "--name", "office", "--key", "7", "--snat", "10.10.1.0/24=10.10.1.1", "--confirm", "60s")
		if rules := lab.Linux1.Run(t, "nft", "list", "ruleset"); !strings.Contains(rules, "snat to 10.10.1.1") {
			t.Errorf("it waits, and nft says\n%s", rules)
		}
		c.kill9(t, dog)
		if now := read(); now != saved {
			t.Errorf("the files say\n%s", now)
		}
	}
	kill(false)
	eventually(t, "the edit is undone by itself", func() bool { return withoutNumbers(snapshot(t, lab.Linux1)) == before })
	kill(true)
	if r := lab.Linux1.Try("nmgre", "list"); r.Code != exitDone || !strings.Contains(r.Stderr, "undid the change of gre1") || !strings.Contains(r.Stdout, "gre1") {
		t.Errorf("list: %s", r)
	}
	mustEqual(t, "after the next command", before, withoutNumbers(snapshot(t, lab.Linux1)))
	kill(true)
	lab.Linux1.Reboot(t)
	waitActive(t, lab.Linux1, "gre1")
	if link := lab.Linux1.Run(t, "ip", "-d", "link", "show", "dev", "gre1"); strings.Contains(link, "key") {
		t.Errorf("after a reboot ip says\n%s", link)
	}
	eventually(t, "the old SNAT is there after a reboot", func() bool { return strings.Contains(lab.Linux1.Run(t, "nft", "list", "ruleset"), "masquerade") })
	if now := read(); now != saved {
		t.Errorf("after a reboot the files say\n%s", now)
	}
}
