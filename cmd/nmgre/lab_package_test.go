package main

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"nmgre/testdata/lab"
)

// Programs of others beside nmgre, from Debian's packages as they lie in /share.

// unpacked has the files of a package where the package would put them, but for those that the host
// has already, until the test ends.
func unpacked(t *testing.T, host lab.Host, name string) {
	t.Helper()
	const unpack = `cd "/share/packages/$(. /etc/os-release; echo $VERSION_CODENAME)/$1" &&
		for folder in etc lib usr/bin usr/sbin usr/lib usr/share/dbus-1; do [[ ! -d $folder ]] || find $folder ! -type d; done |
		while read -r file; do [[ -e /$file ]] || echo "$file"; done >/run/unpacked && tar -c -T /run/unpacked | tar -x -C / && cat /run/unpacked`
	files := host.Run(t, "bash", "-c", unpack, "unpack", name)
	t.Cleanup(func() {
		if r := host.TryInput(files, "sh", "-c", "cd / && xargs rm -f"); r.Code != 0 {
			t.Errorf("%s stays: %v", name, r)
		}
	})
}

// A provider's PPPoE gives linux1 its only address, and another one at the next connection: create
// tells that, the tunnel with any local address follows, and so does the far end's host route.
//
//lab:package ppp
//lab:package pppoe
func TestLabLeasedByPPPoE(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	loadPPP(t)
	unpacked(t, lab.Linux1, "ppp")
	unpacked(t, lab.Router, "pppoe")
	stop := provider(t, "100.0.7.150")
	nmcli(t, "connection down wan")
	t.Cleanup(func() { lab.Linux1.Try("nmcli", "connection", "up", "wan") })
	nmcli(t, "connection add type pppoe con-name dsl ifname ppp7 pppoe.parent eth0 username nobody password nothing autoconnect no")
	t.Cleanup(func() { lab.Linux1.Try("nmcli", "connection", "delete", "dsl") })
	nmcli(t, "connection up dsl")
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30", "--dry-run")
	if !strings.Contains(r.Stdout, "the local address 100.0.7.150 is leased (PPP, on ppp7)") || !strings.Contains(r.Stdout, "with --local any it follows the lease") {
		t.Errorf("create does not say that the address is leased: %s", r)
	}
	r = nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--local", "any", "--address", "172.16.0.1/30", "--route", "default metric 50", "--no-probe")
	if !strings.Contains(r.Stdout, "far end: nmgre create --peer 100.0.7.150 ") || strings.Contains(r.Stderr, "is leased") {
		t.Errorf("the far end's line: %s", r)
	}
	pinned := func() string { return lab.Linux1.Run(t, "ip", "route", "show", "proto", "213") }
	if !strings.Contains(pinned(), "100.0.2.100 via 100.0.7.1 dev ppp7") {
		t.Errorf("the far end's host route: %s", pinned())
	}
	makeFarEnd(t, lab.Linux2, r)
	mustPing(t, lab.Linux1, "172.16.0.2")

	stop()
	lab.Linux1.Try("nmcli", "connection", "down", "dsl")
	provider(t, "100.0.7.160")
	nmcli(t, "connection up dsl")
	eventually(t, "the host route follows the lease", func() bool { return strings.Contains(pinned(), "100.0.2.100 via 100.0.7.1 dev ppp7") })
	nmgreOn(t, lab.Linux2, exitDone, "edit", "gre1", "--peer", "100.0.7.160", "--no-probe")
	mustPing(t, lab.Linux1, "172.16.0.2")
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks"); !strings.Contains(r.Stdout, "dev ppp7") {
		t.Errorf("verify: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1"); !strings.Contains(r.Stdout, "nmgre create --peer 100.0.7.160 ") {
		t.Errorf("the far end's line names another address: %s", r)
	}
}

// loadPPP loads the kernel's PPP, which pppd cannot do from the namespaces of a host.
func loadPPP(t *testing.T) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), "modprobe", "-a", "ppp_generic", "pppox", "pppoe", "ppp_async", "ppp_synctty").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, bytes.TrimSpace(said))
	}
}

