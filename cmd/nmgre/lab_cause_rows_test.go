package main

import "slices"

// farPings is the far end's own traffic. Faults of the far end show in its packets.
const farPings = "ping -n -q -i 0.2 -I gre1 172.16.0.1"

// farOptions are the options of a whole tunnel's link. ip leaves the other options alone.
const farOptions = "key 42 nocsum noseq"

// leave is the undo of a script that a hint's command may have done already.
func leave(script string) string { return script + " 2>/dev/null || true" }

// The link between the router and linux2 carries packets of 1400 bytes. With the key 42, 1372 of
// them are the tunnel's.
var (
	smallPath = []step{between("ip link set eth2 mtu 1400"), there("ip link set eth0 mtu 1400")}
	largePath = []step{between("ip link set eth2 mtu 1500"), there("ip link set eth0 mtu 1500; ip route flush cache")}
)

// largePing has the kernel learn of it, and fails if it has not.
const largePing = "ping -n -q -c 2 -i 0.2 -W 1 -M do -s 1450 100.0.2.100 || true; ip route get 100.0.2.100 | grep 'mtu 1400'"

// wholeMTU gives the tunnel its first MTU again.
const wholeMTU = "ip route flush cache; nmgre edit gre1 --mtu 1472 --no-probe"

// An SNAT rule of linux1 for the packets of the tunnel into its LAN, and the check that proves it.
const (
	snatOn  = "install -m 755 /tmp/bin/nmgre /usr/local/bin/nmgre; /usr/local/bin/nmgre install-hook; nmgre edit gre1 --snat 10.10.1.0/24=10.10.1.1 --no-probe"
	noSNAT  = "; nmgre edit gre1 --snat none --no-probe; nmgre remove-hook; rm -f /usr/local/bin/nmgre; conntrack -D -s 172.16.0.1 || true"
	theSNAT = "snat 10.10.1.0/24 from 172.16.0.0/30"
)

// A second profile of the name gre1, for the same interface.
const (
	twinOn = "nmcli connection clone gre1 twin; nmcli connection modify twin connection.autoconnect no connection.id gre1"
	noTwin = `for u in $(nmcli -g UUID,DEVICE,NAME connection show | sed -n 's/^\([^:]*\)::gre1$/\1/p'); do nmcli connection delete $u; done`
)

const noIPsec = "ip xfrm policy flush; ip xfrm state flush"

// noGREThere has linux2 answer as a host whose kernel has no GRE. TestLabCauseNoGRE compares the
// two.
var noGREThere = filterAt("input", "meta l4proto 47 reject with icmp type prot-unreachable")

