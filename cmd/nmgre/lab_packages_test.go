package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nmgre/testdata/lab"
)

// apt runs apt-get on a host, without a question.
func apt(t *testing.T, host lab.Host, args ...string) lab.Result {
	t.Helper()
	r := host.Try("env", append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-o", "Dpkg::Use-Pty=0"}, args...)...)
	if r.Code != 0 {
		t.Fatalf("%s: apt-get %s: %s", host, strings.Join(args, " "), r)
	}
	return r
}

// rootHas reports whether a host has a file, or a link, at a path.
func rootHas(host lab.Host, path string) bool {
	_, err := os.Lstat(filepath.Join(host.Root(), path))
	return err == nil
}

// lostPings returns how many of the packets that ping has sent were not answered.
func lostPings(t *testing.T, said string) (sent, lost int) {
	t.Helper()
	found := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("ping said %q", said)
	}
	sent, _ = strconv.Atoi(found[1])
	received, _ := strconv.Atoi(found[2])
	return sent, sent - received
}

// The life of Debian's package: over an nmgre that somebody has installed by hand, with a tunnel
// whose routes, rule, SNAT and forwarding root keeps; the upgrade while packets flow; the removal,
// after which the tunnel works as NetworkManager's own; again; and the purge, which leaves
// NetworkManager's profile alone.
//
//lab:packages
func TestLabPackages(t *testing.T) {
	lab.Need(t)
	h := lab.Linux1
	before := h.Snapshot(t)
	leftFiles := h.Run(t, "find", "/", "-xdev", "-name", "*nmgre*", "-not", "-path", "/proc/*")
	installHook(t, h) // /usr/local/bin/nmgre

	apt(t, h, "install", "/share/deb/older.deb")
	if version := h.Run(t, "/usr/bin/nmgre", "version"); !strings.HasPrefix(version, "nmgre 0.0.9 (") || !strings.Contains(version, ", commit ") {
		t.Errorf("the older package has %s", version)
	}
	script := string(readRoot(t, h, "etc/NetworkManager/dispatcher.d/50-nmgre"))
	if !strings.Contains(script, "exec '/usr/bin/nmgre' hook") {
		t.Errorf("the hook calls another nmgre than the package's:\n%s", script)
	}
	if r := h.Try("/usr/bin/nmgre", "list"); r.Code != exitDone || strings.Contains(r.Stderr, "hook") { // it would say so
		t.Errorf("the package's hook is not the one that nmgre installs: %s", r)
	}
	if err := os.Remove(filepath.Join(h.Root(), "usr/local/bin/nmgre")); err != nil {
		t.Fatal(err)
	}

	makeKeptTunnel(t)
	kernel := func() string { return keptInKernel(t, h) }
	whole := kernel()
	for _, part := range []string{"10.20.0.0/16", "10.10.2.0/24", "snat to 10.10.1.1", "172.16.0.0/30 lookup 77 suppress_ifgroup 7"} {
		if !strings.Contains(whole, part) {
			t.Fatalf("%s is not in the kernel:\n%s", part, whole)
		}
	}

	upgradeUnderTraffic(t, h)
	mustEqual(t, "after the upgrade", whole, kernel())
	if version := h.Run(t, "/usr/bin/nmgre", "version"); strings.Contains(version, "0.0.9") {
		t.Errorf("after the upgrade there is %s", version)
	}
	nmcliDownUp(t, h)
	eventually(t, "the package's hook sets the kept part", func() bool { return kernel() == whole })

	killEdit(t, h)
	said := apt(t, h, "remove", "nmgre")
	for _, part := range []string{"nmgre: undid the change of gre1", "the tunnels stay", "for 1 of them /etc/nmgre keeps", "until the tunnel goes down", "Purging"} {
		if !strings.Contains(said.Stdout+said.Stderr, part) {
			t.Errorf("the removal does not say %q: %s", part, said)
		}
	}
	if rootHas(h, "etc/NetworkManager/dispatcher.d/50-nmgre") || rootHas(h, "etc/NetworkManager/dispatcher.d/pre-up.d/50-nmgre") || rootHas(h, "usr/bin/nmgre") {
		t.Error("the hook or the program stays after the removal")
	}
	mustEqual(t, "after the removal", whole, kernel())
	if mtu := h.Run(t, "ip", "link", "show", "dev", "gre1"); !strings.Contains(mtu, "mtu 1476 ") {
		t.Errorf("the edit on trial stays: %s", mtu)
	}
	mustPing(t, h, "172.16.0.2")
	nmcliDownUp(t, h)
	mustPing(t, h, "172.16.0.2") // as NetworkManager's own
	if strings.Contains(kernel(), "10.20.0.0/16") {
		t.Error("a kept route comes back without a hook")
	}

	apt(t, h, "install", "/share/deb/nmgre.deb")
	eventually(t, "the installation sets the kept part again", func() bool { return kernel() == whole })

	apt(t, h, "remove", "nmgre")
	h.Run(t, "install", "-D", "/dev/null", "/var/lib/nmgre/pair/note")
	apt(t, h, "purge", "nmgre")
	if left := keptInKernel(t, h); left != "" {
		t.Errorf("after the purge the kernel has\n%s", left)
	}
	if now := h.Run(t, "find", "/", "-xdev", "-name", "*nmgre*", "-not", "-path", "/proc/*"); now != leftFiles {
		t.Errorf("after the purge there are files:\n%s", difference(leftFiles, now))
	}
	mustPing(t, h, "172.16.0.2")
	h.Run(t, "nmcli", "connection", "delete", "gre1")
	// nmcli does not wait until NetworkManager has taken the device away
	eventually(t, "after the purge, without the profile, the host is as it was", func() bool { return h.Snapshot(t) == before })
}

