package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// onBoth runs nmgre on both gateways, with {peer}, {near} and {far} for the far end's outer address
// and the two inner ones.
func onBoth(t *testing.T, words string) (printed []lab.Result) {
	t.Helper()
	for _, e := range []struct{ host, peer, near, far string }{
		{"linux1", lab.Linux2WAN, "172.16.2.1", "172.16.2.2"}, {"linux2", lab.Linux1WAN, "172.16.2.2", "172.16.2.1"},
	} {
		line := strings.NewReplacer("{peer}", e.peer, "{near}", e.near, "{far}", e.far).Replace(words)
		printed = append(printed, nmgreOn(t, lab.Host(e.host), exitDone, strings.Fields(line)...))
	}
	return printed
}

// mustHaveLink checks the words that `ip -d link` has for a device, and lacks.
func mustHaveLink(t *testing.T, when string, host lab.Host, dev string, has, lacks []string) {
	t.Helper()
	link := host.Run(t, "ip", "-d", "link", "show", "dev", dev)
	for _, word := range has {
		if !strings.Contains(link, word) {
			t.Errorf("%s: the link of %s lacks %q:\n%s", when, host, word, link)
		}
	}
	for _, word := range lacks {
		if strings.Contains(link, word) {
			t.Errorf("%s: the link of %s has %q:\n%s", when, host, word, link)
		}
	}
}

// The link options that NetworkManager cannot hold are set on the link each time it comes up, by an
// edit too, and leave nothing.
func TestLabLinkOptions(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	installHook(t, lab.Linux2)
	before1, before2 := snapshot(t, lab.Linux1), snapshot(t, lab.Linux2)
	printed := onBoth(t, "create --name gre2 --peer {peer} --address {near}/30 --key 9 --checksum --sequence --multicast")
	if far := farEndOf(printed[0]); !strings.Contains(far, " --multicast --checksum --sequence") {
		t.Errorf("the line for the far end: %s", far)
	}
	on := []string{"MULTICAST", "iseq oseq icsum ocsum", "mtu 1464"}
	survives(t, oneEnd(), []string{"gre2"}, func(when string) {
		t.Helper()
		for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
			eventually(t, when+": the options are there", func() bool {
				return strings.Contains(host.Run(t, "ip", "-d", "link", "show", "dev", "gre2"), "iseq oseq icsum ocsum")
			})
			mustHaveLink(t, when, host, "gre2", on, nil)
		}
		eventually(t, when+": the far end answers", func() bool { return lab.Ping(t, lab.Linux1, "172.16.2.2") })
		if got := verdict(t, lab.Linux1, exitDone, "gre2"); got != "pass" {
			t.Errorf("%s: verify says %s", when, got)
		}
	})
	lab.Linux1.Run(t, "ip", "link", "set", "dev", "gre2", "mtu", "1464", "type", "gre", "nocsum")
	lab.Linux1.Run(t, "ip", "link", "set", "dev", "gre2", "multicast", "off")
	r := nmgreOn(t, lab.Linux1, exitFault, "verify", "gre2")
	if !strings.Contains(r.Stdout, "the link does not have what root keeps for it: multicast, checksum") || !strings.Contains(r.Stdout, "sudo nmgre up gre2") {
		t.Errorf("verify of a link that lost its options says\n%s", r)
	}
	nmgreOn(t, lab.Linux1, exitDone, "up", "gre2")
	mustHaveLink(t, "after up", lab.Linux1, "gre2", on, nil)
	number := index(t, lab.Linux1, "gre2")
	r = nmgreOn(t, lab.Linux1, exitDone, "edit", "gre2", "--sequence=false", "--multicast=false")
	if !strings.Contains(r.Stderr, "sequence: true -> false") || index(t, lab.Linux1, "gre2") != number {
		t.Errorf("the edit makes a new link, or does not tell the change\n%s", r)
	}
	mustHaveLink(t, "after the edit", lab.Linux1, "gre2", []string{"icsum ocsum", "mtu 1468"}, []string{"seq", "MULTICAST"})
	nmgreOn(t, lab.Linux2, exitDone, "edit", "gre2", "--sequence=false")
	mustPing(t, lab.Linux1, "172.16.2.2")
	for _, host := range []lab.Host{lab.Linux1, lab.Linux2} {
		nmgreOn(t, host, exitDone, "delete", "gre2")
	}
	mustEqual(t, "after delete, linux1", before1, snapshot(t, lab.Linux1))
	mustEqual(t, "after delete, linux2", before2, snapshot(t, lab.Linux2))
	if r := lab.Linux1.Try("ls", "/run/nmgre/links"); r.Code == 0 {
		t.Error("the note of the options is there still")
	}
}

