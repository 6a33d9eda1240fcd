package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"nmgre/testdata/lab"
)

// variant is a healthy tunnel that looks odd. verify passes it, or warns of one thing.
type variant struct {
	name        string
	left, right string // the flags of the tunnel gre2's ends; empty to look at gre1
	does, undo  []step
	speaks      string // linux2's command meanwhile
	tunnel      string // the name for verify, if it is another
	to          []string
	warns       string // the cause or the check of the only warning; empty for a pass
}

// same is a tunnel whose ends differ in their addresses alone.
func same(flags string) (left, right string) {
	return "--peer 100.0.2.100 --address 172.16.2.1/30 " + flags, "--peer 100.0.1.100 --address 172.16.2.2/30 " + flags
}

func (v variant) of(left, right string) variant {
	v.left, v.right = left, right
	return v
}

// bridgeWithPort makes a bridge whose port the tunnel gre2 is.
func bridgeWithPort(address, local, remote string) string {
	return `nmcli connection add type bridge con-name br9 ifname br9 bridge.stp no ipv4.method manual ipv4.addresses ` + address + ` ipv6.method disabled
		nmcli connection add type ip-tunnel con-name gre2 ifname gre2 mode gretap ip-tunnel.ttl 64 local ` + local + ` remote ` + remote + ` ip-tunnel.input-key 9 ip-tunnel.output-key 9 slave-type bridge master br9
		nmcli connection up br9; nmcli connection up gre2`
}

const noBridge = "nmcli connection delete gre2 br9"