// Where somebody has a script of the hook's name, it stays, and the package comes and goes all the
// same. A downgrade leaves everything in force. A purge while an edit waits for its answer takes
// the package's files away, and the edit is undone by its own process.
//
//lab:packages
func TestLabPackagesAmongOthers(t *testing.T) {
	lab.Need(t)
	h := lab.Linux1
	const script, theirs = "/etc/NetworkManager/dispatcher.d/50-nmgre", "#!/bin/sh\n# theirs\n"
	h.Run(t, "sh", "-c", "printf '"+strings.ReplaceAll(theirs, "\n", "\\n")+"' >"+script)
	for _, step := range [][]string{{"install", "/share/deb/nmgre.deb"}, {"remove", "nmgre"}} {
		if r := apt(t, h, step...); !strings.Contains(r.Stdout+r.Stderr, script+" is not nmgre's") {
			t.Errorf("apt-get %s does not say whose the hook is: %s", step, r)
		}
		if text := string(readRoot(t, h, script)); text != theirs {
			t.Fatalf("apt-get %s has changed another's script:\n%s", step, text)
		}
	}
	h.Run(t, "rm", script)

	apt(t, h, "install", "/share/deb/nmgre.deb")
	for _, file := range []string{script, "etc/systemd/system/nmgre-rules.service", "etc/systemd/system/nftables.service.wants/nmgre-rules.service"} {
		if !rootHas(h, file) { // systemd does not run here, as in an image that is being made
			t.Errorf("the installation has not made %s", file)
		}
	}
	makeKeptTunnel(t)
	whole := keptInKernel(t, h)
	apt(t, h, "install", "--allow-downgrades", "/share/deb/older.deb")
	mustEqual(t, "after the downgrade", whole, keptInKernel(t, h))
	nmcliDownUp(t, h)
	eventually(t, "the older package's hook sets the kept part", func() bool { return keptInKernel(t, h) == whole })

	h.Run(t, "mkfifo", "/tmp/silent")
	silent := h.Start(t, "sh", "-c", "exec sleep 60 >/tmp/silent")
	edit := h.Start(t, "sh", "-c", "exec /usr/bin/nmgre edit gre1 --mtu 1313 --no-probe --confirm 20s </tmp/silent")
	eventually(t, "the edit waits", func() bool { return strings.Contains(h.Run(t, "ip", "link", "show", "dev", "gre1"), "mtu 1313 ") })
	apt(t, h, "purge", "nmgre")
	if r := edit.Wait(t); r.Code != exitFailed || !strings.Contains(h.Run(t, "ip", "link", "show", "dev", "gre1"), "mtu 1476 ") {
		t.Errorf("the edit is not undone: %s", r)
	}
	if err := silent.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if left := keptInKernel(t, h); left != "" {
		t.Errorf("after the purge the kernel has\n%s", left)
	}
	for _, dir := range []string{"etc/nmgre", "run/nmgre", "var/lib/nmgre", "etc/systemd/system/nmgre-rules.service", script} {
		if rootHas(h, dir) {
			t.Errorf("after the purge there is %s", dir)
		}
	}
	mustPing(t, h, "172.16.0.2")
}

