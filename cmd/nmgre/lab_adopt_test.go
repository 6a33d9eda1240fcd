package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// byHand makes a tunnel between the gateways as people do with ip, on both hosts, with addresses,
// routes and rules of many kinds on linux1.
func byHand(t *testing.T) {
	t.Helper()
	lab.Linux2.Run(t, "sh", "-ec", `
		ip tunnel add tun0 mode gre remote 100.0.1.100 local 100.0.2.100 ttl 64 key 7
		ip addr add 172.16.0.2/30 dev tun0; ip addr add 172.16.5.2/24 dev tun0; ip addr add fd00:16::2/64 dev tun0
		ip link set tun0 up mtu 1400
		ip route add 10.10.1.0/24 dev tun0; ip addr add 10.77.0.2/32 dev lo; ip addr add 10.77.1.2/32 dev lo; ip addr add fd00:77::2/128 dev lo`)
	byHandHere(t)
}

// byHandHere makes the part on linux1.
func byHandHere(t *testing.T) {
	t.Helper()
	lab.Linux1.Run(t, "sh", "-ec", `
		ip tunnel add tun0 mode gre remote 100.0.2.100 local 100.0.1.100 ttl 64 key 7
		ip addr add 172.16.0.1/30 dev tun0; ip addr add 172.16.5.1/24 dev tun0; ip addr add fd00:16::1/64 dev tun0
		ip link set tun0 up mtu 1400
		ip route add 10.10.2.0/24 dev tun0
		ip route add 10.77.0.0/24 via 172.16.0.2 metric 50
		ip route add 10.77.1.0/24 dev tun0 metric 70 realm 7
		ip route add 10.88.0.0/16 via 172.16.0.2 table 100
		ip route add 10.89.0.0/16 table 100 metric 5 nexthop via 172.16.0.2 dev tun0 weight 2 nexthop via 10.10.1.9 dev eth1 weight 1
		ip -6 route add fd00:77::/64 via fd00:16::2 metric 77
		ip rule add from 10.10.1.7 lookup 100 pref 1000
		ip rule add iif tun0 to 10.99.0.0/16 lookup 101 pref 1001
		ip -6 rule add iif tun0 lookup 102 pref 1002`)
}

// pinging sends 20 packets a second from linux1, for as long as the test goes on.
type pinging struct {
	to string
	p  *lab.Process
}

func startPings(t *testing.T, targets ...string) (all []pinging) {
	t.Helper()
	for _, to := range targets {
		all = append(all, pinging{to, lab.Linux1.Start(t, "ping", "-n", "-i", "0.05", to)})
	}
	time.Sleep(time.Second)
	return all
}

// lost ends the pings. It returns ping's last line on each, and how many packets before the last
// answer had none. Those after it may still be on their way: ping does not wait for them.
func lost(t *testing.T, all []pinging) (said map[string]string, missing map[string]int) {
	t.Helper()
	said, missing = make(map[string]string), make(map[string]int)
	for _, one := range all {
		_ = one.p.Signal(syscall.SIGINT) // it says then how many were sent
		answered, last := make(map[int]bool), 0
		for _, line := range strings.Split(one.p.Wait(t).Stdout, "\n") {
			if _, after, ok := strings.Cut(line, "icmp_seq="); ok && strings.Contains(line, "bytes from") {
				number, _, _ := strings.Cut(after, " ")
				n, err := strconv.Atoi(number)
				if err != nil {
					t.Fatal(err)
				}
				answered[n], last = true, max(last, n)
			}
			if strings.Contains(line, "packet loss") {
				said[one.to] = line
			}
		}
		if missing[one.to] = last - len(answered); last < 20 {
			t.Errorf("only %d packets were sent to %s", last, one.to)
		}
	}
	return said, missing
}