// bridge makes a bridge of the host's LAN, as Red Hat's guide does.
func bridge(t *testing.T, host lab.Host) {
	t.Helper()
	for _, words := range []string{
		"connection add type bridge con-name br0 ifname br0 bridge.stp no ipv4.method disabled ipv6.method disabled",
		"connection modify lan connection.slave-type bridge connection.master br0",
		"connection up lan",
	} {
		host.Run(t, "nmcli", strings.Fields(words)...)
	}
}

// withoutTimers leaves out the timers of bridges, and the names of hosts that they have learnt.
func withoutTimers(state string) string {
	lines := slices.DeleteFunc(strings.Split(state, "\n"), func(line string) bool { return strings.Contains(line, "forward_delay") })
	return strings.Join(lines, "\n")
}

// Red Hat's documented procedure: two LANs are one network, through a gretap in a bridge at both
// ends. Large frames need ignore-df, which NetworkManager cannot set.
//
//lab:forky
func TestLabBridgePort(t *testing.T) {
	lab.Need(t)
	needHook(t, lab.Linux1)
	installHook(t, lab.Linux2)
	lab.LAN2.Run(t, "ip", "address", "add", "10.10.1.200/24", "dev", "eth0")
	defer lab.LAN2.Run(t, "ip", "address", "del", "10.10.1.200/24", "dev", "eth0")
	hosts := []lab.Host{lab.Linux1, lab.Linux2}
	for _, host := range hosts {
		bridge(t, host)
	}
	before := withoutTimers(snapshot(t, lab.Linux1))
	for _, more := range []string{"--address 172.16.2.1/30", "--peer-address 172.16.2.2", "--forward", "--clamp-mss"} {
		words := strings.Fields("create --mode gretap --peer " + lab.Linux2WAN + " --controller br0 " + more)
		if r := nmgreOn(t, lab.Linux1, exitInvalid, words...); !strings.Contains(r.Stderr, "the port of a bridge has no IP of its own") {
			t.Errorf("%s: %s", more, r)
		}
	}
	if r := nmgreOn(t, lab.Linux1, exitInvalid, "create", "--mode", "gretap", "--peer", lab.Linux2WAN, "--controller", "br7"); !strings.Contains(r.Stderr, "there is no bridge br7") || !strings.Contains(r.Stderr, "hint: make it first") {
		t.Errorf("a bridge that is not there: %s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitInvalid, "create", "--mode", "gretap", "--peer", lab.Linux2WAN, "--controller", "eth0"); !strings.Contains(r.Stderr, "eth0 is no bridge") {
		t.Errorf("eth0: %s", r)
	}
	mustEqual(t, "after a refusal", before, withoutTimers(snapshot(t, lab.Linux1)))
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "gretap1", "--mode", "gretap", "--peer", lab.Linux2WAN, "--controller", "br0", "--mac", "02-00-5E-10-00-01")
	if !strings.Contains(r.Stderr, "the bridge br0 gets the smallest MTU of its ports, 1462") || !strings.Contains(r.Stdout, "port of br0, mtu 1462") {
		t.Errorf("create says\n%s", r)
	}
	if r := nmgreOn(t, lab.Linux1, exitDone, "verify", "gretap1", "--all-checks"); !strings.Contains(r.Stdout, "the bridge br0 forwards to the tunnel") || !strings.Contains(r.Stdout, "port of br0, state forwarding") {
		t.Errorf("verify says\n%s", r)
	}
	if far := makeFarEnd(t, lab.Linux2, r); !strings.Contains(far.Stdout, "verdict: pass") {
		t.Errorf("the far end says\n%s", far)
	}
	name := map[lab.Host]string{lab.Linux1: "gretap1", lab.Linux2: "gre1"}
	works := func(when string) {
		t.Helper()
		for _, host := range hosts {
			eventually(t, when+": the tunnel is a port", func() bool {
				return strings.Contains(host.Run(t, "bridge", "link"), " "+name[host]+"@") || strings.Contains(host.Run(t, "bridge", "link"), " "+name[host]+":")
			})
			if got := verdict(t, host, exitDone, name[host]); got != "pass" {
				t.Errorf("%s: verify on %s says %s", when, host, got)
			}
		}
		mustHaveLink(t, when, lab.Linux1, "gretap1", []string{"02:00:5e:10:00:01", "master br0", "state forwarding"}, nil)
		eventually(t, when+": lan1 reaches lan2 on one network", func() bool { return lab.Ping(t, lab.LAN1, "10.10.1.200") })
	}
	large := []string{"-c", "2", "-W", "2", "-M", "do", "-s", "1472", "10.10.1.200"}
	works("after create")
	if r := lab.LAN1.Try("ping", large...); r.Code == 0 {
		t.Errorf("frames of 1500 bytes pass without ignore-df:\n%s", r)
	}
	for _, host := range hosts {
		r := nmgreOn(t, host, exitDone, "edit", name[host], "--ignore-df")
		if !strings.Contains(r.Stderr, "MTU 1500: as on the way") || strings.Contains(r.Stderr, "gets the smallest MTU") {
			t.Errorf("the edit says\n%s", r)
		}
	}
	survivesAs(t, oneEnd(), name, func(when string) {
		t.Helper()
		works(when + ", with ignore-df")
		for _, host := range hosts {
			eventually(t, when+": the DF bit is ignored", func() bool {
				return strings.Contains(host.Run(t, "ip", "-d", "link", "show", "dev", name[host]), "ignore-df")
			})
		}
		eventually(t, when+": frames of 1500 bytes pass", func() bool { return lab.LAN1.Try("ping", large...).Code == 0 })
	})
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gretap1", "--key", "7")
	mustHaveLink(t, "after an edit", lab.Linux1, "gretap1", []string{"02:00:5e:10:00:01", "master br0", "ignore-df", "mtu 1500"}, nil)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gretap1")
	for _, command := range []string{"ip link show dev gretap1", "nmcli connection show gretap1", "ls /run/nmgre/links", "ls /etc/nmgre/tunnels"} {
		if r := lab.Linux1.Try("sh", "-c", command); r.Code == 0 && r.Stdout != "" {
			t.Errorf("after delete something is left: %s", r)
		}
	}
}

