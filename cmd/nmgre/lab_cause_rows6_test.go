package main

import (
	"slices"
	"strings"
)

// filterAt6 is filterAt for IPv6.
func filterAt6(hook, rule string) string {
	return strings.Replace(filterAt(hook, rule), "table ip ", "table ip6 ", 1)
}

const noFilter6 = "nft delete table ip6 fault"

// farLink6 is farLink for a tunnel over IPv6.
func farLink6(options string) step {
	return there("ip link set dev gre1 type ip6gre remote 2001:db8:1::100 local 2001:db8:2::100 hoplimit 64 " + options)
}

// causeRows6 are rows of the matrix for a tunnel over IPv6.
var causeRows6 = []causeRow{
	{
		id: "D04", name: "an unreachable route covers the far end",
		does:  []step{here("ip route add unreachable 2001:db8:2::100")},
		undo:  []step{here(leave("ip -6 route del 2001:db8:2::100"))},
		cause: "no-route", says: []string{"2001:db8:2::100"}, verdict: "fail", certainty: "proved",
		mend: "ip route replace 2001:db8:2::100 via 2001:db8:1::1 dev eth0",
	},
	{
		id: "D06", name: "the route to the far end's network leads into the tunnel",
		does:  []step{here("sysctl -qw net.ipv6.conf.gre1.disable_ipv6=0; ip route add 2001:db8:2::/64 dev gre1 metric 1")},
		undo:  []step{here("ip route del 2001:db8:2::/64 dev gre1; sysctl -qw net.ipv6.conf.gre1.disable_ipv6=1; " + leave("ip route del 2001:db8:2::100"))},
		cause: "route-into-itself", says: []string{"gre1"}, verdict: "fail", certainty: "proved",
		mend: "ip route replace 2001:db8:2::100 via 2001:db8:1::1 dev eth0",
	},
	{
		id: "D08", name: "this host's firewall drops GRE on the way out",
		does:  []step{here(filterAt6("output", "meta l4proto 47 drop"))},
		undo:  []step{here(noFilter6)},
		cause: "own-firewall-out", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip6 fault faulty [^#]+`,
	},
	{ // the kernel counts carrier errors then, and sends nothing
		id: "X4", name: "an IPsec policy covers the tunnel, and has no state",
		does:  []step{here("ip xfrm policy add src 2001:db8:1::/64 dst 2001:db8:2::/64 dir out tmpl src 2001:db8:1::100 dst 2001:db8:2::100 proto esp mode transport")},
		undo:  []step{here(noIPsec)},
		cause: "ipsec-no-state", says: []string{"src 2001:db8:1::/64 dst 2001:db8:2::/64", "esp mode transport"}, verdict: "fail", certainty: "proved",
		mend: `ip xfrm policy delete index \d+ dir out`,
	},
	{
		id: "D10", name: "the far end has no such tunnel",
		does:  []step{there("nmgre down gre1")},
		undo:  []step{there("nmgre up gre1")},
		cause: "far-no-tunnel", says: []string{"2001:db8:2::100", "42"}, verdict: "fail",
	},
	{
		id: "D11b", name: "the far end answers with another key",
		does:  []step{farLink6("ikey 42 okey 7")},
		undo:  []step{farLink6("key 42"), here("nmgre edit gre1 --key 42 --no-probe")},
		cause: "key-mismatch", says: []string{"key 7", "key 42"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --input-key 7",
	},
	{
		id: "D13", name: "the far end's firewall refuses GRE",
		does:  []step{there(filterAt6("input", "meta l4proto 47 reject with icmpv6 type admin-prohibited"))},
		undo:  []step{there(noFilter6)},
		cause: "far-firewall", says: []string{"2001:db8:2::100"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D14", name: "a router on the way refuses GRE",
		does:  []step{between(filterAt6("forward", "meta l4proto 47 reject with icmpv6 type admin-prohibited"))},
		undo:  []step{between(noFilter6)},
		cause: "way-refused", says: []string{"2001:db8:1::1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D15", name: "a router on the way has no route",
		does:  []step{between("ip route add unreachable 2001:db8:2::100")},
		undo:  []step{between("ip route del unreachable 2001:db8:2::100")},
		cause: "way-refused", says: []string{"2001:db8:1::1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D16", name: "the outer hop limit is too low",
		does:  []step{here("nmgre edit gre1 --ttl 1 --no-probe")},
		undo:  []step{here("nmgre edit gre1 --ttl 64 --no-probe")},
		cause: "ttl-exceeded", says: []string{"2001:db8:1::1"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --ttl 64",
	},
	{
		id: "D17", name: "a router on the way drops GRE",
		does:  []step{between(filterAt6("forward", "meta l4proto 47 drop"))},
		undo:  []step{between(noFilter6)},
		cause: "gre-silent", verdict: "fail", certainty: "likely",
	},
	{
		id: "D18", name: "a router on the way drops everything",
		does:  []step{between(filterAt6("forward", "ip6 daddr 2001:db8:2::100 drop"))},
		undo:  []step{between(noFilter6)},
		cause: "all-silent", verdict: "fail", certainty: "likely",
	},
	{
		id: "D19", name: "this host's firewall drops GRE on input",
		does:  []step{here(filterAt6("input", "meta l4proto 47 drop"))},
		undo:  []step{here(noFilter6)},
		cause: "own-firewall-in", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip6 fault faulty [^#]+`,
	},
	{
		id: "D21b", name: "the far end answers with checksums",
		does:  []step{farLink6("key 42 ocsum")},
		undo:  []step{farLink6("key 42 nocsum")},
		cause: "checksum-differs", verdict: "fail", certainty: "proved",
		unmended: "the far end's option is at fault",
	},
	{
		id: "D28", name: "the path MTU is smaller, and the kernel knows it",
		does: append(slices.Clone(smallPath), here(`ping -n -q -c 2 -i 0.2 -W 1 -M do -s 1440 2001:db8:2::100 || true
			ip route get 2001:db8:2::100 | grep 'mtu 1400'`)),
		undo:  append(slices.Clone(largePath), here("ip route flush cache; ip -6 route flush cache; nmgre edit gre1 --mtu auto --no-probe")),
		cause: "path-mtu", check: "mtu", says: []string{"1400"}, verdict: "warn", certainty: "proved",
		mend: `nmgre edit gre1 --mtu (auto|\d+)`,
	},
}