// killEdit leaves an edit of gre1 on trial. Its process is killed, and the one that would undo it.
func killEdit(t *testing.T, h lab.Host) {
	t.Helper()
	h.Run(t, "sh", "-ec", `mkfifo /tmp/nobody; sleep 60 >/tmp/nobody &
setsid /usr/bin/nmgre edit gre1 --mtu 1313 --no-probe --confirm 50s </tmp/nobody >/dev/null 2>&1 &
for i in $(seq 100); do ! ip link show dev gre1 | grep -q "mtu 1313" || break; sleep 0.2; done
sleep 1; kill -9 $(pgrep -f "^/usr/bin/nmgre "); ip link show dev gre1 | grep "mtu 1313"; rm /tmp/nobody`)
}

func readRoot(t *testing.T, host lab.Host, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(host.Root(), path))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// makeKeptTunnel makes both ends; linux1's has a kept part of every kind.
func makeKeptTunnel(t *testing.T) {
	t.Helper()
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	r := lab.Linux1.Try("/usr/bin/nmgre", left.create("--no-probe", "--route", "10.20.0.0/16 ssthresh 7",
		"--rule", "from 172.16.0.0/30 table 77 suppress_ifgroup 7", "--snat", "10.10.2.0/24=10.10.1.1", "--forward")...)
	if r.Code != exitDone {
		t.Fatalf("create: %s", r)
	}
}

// keptInKernel returns all that nmgre itself has set in the kernel, and the forwarding of its
// devices.
func keptInKernel(t *testing.T, host lab.Host) string {
	t.Helper()
	return host.Run(t, "sh", "-c", `ip route show table all proto 213; ip -6 route show table all proto 213; ip rule show | grep "proto 213"
nft list tables | grep nmgre && nft list table ip nmgre | sed 's/ # handle .*//' ; true`)
}

func nmcliDownUp(t *testing.T, host lab.Host) {
	t.Helper()
	host.Run(t, "nmcli", "connection", "down", "gre1")
	host.Run(t, "nmcli", "connection", "up", "gre1")
}

// upgradeUnderTraffic upgrades the package while the far end is asked twenty times a second. No
// packet may be lost: the upgrade replaces files, and the hook finds everything in place.
func upgradeUnderTraffic(t *testing.T, h lab.Host) {
	t.Helper()
	ping := h.Start(t, "ping", "-n", "-i", "0.05", "172.16.0.2")
	eventually(t, "packets flow", func() bool { return strings.Count(ping.Stdout(), "bytes from") > 5 })
	apt(t, h, "install", "/share/deb/nmgre.deb")
	if err := ping.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	sent, lost := lostPings(t, ping.Wait(t).Stdout)
	t.Logf("the upgrade: %d packets sent, %d lost", sent, lost)
	if lost > 1 { // the last one may be under way when ping ends
		t.Errorf("%d of %d packets are lost during the upgrade", lost, sent)
	}
}
