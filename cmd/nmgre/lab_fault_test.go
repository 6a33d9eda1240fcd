package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// Faults of the host around a tunnel, made by hand, with ip, nft and nmcli as the witnesses. The
// table testdata/faults.txt names them.

// intact checks that linux1 has everything of its tunnel gre1: the kept route, the SNAT rule,
// forwarding of both devices, and a passing verify.
func intact(t *testing.T, when, lan string) {
	t.Helper()
	eventually(t, when+": routes, rules and forwarding are there", func() bool {
		rules := lab.Linux1.Try("nft", "list", "table", "ip", "nmgre").Stdout
		forwarding := lab.Linux1.Try("cat", "/proc/sys/net/ipv4/conf/gre1/forwarding", "/proc/sys/net/ipv4/conf/"+lan+"/forwarding").Stdout
		return strings.Contains(ownRoutes(t, lab.Linux1), "10.77.0.0/16 dev gre1") && strings.Count(rules, "snat to") == 1 && forwarding == "1\n1\n"
	})
	if r := lab.Linux1.Try("nmgre", "verify", "gre1", "--no-probe"); r.Code != exitDone {
		t.Errorf("%s: verify: %s", when, r)
	}
}

// nmcli runs nmcli on linux1. The word NOTHING stands for an empty one.
func nmcli(t *testing.T, words string) {
	t.Helper()
	args := strings.Fields(words)
	for i := range args {
		args[i] = strings.Replace(args[i], "NOTHING", "", 1)
	}
	lab.Linux1.Run(t, "nmcli", args...)
}

// withoutKept checks that linux1's kernel has none of the kept routes and SNAT rules.
func withoutKept(t *testing.T, when string) {
	t.Helper()
	eventually(t, when+": no kept route and no SNAT rule is in the kernel", func() bool {
		return ownRoutes(t, lab.Linux1) == "" && !strings.Contains(lab.Linux1.Run(t, "nft", "list", "ruleset"), "snat to")
	})
}

// The devices around a tunnel, the host's name and the profile are changed behind its back. Each
// time everything is there again afterwards, or nothing of it where the tunnel is no longer the one
// that it was kept for.
func TestLabHostChanges(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	lab.Linux1.Run(t, "sysctl", "-qw", "net.ipv4.ip_forward=0")
	nmcli(t, "connection add type dummy con-name site ifname site0 ethernet.cloned-mac-address 02:00:00:00:99:01 ipv4.method manual ipv4.addresses 10.99.0.1/24 ipv6.method disabled")
	nmcli(t, "connection up site")
	before := lab.Linux1.Snapshot(t)
	create := left.create("--no-probe", "--forward", "--snat", "10.99.0.0/24=10.99.0.1", "--route", "10.77.0.0/16 ssthresh 7")
	nmgreOn(t, lab.Linux1, exitDone, create...)
	uuid := filepath.Base(keptFile(t, lab.Linux1))
	intact(t, "after create", "site0")

	t.Run("LAN device made anew", func(t *testing.T) {
		nmcli(t, "connection down site")
		nmcli(t, "connection up site")
		intact(t, "after down and up of the LAN", "site0")
		index := func() string { return lab.Linux1.Try("cat", "/sys/class/net/site0/ifindex").Stdout }
		old := index()
		lab.Linux1.Run(t, "ip", "link", "delete", "dev", "site0")
		// NetworkManager 1.52 makes it anew by itself
		eventually(t, "the old device is gone", func() bool { return index() != old })
		nmcli(t, "connection up site")
		intact(t, "after the LAN's device was deleted by hand", "site0")
	})
	t.Run("link deleted by hand", func(t *testing.T) {
		lab.Linux1.Run(t, "ip", "link", "delete", "dev", "gre1")
		eventually(t, "NetworkManager knows", func() bool {
			return !strings.Contains(lab.Linux1.Run(t, "nmcli", "-t", "-f", "NAME", "connection", "show", "--active"), "gre1") ||
				lab.Linux1.Try("ip", "link", "show", "dev", "gre1").Code == 0
		})
		nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
		intact(t, "after up", "site0")
	})
	t.Run("hostname changed", func(t *testing.T) {
		name := strings.TrimSpace(lab.Linux1.Run(t, "hostname"))
		defer lab.Linux1.Run(t, "hostname", name)
		lab.Linux1.Run(t, "hostname", "another")
		intact(t, "under another name", "site0")
		nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400", "--no-probe")
		nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1476", "--no-probe")
		intact(t, "after two edits", "site0")
	})
	t.Run("profile renamed", func(t *testing.T) {
		nmcli(t, "connection modify gre1 connection.id office")
		nmcli(t, "connection down office")
		nmcli(t, "connection up office")
		intact(t, "with another name", "site0")
		nmcli(t, "connection modify office connection.id gre1")
	})
	t.Run("profile taken over", func(t *testing.T) {
		nmcli(t, "connection modify gre1 connection.permissions user:ann")
		nmcli(t, "connection down gre1")
		nmcli(t, "connection up gre1")
		intact(t, "as ann's", "site0")
		nmcli(t, "connection modify gre1 ip-tunnel.remote 100.0.2.77")
		nmcli(t, "connection down gre1")
		nmcli(t, "connection up gre1")
		withoutKept(t, "with a far end that root has not allowed")
		if r := lab.Linux1.Try("nmgre", "verify", "gre1", "--no-probe", "--json"); r.Code != exitFault || checkNamed(t, r.Stdout, "kept").Status != "fail" {
			t.Errorf("verify: %s", r)
		}
		nmcli(t, "connection modify gre1 ip-tunnel.remote 100.0.2.100 connection.permissions NOTHING")
		nmcli(t, "connection down gre1")
		nmcli(t, "connection up gre1")
		intact(t, "with the old far end", "site0")
	})
	t.Run("profile made anew with the same UUID", func(t *testing.T) {
		file := "/etc/NetworkManager/system-connections/gre1.nmconnection"
		lab.Linux1.Run(t, "cp", "-p", file, "/var/tmp/gre1")
		defer lab.Linux1.Run(t, "rm", "/var/tmp/gre1")
		nmcli(t, "connection delete gre1")
		eventually(t, "the hook has removed the kept file", func() bool {
			files, _ := filepath.Glob(filepath.Join(lab.Linux1.Root(), "etc/nmgre/tunnels/*"))
			return len(files) == 0
		})
		lab.Linux1.Run(t, "cp", "-p", "/var/tmp/gre1", file)
		nmcli(t, "connection load "+file)
		nmcli(t, "connection up uuid "+uuid)
		withoutKept(t, "the new profile of the old UUID")
		nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--no-probe")
	})
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	mustReturn(t, before)
	nmcli(t, "connection delete site")
}

