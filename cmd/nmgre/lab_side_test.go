package main

import (
	"strconv"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// Several tunnels of one host, side by side, with ip and ping as the witnesses.

// leads returns the device by which linux1 sends packets to an address.
func leads(t *testing.T, to string) string {
	t.Helper()
	words := strings.Fields(lab.Linux1.Run(t, "ip", "route", "get", to))
	for i, w := range words[:len(words)-1] {
		if w == "dev" {
			return words[i+1]
		}
	}
	return ""
}

// Two tunnels with a default route each, and one without, to far ends by one gateway: each keeps
// its way past the others, in any order, and the second takes over from the first.
//
//lab:trixie
func TestLabTwoDefaults(t *testing.T) {
	lab.Need(t)
	before := lab.Linux1.Snapshot(t)
	lab.Linux2.Run(t, "sh", "-ec", `ip addr add 100.0.2.101/24 dev eth0
for n in 1 2 3; do
	case $n in 2) l=100.0.2.101 k=;; 3) l=100.0.2.101 k="key 3";; *) l=100.0.2.100 k=;; esac
	ip tunnel add far$n mode gre remote 100.0.1.100 local $l $k ttl 64
	ip addr add 172.16.$n.2/30 dev far$n
	ip link set far$n up
done`)
	outside := leads(t, "203.0.113.9")
	plain := []string{"create", "--name", "gre3", "--peer", "100.0.2.101", "--address", "172.16.3.1/30", "--key", "3"}
	nmgreOn(t, lab.Linux1, exitDone, plain...)
	first := nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "gre1", "--peer", "100.0.2.100", "--address", "172.16.1.1/30", "--route", "default")
	for _, words := range []string{"default gets the metric 50", "100.0.2.101, the far end of another tunnel"} {
		if !strings.Contains(first.Stderr, words) {
			t.Errorf("it does not say %q:\n%s", words, first.Stderr)
		}
	}
	second := nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "gre2", "--peer", "100.0.2.101", "--address", "172.16.2.1/30", "--route", "default")
	if !strings.Contains(second.Stderr, "default gets the metric 60, behind that of gre1") {
		t.Errorf("the second default:\n%s", second.Stderr)
	}
	// The far ends of the tunnels that are up are reached outside all tunnels.
	sideBySide := func(when, by string, fars ...string) {
		t.Helper()
		eventually(t, when+": packets go by "+by, func() bool { return leads(t, "203.0.113.9") == by })
		for _, far := range fars {
			if dev := leads(t, far); dev != outside {
				t.Errorf("%s: packets to the far end %s go by %s", when, far, dev)
			}
		}
		mustPing(t, lab.Linux1, "172.16.2.2")
		mustPing(t, lab.Linux1, "172.16.3.2")
	}
	sideBySide("after create", "gre1", "100.0.2.100", "100.0.2.101")
	nmgreOn(t, lab.Linux1, exitDone, "down", "gre1")
	sideBySide("with gre1 down", "gre2", "100.0.2.101")
	nmgreOn(t, lab.Linux1, exitDone, "up", "gre1")
	sideBySide("with gre1 up again", "gre1", "100.0.2.100", "100.0.2.101")
	nmgreOn(t, lab.Linux1, exitDone, "delete", "gre3")
	nmgreOn(t, lab.Linux1, exitDone, plain...) // the other order
	sideBySide("with gre3 made last", "gre1", "100.0.2.100", "100.0.2.101")
	for _, name := range []string{"gre1", "gre2", "gre3"} {
		nmgreOn(t, lab.Linux1, exitDone, "delete", name)
	}
	mustEqual(t, "after all are deleted", before, lab.Linux1.Snapshot(t))
}

