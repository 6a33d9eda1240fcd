package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"nmgre/testdata/lab"
)

// madeLink returns a tunnel on a host as `ip` shows it: its kind, MTU, headers, its addresses
// besides those of link scope, and the destinations of its routes.
func madeLink(t *testing.T, host lab.Host, name string) string {
	t.Helper()
	var links []struct {
		MTU      int
		Linkinfo struct {
			Kind string         `json:"info_kind"`
			Data map[string]any `json:"info_data"`
		}
		Addresses []struct {
			Local     string
			Prefixlen int
			Scope     string
		} `json:"addr_info"`
	}
	r := host.Try("ip", "-d", "-j", "address", "show", "dev", name)
	if err := json.Unmarshal([]byte(r.Stdout), &links); err != nil || len(links) != 1 {
		return r.String()
	}
	l := links[0]
	words := []string{l.Linkinfo.Kind, fmt.Sprint("mtu ", l.MTU)}
	for _, key := range slices.Sorted(maps.Keys(l.Linkinfo.Data)) {
		words = append(words, fmt.Sprint(key, " ", l.Linkinfo.Data[key]))
	}
	var addresses []string
	for _, a := range l.Addresses {
		if a.Scope != "link" {
			addresses = append(addresses, fmt.Sprintf("%s/%d", a.Local, a.Prefixlen))
		}
	}
	slices.Sort(addresses)
	return strings.Join(slices.Concat(words, addresses, madeRoutes(host, name)), ", ")
}

// madeRoutes returns the destinations of the routes into a device, in order.
func madeRoutes(host lab.Host, name string) []string {
	var to []string
	for _, family := range []string{"-4", "-6"} {
		var list []struct{ Dst string }
		_ = json.Unmarshal([]byte(host.Try("ip", family, "-j", "route", "show", "dev", name).Stdout), &list) // the comparison sees a missing route
		for _, r := range list {
			if !strings.HasPrefix(r.Dst, "fe80:") {
				to = append(to, "to "+r.Dst)
			}
		}
	}
	slices.Sort(to)
	return slices.Compact(to)
}

// writeFiles writes the files of a notation's text on a host, each behind its line "# file: PATH".
func writeFiles(t *testing.T, host lab.Host, text string) {
	t.Helper()
	for _, part := range strings.Split("\n"+text, "\n# file: ")[1:] {
		path, body, _ := strings.Cut(part, "\n")
		put(t, host, path, body+"\n")
	}
}

// put writes a file on a host, for root's eyes only.
func put(t *testing.T, host lab.Host, path, body string) {
	t.Helper()
	if r := host.TryInput(body, "sh", "-c", `umask 077; mkdir -p "$(dirname "$1")" && cat >"$1"`, "sh", path); r.Code != 0 {
		t.Fatalf("%s: %s", path, r)
	}
}

// install copies a program that was unpacked into /opt to where it belongs.
func install(t *testing.T, host lab.Host, program string) {
	t.Helper()
	host.Run(t, "bash", "-c", `cd "/opt/$1" && for d in *; do mkdir -p "/$d" && cp -a --remove-destination "$d/." "/$d/"; done`, "bash", program)
}

// networkd runs systemd-networkd on a host until the test ends. NetworkManager is stopped there.
// Its folder is its own user's, as its unit's RuntimeDirectory= makes it: from systemd 257 on it
// ends where it cannot make a socket there.
func networkd(t *testing.T, host lab.Host) {
	t.Helper()
	host.StopNM(t)
	host.Run(t, "install", "-d", "-o", "systemd-network", "-g", "systemd-network", "/run/systemd/netif")
	p := host.Start(t, "env", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("systemd-networkd said:\n%s", p.Stderr())
		}
	})
}

// ifup brings the tunnel up by one of the ifupdowns.
func ifup(program string) func(t *testing.T, host lab.Host, text string) {
	return func(t *testing.T, host lab.Host, text string) {
		t.Helper()
		install(t, host, program)
		host.Try("chmod", "755", "/usr/share/ifupdown2/__main__.py") // which its postinst does
		put(t, host, "/etc/network/interfaces", text)
		host.Run(t, "mkdir", "-p", "/run/network")
		command := "ifup"
		if program == "ifupdown-ng" && host.Try("test", "-e", "/usr/sbin/ifup-ng").Code == 0 { // since Debian 13
			command = "ifup-ng"
		}
		host.Run(t, command, "gre1")
	}
}