// forwarding returns all that decides about packets through tun0 on linux1: the link, its
// addresses, its routes in all tables, and the ways of packets, as ip shows them.
//
// Left out are the properties that NetworkManager sets in its own way, and those that decide
// nothing: who made a route, the broadcast address beside an address, who makes the link-local
// address, the metric of the network of an address, and the limits of the MTU, which are different
// for a link made by ioctl. The ways show that packets have the same source address, which some
// routes do not name at first.
func forwarding(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(lab.Linux1.Run(t, "sh", "-c", `
		ip -d -o link show tun0 | sed 's/^[0-9]*: //; s/ addrgenmode [a-z0-9]*//; s/ minmtu [0-9]*//; s/ maxmtu [0-9]*//; s/ qlen [0-9]*//; s/state [A-Z]*//'
		ip -o addr show tun0 | sed 's/^[0-9]*: //; s/ brd [0-9.]*//; s/ valid_lft.*//; s/ noprefixroute//; s/\\//; s/ *$//' | grep -v fe80 | sort
		for f in -4 -6; do ip $f -o route show table all | grep 'dev tun0' | grep -v 'table local\|multicast\|fe80:' |
			sed '/proto kernel/s/ metric [0-9]*//; s/ metric 0//; s/ proto [a-z0-9]*//; s/ scope link//; s/ src [^ ]*//; s/ pref [a-z]*//; s/\\//; s/[\t ][\t ]*/ /g; s/ *$//' | sort; done`))
	for _, to := range []string{"10.10.2.1", "10.77.0.2", "10.77.1.2", "172.16.5.2", "fd00:77::2", "10.88.0.1 from 10.10.1.7 iif eth1", "10.99.0.1 from 172.16.0.2 iif tun0"} {
		r := lab.Linux1.Try("sh", "-c", "ip route get "+to+" 2>&1 | head -1 | sed 's/ cache.*//; s/ metric [0-9]*//; s/ proto [a-z0-9]*//; s/ uid.*//; s/ pref.*//; s/ *$//'")
		fmt.Fprintf(&b, "%s: %s\n", to, r.Stdout)
	}
	return b.String()
}

// handRules are SNAT made by hand: for both networks of the tunnel, for one of them, and for
// packets into it.
const handRules = `
	nft add table ip hand; nft 'add chain ip hand post { type nat hook postrouting priority srcnat; }'
	nft add rule ip hand post ip saddr 172.16.0.0/30 ip daddr 10.10.1.0/24 counter snat to 10.10.1.1
	nft add rule ip hand post ip saddr 172.16.5.0/24 ip daddr 10.10.1.0/24 counter snat to 10.10.1.1
	nft add rule ip hand post ip saddr 172.16.5.0/24 ip daddr 10.10.9.0/24 counter snat to 10.10.1.1
	nft add rule ip hand post oifname tun0 ip saddr 192.0.2.0/24 masquerade`

