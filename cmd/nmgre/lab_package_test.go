package main

import (
	"bytes"
	"os/exec"
	"strings"
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