// causeRows are the rows of the matrix. D01, a kernel without GRE, is not one of them: see
// TestLabCauseNoGRE.
var causeRows = []causeRow{
	{
		id: "D02", name: "another tunnel has the same addresses and key",
		refused: []string{"create", "--peer", "100.0.2.100", "--address", "172.16.9.1/30", "--key", "42"}, says: []string{"gre1", "same input key"},
	},
	{
		id: "D03", name: "the local outer address has left this host", core: true,
		does:  []step{here("ip addr del 100.0.1.100/24 dev eth0")},
		undo:  []step{here("nmcli connection up wan")},
		cause: "local-not-here", says: []string{"100.0.1.100"}, verdict: "fail", certainty: "proved",
		unmended: "this host has no other address: see D03b",
	},
	{
		id: "D03b", name: "the local outer address has changed, and the far end knows the new one",
		does: []step{here("ip addr del 100.0.1.100/24 dev eth0; ip addr add 100.0.1.101/24 dev eth0; ip route replace default via 100.0.1.1 dev eth0 proto static metric 100"),
			there("nmgre edit gre1 --peer 100.0.1.101 --no-probe")},
		undo: []step{there("nmgre edit gre1 --peer 100.0.1.100 --no-probe"),
			here(leave("ip addr del 100.0.1.101/24 dev eth0") + "; nmcli connection up wan; nmgre edit gre1 --local 100.0.1.100 --no-probe")},
		cause: "local-not-here", says: []string{"100.0.1.100", "100.0.1.101"}, verdict: "fail", certainty: "proved",
		mend: `nmgre edit gre1 --local 100\.0\.1\.101`,
	},
	{
		id: "D04", name: "an unreachable route covers the far end",
		does:  []step{here("ip route add unreachable 100.0.2.100")},
		undo:  []step{here(leave("ip route del 100.0.2.100"))},
		cause: "no-route", says: []string{"100.0.2.100"}, verdict: "fail", certainty: "proved",
		mend: "ip route replace 100.0.2.100 via 100.0.1.1 dev eth0",
	},
	{
		id: "D04b", name: "no default route",
		does:  []step{here("ip route del default via 100.0.1.1")},
		undo:  []step{here(leave("ip route add default via 100.0.1.1 dev eth0 proto static metric 100"))},
		cause: "no-route", says: []string{"100.0.2.100"}, verdict: "fail", certainty: "proved",
		mend: "nmcli device connect eth0",
	},
	{
		id: "D05", name: "the device of the way out is down",
		does:  []step{here("ip link set eth0 down")},
		undo:  []step{here("ip link set eth0 up; nmcli connection up wan")},
		cause: "device-down", says: []string{"eth0"}, verdict: "fail", certainty: "proved", mend: "nmcli device connect eth0",
	},
	{
		id: "D05b", name: "the cable of the way out is pulled",
		does:  []step{between("ip link set eth1 down")},
		undo:  []step{between("ip link set eth1 up"), here("nmcli connection up wan")},
		cause: "device-down", says: []string{"eth0"}, verdict: "fail", certainty: "proved",
		unmended: "a cable is plugged in by hand",
	},
	{
		id: "D06", name: "the route to the far end's network leads into the tunnel", core: true,
		does:  []step{here("ip route add 100.0.2.0/24 dev gre1")},
		undo:  []step{here("ip route del 100.0.2.0/24 dev gre1; " + leave("ip route del 100.0.2.100"))},
		cause: "route-into-itself", says: []string{"gre1"}, verdict: "fail", certainty: "proved",
		mend: "ip route replace 100.0.2.100 via 100.0.1.1 dev eth0",
	},
	{
		id: "D06b", name: "the far end's own route leads into the tunnel",
		does:  []step{here("ip route add 100.0.2.100 dev gre1")},
		undo:  []step{here("ip route del 100.0.2.100")},
		cause: "route-into-itself", says: []string{"gre1"}, verdict: "fail", certainty: "proved",
		mend: "ip route replace 100.0.2.100 via 100.0.1.1 dev eth0",
	},
	{
		id: "D07", name: "two tunnels lead into each other",
		does: []step{here(`ip link add gre7 type gre local 100.0.1.100 remote 100.0.2.77 ttl 64
			ip addr add 172.16.7.1/30 dev gre7; ip link set gre7 up
			ip route add 100.0.2.100 dev gre7; ip route add 100.0.2.77 dev gre1`)},
		undo:  []step{here("ip link del gre7; ip route del 100.0.2.77 dev gre1; " + leave("ip route del 100.0.2.100"))},
		cause: "route-into-itself", says: []string{"gre7"}, verdict: "fail",
		mend: "ip route replace 100.0.2.100 via 100.0.1.1 dev eth0",
	},
	{
		id: "D07b", name: "the way leads into two tunnels that lead into each other",
		does: []step{here(`ip link add gre7 type gre local 100.0.1.100 remote 100.0.2.77 ttl 64
			ip link add gre8 type gre local 100.0.1.100 remote 100.0.2.78 ttl 64
			ip link set gre7 up; ip link set gre8 up
			ip route add 100.0.2.100 dev gre7; ip route add 100.0.2.77 dev gre8; ip route add 100.0.2.78 dev gre7`)},
		undo:  []step{here("ip link del gre7; ip link del gre8; " + leave("ip route del 100.0.2.100"))},
		cause: "tunnels-in-a-loop", says: []string{"gre7", "gre8"}, verdict: "fail",
		mend: "ip route replace 100.0.2.100 via 100.0.1.1 dev eth0",
	},
	{
		id: "D08", name: "this host's firewall drops GRE on the way out", core: true,
		does:  []step{here(filterAt("output", "meta l4proto 47 drop"))},
		undo:  []step{here(leave(noFilter))},
		cause: "own-firewall-out", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D08b", name: "traffic control drops GRE on the way out",
		does: []step{here(`tc qdisc add dev eth0 clsact
			tc filter add dev eth0 egress protocol ip u32 match ip protocol 47 0xff action drop`)},
		undo:  []step{here("tc qdisc del dev eth0 clsact")},
		cause: "own-firewall-out", says: []string{"traffic control"}, verdict: "fail",
		unmended: "the hint names traffic control, and no command",
	},
	{
		id: "D09", name: "the far end has no GRE", core: true,
		does:  []step{there(noGREThere)},
		undo:  []step{there(noFilter)},
		cause: "far-no-gre", says: []string{"100.0.2.100"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D10", name: "the far end has no such tunnel", core: true,
		does:  []step{there("nmgre down gre1")},
		undo:  []step{there("nmgre up gre1")},
		cause: "far-no-tunnel", says: []string{"100.0.2.100", "42"}, verdict: "fail",
	},
	{
		id: "D10b", name: "the far end has another key, and is silent",
		does:  []step{farLink("key 7")},
		undo:  []step{farLink(farOptions)},
		cause: "far-no-tunnel", says: []string{"100.0.2.100", "42"}, verdict: "fail",
	},
	{
		id: "D11", name: "the far end has another key, and sends", core: true,
		does: []step{farLink("key 7")}, speaks: farPings,
		undo:  []step{farLink(farOptions), here("nmgre edit gre1 --key 42 --no-probe")},
		cause: "key-mismatch", says: []string{"key 7", "key 42"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --(key|input-key) 7",
	},
	{
		id: "D11b", name: "the far end answers with another key",
		does:  []step{farLink("ikey 42 okey 7")},
		undo:  []step{farLink(farOptions), here("nmgre edit gre1 --key 42 --no-probe")},
		cause: "key-mismatch", says: []string{"key 7", "key 42"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --input-key 7",
	},
	{
		id: "D11c", name: "the far end answers without a key",
		does:  []step{farLink("ikey 42 nookey")},
		undo:  []step{farLink(farOptions), here("nmgre edit gre1 --key 42 --no-probe")},
		cause: "key-mismatch", says: []string{"no key", "key 42"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --input-key none",
	},
	{
		id: "D12", name: "the far end has another outer address, and sends",
		does: []step{there("ip addr add 100.0.2.101/24 dev eth0"),
			there("ip link set dev gre1 type gre remote 100.0.1.100 local 100.0.2.101 ttl 64 key 42")}, speaks: farPings,
		undo:  []step{farLink(farOptions), there("ip addr del 100.0.2.101/24 dev eth0"), here("nmgre edit gre1 --peer 100.0.2.100 --no-probe")},
		cause: "other-source", says: []string{"100.0.2.101"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --peer 100.0.2.101",
	},
	{
		id: "D12b", name: "the far end's answers leave by another address",
		does: []step{there(`ip addr add 100.0.2.101/24 dev eth0
			` + filterAt("postrouting", "meta l4proto 47 ip saddr set 100.0.2.101"))},
		undo:  []step{there(noFilter + "; ip addr del 100.0.2.101/24 dev eth0")},
		cause: "other-source", says: []string{"100.0.2.101"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D13", name: "the far end's firewall refuses GRE",
		does:  []step{there(filterAt("input", "meta l4proto 47 reject with icmp type admin-prohibited"))},
		undo:  []step{there(noFilter)},
		cause: "far-firewall", says: []string{"100.0.2.100"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D14", name: "a router on the way refuses GRE", core: true,
		does:  []step{between(filterAt("forward", "meta l4proto 47 reject with icmp type admin-prohibited"))},
		undo:  []step{between(noFilter)},
		cause: "way-refused", says: []string{"100.0.1.1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D14b", name: "a router on the way has an unreachable route",
		does:  []step{between("ip route add unreachable 100.0.2.100; " + limitsFill)},
		undo:  []step{between("ip route del unreachable 100.0.2.100")},
		cause: "way-refused", says: []string{"100.0.1.1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D15", name: "a router on the way has no route",
		does:  []step{between("ip route del 100.0.2.0/24 dev eth2; " + limitsFill)},
		undo:  []step{between("ip route add 100.0.2.0/24 dev eth2 proto kernel scope link src 100.0.2.1")},
		cause: "way-refused", says: []string{"100.0.1.1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D16", name: "the outer TTL is too low",
		does:  []step{here("nmgre edit gre1 --ttl 1 --no-probe")},
		undo:  []step{here("nmgre edit gre1 --ttl 64 --no-probe")},
		cause: "ttl-exceeded", says: []string{"100.0.1.1"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --ttl 64",
	},
	{
		id: "D16b", name: "packets go round in a circle on the way",
		does: []step{between(`ip link add one type veth peer name two
			ip link set one address 02:00:00:00:00:01 up; ip link set two address 02:00:00:00:00:02 up
			ip neigh add 169.254.9.9 lladdr 02:00:00:00:00:02 dev one
			ip route add 100.0.2.100 via 169.254.9.9 dev one onlink`)},
		undo:  []step{between("ip link del one")},
		cause: "ttl-exceeded", says: []string{"100.0.1.1"}, verdict: "fail", certainty: "proved",
		unmended: "the circle is the router's",
	},
	{
		id: "D17", name: "a router on the way drops GRE", core: true,
		does:  []step{between(filterAt("forward", "meta l4proto 47 drop"))},
		undo:  []step{between(noFilter)},
		cause: "gre-silent", verdict: "fail", certainty: "likely",
	},
	{
		id: "D18", name: "a router on the way drops everything",
		does:  []step{between(filterAt("forward", "ip daddr 100.0.2.100 drop"))},
		undo:  []step{between(noFilter)},
		cause: "all-silent", verdict: "fail", certainty: "likely",
	},
	{
		id: "D19", name: "this host's firewall drops GRE on input", core: true,
		does:  []step{here(filterAt("input", "meta l4proto 47 drop"))},
		undo:  []step{here(leave(noFilter))},
		cause: "own-firewall-in", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D19b", name: "this host's firewall drops GRE before routing",
		does:  []step{here(filterAt("prerouting", "meta l4proto 47 drop"))},
		undo:  []step{here(leave(noFilter))},
		cause: "own-firewall-in", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D19c", name: "the policy of this host's firewall drops GRE",
		does:  []step{here(filterAt("input", "policy drop; iifname { lo, gre1, eth1 } accept; ip protocol 1 accept"))},
		undo:  []step{here(leave(noFilter))},
		cause: "own-firewall-in", says: []string{"fault"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D20", name: "this host's firewall lets answers in only",
		does:  []step{here(filterAt("input", "ct state established,related accept; meta l4proto 47 drop"))},
		undo:  []step{here(leave(noFilter) + "; conntrack -D -p gre || true")},
		cause: "answers-only", says: []string{"fault", "100.0.2.100"}, verdict: "warn", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D21", name: "the far end has checksums, and sends",
		does: []step{farLink("key 42 csum")}, speaks: farPings,
		undo:  []step{farLink(farOptions)},
		cause: "checksum-differs", verdict: "fail", certainty: "proved",
		unmended: "the far end's option is at fault: that of this end's link is D22b",
	},
	{
		id: "D21b", name: "the far end answers with checksums", core: true,
		does:  []step{farLink("key 42 ocsum")},
		undo:  []step{farLink(farOptions)},
		cause: "checksum-differs", verdict: "fail", certainty: "proved",
		unmended: "the far end's option is at fault: that of this end's link is D22b",
	},
	{
		id: "D21c", name: "the far end wants checksums, and is silent",
		does: []step{farLink("key 42 icsum ocsum")},
		undo: []step{farLink(farOptions)},
		lost: true, cause: "gre-silent", later: "nothing of it can be seen from this end",
	},
	{
		id: "D22", name: "the far end has sequence numbers, and sends",
		does: []step{farLink("key 42 seq")}, speaks: farPings,
		undo:  []step{farLink(farOptions)},
		cause: "sequence-differs", verdict: "fail",
		unmended: "the far end's option is at fault: that of this end's link is D22b",
	},
	{
		id: "D22b", name: "this end wants sequence numbers",
		does:  []step{hereLink("key 42 iseq")},
		undo:  []step{hereLink(farOptions)},
		cause: "link-differs", check: "link", says: []string{"sequence numbers: profile off, kernel on"}, verdict: "fail", certainty: "proved",
		also: []string{"sequence-differs"}, mend: "nmgre down gre1 && nmgre up gre1",
	},
	{
		id: "D23", name: "the far end has an inner address of another network, and sends",
		does:   []step{there("ip addr del 172.16.0.2/30 dev gre1; ip addr add 172.16.9.2/30 dev gre1")},
		speaks: farPings,
		undo:   []step{there("ip addr del 172.16.9.2/30 dev gre1; nmcli connection up gre1")},
		cause:  "inner-mismatch", says: []string{"172.16.9.2"}, verdict: "fail",
		unmended: "the network of the far end's address is another one: this end has none that fits",
	},
	{
		id: "D24", name: "both ends have one inner address",
		does:   []step{there("ip addr del 172.16.0.2/30 dev gre1; ip addr add 172.16.0.1/30 dev gre1")},
		speaks: "ping -n -q -i 0.2 -I gre1 172.16.0.2",
		undo:   []step{there("ip addr del 172.16.0.1/30 dev gre1; nmcli connection up gre1")},
		cause:  "same-inner-address", says: []string{"172.16.0.1"}, verdict: "fail",
	},
	{
		id: "D24b", name: "this end's device has the far end's inner address, too",
		does:  []step{here("ip addr add 172.16.0.2/30 dev gre1")},
		undo:  []step{here(leave("ip addr del 172.16.0.2/30 dev gre1"))},
		cause: "peer-address-here", says: []string{"172.16.0.2", "gre1"}, verdict: "fail", certainty: "proved",
		also: []string{"addresses"}, mend: "ip address del 172.16.0.2/30 dev gre1",
	},
	{
		id: "D24c", name: "another device of this host has the far end's inner address",
		does:  []step{here("ip addr add 172.16.0.2/32 dev lo")},
		undo:  []step{here(leave("ip addr del 172.16.0.2/32 dev lo"))},
		cause: "peer-address-here", says: []string{"172.16.0.2", "lo"}, verdict: "fail",
		mend: "ip address del 172.16.0.2/32 dev lo",
	},
	{
		id: "D25", name: "the far end does not forward", to: []string{"10.10.2.100"},
		does:  []step{there("sysctl -qw net.ipv4.ip_forward=0")},
		undo:  []step{there("sysctl -qw net.ipv4.ip_forward=1")},
		cause: "far-not-forwarding", check: "to 10.10.2.100", says: []string{"TTL 1", "10.10.1.1"}, verdict: "fail", certainty: "likely",
		mendThere: `sysctl net\.ipv4\.ip_forward=1`,
	},
	{
		id: "D25b", name: "the far end does not forward what comes in by the tunnel", to: []string{"10.10.2.100"},
		does:  []step{there("sysctl -qw net.ipv4.conf.gre1.forwarding=0")},
		undo:  []step{there("sysctl -qw net.ipv4.conf.gre1.forwarding=1")},
		cause: "far-not-forwarding", check: "to 10.10.2.100", verdict: "fail", certainty: "likely",
	},
	{
		id: "D25c", name: "the far end's firewall drops what it forwards", to: []string{"10.10.2.100"},
		does:  []step{there(filterAt("forward", "iifname gre1 drop"))},
		undo:  []step{there(noFilter)},
		cause: "behind-silent", check: "to 10.10.2.100", says: []string{"172.16.0.2 said", "hook forward"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "D25d", name: "the far end's firewall refuses what it forwards", to: []string{"10.10.2.100"},
		does:  []step{there(filterAt("forward", "iifname gre1 reject with icmp type admin-prohibited"))},
		undo:  []step{there(noFilter)},
		cause: "behind-firewall", check: "to 10.10.2.100", says: []string{"172.16.0.2", "3/13"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D25e", name: "the host behind the far end is off", to: []string{"10.10.2.77"},
		cause: "behind-no-host", check: "to 10.10.2.77", says: []string{"172.16.0.2", "3/1"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D25f", name: "the far end has no route to it", to: []string{"10.10.77.1"},
		does:  []step{here("ip route add 10.10.77.0/24 dev gre1"), there("ip route add throw 10.10.77.0/24")},
		undo:  []step{here("ip route del 10.10.77.0/24 dev gre1"), there("ip route del throw 10.10.77.0/24")},
		cause: "behind-no-route", check: "to 10.10.77.1", says: []string{"172.16.0.2", "3/0"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D25g", name: "packets go round in a circle behind the far end", to: []string{"10.10.77.1"},
		does: []step{here("ip route add 10.10.77.0/24 dev gre1"), there("ip route add 10.10.77.0/24 via 10.10.2.100"),
			farLAN("sysctl -qw net.ipv4.ip_forward=1")},
		undo: []step{here("ip route del 10.10.77.0/24 dev gre1"), there("ip route del 10.10.77.0/24 via 10.10.2.100"),
			farLAN("sysctl -qw net.ipv4.ip_forward=0")},
		cause: "behind-loop", check: "to 10.10.77.1", says: []string{"11/0"}, verdict: "fail", certainty: "proved",
	},
	{
		id: "D25h", name: "the host behind the far end drops echoes", to: []string{"10.10.2.100"},
		does:  []step{farLAN(filterAt("input", "icmp type echo-request drop"))},
		undo:  []step{farLAN(noFilter)},
		cause: "behind-silent", check: "to 10.10.2.100", says: []string{"172.16.0.2 said"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "D25i", name: "the far end has no route to a network of the tunnel's routes",
		does:  []step{here("nmgre route add gre1 10.10.77.0/24"), there("ip route add throw 10.10.77.0/24")},
		undo:  []step{here("nmgre route delete gre1 10.10.77.0/24"), there("ip route del throw 10.10.77.0/24")},
		cause: "behind-no-route", check: "behind 10.10.77.0/24", says: []string{"172.16.0.2", "3/0"}, verdict: "warn", certainty: "proved",
	},
	{
		id: "D26", name: "the far end has no route back to this end's LAN", core: true, to: []string{"10.10.2.100"},
		does:  []step{there("nmgre route delete gre1 10.10.1.0/24")},
		undo:  []step{there(leave("nmgre route add gre1 10.10.1.0/24"))},
		cause: "no-way-back", check: "to 10.10.2.100", says: []string{"10.10.1.1", "the far end has no way back to 10.10.1.0/24"}, verdict: "fail", certainty: "likely",
		mendThere: `nmgre route add TUNNEL 10\.10\.1\.0/24`,
	},
	{
		id: "D26b", name: "the host behind the far end has no route back to this end's LAN", to: []string{"10.10.2.100", "10.10.2.1"},
		does:  []step{farLAN("ip route add blackhole 10.10.1.0/24")},
		undo:  []step{farLAN("ip route del blackhole 10.10.1.0/24")},
		cause: "no-way-back", check: "to 10.10.2.100", says: []string{"what is behind the far end", "10.10.1.0/24"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "D26c", name: "the far end has no route back, and its own address is asked", to: []string{"10.10.2.1"},
		does:  []step{there("ip route del 10.10.1.0/24 dev gre1")},
		undo:  []step{there("nmcli connection up gre1")},
		cause: "no-way-back", check: "to 10.10.2.1", says: []string{"the far end has no way back to 10.10.1.0/24"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "D26d", name: "a more specific route takes the packets to a host behind", to: []string{"10.10.2.100"},
		does:  []step{here("ip route add 10.10.2.64/26 via 10.10.1.100 dev eth1")},
		undo:  []step{here("ip route del 10.10.2.64/26; " + leave("nmgre route delete gre1 10.10.2.100"))},
		cause: "route-elsewhere", check: "to 10.10.2.100", says: []string{"10.10.2.64/26", "eth1"}, verdict: "fail", certainty: "proved",
		mend: `nmgre route add gre1 10\.10\.2\.100`,
	},
	{
		id: "D27", name: "the strict reverse path filter drops answers", core: true,
		does:  []step{here("sysctl -qw net.ipv4.conf.gre1.rp_filter=1; ip route add 172.16.0.2 dev eth1")},
		undo:  []step{here("sysctl -qw net.ipv4.conf.gre1.rp_filter=0; ip route del 172.16.0.2 dev eth1")},
		cause: "rp-filter", says: []string{"strict (1)", "net.ipv4.conf.gre1.rp_filter = 1"}, verdict: "fail", certainty: "proved",
		mend: `sysctl (-w )?net\.ipv4\.conf\.gre1\.rp_filter=2`,
	},
	{
		id: "D27b", name: "the strict filter of all devices drops answers",
		does:  []step{here("sysctl -qw net.ipv4.conf.all.rp_filter=1; ip route add 172.16.0.2 dev eth1")},
		undo:  []step{here("sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.gre1.rp_filter=0; ip route del 172.16.0.2 dev eth1")},
		cause: "rp-filter", says: []string{"strict (1)", "net.ipv4.conf.all.rp_filter = 1"}, verdict: "fail", certainty: "proved",
		mend: `sysctl net\.ipv4\.conf\.gre1\.rp_filter=2`,
	},
	{
		id: "D27c", name: "the loose filter of all devices drops answers whose source has no route",
		does: []step{here(`sysctl -qw net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.gre1.rp_filter=1
			ip rule add pref 90 to 172.16.0.2 oif gre1 lookup main; ip rule add pref 91 to 172.16.0.2 unreachable`)},
		undo: []step{here(`sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.gre1.rp_filter=0
			ip rule del pref 90; ip rule del pref 91`)},
		cause: "rp-filter", says: []string{"loose (2)", "net.ipv4.conf.all.rp_filter = 2"}, verdict: "fail", certainty: "proved",
		mend: `sysctl net\.ipv4\.conf\.all\.rp_filter=0 net\.ipv4\.conf\.gre1\.rp_filter=0`,
	},
	{
		id: "D27d", name: "the strict filter of the way out drops packets that come in by another device than they leave by",
		does: []step{here(`sysctl -qw net.ipv4.conf.eth0.rp_filter=1; ip route add 100.0.2.100 dev eth1 table 77
			ip rule add pref 90 iif lo to 100.0.2.100 ipproto 47 lookup main; ip rule add pref 91 iif lo to 100.0.2.100 lookup 77`)},
		undo: []step{here(`sysctl -qw net.ipv4.conf.eth0.rp_filter=0; ip rule del pref 90; ip rule del pref 91
			ip route del 100.0.2.100 dev eth1 table 77`)},
		cause: "rp-filter", says: []string{"strict (1)", "net.ipv4.conf.eth0.rp_filter = 1"}, verdict: "fail", certainty: "likely",
		mend: `sysctl net\.ipv4\.conf\.eth0\.rp_filter=2`,
	},
	{
		id: "D28", name: "the path MTU is smaller, and the kernel knows it", core: true,
		does:  append(slices.Clone(smallPath), here(largePing)),
		undo:  append(slices.Clone(largePath), here(wholeMTU)),
		cause: "path-mtu", check: "mtu", says: []string{"1372", "1400"}, verdict: "warn", certainty: "proved",
		mend: "nmgre edit gre1 --mtu 1372",
	},
	{
		id: "D28b", name: "the path MTU is smaller, and a router says so when asked",
		does:  smallPath,
		undo:  append(slices.Clone(largePath), here(wholeMTU)),
		cause: "path-mtu", check: "mtu", says: []string{"1372", "1400", "100.0.1.1"}, verdict: "warn", certainty: "proved",
		mend: "nmgre edit gre1 --mtu 1372",
	},
	{
		id: "D29", name: "the path MTU is smaller, and nobody says so", core: true,
		does:  append(slices.Clone(smallPath), between(filterAt("output", "icmp type destination-unreachable drop")), there(limitsFill)),
		undo:  append(slices.Clone(largePath), between(noFilter), here(wholeMTU)),
		cause: "path-mtu-black-hole", check: "mtu", says: []string{"1372", "1373"}, verdict: "fail", certainty: "proved",
		mend: "nmgre edit gre1 --mtu 1372",
	},
	{
		id: "D30", name: "the link has another MTU than the profile",
		does:  []step{here("ip link set gre1 mtu 1400")},
		undo:  []step{here("ip link set gre1 mtu 1472")},
		cause: "link-differs", check: "link", says: []string{"profile 1472", "kernel 1400"}, verdict: "fail", certainty: "proved",
		mend: "nmgre down gre1 && nmgre up gre1",
	},
	{
		id: "D31", name: "the outer TTL is inherited",
		does:  []step{here("nmgre edit gre1 --ttl inherit --no-probe")},
		undo:  []step{here("nmgre edit gre1 --ttl 64 --no-probe")},
		cause: "ttl-inherit", verdict: "warn", mend: "nmgre edit gre1 --ttl 64",
	},
	{
		id: "D32", name: "a route is gone",
		does:  []step{here("ip route del 10.10.2.0/24 dev gre1")},
		undo:  []step{here("nmcli connection up gre1")},
		cause: "route-missing", check: "route 10.10.2.0/24", verdict: "fail", certainty: "proved", mend: `nmcli connection up [\w-]+|nmgre up gre1`,
	},
	{
		id: "D33", name: "a router's keepalives stay unanswered",
		sends: keepalive(),
		cause: "keepalive-unanswered", says: []string{"accept_local"}, verdict: "warn", certainty: "proved",
		mend: `sysctl net\.ipv4\.ip_forward=1 [\w.=]+ [\w.=]+`,
		undo: []step{here("sysctl -qw net.ipv4.conf.gre1.accept_local=0")},
	},
	{
		id: "D33b", name: "a router's keepalives stay unanswered, and the filter of all devices is strict", sends: keepalive(),
		does:  []step{here("sysctl -qw net.ipv4.conf.all.rp_filter=1")},
		cause: "keepalive-unanswered", says: []string{"net.ipv4.conf.all.rp_filter = 1"}, verdict: "warn", certainty: "proved",
		mend: `sysctl net\.ipv4\.ip_forward=1 [\w.=]+ [\w.=]+ net\.ipv4\.conf\.all\.rp_filter=0`,
		undo: []step{here("sysctl -qw net.ipv4.conf.gre1.accept_local=0 net.ipv4.conf.all.rp_filter=0")},
	},
	{
		id: "D34", name: "the fallback device is up here",
		does:  []step{here("ip link set gre0 up")},
		undo:  []step{here("ip link set gre0 down")},
		cause: "fallback-up", says: []string{"gre0"}, verdict: "warn", certainty: "proved", mend: "ip link set (dev )?gre0 down",
	},
	{
		id: "D35", name: "this host's own NAT changes the outer source",
		does: []step{here(`ip addr add 100.0.1.101/24 dev eth0; conntrack -D -p gre || true
			nft 'table ip fault { chain faulty { type nat hook postrouting priority 100; oifname "eth0" snat to 100.0.1.101; }; }'`)},
		undo:  []step{here(leave(noFilter) + "; ip addr del 100.0.1.101/24 dev eth0; conntrack -D -p gre || true")},
		cause: "own-nat", says: []string{"100.0.1.101"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D36", name: "another chain takes the packets of an SNAT rule",
		does: []step{here(snatOn + `
			nft 'table ip fault { chain faulty { type nat hook postrouting priority 50; oifname "eth1" snat to 10.10.1.7; }; }'`)},
		undo:  []step{here(leave(noFilter) + noSNAT)},
		cause: "snat-taken", check: theSNAT, says: []string{"fault", "10.10.1.7"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D36b", name: "another chain of the same priority takes them, since it is the later one",
		does: []step{here(snatOn + `
			nft 'table ip fault { chain faulty { type nat hook postrouting priority 95; oifname "eth1" snat to 10.10.1.7; }; }'`)},
		undo:  []step{here(leave(noFilter) + noSNAT)},
		cause: "snat-taken", check: theSNAT, says: []string{"fault", "10.10.1.7"}, verdict: "fail", certainty: "proved",
		mend: `nft insert rule ip fault faulty [^#]+`,
	},
	{
		id: "D36c", name: "another chain takes them if they come out of the tunnel",
		does: []step{here(snatOn + `
			nft 'table ip fault { chain faulty { type nat hook postrouting priority 50; iifname "gre1" snat to 10.10.1.7; }; }'`)},
		undo:  []step{here(leave(noFilter) + noSNAT)},
		cause: "snat-taken", check: theSNAT, says: []string{"fault", "10.10.1.7"}, verdict: "fail", certainty: "likely",
		mend: `nft insert rule ip fault faulty [^#;]+`,
	},
	{
		id: "D37", name: "a link made by hand stands for the profile",
		does: []step{here(`nmgre down gre1
			ip link add gre1 type gre local 100.0.1.100 remote 100.0.2.100 key 42 ttl 64
			ip addr add 172.16.0.1/30 dev gre1; ip link set gre1 up`)},
		undo:  []step{here(leave("ip link del gre1") + "; nmgre up gre1")},
		cause: "shadowed", check: "device", says: []string{"made by hand", "gre1.nmconnection"}, verdict: "fail", certainty: "proved",
		mend: `ip link delete dev gre1 && nmgre up [0-9a-f-]{36}`,
	},
	{
		id: "D37b", name: "two profiles have one name, and the outer TTL is inherited",
		does:  []step{here("nmgre edit gre1 --ttl inherit --no-probe; " + twinOn)},
		undo:  []step{here(noTwin + "; nmgre edit gre1 --ttl 64 --no-probe")},
		cause: "ttl-inherit", verdict: "warn", mend: "nmgre edit [0-9a-f-]{36} --ttl 64",
	},
	{
		id: "X1", name: "the far end answers no echo, but sends",
		does: []step{there(filterAt("input", "iifname gre1 icmp type echo-request drop"))}, speaks: farPings,
		undo:  []step{there(noFilter)},
		cause: "far-no-echo", verdict: "warn",
	},
	{
		id: "X1b", name: "this host's firewall drops what comes out of the tunnel",
		does:  []step{here(filterAt("input", "iifname gre1 drop"))},
		undo:  []step{here(noFilter)},
		cause: "answers-dropped", says: []string{"gre1", "172.16.0.2"}, verdict: "fail", certainty: "likely",
	},
	{
		id: "X2", name: "the far end speaks EoIP",
		does: []step{there(filterAt("input", "meta l4proto 47 drop"))}, sends: []byte(eoip),
		undo:  []step{there(noFilter)},
		cause: "gre-version", verdict: "fail", certainty: "proved",
	},
	{
		id: "X2b", name: "the far end's tunnel carries Ethernet frames, and sends",
		does: []step{there(`nmgre down gre1
			ip link add gre1 type gretap local 100.0.2.100 remote 100.0.1.100 key 42 ttl 64
			ip addr add 172.16.0.2/30 dev gre1; ip link set gre1 up
			sysctl -qw net.ipv4.neigh.gre1.retrans_time_ms=100`)}, speaks: farPings, // it asks more often
		undo:  []step{there("ip link del gre1; nmgre up gre1"), here("nmgre edit gre1 --mode gre --no-probe")},
		cause: "mode-mismatch", says: []string{"gretap"}, verdict: "fail", certainty: "likely",
		mend: "nmgre edit gre1 --mode gretap",
	},
	{
		id: "X3", name: "a sibling takes the tunnel's packets",
		does: []step{here(`ip link add gre9 type gre local 100.0.1.100 remote 100.0.2.100 key 42 ttl 64 dev eth0
			ip link set gre9 up`)},
		undo:  []step{here("ip link del gre9")},
		cause: "sibling-takes", says: []string{"gre9"}, verdict: "fail", certainty: "likely",
		mend: "ip link set dev gre9 down",
	},
	{
		id: "X4", name: "an IPsec policy covers the tunnel, and has no state",
		does:  []step{here("ip xfrm policy add src 100.0.1.100 dst 100.0.2.100 proto 47 dir out tmpl src 100.0.1.100 dst 100.0.2.100 proto esp mode transport")},
		undo:  []step{here(noIPsec)},
		cause: "ipsec-no-state", says: []string{"src 100.0.1.100/32 dst 100.0.2.100/32 proto 47", "esp mode transport"}, verdict: "fail", certainty: "proved",
		mend: `ip xfrm policy delete index \d+ dir out`,
	},
	{
		id: "X4b", name: "an IPsec policy blocks the tunnel",
		does:  []step{here("ip xfrm policy add src 100.0.1.100 dst 100.0.2.0/24 dir out action block")},
		undo:  []step{here(noIPsec)},
		cause: "ipsec-blocks", says: []string{"src 100.0.1.100/32 dst 100.0.2.0/24", "action block"}, verdict: "fail", certainty: "proved",
		mend: `ip xfrm policy delete index \d+ dir out`,
	},
	{
		id: "X4c", name: "an IPsec policy wants protection, and the far end's packets have none",
		does:  []step{here("ip xfrm policy add src 100.0.2.100 dst 100.0.1.100 proto 47 dir in tmpl src 100.0.2.100 dst 100.0.1.100 proto esp mode transport")},
		undo:  []step{here(noIPsec)},
		cause: "ipsec-required", says: []string{"src 100.0.2.100/32 dst 100.0.1.100/32 proto 47", "arrived"}, verdict: "fail", certainty: "proved",
		mend: `ip xfrm policy delete index \d+ dir in`,
	},
	{
		id: "X4d", name: "an IPsec policy blocks what the far end sends",
		does:  []step{here("ip xfrm policy add src 100.0.2.100 dst 100.0.1.100 dir in action block")},
		undo:  []step{here(noIPsec)},
		cause: "ipsec-blocks", says: []string{"action block", "dir in"}, verdict: "fail", certainty: "proved",
		mend: `ip xfrm policy delete index \d+ dir in`,
	},
	{
		id: "X5", name: "the far end is behind NAT, and has not sent yet",
		does: []step{between(`ip addr add 100.0.1.50/24 dev eth1
			nft 'table ip fault { chain faulty { type nat hook postrouting priority 100; oifname "eth1" ip saddr 100.0.2.100 snat to 100.0.1.50; }; }'`),
			here("nmgre edit gre1 --peer 100.0.1.50 --no-probe")},
		undo: []step{between(noFilter + "; ip addr del 100.0.1.50/24 dev eth1; conntrack -D -p gre || true"), here("nmgre edit gre1 --peer 100.0.2.100 --no-probe")},
		// from here it looks as if there were no tunnel: the hint says how to tell the two apart
		cause: "far-no-tunnel", says: []string{"behind NAT has to send first"}, verdict: "fail", certainty: "likely",
		mendThere: `ping -c 40 172\.16\.0\.1`,
	},
	{
		id: "X6", name: "the far end answers no echo, and is silent until it is asked by UDP",
		does:  []step{there(filterAt("input", "iifname gre1 icmp type echo-request drop"))},
		undo:  []step{there(noFilter)},
		cause: "far-no-echo", says: []string{"172.16.0.2"}, verdict: "warn",
	},
}