// A tunnel that was made by hand becomes a profile under traffic, and loses nothing: no packet, no
// address, no route, no rule, though the host's reverse path filter is strict. It comes up again by
// itself after a reboot.
//
//lab:every
func TestLabAdopt(t *testing.T) {
	lab.Need(t)
	installHook(t, lab.Linux1)
	clean := lab.Linux1.Snapshot(t)
	lab.Linux1.Run(t, "sysctl", "-w", "net.ipv4.conf.all.rp_filter=1") // until the reboot
	t.Cleanup(func() { lab.Linux1.Try("sysctl", "-w", "net.ipv4.conf.all.rp_filter=0") })
	byHand(t)
	lab.Linux1.Run(t, "sh", "-ec", handRules)
	if list := nmgreOn(t, lab.Linux1, exitDone, "list").Stderr; !strings.Contains(list, "nmgre adopt tun0") {
		t.Errorf("the list does not point to adopt:\n%s", list)
	}
	before, was, number := forwarding(t), lab.Linux1.Snapshot(t), handIndex(t)
	dry := nmgreOn(t, lab.Linux1, exitDone, "adopt", "tun0", "--dry-run").Stdout
	for _, want := range []string{"address 172.16.5.1/24: taken", "SNAT ip hand post: saddr 172.16.0.0/30 daddr 10.10.1.0/24 snat to 10.10.1.1: taken", "masquerade: stays", "priority 1000: taken"} {
		if !strings.Contains(dry, want) {
			t.Errorf("the plan lacks %q:\n%s", want, dry)
		}
	}
	mustEqual(t, "after a dry run", was, lab.Linux1.Snapshot(t))

	targets := []string{"10.10.2.1", "172.16.5.2", "10.77.1.2", "fd00:77::2"}
	pings := startPings(t, targets...)
	r := nmgreOn(t, lab.Linux1, exitDone, "adopt", "tun0", "--json", "--wait", "150s")
	time.Sleep(time.Second)
	said, missing := lost(t, pings)
	for _, to := range targets {
		if t.Logf("%s: %s", to, said[to]); missing[to] > 0 {
			t.Errorf("adopt loses %d packets to %s: %s", missing[to], to, said[to])
		}
	}
	var out struct {
		Adopt struct {
			Parts  []struct{ Part, Fate string }
			Tunnel struct{ Name, State string }
			Verify struct{ Verdict string }
		}
	}
	if err := json.Unmarshal([]byte(r.Stdout), &out); err != nil || out.Adopt.Tunnel.State != "active" || len(out.Adopt.Parts) < 10 {
		t.Errorf("%v\n%s%s", err, r.Stdout, r.Stderr)
	}
	if out.Adopt.Verify.Verdict != "pass" { // a busy machine answers too late, or only now and then
		nmgreOn(t, lab.Linux1, exitDone, "verify", "tun0")
	}
	mustEqual(t, "after adopt", before, forwarding(t))
	if now := handIndex(t); now != number {
		t.Errorf("it is another link: its index was %s and is %s", number, now)
	}
	mustTakeSNAT(t)
	mustHaveRules(t)
	nmgreOn(t, lab.Linux1, exitDone, "down", "tun0")
	nmgreOn(t, lab.Linux1, exitDone, "up", "tun0", "--wait", "150s")
	mustEqual(t, "after down and up", before, forwarding(t))
	mustTakeSNAT(t)
	lab.Linux1.Reboot(t)
	waitActive(t, lab.Linux1, "tun0")
	eventually(t, "the way is there after a reboot", func() bool { return lab.Ping(t, lab.Linux1, "10.77.1.2") })
	mustEqual(t, "after a reboot", before, forwarding(t))
	mustHaveRules(t)
	if rules := lab.Linux1.Run(t, "nft", "list", "ruleset"); strings.Count(rules, "snat to 10.10.1.1") != 2 {
		t.Errorf("the SNAT is not back after a reboot:\n%s", rules)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "tun0")
	mustEqual(t, "after delete", clean, lab.Linux1.Snapshot(t)) // SNAT made by hand went with the reboot
}

// mustTakeSNAT fails unless the rules for both networks of the tunnel are its own now, and the
// others are where they were.
func mustTakeSNAT(t *testing.T) {
	t.Helper()
	rules := lab.Linux1.Run(t, "nft", "list", "ruleset")
	_, own, _ := strings.Cut(rules, "table ip nmgre ")
	_, hand, _ := strings.Cut(rules, "table ip hand ")
	own, _, _ = strings.Cut(own, "\n}")
	hand, _, _ = strings.Cut(hand, "\n}")
	for _, from := range []string{"172.16.0.0/30", "172.16.5.0/24"} {
		if strings.Count(own, "ip saddr "+from+" ip daddr 10.10.1.0/24") != 1 || strings.Count(own, "snat to 10.10.1.1") != 2 {
			t.Errorf("the tunnel has not the SNAT for %s to 10.10.1.0/24 alone:\n%s", from, rules)
		}
	}
	if strings.Contains(hand, "10.10.1.0/24") || !strings.Contains(hand, "ip saddr 172.16.5.0/24 ip daddr 10.10.9.0/24") || !strings.Contains(hand, "masquerade") {
		t.Errorf("of the rules made by hand, more or less has gone:\n%s", rules)
	}
}

