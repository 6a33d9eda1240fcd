package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// Profiles that somebody else has written or changed, with nmcli, ip and ping as the witnesses.

// nmcliOn1 runs nmcli on linux1.
func nmcliOn1(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(lab.Linux1.Run(t, "nmcli", args...))
}

// keyfile returns the file of a profile on linux1, without the time when it was last up.
func keyfile(t *testing.T, id string) string {
	t.Helper()
	text := lab.Linux1.Run(t, "cat", "/etc/NetworkManager/system-connections/"+id+".nmconnection")
	return strings.ReplaceAll(lastUp.ReplaceAllString(text, "timestamp"), "timestamp\n", "")
}

// linkOf is a link of linux1 as ip shows it.
func linkOf(t *testing.T, dev string) string {
	t.Helper()
	return lab.Linux1.Run(t, "ip", "-d", "link", "show", "dev", dev)
}

// has fails the test unless the text has all of the parts.
func has(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

// A profile was changed with nmcli and not applied. An edit of something else sees that the device
// needs a new link for it, and ends right; up applies it.
//
//lab:every
func TestLabPending(t *testing.T) {
	lab.Need(t)
	joinEnds(t)
	number := index(t, lab.Linux1, "gre1")

	nmcliOn1(t, "connection", "modify", "gre1", "ip-tunnel.ttl", "99")
	has(t, "show", nmgreOn(t, lab.Linux1, exitDone, "show", "gre1").Stdout, "not applied:", "ip-tunnel.ttl", "with a new link")
	var shown struct {
		NotApplied []string `json:"not_applied"`
	}
	if err := json.Unmarshal([]byte(nmgreOn(t, lab.Linux1, exitDone, "show", "gre1", "--json").Stdout), &shown); err != nil || len(shown.NotApplied) != 1 {
		t.Errorf("show --json: %v, %v", shown.NotApplied, err)
	}
	r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400")
	has(t, "edit", r.Stderr, "it goes down and up", "ip-tunnel.ttl; this edit applies it, too")
	has(t, "ip", linkOf(t, "gre1"), "ttl 99", "mtu 1400")
	has(t, "the file", keyfile(t, "gre1"), "ttl=99", "mtu=1400")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if text := nmgreOn(t, lab.Linux1, exitDone, "show", "gre1").Stdout; strings.Contains(text, "not applied") {
		t.Errorf("something still waits:\n%s", text)
	}
	if now := index(t, lab.Linux1, "gre1"); now == number {
		t.Error("the link is the old one")
	}

	// properties that a tunnel does not see while it is up need nothing
	number = index(t, lab.Linux1, "gre1")
	nmcliOn1(t, "connection", "modify", "gre1", "connection.autoconnect-priority", "5", "connection.permissions", "user:root", "connection.multi-connect", "3")
	has(t, "edit", nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1390").Stderr, "it stays up")
	nmcliOn1(t, "connection", "modify", "gre1", "connection.autoconnect-priority", "0", "connection.permissions", "", "connection.multi-connect", "0")
	has(t, "up", nmgreOn(t, lab.Linux1, exitDone, "up", "gre1").Stderr, "gre1 is up")

	// changes that NetworkManager can apply
	nmcliOn1(t, "connection", "modify", "gre1", "+ipv4.routes", "10.77.0.0/16", "connection.zone", "")
	has(t, "up", nmgreOn(t, lab.Linux1, exitDone, "up", "gre1").Stderr, "ipv4.route-data; it stays up")
	has(t, "ip route", lab.Linux1.Run(t, "ip", "route", "show", "dev", "gre1"), "10.77.0.0/16")
	if now := index(t, lab.Linux1, "gre1"); now != number {
		t.Error("the link was made anew")
	}

	// a change that needs a new link, and may cut the session off
	nmcliOn1(t, "connection", "modify", "gre1", "ip-tunnel.ttl", "77", "ip-tunnel.remote", "100.0.2.101")
	session := "SSH_CONNECTION=" + lab.LAN2Addr + " 50000 172.16.0.1 22"
	if r := lab.Linux1.Try("env", session, "nmgre", "up", "gre1"); r.Code != exitInvalid || !strings.Contains(linkOf(t, "gre1"), "ttl 99") {
		t.Errorf("up that cuts the session off: exit %d\n%s%s", r.Code, r.Stderr, linkOf(t, "gre1"))
	}
	// it is undone unless somebody confirms it, and waits again then
	if r := lab.Linux1.Try("env", session, "nmgre", "up", "gre1", "--confirm", "2s"); r.Code == exitDone || !strings.Contains(linkOf(t, "gre1"), "ttl 99") {
		t.Errorf("up that nobody confirmed: exit %d\n%s%s", r.Code, r.Stderr, linkOf(t, "gre1"))
	}
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	has(t, "the file", keyfile(t, "gre1"), "ttl=77", "remote=100.0.2.101")
	has(t, "up", nmgreOn(t, lab.Linux1, exitDone, "up", "gre1").Stderr, "it goes down and up", "ip-tunnel.remote, ip-tunnel.ttl")
	has(t, "ip", linkOf(t, "gre1"), "ttl 77", "remote 100.0.2.101")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--peer", "100.0.2.100")
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}

// Profiles as other programs leave them: without a word about the addresses, with a gateway, with
// settings that nmgre knows nothing of, without a far end, or copied.
//
//lab:every
func TestLabTheirs(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux2, exitDone, right.create()...)
	add := []string{"connection", "add", "type", "ip-tunnel", "con-name", "gre1", "ifname", "gre1", "mode", "gre", "remote", "100.0.2.100", "local", "100.0.1.100", "autoconnect", "no"}
	nmcliOn1(t, add...)

	// the method auto without an address: NetworkManager waits for DHCP, or goes on without
	begin := time.Now()
	r := lab.Linux1.Try("nmgre", "up", "gre1", "--wait", "5s")
	t.Logf("up of the method auto: exit %d\n%s", r.Code, r.Stderr)
	if r.Code != exitDone {
		has(t, "up", r.Stderr, "ipv4.method is auto")
	}
	has(t, "up", r.Stderr, "nmgre edit gre1 --address")
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--address", "172.16.0.1/30", "--route", "10.10.2.0/24")
	if method := nmcliOn1(t, "-g", "ipv4.method", "connection", "show", "gre1"); method != "manual" {
		t.Errorf("the method is %s", method)
	}
	nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
	mustPing(t, lab.Linux1, "172.16.0.2")

	// a gateway is a default route; all that is not nmgre's stays, byte for byte
	nmcliOn1(t, "connection", "modify", "gre1", "ipv4.gateway", "172.16.0.2", "ipv4.route-metric", "900", "ipv4.dns", "172.16.0.2", "ipv4.dns-search", "example.org",
		"ipv4.routing-rules", "priority 5 from 10.9.0.0/16 table 7", "connection.zone", "trusted", "connection.multi-connect", "1", "ipv4.routes", "10.10.2.0/24 initcwnd=12, 10.8.0.0/16 type=blackhole")
	nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
	before := keyfile(t, "gre1")
	// The keyfile of 1.52 has a line of its own for the gateway.
	if !strings.Contains(before, "address1=172.16.0.1/30,172.16.0.2\n") && !strings.Contains(before, "\ngateway=172.16.0.2\n") {
		t.Errorf("the file lacks the gateway:\n%s", before)
	}
	has(t, "ip route", lab.Linux1.Run(t, "ip", "route", "show", "default"), "default via 172.16.0.2 dev gre1 proto static metric 900")
	has(t, "show", nmgreOn(t, lab.Linux1, exitDone, "show", "gre1").Stdout, "default via 172.16.0.2 (profile")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400")
	if after := keyfile(t, "gre1"); strings.ReplaceAll(after, "mtu=1400\n", "") != before {
		t.Errorf("the file has changed:\n%s", difference(before, after))
	}
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--ttl", "33")
	if after := keyfile(t, "gre1"); strings.ReplaceAll(strings.ReplaceAll(after, "mtu=1400\n", ""), "ttl=33\n", "") != before {
		t.Errorf("the file has changed:\n%s", difference(before, after))
	}
	nmgreOn(t, lab.Linux1, exitDone, "route", "delete", "gre1", "default")
	if text := keyfile(t, "gre1"); strings.Contains(text, "172.16.0.2\n[") || strings.Contains(text, ",172.16.0.2\n") || strings.Contains(text, "gateway=") {
		t.Errorf("the gateway stays without its route:\n%s", text)
	}
	if text := lab.Linux1.Run(t, "ip", "route", "show", "default"); strings.Contains(text, "gre1") {
		t.Errorf("the kernel keeps it:\n%s", text)
	}
	nmcliOn1(t, "connection", "modify", "gre1", "ipv4.gateway", "172.16.0.2")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--address", "172.16.9.1/30")
	has(t, "the file", keyfile(t, "gre1"), "172.16.9.2")
	has(t, "ip route", lab.Linux1.Run(t, "ip", "route", "show", "default"), "default via 172.16.9.2 dev gre1")

	// a copy has the interface of the original
	nmcliOn1(t, "connection", "clone", "gre1", "gre1-clone")
	clone := nmcliOn1(t, "-g", "connection.uuid", "connection", "show", "gre1-clone")
	has(t, "list", nmgreOn(t, lab.Linux1, exitDone, "list").Stdout, "gre1 (gre1)", "gre1 (gre1-clone)")
	has(t, "delete", nmgreOn(t, lab.Linux1, exitInvalid, "delete", "gre1").Stderr, "2 tunnels have the name gre1", "gre1-clone "+clone+", inactive")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1-clone")
	has(t, "nmcli", nmcliOn1(t, "-g", "NAME", "connection", "show"), "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")

	// a tunnel without a far end
	nmcliOn1(t, "connection", "add", "type", "ip-tunnel", "con-name", "hub", "ifname", "hub", "mode", "gre", "remote", "0.0.0.0", "local", "100.0.1.100", "ip-tunnel.input-key", "7", "ip-tunnel.output-key", "7",
		"ipv4.method", "manual", "ipv4.addresses", "172.18.0.1/24", "ipv6.method", "disabled", "autoconnect", "no")
	nmgreOn(t, lab.Linux1, exitDone, "up", "hub")
	has(t, "list", nmgreOn(t, lab.Linux1, exitDone, "list").Stdout, "any")
	has(t, "show", nmgreOn(t, lab.Linux1, exitDone, "show", "hub").Stdout, "remote:", "any: packets of every host come in")
	has(t, "verify", lab.Linux1.Try("nmgre", "verify", "hub").Stdout, "the tunnel has no far end", "verdict: warn")
	before = keyfile(t, "hub")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "hub", "--ttl", "44")
	if after := keyfile(t, "hub"); strings.ReplaceAll(after, "ttl=44\n", "") != before {
		t.Errorf("the file has changed:\n%s", difference(before, after))
	}
	has(t, "ip", linkOf(t, "hub"), "remote any", "ttl 44")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "hub")

	// the kernel's own device
	nmcliOn1(t, "connection", "add", "type", "ip-tunnel", "con-name", "gre0", "ifname", "gre0", "mode", "gre", "remote", "100.0.2.100", "local", "100.0.1.100", "ipv4.method", "manual",
		"ipv4.addresses", "172.16.0.1/30", "ipv6.method", "disabled", "autoconnect", "no")
	has(t, "up", lab.Linux1.Try("nmgre", "up", "gre0").Stderr, "a device of the kernel's own", "--name gre1")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre0", "--name", "gre1")
	nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
	mustPing(t, lab.Linux1, "172.16.0.2")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}