// oneEnd is the end at which a tunnel goes down, and whose host restarts. In a sweep it is both, as
// both have the same settings.
func oneEnd() []end {
	return []end{{host: lab.Linux1}, {host: lab.Linux2}}[:ofSweep(1, 2)]
}

// survivesAs is [survives] for tunnels of different names at the two ends.
func survivesAs(t *testing.T, ends []end, name map[lab.Host]string, works func(when string)) {
	t.Helper()
	works("after create")
	for _, e := range ends {
		e.host.Run(t, "nmcli", "connection", "down", name[e.host])
		e.host.Run(t, "nmcli", "connection", "up", name[e.host])
	}
	works("after down and up by nmcli")
	for _, e := range ends {
		e.host.RestartNM(t)
	}
	works("after a restart of NetworkManager")
	for _, e := range ends {
		e.host.Reboot(t)
		waitActive(t, e.host, name[e.host])
	}
	works("after a reboot")
}

// A tunnel over IPv6 without the encapsulation limit carries 8 bytes more. NetworkManager before
// 1.44 cannot leave it out, and nothing is changed then.
//
//lab:every
func TestLabEncapLimit(t *testing.T) {
	lab.Need(t)
	older := strings.Contains(lab.Linux1.Run(t, "nmcli", "--version"), "version 1.42")
	words := func(peer, address string) []string {
		return strings.Fields(fmt.Sprintf("create --name gre6 --mode ip6gre --peer %s --address %s --encap-limit none", peer, address))
	}
	before := snapshot(t, lab.Linux1)
	if older {
		r := nmgreOn(t, lab.Linux1, exitInvalid, words(lab.Linux2WAN6, "172.16.2.1/30")...)
		if !strings.Contains(r.Stderr, "encap-limit: NetworkManager 1.42") || !strings.Contains(r.Stderr, "NetworkManager 1.44 or later") {
			t.Errorf("the error does not name the version: %s", r)
		}
		mustEqual(t, "after a refusal", before, snapshot(t, lab.Linux1))
		return
	}
	r := nmgreOn(t, lab.Linux1, exitDone, words(lab.Linux2WAN6, "172.16.2.1/30")...)
	if !strings.Contains(r.Stderr, "MTU 1456: 1500 - 40 (IPv6) - 4 (GRE) = 1456") {
		t.Errorf("create says\n%s", r)
	}
	if far := makeFarEnd(t, lab.Linux2, r); !strings.Contains(far.Stdout, "verdict: pass") {
		t.Errorf("the far end says\n%s", far)
	}
	mustHaveLink(t, "after create", lab.Linux1, "gre6", []string{"encaplimit none", "mtu 1456"}, nil)
	mustPing(t, lab.Linux1, "172.16.2.2")
	nmgreOn(t, lab.Linux1, exitDone, "edit", "gre6", "--encap-limit", "4")
	mustHaveLink(t, "after the edit", lab.Linux1, "gre6", []string{"encaplimit 4", "mtu 1448"}, nil)
}