// The host boots, and its lease comes 30 seconds late. A default route leads into the tunnel. When
// the lease is there, so are the far end's host route and all that is kept. A later lease with
// another gateway moves the host route.
//
//lab:faults
func TestLabUnderlayIsLate(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--local", "100.0.1.100", "--address", "172.16.0.1/30", "--route", "default metric 50", "--route", "10.77.0.0/16 ssthresh 7", "--no-probe")
	nmcli(t, "connection modify wan ipv4.gateway NOTHING")
	pin := func(gateway string) func() bool {
		return func() bool {
			return strings.Contains(lab.Linux1.Run(t, "ip", "route", "show", "proto", "213"), "100.0.2.100 via "+gateway+" dev eth0")
		}
	}
	lab.Linux1.Reboot(t)
	nmcli(t, "connection modify wan ipv4.method auto ipv4.addresses NOTHING")
	up := lab.Linux1.Start(t, "nmcli", "connection", "up", "wan")
	time.Sleep(30 * time.Second) // the fault itself
	if routes := lab.Linux1.Run(t, "ip", "-4", "route", "show", "dev", "eth0"); strings.Contains(routes, "default") {
		t.Fatalf("the lease is not late: %s", routes)
	}
	stop := lease(t, "100.0.1.1")
	if r := up.Wait(t); r.Code != 0 {
		t.Errorf("wan does not come up: %s", r)
	}
	waitActive(t, lab.Linux1, "gre1")
	eventually(t, "the host route is there", pin("100.0.1.1"))
	eventually(t, "all that is kept is there", func() bool { return strings.Contains(ownRoutes(t, lab.Linux1), "10.77.0.0/16 dev gre1") })
	mustPing(t, lab.Linux1, "172.16.0.2")
	nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1")

	stop()
	lab.Router.Run(t, "ip", "address", "add", "100.0.1.2/24", "dev", "eth1")
	defer lab.Router.Run(t, "ip", "address", "del", "100.0.1.2/24", "dev", "eth1")
	lease(t, "100.0.1.2")
	nmcli(t, "connection up wan")
	eventually(t, "the host route follows the lease", pin("100.0.1.2"))
	mustPing(t, lab.Linux1, "172.16.0.2")
}