// provider has the router answer PPPoE, and give one client that address, until stop is called.
func provider(t *testing.T, address string) (stop func()) {
	t.Helper()
	write(t, lab.Router, "/run/pppoe-options", "noauth\nlcp-echo-interval 0\nnodetach\n")
	server := lab.Router.Start(t, "pppoe-server", "-F", "-I", "eth1", "-L", "100.0.7.1", "-R", address, "-N", "1", "-O", "/run/pppoe-options", "-q", "/usr/sbin/pppd", "-Q", "/usr/sbin/pppoe")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the provider says: %s%s", server.Stdout(), server.Stderr())
		}
	})
	return func() {
		server.Kill()
		lab.Router.Try("bash", "-c", "for p in /proc/[0-9]*; do [[ $(readlink $p/exe) != */pppd || ! $p/ns/net -ef /proc/self/ns/net ]] || kill ${p#/proc/}; done")
	}
}

// startRealFirewalld has Debian's firewalld on linux1, until the test ends. Its own client starts
// slowly on an emulated machine, so the bus is asked instead.
func startRealFirewalld(t *testing.T) (restart func()) {
	t.Helper()
	unpacked(t, lab.Linux1, "firewalld")
	// it reads all of them when it starts: the zones name, and the services include, a few
	lab.Linux1.Run(t, "bash", "-c", `cd /usr/lib/firewalld/services && for file in *.xml; do [[ " ssh mdns dhcp dns dhcpv6-client ipp-client samba-client netbios-ns " == *" ${file%.xml} "* ]] || rm "$file"; done`)
	// firewalld 2.4 has policies for a gateway between zones, of services that are not there then
	lab.Linux1.Run(t, "sh", "-c", "rm -f /usr/lib/firewalld/policies/gateway-*.xml")
	// as the package's script does: polkit is to know the actions
	lab.Linux1.Run(t, "sh", "-c", `cp "/share/packages/$(. /etc/os-release; echo $VERSION_CODENAME)/firewalld/usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.server.policy.choice" /usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy`)
	lab.Linux1.Run(t, "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.ReloadConfig")
	var firewall *lab.Process
	begin := func() {
		firewall = lab.Linux1.Start(t, "python3", "/usr/sbin/firewalld", "--nofork", "--nopid")
		lab.Linux1.Run(t, "sh", "-c", "for i in $(seq 60); do busctl call "+firewalldObject+" org.fedoraproject.FirewallD1 getDefaultZone && exit; sleep 1; done; exit 1")
	}
	t.Cleanup(func() {
		firewall.Kill()
		lab.Linux1.Try("sh", "-c", "nft flush ruleset; rm -f /usr/share/polkit-1/actions/org.fedoraproject.FirewallD1.policy; rm -rf /run/firewalld /etc/firewalld")
		if t.Failed() {
			t.Logf("firewalld says: %s%s", firewall.Stdout(), firewall.Stderr())
		}
	})
	begin()
	return func() {
		if err := firewall.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		firewall.Wait(t)
		begin()
	}
}

const firewalldObject = "org.fedoraproject.FirewallD1 /org/fedoraproject/FirewallD1"