// A host may have another address generation mode for all its profiles. The tunnel over IPv6 has a
// link-local address all the same.
//
//lab:every
func TestLabAddrGenMode(t *testing.T) {
	lab.Need(t)
	write(t, lab.Linux1, "/etc/NetworkManager/conf.d/gen.conf", "[connection]\nipv6.addr-gen-mode=eui64\n")
	defer func() {
		lab.Linux1.Run(t, "rm", "/etc/NetworkManager/conf.d/gen.conf")
		lab.Linux1.Run(t, "nmcli", "general", "reload")
	}()
	lab.Linux1.Run(t, "nmcli", "general", "reload")
	for _, line := range []string{"create --name gre6 --mode ip6gre --peer " + lab.Linux2WAN6 + " --address 172.16.2.1/30", "edit gre6 --address 172.16.2.1/30 --address fd00:6::1/64"} {
		nmgreOn(t, lab.Linux1, exitDone, strings.Fields(line)...)
	}
	eventually(t, "the tunnel has a link-local address", func() bool {
		return strings.Contains(lab.Linux1.Run(t, "ip", "-6", "address", "show", "dev", "gre6"), "inet6 fe80:")
	})
}

// NetworkManager does not run a bridge that somebody made by hand: nothing is left of the tunnel,
// and the hint makes it possible.
//
//lab:forky
func TestLabBridgeByHand(t *testing.T) {
	lab.Need(t)
	lab.Linux1.Run(t, "sh", "-c", "ip link add br9 type bridge && ip link set br9 up")
	t.Cleanup(func() { lab.Linux1.Try("sh", "-c", "nmcli connection delete br9; ip link del br9") })
	before := withoutTimers(snapshot(t, lab.Linux1))
	words := []string{"create", "--name", "gretap1", "--mode", "gretap", "--peer", lab.Linux2WAN, "--controller", "br9"}
	r := nmgreOn(t, lab.Linux1, exitFailed, words...)
	if !strings.Contains(r.Stderr, "hint: NetworkManager brings up ports only of a bridge that it runs itself; give the bridge a profile: nmcli connection add type bridge con-name BRIDGE") {
		t.Errorf("create says\n%s", r)
	}
	mustEqual(t, "after a failure", before, withoutTimers(snapshot(t, lab.Linux1)))
	lab.Linux1.Run(t, "sh", "-c", "nmcli connection add type bridge con-name br9 ifname br9 ipv4.method disabled ipv6.method disabled && nmcli connection up br9")
	nmgreOn(t, lab.Linux1, exitDone, words...)
	mustHaveLink(t, "with a profile", lab.Linux1, "gretap1", []string{"master br9"}, nil)
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gretap1")
}