var healthyVariants = []variant{
	variant{name: "ttl inherit", warns: "ttl-inherit"}.of(same("--key 9 --ttl inherit")),
	variant{name: "key 0"}.of(same("--key 0")),
	variant{name: "different keys"}.of("--peer 100.0.2.100 --address 172.16.2.1/30 --input-key 8 --output-key 9", "--peer 100.0.1.100 --address 172.16.2.2/30 --input-key 9 --output-key 8"),
	variant{name: "inner addresses of a /31"}.of("--peer 100.0.2.100 --address 172.16.2.0/31 --key 9", "--peer 100.0.1.100 --address 172.16.2.1/31 --key 9"),
	variant{name: "mode gre, without a key"}.of(same("")),
	variant{name: "mode gretap"}.of(same("--mode gretap --key 9")),
	variant{name: "mode ip6gre"}.of("--mode ip6gre --peer 2001:db8:2::100 --address 172.16.2.1/30", "--mode ip6gre --peer 2001:db8:1::100 --address 172.16.2.2/30"),
	variant{name: "mode ip6gretap"}.of("--mode ip6gretap --peer 2001:db8:2::100 --address 172.16.2.1/30", "--mode ip6gretap --peer 2001:db8:1::100 --address 172.16.2.2/30"),
	variant{name: "several inner addresses"}.of(same("--key 9 --address 10.99.1.1/24 --address fd00:99::1/64")).differ("10.99.1.1", "10.99.1.2").differ("fd00:99::1", "fd00:99::2"),
	variant{name: "the far end answers no echo, but sends", warns: "far-no-echo", speaks: "ping -n -q -i 0.2 -I gre2 172.16.2.1",
		does: []step{there(filterAt("input", "iifname gre2 icmp type echo-request drop"))}, undo: []step{there(noFilter)}}.of(same("--key 9")),
	variant{name: "a route in a table, by a rule", does: []step{here("ip rule add to 10.20.2.0/24 lookup 100")}, undo: []step{here("ip rule del to 10.20.2.0/24 lookup 100")}}.
		of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --route 10.20.2.0/24_table_100", "--peer 100.0.1.100 --address 172.16.2.2/30 --key 9"),
	{name: "a way out over several gateways",
		does: []step{between("ip addr add 100.0.1.2/24 dev eth1"), here("ip route add 100.0.2.100 nexthop via 100.0.1.1 dev eth0 nexthop via 100.0.1.2 dev eth0")},
		undo: []step{here("ip route del 100.0.2.100"), between("ip addr del 100.0.1.2/24 dev eth1")}},
	variant{name: "a path MTU that the kernel knows",
		does: append(slices.Clone(smallPath), here(largePing)), undo: append(slices.Clone(largePath), here("ip route flush cache"))}.of(same("--key 9 --mtu 1372")),
	variant{name: "the far end answers no echo above 1000 bytes",
		does: []step{there(filterAt("input", "iifname gre2 icmp type echo-request meta length > 1000 drop"))}, undo: []step{there(noFilter)}}.of(same("--key 9")),
	variant{name: "the far end answers no echo above 1400 bytes",
		does: []step{there(filterAt("input", "iifname gre2 icmp type echo-request meta length > 1400 drop"))}, undo: []step{there(noFilter)}}.of(same("--key 9")),
	variant{name: "the far end answers no echo above 1400 bytes, and no datagram", warns: "path-mtu-black-hole",
		does: []step{there(filterAt("input", "iifname gre2 icmp type echo-request meta length > 1400 drop; iifname gre2 meta l4proto udp drop"))}, undo: []step{there(noFilter)}}.of(same("--key 9")),
	{name: "a strict reverse path filter, and a symmetric way",
		does: []step{here("sysctl -qw net.ipv4.conf.all.rp_filter=1")}, undo: []step{here("sysctl -qw net.ipv4.conf.all.rp_filter=0")}},
	variant{name: "forwarding"}.of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --forward", "--peer 100.0.1.100 --address 172.16.2.2/30 --key 9"),
	variant{name: "SNAT"}.of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --snat 10.10.1.0/24=10.10.1.1", "--peer 100.0.1.100 --address 172.16.2.2/30 --key 9"),
	variant{name: "SNAT behind a masquerade that gives the same source", does: []step{here(`nft 'table ip fault { chain faulty { type nat hook postrouting priority 50; oifname "eth1" masquerade; }; }'`)},
		undo: []step{here(noFilter)}}.of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --snat 10.10.1.0/24=10.10.1.1", "--peer 100.0.1.100 --address 172.16.2.2/30 --key 9"),
	variant{name: "SNAT beside the usual NAT of others, which was loaded later", does: []step{here(`nft 'table ip fault { chain faulty { type nat hook postrouting priority 100; oifname "eth1" snat to 10.10.1.7; }; }'`)},
		undo: []step{here(noFilter)}}.of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --snat 10.10.1.0/24=10.10.1.1", "--peer 100.0.1.100 --address 172.16.2.2/30 --key 9"),
	{name: "IPsec policies for others", does: []step{here("ip xfrm policy add src 100.0.1.100 dst 100.0.2.77 dir out action block; ip xfrm policy add src 100.0.2.77 dst 100.0.1.100 proto 47 dir in tmpl proto esp mode transport")},
		undo: []step{here(noIPsec)}},
	variant{name: "no autoconnect"}.of(same("--key 9 --autoconnect=false")),
	variant{name: "a profile with another name", tunnel: "office", does: []step{here("nmcli connection modify gre2 connection.id office")},
		undo: []step{here("nmcli connection modify office connection.id gre2")}}.of(same("--key 9")),
	variant{name: "an inactive twin", does: []step{here("nmcli connection clone gre2 twin; nmcli connection modify twin connection.autoconnect no")},
		undo: []step{here("nmcli connection delete twin")}}.of(same("--key 9")),
	variant{name: "a tunnel over a tunnel", warns: "underlay"}.of("--peer 172.16.0.2 --address 172.16.2.1/30", "--peer 172.16.0.1 --address 172.16.2.2/30"),
	{name: "a port of a bridge", tunnel: "gre2",
		does: []step{here(bridgeWithPort("172.16.2.1/30", "100.0.1.100", "100.0.2.100")), there(bridgeWithPort("172.16.2.2/30", "100.0.2.100", "100.0.1.100")),
			here("ping -n -q -c 3 -i 0.2 -W 2 172.16.2.2")},
		undo: []step{here(noBridge), there(noBridge)}},
	{name: "hosts behind the far end answer", to: []string{"10.10.2.100", "10.10.2.1"}},
	{name: "a host behind the far end refuses echoes itself", to: []string{"10.10.2.100"},
		does: []step{farLAN(filterAt("input", "icmp type echo-request reject with icmp type admin-prohibited"))}, undo: []step{farLAN(noFilter)}},
	{name: "the far end answers no echo, and a host behind it does", to: []string{"10.10.2.100"}, warns: "far-no-echo",
		does: []step{there(filterAt("input", "iifname gre1 icmp type echo-request drop"))}, undo: []step{there(noFilter)}},
	{name: "a network here that the far end does not know, and one that it knows", to: []string{"10.10.2.100"}, warns: "no-way-back",
		does: []step{here("ip link add lan9 type dummy; ip addr add 10.9.0.1/24 dev lan9; ip link set lan9 up")}, undo: []step{here("ip link del lan9")}},
	{name: "a network here for which this host does not forward", to: []string{"10.10.2.100"}, warns: "no-way-back",
		does: []step{here("sysctl -qw net.ipv4.conf.eth1.forwarding=0"), there("ip route del 10.10.1.0/24 dev gre1")},
		undo: []step{here("sysctl -qw net.ipv4.conf.eth1.forwarding=1"), there("nmcli connection up gre1")}},
	variant{name: "any local address, and a way out for GRE from another address of this host",
		does: []step{here("ip addr add 100.0.1.7/24 dev eth0; ip route add 100.0.2.100 via 100.0.1.1 dev eth0 src 100.0.1.7 table 47; ip rule add ipproto 47 lookup 47")},
		undo: []step{here("ip rule del ipproto 47 lookup 47; ip route del 100.0.2.100 table 47; ip addr del 100.0.1.7/24 dev eth0")}}.
		of("--peer 100.0.2.100 --address 172.16.2.1/30 --key 9 --local any", "--peer 100.0.1.7 --address 172.16.2.2/30 --key 9"),
	variant{name: "any local address, and a device"}.of(same("--key 9 --local any --parent eth0")),
}