// program is a program that applies a notation.
type program struct {
	name, kind string
	apply      func(t *testing.T, host lab.Host, text string)
	networkd   bool // systemd-networkd makes the link
	noEthernet bool // it makes no link that carries Ethernet, though the notation can hold it
}

// programs are the programs that make the links themselves.
var programs = []program{
	{name: "nmgre", kind: "nmgre", apply: func(t *testing.T, host lab.Host, text string) { host.Run(t, "sh", "-c", text) }},
	{name: "ip", kind: "ip", apply: func(t *testing.T, host lab.Host, text string) { host.Run(t, "sh", "-e", "-c", text) }},
	{name: "networkd", kind: "networkd", networkd: true, apply: func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "chmod", "-R", "go+rX", "/etc/systemd/network")
		networkd(t, host)
	}},
	{name: "netplan by networkd", kind: "netplan", networkd: true, apply: func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "netplan", "generate")
		networkd(t, host)
	}},
	{name: "ifupdown", kind: "ifupdown", apply: ifup("ifupdown")},
	{name: "ifupdown2", kind: "ifupdown2", apply: ifup("ifupdown2")},
	{name: "ifupdown-ng", kind: "ifupdown-ng", apply: ifup("ifupdown-ng")},
}

// managed are the notations that NetworkManager carries out.
var managed = []program{
	{name: "nmcli", kind: "nmcli", apply: func(t *testing.T, host lab.Host, text string) {
		host.Run(t, "sh", "-e", "-c", text)
		host.Run(t, "nmcli", "connection", "up", "gre1")
	}},
	{name: "keyfile", kind: "keyfile", apply: func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "nmcli", "connection", "reload")
		host.Run(t, "nmcli", "connection", "up", "gre1")
	}},
	{name: "netplan by NetworkManager", kind: "netplan", noEthernet: true, apply: func(t *testing.T, host lab.Host, text string) {
		text = strings.ReplaceAll(text, "\n#      ", "\n      ") // as the comment there says
		writeFiles(t, host, strings.Replace(text, "  version: 2\n", "  version: 2\n  renderer: NetworkManager\n", 1))
		host.Run(t, "netplan", "generate")
		host.Run(t, "nmcli", "connection", "reload")
		host.Run(t, "nmcli", "connection", "up", "netplan-gre1")
	}},
}

// shape is a tunnel, as the near end makes it.
type shape struct {
	name  string
	flags []string
	far   string // the far end's inner address
}

// keyed is a tunnel that every notation of the Linux family holds.
var keyed = shape{"gre", []string{"--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--key", "42", "--route", lab.LAN2Net}, "172.16.0.2"}

// shapes are others. Each notation holds some of them.
var shapes = []shape{
	{"two keys, both families", []string{"--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--address", "fd00:16::1/126", "--input-key", "1", "--output-key", "2", "--tos", "0x10",
		"--route", lab.LAN2Net, "--route", "10.77.0.0/16"}, "172.16.0.2"},
	{"SNAT, no path MTU discovery", []string{"--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--key", "0x2a", "--ttl", "inherit", "--no-pmtud", "--snat", lab.LAN1Net + "=10.10.1.1", "--forward",
		"--route", lab.LAN2Net}, "172.16.0.2"},
	{"two addresses, MTU, no key", []string{"--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--address", "172.16.9.1/24", "--peer-address", "172.16.0.2", "--peer-address", "172.16.9.2", "--mtu", "1380", "--ttl", "255",
		"--route", lab.LAN2Net + " via 172.16.0.2"}, "172.16.9.2"},
	{"ip6gre", []string{"--mode", "ip6gre", "--peer", lab.Linux2WAN6, "--address", "172.16.0.1/30", "--key", "42", "--route", lab.LAN2Net}, "172.16.0.2"},
	{"gretap", []string{"--mode", "gretap", "--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--key", "42", "--route", lab.LAN2Net + " via 172.16.0.2"}, "172.16.0.2"},
	{"ip6gretap", []string{"--mode", "ip6gretap", "--peer", lab.Linux2WAN6, "--address", "172.16.0.1/30", "--address", "fd00:16::1/64", "--tos", "0x20", "--ttl", "100", "--mtu", "1300",
		"--route", lab.LAN2Net + " via 172.16.0.2"}, "172.16.0.2"},
}