// firewalld itself offers its zones; the tunnel is in the chosen one; where the zones keep the LANs
// apart, verify names them on this end, and the tunnel's on the far end. nmgre's own rules in
// nftables survive its reload and its restart.
//
//lab:package firewalld
func TestLabFirewalld(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	restart := startRealFirewalld(t)
	create := left.create("--snat", lab.LAN1Net+"="+lab.Linux1LAN, "--zone")
	r := nmgreOn(t, lab.Linux1, exitInvalid, append(create, "wrok")...)                                                                                                                       //nolint:misspell // on purpose
	if !strings.Contains(r.Stderr, "zone: firewalld has no zone wrok\nhint: did you mean work; the zones are block, dmz, drop, external, home, internal, nm-shared, public, trusted, work") { //nolint:misspell // as above
		t.Errorf("a zone that is not there: %s", r)
	}
	nmgreOn(t, lab.Linux2, exitDone, right.create("--no-probe")...)
	nmgreOn(t, lab.Linux1, exitDone, append(create, "work")...)
	inZone := func(dev, zone string) {
		t.Helper()
		eventually(t, "firewalld has "+dev+" in its zone "+zone, func() bool {
			return strings.Contains(lab.Linux1.Try("sh", "-c", "busctl call "+firewalldObject+" org.fedoraproject.FirewallD1.zone getZoneOfInterface s "+dev).Stdout, `"`+zone+`"`)
		})
	}
	inZone("gre1", "work")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400")
	if got := property(t, "connection.zone"); got != "work" {
		t.Errorf("an edit of the MTU leaves the zone %q", got)
	}
	inZone("gre1", "work")
	r = nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks")
	for _, part := range []string{"firewalld has the tunnel in its zone work", "firewalld drops packets forwarded between gre1 and eth1: gre1 is in its zone work, eth1 is in its zone public",
		"its rules drop a packet that begins a connection, in either direction", "verdict: warn"} {
		if !strings.Contains(r.Stdout, part) {
			t.Errorf("verify lacks %q: %s", part, r)
		}
	}
	if lab.Ping(t, lab.LAN2, lab.LAN1Addr) {
		t.Error("the LANs reach each other")
	}
	if r := nmgreOn(t, lab.Linux2, exitFault, "verify", "gre1", "--to", lab.LAN1Addr); !strings.Contains(r.Stdout, "rejects packets to "+lab.LAN1Addr) || !strings.Contains(r.Stdout, "or its zones") {
		t.Errorf("verify on the far end: %s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--zone", "public")
	inZone("gre1", "public")
	lansMeet := func(when string) {
		t.Helper()
		eventually(t, when+": the LANs reach each other", func() bool { return lab.Ping(t, lab.LAN2, lab.LAN1Addr) })
		r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gre1", "--all-checks")
		if strings.Contains(r.Stdout, "firewalld drops") || strings.Contains(r.Stdout, "missing") {
			t.Errorf("%s: %s", when, r)
		}
		nmgreOn(t, lab.Linux2, exitDone, "verify", "gre1", "--to", lab.LAN1Addr)
	}
	lansMeet("one zone")
	ours := lab.Linux1.Run(t, "nft", "list", "table", "ip", "nmgre")
	lab.Linux1.Run(t, "sh", "-c", "busctl call "+firewalldObject+" org.fedoraproject.FirewallD1 reload")
	inZone("gre1", "public")
	lansMeet("after a reload")
	restart()
	inZone("gre1", "public")
	lansMeet("after a restart")
	if got := lab.Linux1.Run(t, "nft", "list", "table", "ip", "nmgre"); counters.ReplaceAllString(got, "") != counters.ReplaceAllString(ours, "") {
		t.Errorf("nmgre's rules were\n%s\nand are\n%s", ours, got)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
	inZone("gre1", "")

	lab.Linux1.Run(t, "sh", "-c", "ip tunnel add hand1 mode gre local 100.0.1.100 remote 100.0.2.103 ttl 64 && ip addr add 172.16.9.1/30 dev hand1 && ip link set hand1 up")
	t.Cleanup(func() { lab.Linux1.Try("ip", "link", "del", "hand1") })
	zoned := "busctl call " + firewalldObject + " org.fedoraproject.FirewallD1.zone changeZoneOfInterface ss "
	lab.Linux1.Run(t, "sh", "-c", zoned+"trusted hand1")
	if r := nmgreOn(t, lab.Linux1, exitDone, "adopt", "hand1", "--no-probe"); !strings.Contains(r.Stderr, "firewalld's zone trusted: taken") {
		t.Errorf("adopt does not name the zone: %s", r)
	}
	inZone("hand1", "trusted")
	lab.Linux1.Run(t, "sh", "-c", zoned+"work hand1")
	if r := lab.Linux1.Try("nmgre", "verify", "hand1", "--all-checks"); !strings.Contains(r.Stdout, "in its zone work, and the profile says trusted") || !strings.Contains(r.Stdout, "nmcli device reapply hand1") {
		t.Errorf("verify of a tunnel in another zone: %v", r)
	}
	nmcli(t, "device reapply hand1")
	inZone("hand1", "trusted")
	nmcli(t, "connection modify hand1 connection.zone nowhere")
	if r := lab.Linux1.Try("nmgre", "verify", "hand1", "--all-checks"); !strings.Contains(r.Stdout, "firewalld has no zone nowhere") {
		t.Errorf("verify of a zone that is not there: %v", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "hand1")
}

var counters = regexp.MustCompile(`packets \d+ bytes \d+`)