// mustHaveRules fails unless each of the three rules is there once.
func mustHaveRules(t *testing.T) {
	t.Helper()
	rules := lab.Linux1.Run(t, "sh", "-c", "ip rule; ip -6 rule")
	for _, rule := range []string{"1000:\tfrom 10.10.1.7 lookup 100", "1001:\tfrom all to 10.99.0.0/16 iif tun0 lookup 101", "1002:\tfrom all iif tun0 lookup 102"} {
		if priority, _, _ := strings.Cut(rule, "\t"); strings.Count(rules, rule) != 1 || strings.Count(rules, priority) != 1 {
			t.Errorf("the rule %q is not there once:\n%s", rule, rules)
		}
	}
}

// handIndex returns the number of tun0 on linux1: a new link has another.
func handIndex(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(lab.Linux1.Run(t, "cat", "/sys/class/net/tun0/ifindex"))
}

// handState is everything about tun0 on linux1, as the programs show it, and the names of the files
// in the folders of NetworkManager and nmgre.
func handState(t *testing.T) string {
	t.Helper()
	return lab.Linux1.Run(t, "sh", "-c", `ip -d -o link show tun0; ip -o -d addr show tun0
		for f in -4 -6; do ip $f route show table all | grep tun0 | sort; ip $f rule; done; ip route show table 100
		nft -a list ruleset; ls /etc/nmgre/tunnels /etc/NetworkManager/system-connections 2>/dev/null; ip -o link | grep nmgre-by; true`)
}

// An adoption that fails in the middle, or is not confirmed, is undone: the link made by hand is as
// it was, with its index, and so are its addresses, routes and rules, and the SNAT.
//
//lab:forky
func TestLabAdoptUndone(t *testing.T) {
	lab.Need(t)
	installHook(t, lab.Linux1)
	byHand(t)
	lab.Linux1.Run(t, "sh", "-ec", handRules)
	handState(t) // the LAN's neighbours are there
	before := handState(t)
	mustUndo := func(what string, r lab.Result) {
		t.Helper()
		if r.Code != exitFailed || !strings.Contains(r.Stderr, "undid everything") {
			t.Errorf("%s: %s", what, r)
		}
		mustEqual(t, what, before, handState(t))
		for _, to := range []string{"10.10.2.1", "10.77.1.2"} {
			mustPing(t, lab.Linux1, to)
		}
	}
	mustUndo("not confirmed", lab.Linux1.Try("nmgre", "adopt", "tun0", "--confirm", "1s", "--wait", "150s"))
	lab.Linux1.Run(t, "sh", "-ec", `cd /etc/NetworkManager; cp -a system-connections /run/was; mount -t tmpfs -o mode=700 none system-connections; cp -a /run/was/. system-connections; mount -o remount,ro none system-connections`)
	full := lab.Linux1.Try("nmgre", "adopt", "tun0", "--no-probe", "--wait", "150s")
	lab.Linux1.Run(t, "umount", "/etc/NetworkManager/system-connections")
	mustUndo("the profile cannot be saved", full)
	for _, c := range []struct{ args, want string }{
		{"gre0", "gre0 is a fallback device"}, {"eth0", "eth0 is no GRE tunnel"}, {"nosuch", "there is no network device"},
	} {
		r := lab.Linux1.Try("nmgre", "adopt", c.args)
		if r.Code == exitDone || !strings.Contains(r.Stderr, c.want) || !strings.Contains(r.Stderr, "hint: ") {
			t.Errorf("%s: %s", c.args, r)
		}
	}
}

