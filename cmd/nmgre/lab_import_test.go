package main

import (
	"fmt"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// The blocks of the seed document, as they stand.
const (
	seedIfcfg1 = `DEVICE=tun0
ONBOOT=yes
TYPE=GRE
PEER_OUTER_IPADDR=100.0.2.100
PEER_INNER_IPADDR=172.16.0.2/30
MY_OUTER_IPADDR=100.0.1.100
MY_INNER_IPADDR=172.16.0.1
KEY=desistdaydream
BOOTPROTO=none
# 配置完成后会自动下面的路由信息
172.16.0.2/30 dev tun0  proto kernel  scope link  src 172.16.0.1/30
`
	seedIfcfg2 = `DEVICE=tun0
ONBOOT=yes
TYPE=GRE
PEER_OUTER_IPADDR=100.0.1.100
PEER_INNER_IPADDR=172.16.0.1/30
MY_OUTER_IPADDR=100.0.2.100
MY_INNER_IPADDR=172.16.0.2
KEY=desistdaydream
BOOTPROTO=none
# 配置完成后会自动下面的路由信息
172.16.0.1/30 dev tun0  proto kernel  scope link  src 172.16.0.2/30
`
	seedIP1 = `ip tunnel add tun0 mode gre remote 100.0.2.100 local 100.0.1.100
ip addr add 172.16.0.1/30 peer 172.16.0.2/30 dev tun0
ip route add 10.10.2.0/24 dev tun0
`
	seedIP2 = `ip tunnel add tun0 mode gre remote 100.0.2.100 local 100.0.1.100
ip addr add 172.16.0.1/30 peer 172.16.0.2/30 dev tun0
ip route add 10.10.1.0/24 dev tun0
`
	seedNmcli1 = `nmcli connection add con-name tun0 ifname tun0 type ip-tunnel mode gre ip-tunnel.remote 100.0.2.100 ip-tunnel.local 100.0.1.100 ipv4.method manual ipv4.addresses 172.16.0.1/30
ip route add 10.10.2.0/24 dev tun0
`
	seedNmcli2 = `nmcli connection add con-name tun0 ifname tun0 type ip-tunnel mode gre ip-tunnel.remote 100.0.1.100 ip-tunnel.local 100.0.2.100 ipv4.method manual ipv4.addresses 172.16.0.2/30
ip route add 10.10.1.0/24 dev tun0
`
	seedRoute1 = "ip route add 10.10.2.0/24 dev tun0\n"
	seedSNAT   = "iptables -t nat -A POSTROUTING -s 1772.16.0.1 -d 10.10.2.0/24 -j SNAT --to-source 10.10.2.1\n"
)

// importOn imports a text on a host.
func importOn(t *testing.T, host lab.Host, text string, args ...string) lab.Result {
	t.Helper()
	r := host.TryInput(text, "nmgre", append([]string{"import", "-"}, args...)...)
	if r.Code != exitDone {
		t.Fatalf("%s: import: %s", host, r)
	}
	return r
}

// The seed's three ways, both of its scenarios: each imports at both ends, verifies, and lets the
// LANs, or the one host, reach the other side.
func TestLabImportSeed(t *testing.T) {
	for _, way := range []struct {
		name            string
		first, second   string
		far             bool     // the second block is a copy of the first one
		routes1, route2 []string // those that the blocks of this way do not have
		snat            string   // of the first scenario, with the address mended
	}{
		{name: "ifcfg", first: seedIfcfg1, second: seedIfcfg2, routes1: []string{lab.LAN2Net}, route2: []string{lab.LAN1Net}},
		{name: "ip", first: seedIP1, second: seedIP2, far: true, route2: []string{lab.LAN1Net}},
		{name: "nmcli", first: seedNmcli1, second: seedNmcli2, snat: strings.Replace(seedSNAT, "1772", "172", 1)},
	} {
		t.Run(way.name, func(t *testing.T) {
			lab.Need(t)
			installHook(t, lab.Linux2) // it keeps SNAT there
			importOn(t, lab.Linux1, way.first)
			if way.far {
				importOn(t, lab.Linux2, way.second, "--far")
			} else {
				importOn(t, lab.Linux2, way.second+way.snat)
			}
			for _, network := range way.routes1 {
				nmgreOn(t, lab.Linux1, exitDone, "route", "add", "tun0", network)
			}
			if way.snat == "" { // the first scenario, without the LAN's own way back
				nmgreOn(t, lab.Linux2, exitDone, "edit", "tun0", "--snat", "10.10.2.0/24=10.10.2.1")
			}
			mustPing(t, lab.Linux1, lab.LAN2Addr)
			mustPassBoth(t, "the first scenario")
			for _, network := range way.route2 {
				nmgreOn(t, lab.Linux2, exitDone, "route", "add", "tun0", network)
			}
			mustPassBoth(t, "the second scenario")
			mustPing(t, lab.LAN1, lab.LAN2Addr)
			mustPing(t, lab.LAN2, lab.LAN1Addr)
		})
	}
}

// mustPassBoth verifies tun0 on both hosts.
func mustPassBoth(t *testing.T, scenario string) {
	t.Helper()
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		if got := verdict(t, host, exitDone, "tun0"); got != "pass" {
			t.Errorf("%s, %s: the verdict is %s", scenario, host, got)
		}
	}
}

