package main

import (
	"testing"

	"nmgre/testdata/lab"
)

// lans6 gives the networks behind both ends IPv6 addresses, and noLANs6 takes them away. The
// resets of linux1 and linux2 do not reach the hosts in these networks. Without a link-local
// address, which NetworkManager leaves out, a router does not look for a host.
var (
	lans6 = []step{
		here("sysctl -qw net.ipv6.conf.eth1.disable_ipv6=0; ip addr replace fe80::1/64 dev eth1 nodad; ip addr replace fd00:1::1/64 dev eth1 nodad"),
		there("sysctl -qw net.ipv6.conf.eth1.disable_ipv6=0 net.ipv6.conf.all.forwarding=1; ip addr replace fe80::2/64 dev eth1 nodad; ip addr replace fd00:2::1/64 dev eth1 nodad"),
		{lab.LAN1, "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0; ip addr replace fd00:1::100/64 dev eth0 nodad; ip -6 route replace default via fd00:1::1"},
		farLAN("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0; ip addr replace fd00:2::100/64 dev eth0 nodad; ip -6 route replace default via fd00:2::1"),
	}
	noLANs6 = []step{
		here("ip -6 addr flush dev eth1 || true"),
		there("sysctl -qw net.ipv6.conf.all.forwarding=0; ip -6 addr flush dev eth1 || true"),
		{lab.LAN1, "ip addr del fd00:1::100/64 dev eth0 || true"},
		farLAN("ip addr del fd00:2::100/64 dev eth0 || true"),
	}
)

// makeInner6 makes the tunnel of the matrix with inner addresses of both families, and such
// networks behind it.
func makeInner6(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { take(t, noLANs6) })
	take(t, lans6)
	nmgreOn(t, left.host, exitDone, left.create("--key", "42", "--address", "fd00:99::1/64", "--route", "fd00:2::/64", "--no-probe")...)
	nmgreOn(t, right.host, exitDone, right.create("--key", "42", "--address", "fd00:99::2/64", "--route", "fd00:1::/64")...)
	// NetworkManager switches the tunnel's own forwarding off, and a row switches everything on
	take(t, []step{there("sysctl -qw net.ipv6.conf.all.forwarding=0; sysctl -qw net.ipv6.conf.all.forwarding=1")})
	mustBeHealthy(t, "to begin with", "fd00:2::100", "fd00:2::1", "10.10.2.100")
}

// causeRowsInner6 are rows of the matrix about hosts behind the far end, over IPv6 inside.
var causeRowsInner6 = []causeRow{
	{
		id: "D25", name: "the far end does not forward", to: []string{"fd00:2::100"},
		does:  []step{there("sysctl -qw net.ipv6.conf.all.forwarding=0")},
		undo:  []step{there("sysctl -qw net.ipv6.conf.all.forwarding=1")},
		cause: "far-not-forwarding", check: "to fd00:2::100", says: []string{"TTL 1", "fd00:1::1"}, verdict: "fail", certainty: "likely",
		mendThere: `sysctl net\.ipv6\.conf\.all\.forwarding=1`,
	},
	{
		id: "D25c", name: "the far end's firewall drops what it forwards", to: []string{"fd00:2::100"},
		does:  []step{there(filterAt6("forward", "iifname gre1 drop"))},
		undo:  []step{there(noFilter6)},
		cause: "behind-silent", check: "to fd00:2::100", says: []string{"fd00:99::2 said"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "D25d", name: "the far end's firewall refuses what it forwards", to: []string{"fd00:2::100"},
		does:  []step{there(filterAt6("forward", "iifname gre1 reject with icmpv6 type admin-prohibited"))},
		undo:  []step{there(noFilter6)},
		cause: "behind-firewall", check: "to fd00:2::100", says: []string{"fd00:99::2", "1/1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D25e", name: "the host behind the far end is off", to: []string{"fd00:2::77"},
		cause: "behind-no-host", check: "to fd00:2::77", says: []string{"fd00:99::2", "1/3"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D26", name: "the far end has no route back to this end's LAN", to: []string{"fd00:2::100", "10.10.2.100"},
		does:  []step{there("nmgre route delete gre1 fd00:1::/64")},
		undo:  []step{there(leave("nmgre route add gre1 fd00:1::/64"))},
		cause: "no-way-back", check: "to fd00:2::100", says: []string{"fd00:1::1", "no way back to fd00:1::/64"}, verdict: "warn", certainty: "likely",
		mendThere: `nmgre route add TUNNEL fd00:1::/64`,
	},
}

// Faults behind the far end, over IPv6 inside the tunnel.
//
//lab:faults
func TestLabCausesInner6(t *testing.T) {
	tryRows(t, makeInner6, causeRowsInner6, true)
}