// A zone of firewalld that somebody chose for the link is the profile's after adopt. An adoption
// that is undone gives the link back to it, though NetworkManager takes the link out of every zone.
func TestLabAdoptZone(t *testing.T) {
	lab.Need(t)
	firewall := startFirewalld(t, "public", "work")
	byHand(t)
	_, _ = firewall.AddInterface("work", "tun0")
	if r := lab.Linux1.Try("nmgre", "adopt", "tun0", "--no-probe", "--confirm", "1s", "--wait", "150s"); r.Code != exitFailed || !strings.Contains(r.Stderr, "undid everything") {
		t.Errorf("not confirmed: %s", r)
	}
	time.Sleep(2 * time.Second) // NetworkManager may still be at work
	if zone, _ := firewall.GetZoneOfInterface("tun0"); zone != "work" {
		t.Errorf("after the undo tun0 is in the zone %q", zone)
	}
	nmgreOn(t, lab.Linux1, exitDone, "adopt", "tun0", "--no-probe", "--wait", "150s")
	firewall.in(t, "tun0", "work")
	if zone := strings.TrimSpace(lab.Linux1.Run(t, "nmcli", "-g", "connection.zone", "connection", "show", "tun0")); zone != "work" {
		t.Errorf("the profile has the zone %q", zone)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "tun0")
}

// A process that is killed at any moment leaves a tunnel through which packets go. The next nmgre
// command ends the work: the tunnel is wholly adopted, with its rules and SNAT once, or wholly as
// it was. The first moment is before or while NetworkManager takes over the link, and the last one
// when the profile is on disk: the SNAT made by hand is still there, perhaps.
func TestLabAdoptKilled(t *testing.T) { adoptKilled(t, "nmgre-by", inFile) }

// Three more moments: the last one is while the process waits to be confirmed.
//
//lab:faults
func TestLabAdoptKilledElsewhere(t *testing.T) {
	adoptKilled(t, "added the profile", "brought it up", "press Enter")
}

func adoptKilled(t *testing.T, moments ...string) {
	t.Helper()
	lab.Need(t)
	installHook(t, lab.Linux1)
	byHand(t)
	lab.Linux1.Run(t, "sh", "-ec", handRules)
	before, rules := forwarding(t), numberedRules(t)
	targets := []string{"10.10.2.1", "10.77.1.2", "fd00:77::2"}
	for _, moment := range moments {
		killAdopt(t, moment)
		for _, to := range targets {
			eventually(t, "killed after "+moment+": "+to+" answers", func() bool { return lab.Ping(t, lab.Linux1, to) })
		}
		list := nmgreOn(t, lab.Linux1, exitDone, "list").Stdout
		for _, to := range targets {
			mustPing(t, lab.Linux1, to)
		}
		if left := lab.Linux1.Run(t, "sh", "-c", "ip -o link | grep nmgre-by; for f in -4 -6; do ip $f -d rule | grep 'proto 2[01]'; ip $f route show table all proto 212; done; true"); left != "" {
			t.Errorf("killed after %q: something that stood in is still there:\n%s", moment, left)
		}
		mustEqual(t, "killed after "+moment, before, forwarding(t))
		mustHaveRules(t)
		if strings.Contains(list, "external") {
			if now := numberedRules(t); now != rules || strings.Count(lab.Linux1.Run(t, "nft", "list", "table", "ip", "hand"), "10.10.1.0/24") != 2 {
				t.Errorf("killed after %q: rules were %s and are %s", moment, rules, now)
			}
			continue
		}
		t.Logf("killed after %q: adopted", moment)
		mustTakeSNAT(t)
		lab.Linux1.Run(t, "test", "-s", "/etc/NetworkManager/system-connections/tun0.nmconnection")
		nmgreOn(t, lab.Linux1, exitDone, "delete", "tun0")
		if left := numberedRules(t); strings.Contains(left, "100") {
			t.Errorf("killed after %q: delete leaves rules: %s", moment, left)
		}
		lab.Linux1.Run(t, "nft", "delete", "table", "ip", "hand")
		byHandHere(t)
		lab.Linux1.Run(t, "sh", "-ec", handRules)
	}
}

// numberedRules are the rules of the routing policy on linux1, with the numbers of their protocols.
func numberedRules(t *testing.T) string {
	t.Helper()
	return lab.Linux1.Run(t, "sh", "-c", "ip -d rule; ip -6 -d rule")
}