// The kernel gives a packet to the tunnel that kernel.Receiver names. Each case is made by ip, and
// linux2 sends one packet.
func TestLabReceiver(t *testing.T) {
	lab.Need(t)
	const ends = " remote 100.0.2.100 local 100.0.1.100"
	lab.Linux2.Run(t, "sh", "-ec", "ip tunnel add far mode gre remote 100.0.1.100 local 100.0.2.100 ttl 64; ip addr add 172.16.0.2/30 dev far")
	for _, c := range []struct {
		name    string
		tunnels []string
		takes   string
	}{
		{"both addresses", []string{"l local 100.0.1.100", "r remote 100.0.2.100", "b" + ends}, "b"},
		{"the remote one", []string{"l local 100.0.1.100", "r remote 100.0.2.100"}, "r"},
		{"the device of the arrival", []string{"b" + ends, "r remote 100.0.2.100 dev eth0"}, "r"},
		{"another device", []string{"b" + ends, "r remote 100.0.2.100 dev eth1"}, "b"},
		{"bound and unbound", []string{"a" + ends, "b" + ends + " dev eth0"}, "b"},
		{"bound elsewhere, and unbound", []string{"a" + ends + " dev eth1", "b" + ends}, "a"},
		{"unbound, and bound elsewhere", []string{"a" + ends, "b" + ends + " dev eth1"}, "a"},
		{"key 0 is a key", []string{"a" + ends + " key 0", "b" + ends}, "b"},
	} {
		var names []string
		for _, line := range c.tunnels {
			name, rest, _ := strings.Cut(line, " ")
			lab.Linux1.Run(t, "ip", append([]string{"link", "add", "t" + name, "type", "gre"}, strings.Fields(rest)...)...)
			lab.Linux1.Run(t, "ip", "link", "set", "t"+name, "up")
			names = append(names, name)
		}
		// IPv6 sends of itself. Nothing may come before all the tunnels are up.
		lab.Linux2.Run(t, "ip", "link", "set", "far", "up")
		lab.Linux2.Try("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", "172.16.0.1")
		lab.Linux2.Run(t, "ip", "link", "set", "far", "down")
		for _, name := range names {
			text := strings.TrimSpace(lab.Linux1.Run(t, "cat", "/sys/class/net/t"+name+"/statistics/rx_packets"))
			if n, err := strconv.Atoi(text); err != nil || (n > 0) != (name == c.takes) {
				t.Errorf("%s: %s received %s, and %s should take all", c.name, name, text, c.takes)
			}
			lab.Linux1.Run(t, "ip", "link", "del", "t"+name)
		}
	}
}

// A legal tunnel or route is made, one that takes others' packets is refused, and nothing is
// changed then.
func TestLabSideBySide(t *testing.T) {
	lab.Need(t)
	nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "gre1", "--local", "any", "--peer", "100.0.2.100", "--address", "172.16.0.1/32", "--peer-address", "172.16.0.2", "--no-probe")
	before := lab.Linux1.Snapshot(t)
	for what, args := range map[string][]string{
		"it would take the packets of the tunnel gre1":                {"create", "--peer", "100.0.2.100", "--address", "172.17.0.1/30"},
		"10.10.1.100/32 is a part of this host's own network":         {"route", "add", "gre1", "10.10.1.100"},
		"10.10.1.0/25 is a part of this host's own network":           {"create", "--peer", "100.0.2.101", "--address", "172.17.0.1/30", "--route", "10.10.1.0/25"},
		"the inner network 169.254.9.0/30 overlaps 169.254.9.0/30":    {"create", "--peer", "100.0.2.101", "--address", "169.254.9.1/30"},
		"the inner network 10.10.1.128/30 overlaps 10.10.1.0/24, whi": {"create", "--peer", "100.0.2.101", "--address", "10.10.1.129/30"},
	} {
		if strings.HasPrefix(what, "the inner network 169.254") {
			lab.Linux1.Run(t, "ip", "addr", "add", "169.254.9.2/30", "dev", "eth1")
		}
		if r := nmgreOn(t, lab.Linux1, exitInvalid, args...); !strings.Contains(r.Stderr, what) {
			t.Errorf("%v:\n%s", args, r.Stderr)
		}
		lab.Linux1.Try("ip", "addr", "del", "169.254.9.2/30", "dev", "eth1")
	}
	mustEqual(t, "after refusals", before, lab.Linux1.Snapshot(t))
	lab.Linux1.Run(t, "ip", "addr", "add", "172.16.0.1/32", "dev", "lo")
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--name", "gre2", "--peer", "100.0.2.101", "--address", "172.16.0.1/32", "--peer-address", "172.16.0.3", "--no-probe")
	if !strings.Contains(r.Stderr, "the inner address 172.16.0.1/32 is in the same network as 172.16.0.1/32 on gre1") {
		t.Errorf("no note about the unnumbered address:\n%s", r.Stderr)
	}
	for _, peer := range []string{"172.16.0.2 dev gre1", "172.16.0.3 dev gre2"} {
		if routes := lab.Linux1.Run(t, "ip", "route"); !strings.Contains(routes, peer) {
			t.Errorf("no route to %s:\n%s", peer, routes)
		}
	}
}

// A path MTU that the kernel has cached is not written into a profile.
func TestLabCachedPathMTU(t *testing.T) {
	lab.Need(t)
	take(t, smallPath)
	t.Cleanup(func() { take(t, largePath) })
	take(t, []step{here(largePing)})
	r := nmgreOn(t, lab.Linux1, exitDone, "create", "--peer", "100.0.2.100", "--address", "172.16.0.1/30")
	if !strings.Contains(r.Stderr, "MTU 1476") || !strings.Contains(r.Stderr, "the way carries 1400 bytes at most; that expires") {
		t.Errorf("%s", r.Stderr)
	}
	if link := lab.Linux1.Run(t, "ip", "link", "show", "dev", "gre1"); !strings.Contains(link, "mtu 1476") {
		t.Error(link)
	}
}
