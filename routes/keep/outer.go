package keep

import "net/netip"

// OuterPackets are the GRE packets (IP protocol 47) between a tunnel's two outer addresses.
type OuterPackets struct {
	Local, Remote netip.Addr // of one family; a Local that is not valid or unspecified is unknown
	// the device by which they come in and leave; empty where it is unknown
	Dev    string
	Tunnel string // the tunnel's own device
}

// OuterRules are the rules of other programs on this host that drop or rewrite the outer packets of
// a tunnel.
type OuterRules struct {
	// Obstacles are the chains that drop some, those for incoming packets first, in the order in
	// which packets pass them. Each of them is in the way on its own.
	Obstacles []OuterObstacle
	// Rewrites are the NAT rules that match, in the order in which packets pass them. The kernel
	// carries out the first of each direction.
	Rewrites []OuterRewrite
}

// Ruling is a place in the rules of a program: a rule, or the policy of a chain. Names are safe to
// show.
type Ruling struct {
	Program string // "firewalld", "ufw", "iptables", "ip6tables", "iptables-legacy" or "nftables"
	Family  string // as nft names it: "ip", "ip6", "inet" or "netdev"
	Table   string
	Base    string // the chain with the hook
	Hook    string // as nft names it, such as "input"; empty of rules that nmgre cannot read
	Chain   string // the one that has the rule; Base, or one that Base leads to
	Handle  uint64 // the rule's, as `nft -a list ruleset` shows it; 0 for the policy of Base
	Zone    string // firewalld's zone of the packets; empty for others
	// Perhaps says that the packets may pass nevertheless: nmgre does not understand every rule.
	Perhaps bool
	What    string // one sentence without a full stop
	Hint    string // the command that mends it; empty if none is known
}

// OuterObstacle is a chain that drops outer packets.
type OuterObstacle struct {
	Ruling
	Out bool // it drops packets that leave, not those that come in
	// OnlyNew says that packets of a tracked connection pass: those that come in, only as answers
	// to packets that have left, and the other way round.
	OnlyNew bool
}

// OuterRewrite is a NAT rule that changes an address of outer packets.
type OuterRewrite struct {
	Ruling
	Out bool // of packets that leave: their source, or in the hook output their destination
	// To is the address that they get; the zero Addr where it is unknown.
	To netip.Addr
}