// inFile is the file of the profile, below the root of its host.
const inFile = "etc/NetworkManager/system-connections/tun0.nmconnection"

// killAdopt kills an adoption as soon as it has said that, or a device has that name, or the
// profile's file is there. Unless the file is waited for, it waits to be confirmed then at the
// latest.
func killAdopt(t *testing.T, moment string) {
	t.Helper()
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	said, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatal(err)
	}
	cmd := lab.Linux1.Command("nmgre", "adopt", "tun0", "--verbose", "--no-probe", "--confirm", "100s", "--wait", "150s")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	is := func() bool {
		if moment == inFile {
			if strings.Contains(read(t, said), "press Enter") {
				_, _ = ours.WriteString("\n") // it may have been read already
			}
			_, err := os.Stat(filepath.Join(lab.Linux1.Root(), inFile))
			return err == nil
		}
		devices, _ := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/net/dev")
		return strings.Contains(read(t, said)+string(devices), moment)
	}
	for end := time.Now().Add(2 * time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("there was no moment %q:\n%s", moment, read(t, said))
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// Tunnels of the other kinds are adopted as well: Ethernet in GRE, GRE over IPv6, and one that is
// bound to a device. Each answers afterwards, and after it was down.
//
//lab:sweep
func TestLabAdoptKinds(t *testing.T) {
	lab.Need(t)
	clean := lab.Linux1.Snapshot(t)
	kinds := []struct{ name, kind, here, there, inner string }{
		{"tap0", "gretap", "local 100.0.1.100 remote 100.0.2.100 key 1", "local 100.0.2.100 remote 100.0.1.100 key 1", "172.20.1"},
		{"six0", "ip6gre", "local 2001:db8:1::100 remote 2001:db8:2::100 encaplimit 4 key 2", "local 2001:db8:2::100 remote 2001:db8:1::100 encaplimit 4 key 2", "172.20.2"},
		{"tun0", "gre", "local 100.0.1.100 remote 100.0.2.100 dev eth0 key 3 ttl 64", "local 100.0.2.100 remote 100.0.1.100 key 3 ttl 64", "172.20.3"},
	}
	for i, k := range kinds {
		for host, end := range map[lab.Host][2]string{lab.Linux1: {k.here, "1"}, lab.Linux2: {k.there, "2"}} {
			host.Run(t, "sh", "-ec", fmt.Sprintf("ip link add %s type %s %s; ip addr add %s.%s/24 dev %s; ip link set %s up mtu %d", k.name, k.kind, end[0], k.inner, end[1], k.name, k.name, 1380+i))
		}
		mustPing(t, lab.Linux1, k.inner+".2")
	}
	for _, k := range kinds {
		link := func() string {
			return lab.Linux1.Run(t, "sh", "-c", "ip -d -o link show "+k.name+` | sed 's/^[0-9]*: //; s/ addrgenmode [a-z0-9]*//; s/ minmtu [0-9]*//; s/ maxmtu [0-9]*//; s/ qlen [0-9]*//; s/state [A-Z]*//; s/ permaddr [0-9a-f:]*//'`)
		}
		before := link()
		pings := startPings(t, k.inner+".2")
		nmgreOn(t, lab.Linux1, exitDone, "adopt", k.name, "--no-probe", "--wait", "150s")
		said, missing := lost(t, pings)
		t.Logf("%s: %v, %v lost", k.kind, said, missing)
		mustEqual(t, k.kind+" after adopt", before, link())
		nmgreOn(t, lab.Linux1, exitDone, "down", k.name)
		nmgreOn(t, lab.Linux1, exitDone, "up", k.name)
		mustEqual(t, k.kind+" after down and up", before, link())
		eventually(t, k.kind+" answers after down and up", func() bool { return lab.Ping(t, lab.Linux1, k.inner+".2") })
		nmgreOn(t, lab.Linux1, exitDone, "delete", k.name)
	}
	mustEqual(t, "after delete", clean, lab.Linux1.Snapshot(t))
}
