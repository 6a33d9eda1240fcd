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

// madeLink returns what `ip -d -j` tells of a tunnel on a host: its kind, MTU, headers and IPv4
// addresses.
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
		} `json:"addr_info"`
	}
	r := host.Try("ip", "-d", "-4", "-j", "address", "show", "dev", name)
	if err := json.Unmarshal([]byte(r.Stdout), &links); err != nil || len(links) != 1 {
		return r.String()
	}
	l := links[0]
	words := []string{l.Linkinfo.Kind, fmt.Sprint("mtu ", l.MTU)}
	for _, key := range slices.Sorted(maps.Keys(l.Linkinfo.Data)) {
		words = append(words, fmt.Sprint(key, " ", l.Linkinfo.Data[key]))
	}
	for _, a := range l.Addresses {
		words = append(words, fmt.Sprintf("%s/%d", a.Local, a.Prefixlen))
	}
	return strings.Join(words, ", ")
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
func networkd(t *testing.T, host lab.Host) {
	t.Helper()
	host.StopNM(t)
	host.Run(t, "mkdir", "-p", "/run/systemd/netif/links", "/run/systemd/netif/leases")
	host.Start(t, "env", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_TARGET=console", "/lib/systemd/systemd-networkd")
}

// ifup brings the tunnel up by one of the ifupdowns.
func ifup(program string) func(t *testing.T, host lab.Host, text string) {
	return func(t *testing.T, host lab.Host, text string) {
		t.Helper()
		install(t, host, program)
		host.Try("chmod", "755", "/usr/share/ifupdown2/__main__.py") // which its postinst does
		put(t, host, "/etc/network/interfaces", text)
		host.Run(t, "mkdir", "-p", "/run/network")
		host.Run(t, "ifup", "gre1")
	}
}

// program is a program that applies a notation.
type program struct {
	name, kind string
	apply      func(t *testing.T, host lab.Host, text string)
}

// programs are those that make the links themselves.
var programs = []program{
	{"nmgre", "nmgre", func(t *testing.T, host lab.Host, text string) { host.Run(t, "sh", "-c", text) }},
	{"ip", "ip", func(t *testing.T, host lab.Host, text string) { host.Run(t, "sh", "-e", "-c", text) }},
	{"networkd", "networkd", func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "chmod", "-R", "go+rX", "/etc/systemd/network")
		networkd(t, host)
	}},
	{"netplan by networkd", "netplan", func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "netplan", "generate")
		networkd(t, host)
	}},
	{"ifupdown", "ifupdown", ifup("ifupdown")},
	{"ifupdown2", "ifupdown2", ifup("ifupdown2")},
	{"ifupdown-ng", "ifupdown-ng", ifup("ifupdown-ng")},
}

// managed are the notations that NetworkManager carries out.
var managed = []program{
	{"nmcli", "nmcli", func(t *testing.T, host lab.Host, text string) {
		host.Run(t, "sh", "-e", "-c", text)
		host.Run(t, "nmcli", "connection", "up", "gre1")
	}},
	{"keyfile", "keyfile", func(t *testing.T, host lab.Host, text string) {
		writeFiles(t, host, text)
		host.Run(t, "nmcli", "connection", "reload")
		host.Run(t, "nmcli", "connection", "up", "gre1")
	}},
	{"netplan by NetworkManager", "netplan", func(t *testing.T, host lab.Host, text string) {
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
	ends  [2]string // the inner addresses of both
}

// keyed is a tunnel that every notation of the Linux family holds.
var keyed = shape{"gre", []string{"--peer", lab.Linux2WAN, "--address", "172.16.0.1/30", "--key", "42", "--route", lab.LAN2Net}, [2]string{"172.16.0.1", "172.16.0.2"}}

// carry makes a tunnel with nmgre at the near end, and applies what nmgre writes for the far end
// there. The link must be the one that nmgre makes there, and carry traffic from LAN to LAN. It
// returns false for a notation that cannot hold the tunnel, and says so.
func carry(t *testing.T, p program, s shape) bool {
	t.Helper()
	t.Cleanup(func() {
		lab.Linux2.Try("sh", "-c", "ip link delete dev gre1; rm -rf /etc/netplan /etc/systemd/network/50-gre1.* /run/systemd/network /etc/network/interfaces")
		lab.Linux2.StartNM(t)
	})
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
	p.apply(t, lab.Linux2, shown.Stdout)
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
	mustPing(t, lab.Linux1, s.ends[1])
	mustPing(t, lab.LAN1, lab.LAN2Addr)
	if got := verdict(t, lab.Linux1, exitDone, "gre1"); got != "pass" {
		t.Errorf("the near end's verdict is %s", got)
	}
	return true
}

// carryAll has each of the programs carry each of the shapes that its notation holds.
func carryAll(t *testing.T, programs []program, shapes ...shape) {
	t.Helper()
	lab.Need(t)
	for _, p := range programs {
		held := 0
		for _, s := range shapes {
			t.Run(strings.NewReplacer(" ", "-", ",", "").Replace(p.name+" "+s.name), func(t *testing.T) {
				lab.Need(t)
				if carry(t, p, s) {
					held++
				}
			})
		}
		if held == 0 {
			t.Errorf("%s holds none of the shapes", p.name)
		}
	}
}

// Every notation of the Linux family, written for the far end and applied there by its own program,
// makes the same link as nmgre does there, and carries traffic from LAN to LAN.
func TestLabNotations(t *testing.T) { carryAll(t, programs, keyed) }

// So do those that NetworkManager carries out, with each of its versions.
//
//lab:every
func TestLabNotationsManaged(t *testing.T) { carryAll(t, managed, keyed) }

// nmgresLink returns the link that nmgre makes at the far end, which is removed again.
func nmgresLink(t *testing.T) string {
	t.Helper()
	lab.Linux2.Run(t, "sh", "-c", nmgreOn(t, lab.Linux1, exitDone, "show", "gre1", "--as", "nmgre").Stdout)
	link := madeLink(t, lab.Linux2, "gre1")
	nmgreOn(t, lab.Linux2, exitDone, "delete", "gre1")
	return link
}
