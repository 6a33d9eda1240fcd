// Package kinds has the kinds of checks that verify makes, in words. A table of the manual is made
// from it.
package kinds

// Kind is a kind of checks.
type Kind struct {
	IDs    []string // of the checks; with " ..." at its end, the beginning of each
	Proves string   // the fact that is proved when the check passes, in a sentence
}

// All returns all kinds of checks, in the order in which they are made.
func All() []Kind {
	return []Kind{
		{[]string{"profile"}, "NetworkManager has the profile, on disk"},
		{[]string{"device"}, "NetworkManager has activated the tunnel"},
		{[]string{"link"}, "the kernel's link agrees with the profile, attribute by attribute, keys included (NetworkManager does not compare them)"},
		{[]string{"addresses"}, "the inner addresses are on the device"},
		{[]string{"options"}, "only where root keeps options of the link (`--multicast`, `--ignore-df`, `--checksum`, `--sequence`): the kernel's link has them"},
		{[]string{"port"}, "only of a port of a bridge: the tunnel is the bridge's port, and the bridge forwards to it"},
		{[]string{"ttl", "fallback", "state", "keepalive"},
			"only where something is wrong that the tunnel works with: see `ttl-inherit`, `fallback-up`, `answers-only` and `keepalive-unanswered` below"},
		{[]string{"weights"}, "only where the profile has routes with a weight: NetworkManager joins those of several tunnels, and loses all of them when one tunnel goes down; `nmgre route keep NAME` moves them"},
		{[]string{"kept", "hook"}, "the file with what NetworkManager cannot hold can be read, and the hook sets that whenever the tunnel comes up"},
		{[]string{"rule ...", "rules", "table ..."}, "for each rule of the routing policy: the kernel has it; and a rule leads to each table that the tunnel has routes in"},
		{[]string{"route ...", "routes"}, "for each route: where the kernel would send a packet to it, with the source of the rule that leads to its table; one with a metric may stand by for another tunnel's; of a long list that root keeps: that the kernel has every one"},
		{[]string{"lan ..."}, "only where this host has rules of its own and forwards: packets that come in by a LAN go into the tunnel, too"},
		{[]string{"more routes", "more faulty routes"}, "only of a profile with very many routes: those beyond the first 50 that pass, and the first 200 that do not"},
		{[]string{"forwarding ...", "snat ...", "clamp-mss"}, "forwarding is switched on, and the rules for forwarded packets are in the kernel; an SNAT rule takes the packets that it is for: its counter grows with the echo request that `verify` sends to the next hop from the tunnel's own address"},
		{[]string{"firewall"}, "nothing else on the host drops them"},
		{[]string{"underlay"}, "the local address is here, and the way to the far end does not lead into a tunnel"},
		{[]string{"name"}, "only where the far end was given by its name: the name still leads to its address"},
		{[]string{"zone"}, "only where the profile names a zone: firewalld has the tunnel in it"},
		{[]string{"mtu"}, "the tunnel's MTU fits through the way to the far end: packets of that size, which nobody may fragment, are answered: echoes, or UDP datagrams where the far end drops long echoes; without an answer at all, as far as this host knows"},
		{[]string{"probe"}, "the far end answers an echo request sent through the tunnel"},
		{[]string{"counters"}, "what the kernel counted meanwhile; of a tunnel that is never probed (`--no-probe=always`), that packets come in, or go out without errors"},
		{[]string{"peers"}, "only where the far end has several inner addresses: the others answer, too"},
		{[]string{"behind ..."}, "without `--to`, for the first four networks of its routes: the far end forwards there, as its answer to a packet of TTL 1 says; *skip* where it says nothing"},
		{[]string{"to ..."}, "with `--to ADDRESS`: packets to that address go into the tunnel, and it answers this end's inner address and those of its own networks"},
	}
}