// The device that a tunnel is bound to is made anew, by nmcli and by hand, with another index.
// Until the tunnel is up on the new one, verify says that it is not; then all of it is there.
//
//lab:faults
func TestLabParentMadeAnew(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	nmcli(t, "connection add type dummy con-name site ifname site0 ethernet.cloned-mac-address 02:00:00:00:99:01 ipv4.method manual ipv4.addresses 10.99.0.1/24 ipv6.method disabled")
	nmcli(t, "connection up site")
	before := lab.Linux1.Snapshot(t)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "10.99.0.2", "--address", "172.16.9.1/30", "--parent", "site0", "--name", "gre9", "--route", "10.88.0.0/16 ssthresh 7", "--no-probe")
	for _, remove := range [][]string{{"nmcli", "connection", "down", "site"}, {"ip", "link", "delete", "dev", "site0"}} {
		lab.Linux1.Run(t, remove[0], remove[1:]...)
		eventually(t, "the parent is gone", func() bool { return lab.Linux1.Try("ip", "link", "show", "dev", "site0").Code != 0 })
		nmgreOn(t, lab.Linux1, exitFault, "verify", "gre9", "--no-probe")
		nmcli(t, "connection up site")
		eventually(t, "the parent is there", func() bool { return lab.Linux1.Try("ip", "link", "show", "dev", "site0").Code == 0 })
		r := lab.Linux1.Try("nmgre", "verify", "gre9", "--no-probe")
		t.Logf("after %v, by itself: %s", remove, r)
		if r.Code != exitDone {
			nmgreOn(t, lab.Linux1, exitDone, "down", "gre9")
			nmgreOn(t, lab.Linux1, exitDone, "up", "gre9")
		}
		nmgreOn(t, lab.Linux1, exitDone, "verify", "gre9", "--no-probe")
		eventually(t, "the kept route is there", func() bool { return strings.Contains(ownRoutes(t, lab.Linux1), "10.88.0.0/16 dev gre9") })
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre9")
	mustReturn(t, before)
	nmcli(t, "connection delete site")
}

// lease has the router give linux1 its address, with a gateway, until stop is called.
func lease(t *testing.T, gateway string) (stop func()) {
	t.Helper()
	conf := "start 100.0.1.100\nend 100.0.1.100\ninterface eth1\nlease_file /run/udhcpd.leases\npidfile /run/udhcpd.pid\nopt subnet 255.255.255.0\nopt router " + gateway + "\n"
	if err := os.WriteFile(filepath.Join(lab.Router.Root(), "run/udhcpd.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	server := lab.Router.Start(t, "busybox", "udhcpd", "-f", "/run/udhcpd.conf")
	return func() { server.Kill() }
}

// mustReturn waits until linux1 is as it was, but for the numbers of new links. The dispatcher
// takes its time.
func mustReturn(t *testing.T, before string) {
	t.Helper()
	now := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if now = comparable(lab.Linux1.Snapshot(t)); now == comparable(before) {
			return
		}
	}
	mustEqual(t, "in the end", comparable(before), now)
}

// real is a command that the lab kills at real moments, and the one that leads back.
type real struct {
	name       string
	args, back []string
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// comparable leaves out the numbers and UUIDs that a new link or a new profile has anew.
func comparable(state string) string {
	lines := strings.Split(withoutNumbers(anyUUID.ReplaceAllString(state, "UUID")), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// kill -9 of every command that changes a tunnel, at moments that cover all of its work. After the
// next command and an event of the dispatcher, the host is as it was before or as it is after it.
//
//lab:faults
func TestLabEveryCommandKilled(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	create := left.create("--no-probe", "--forward", "--snat", "10.10.1.0/24=10.10.1.1", "--route", "10.77.0.0/16 ssthresh 7", "--route", "blackhole 10.78.0.0/16 hoplimit 9")
	host := func() string {
		nmgreOn(t, lab.Linux1, exitDone, "list")
		lab.Linux1.Run(t, "/usr/local/bin/nmgre", "hook", "eth0", "up")
		return comparable(lab.Linux1.Snapshot(t))
	}
	nmgreOn(t, lab.Linux1, exitDone, create...)
	for _, c := range []real{
		{"route add", strings.Fields("route add gre1 10.79.0.0/16 ssthresh 7"), strings.Fields("route delete gre1 10.79.0.0/16")},
		{"edit", strings.Fields("edit gre1 --ttl 9 --mtu 1400 --no-probe"), strings.Fields("edit gre1 --ttl 64 --mtu 1476 --no-probe")},
		{"down", []string{"down", "gre1"}, []string{"up", "gre1"}},
		{"delete", []string{"delete", "gre1"}, create},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := host()
			r := nmgreOn(t, lab.Linux1, exitDone, c.args...)
			after := host()
			nmgreOn(t, lab.Linux1, exitDone, c.back...)
			const moments = 12
			olds, news := 0, 0
			for i := range moments {
				p := lab.Linux1.Start(t, "nmgre", c.args...)
				time.Sleep(r.Took * time.Duration(i) / (moments - 3))
				p.Kill()
				var now string
				settled := func() bool { now = host(); return now == before || now == after }
				for end := time.Now().Add(20 * time.Second); !settled() && time.Now().Before(end); {
					time.Sleep(100 * time.Millisecond)
				}
				switch now {
				case before:
					olds++
				case after:
					news++
					nmgreOn(t, lab.Linux1, exitDone, c.back...)
				default:
					t.Fatalf("killed at moment %d: neither as before nor as after:\n%s\nor\n%s", i, difference(before, now), difference(after, now))
				}
			}
			t.Logf("%d times as before, %d times as after", olds, news)
			if olds == 0 || news == 0 {
				t.Errorf("the moments did not cover both sides: %d before, %d after", olds, news)
			}
		})
	}
}