// Several tunnels of one script are made together, and nothing is left where one of them fails.
func TestLabImportAllOrNothing(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	script := seedIP1 + "ip link add tun1 type gre remote 100.0.2.100 local 100.0.1.100 key 1\nip addr add 172.16.1.1/30 dev tun1\n" +
		"ip link add tun2 type gre remote 100.0.2.100 local 100.0.1.100 key 2 dev nodevice\nip addr add 172.16.2.1/30 dev tun2\n"
	r := lab.Linux1.TryInput(script, "nmgre", "import", "-")
	if r.Code == exitDone || !strings.Contains(r.Stderr, "tun2") {
		t.Errorf("%s", r)
	}
	mustEqual(t, "after an import that cannot be", before, lab.Linux1.Snapshot(t))
	importOn(t, lab.Linux1, strings.Replace(script, " dev nodevice", "", 1))
	list := nmgreOn(t, lab.Linux1, exitDone, "list").Stdout
	for _, name := range []string{"tun0", "tun1", "tun2"} {
		if !strings.Contains(list, name) {
			t.Errorf("%s is not there:\n%s", name, list)
		}
		nmgreOn(t, lab.Linux1, exitDone, "delete", name)
	}
	mustEqual(t, "after all were deleted", before, lab.Linux1.Snapshot(t))
}

// An import of several tunnels is killed while it writes the profiles to disk. After the next
// command there is none of them if the first one was not written, and otherwise all of them,
// without the marks by which that is known.
func TestLabImportKilled(t *testing.T) {
	lab.Need(t)
	const tunnels = 4
	var script strings.Builder
	for i := range tunnels {
		fmt.Fprintf(&script, "ip tunnel add tun%d mode gre remote 100.0.2.100 local 100.0.1.100 key %d ttl 64\nip addr add 172.16.%d.1/30 dev tun%d\n", i, i+1, i, i)
	}
	put(t, lab.Linux1, "/root/several.sh", script.String())
	before, all := lab.Linux1.Snapshot(t), 0
	for _, last := range []int{1, 0} { // the first one is written after all others
		lab.Linux1.Run(t, "bash", "-c", fmt.Sprintf(`nmgre import /root/several.sh --no-probe >/dev/null 2>&1 & p=$!
for ((i = 0; i < 20000; i++)); do [[ -e /etc/NetworkManager/system-connections/tun%d.nmconnection ]] && break; kill -0 $p || exit 1; done
kill -9 $p; wait $p; true`, last))
		list := nmgreOn(t, lab.Linux1, exitDone, "list")
		files := strings.Fields(lab.Linux1.Run(t, "bash", "-c", "cd /etc/NetworkManager/system-connections && ls | grep ^tun; true"))
		switch len(files) {
		case 0:
			mustEqual(t, fmt.Sprintf("killed when tun%d was there: %s", last, list.Stderr), before, lab.Linux1.Snapshot(t))
		case tunnels:
			all++
			for i := range tunnels {
				if got := verdict(t, lab.Linux1, exitFault, fmt.Sprint("tun", i)); got != "fail" { // there is no far end
					t.Errorf("tun%d: %s", i, got)
				}
			}
			if marks := lab.Linux1.Run(t, "bash", "-c", "grep -E 'nmgre.(with|trial)|autoconnect=false' /etc/NetworkManager/system-connections/tun*; true"); marks != "" {
				t.Errorf("killed when tun%d was there: marks are left:\n%s", last, marks)
			}
			for i := range tunnels {
				nmgreOn(t, lab.Linux1, exitDone, "delete", fmt.Sprint("tun", i))
			}
			mustEqual(t, "after all were deleted", before, lab.Linux1.Snapshot(t))
		default:
			t.Errorf("killed when tun%d was there: %q are left: %s", last, files, list.Stderr)
		}
	}
	if all == 0 {
		t.Error("it was never killed after the first one was written")
	}
}