// The flags of NetworkManager's setting have words, and go in and out by these. A NetworkManager
// that takes none is named.
//
//lab:every
func TestLabFlags(t *testing.T) {
	lab.Need(t)
	const words = "ip6-ign-encap-limit,ip6-use-orig-tclass"
	create := []string{"create", "--mode", "ip6gre", "--peer", lab.Linux2WAN6, "--address", "172.19.0.1/30", "--flags", words, "--no-probe"}
	var minor int
	version := nmcliOn1(t, "-g", "VERSION", "general")
	if _, err := fmt.Sscanf(version, "1.%d", &minor); err != nil {
		t.Fatalf("%s: %v", version, err)
	}
	if minor < 44 {
		r := nmgreOn(t, lab.Linux1, exitInvalid, create...)
		has(t, "create", r.Stderr, "NetworkManager "+version+" takes no flags for mode ip6gre", "NetworkManager 1.44 or later")
		return
	}
	nmgreOn(t, lab.Linux1, exitDone, create...)
	has(t, "nmcli", nmcliOn1(t, "-g", "ip-tunnel.flags", "connection", "show", "gre1"), "0x3")
	has(t, "ip", linkOf(t, "gre1"), "encaplimit none", "tclass inherit")
	has(t, "show", nmgreOn(t, lab.Linux1, exitDone, "show", "gre1").Stdout, words, "--encap-limit none --flags ip6-use-orig-tclass")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--mtu", "1400", "--no-probe")
	has(t, "nmcli", nmcliOn1(t, "-g", "ip-tunnel.flags", "connection", "show", "gre1"), "0x3")
	r := nmgreOn(t, lab.Linux1, exitDone, "edit", "gre1", "--flags", "none", "--no-probe")
	has(t, "edit", r.Stderr, "encap-limit: none -> 4", "flags: ip6-use-orig-tclass -> none")
	if link := linkOf(t, "gre1"); strings.Contains(link, "tclass inherit") {
		t.Errorf("ip says\n%s", link)
	}
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre1")
}