// carry makes a tunnel with nmgre at the near end, and applies nmgre's notation for the far end
// there. The link must be the one that nmgre makes there, and carry traffic from LAN to LAN. It
// returns false for a notation that cannot hold the tunnel, and says so.
func carry(t *testing.T, p program, s shape) bool {
	t.Helper()
	t.Cleanup(func() {
		lab.Linux2.Try("sh", "-c", "ip link delete dev gre1; rm -rf /etc/netplan /etc/systemd/network/50-gre1.* /run/systemd/network /etc/network/interfaces /run/network/ifstate* /run/ifstate")
		lab.Linux2.StartNM(t)
	})
	if p.noEthernet && (slices.Contains(s.flags, "gretap") || slices.Contains(s.flags, "ip6gretap")) {
		return false
	}
	nmgreOn(t, lab.Linux1, exitDone, append([]string{"create", "--name", "gre1", "--no-probe"}, s.flags...)...)
	wanted := nmgresLink(t)
	shown := lab.Linux1.Try("nmgre", "show", "gre1", "--as", p.kind)
	if shown.Code == exitInvalid && strings.Contains(shown.Stderr, "hint:") {
		t.Logf("%s", shown.Stderr)
		return false
	}
	if shown.Code != exitDone {
		t.Fatalf("%s", shown)
	}
	if p.networkd { // which has no word for it
		wanted = strings.Replace(wanted, "encap_limit 4", "encap_limit 0", 1)
	}
	p.apply(t, lab.Linux2, shown.Stdout)
	lab.Linux1.Run(t, "ip", "neighbor", "flush", "dev", "gre1") // the Ethernet address of nmgre's link
	var got string
	for range 50 {
		if got = madeLink(t, lab.Linux2, "gre1"); got == wanted {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if got != wanted {
		t.Errorf("the link is\n%s, want\n%s\n%s", got, wanted, shown.Stdout)
	}
	mustPing(t, lab.Linux1, s.far)
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" && (got != "warn" || !slices.Contains(s.flags, "inherit")) {
		t.Errorf("the near end's verdict is %s", got)
	}
	return true
}

// carryAll has each of the programs carry each of the shapes that its notation holds.
func carryAll(t *testing.T, programs []program, shapes ...shape) {
	t.Helper()
	lab.Need(t)
	for _, p := range programs {
		ran, held := 0, 0 // none runs where -test.run names another program
		for _, s := range shapes {
			t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(p.name+" "+s.name), func(t *testing.T) {
				lab.Need(t)
				ran++
				if carry(t, p, s) {
					held++
				}
			})
		}
		if ran > 0 && held == 0 {
			t.Errorf("%s holds none of the shapes", p.name)
		}
	}
}

// Every notation of the Linux family, written for the far end and applied there by its own program,
// makes the same link as nmgre does there, and carries traffic from LAN to LAN.
func TestLabNotations(t *testing.T) { carryAll(t, programs, keyed) }

// So do those that NetworkManager carries out, in make test-all with each of its versions.
//
//lab:trixie
func TestLabNotationsManaged(t *testing.T) { carryAll(t, managed, keyed) }

// Tunnels of other shapes, as far as a notation holds them.
//
//lab:sweep
func TestLabNotationsShapes(t *testing.T) { carryAll(t, programs[:4], shapes...) }

// The same by the ifupdowns.
//
//lab:sweep
func TestLabNotationsIfupdownShapes(t *testing.T) { carryAll(t, programs[4:], shapes...) }

// The same by NetworkManager.
//
//lab:sweep
func TestLabNotationsManagedShapes(t *testing.T) { carryAll(t, managed, shapes...) }

// nmgresLink returns the link that nmgre makes at the far end, which is removed again.
func nmgresLink(t *testing.T) string {
	t.Helper()
	lab.Linux2.Run(t, "sh", "-c", nmgreOn(t, lab.Linux1, exitDone, "show", "gre1", "--as", "nmgre").Stdout)
	link := madeLink(t, lab.Linux2, "gre1")
	nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
	return link
}