// differ replaces a word at the right end.
func (v variant) differ(word, by string) variant {
	v.right = strings.ReplaceAll(v.right, word, by)
	return v
}

// flags splits flags. The low line stands for a space within one.
func flags(text string) []string {
	list := strings.Fields(text)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "_", " ")
	}
	return list
}

// makeEnds makes the variant's tunnel, and returns a function that removes it.
func (v variant) makeEnds(t *testing.T) (remove func()) {
	t.Helper()
	if v.left == "" {
		return func() {}
	}
	create := []string{"create", "--name", "gre2", "--no-probe"}
	nmgreOn(t, lab.Linux1, exitDone, slices.Concat(create, flags(v.left))...)
	nmgreOn(t, lab.Linux2, exitDone, slices.Concat(create, flags(v.right))...)
	return func() {
		nmgreOn(t, lab.Linux1, exitDone, "delete", "gre2")
		nmgreOn(t, lab.Linux2, exitDone, "delete", "gre2")
	}
}

// try makes the variant, and has verify look at it. It returns a line for the table.
func (v variant) try(t *testing.T) string {
	t.Helper()
	remove := v.makeEnds(t)
	take(t, v.does)
	stop := causeRow{speaks: v.speaks}.speak(t)
	name := v.tunnel
	if name == "" {
		name = map[bool]string{true: "gre1", false: "gre2"}[v.left == ""]
	}
	r := lab.Linux1.Try("nmgre", verifyArgs(name, v.to)...)
	stop()
	report := told(t, r)
	for _, c := range report.findings() {
		if c.Status == "fail" || v.warns == "" || c.ID != v.warns && c.Cause != v.warns {
			t.Errorf("a false alarm: %s\n%s", c, c.text)
		}
	}
	if v.warns != "" && report.Verdict == "pass" {
		t.Errorf("it passes, and does not warn of %s", v.warns)
	}
	take(t, v.undo)
	remove()
	said := report.first(causeRow{cause: v.warns})
	return fmt.Sprintf("%s\t%s\t%.1f\t%s", v.name, report.Verdict, r.Took.Seconds(), said)
}

// Healthy tunnels that look odd: verify passes each, or warns of the oddity. None fails.
//
//lab:faults
func TestLabHealthyVariants(t *testing.T) {
	lab.Need(t)
	t.Cleanup(func() { lab.Router.Reset(t) })
	installHook(t, lab.Linux1)
	makeHealthy(t)
	lines := []string{"variant\tverdict\tverify s\ttold"}
	for _, v := range healthyVariants {
		t.Run(v.name, func(t *testing.T) {
			t.Cleanup(func() {
				if t.Failed() { // its rest must not disturb the next one
					anew(t, makeHealthy)
					installHook(t, lab.Linux1)
				}
			})
			lines = append(lines, v.try(t))
		})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(lines, "\n"))
	_ = w.Flush() // into memory
	t.Logf("what verify told:\n%s", b.String())
	mustBeHealthy(t, "after all variants")
}
