package kernel

import (
	"context"
	"net/netip"
)

// Hands is the door to a link that somebody made by hand, with all that is about it. Package
// routes/netlink/byhand implements it.
//
// Reading needs no privilege but for the NAT rules. The other methods need CAP_NET_ADMIN, and fail
// with [fault.ErrNotPermitted] otherwise.
type Hands interface {
	// Read returns the link named dev. It fails with [fault.ErrNotFound] if there is none.
	Read(ctx context.Context, dev string) (ByHand, error)
	// StandIn makes a second link to the same far end, bound to the device by which packets leave
	// for it, with the addresses and the routes of b: packets go through it while b's own link has
	// none. It makes none, and returns false, for a port of a bridge, and for a link that is down.
	// Without a device it makes one for a link that is bound to a device itself. The places of the
	// routes with the indexes of aside stay free: those that stand in have one less as metric, or
	// one more than 0 and 1.
	StandIn(ctx context.Context, b ByHand, device int, aside []int) (bool, error)
	// Hold gives the rules with these indexes another protocol, as [HeldProtocol] says. They decide
	// as before, and whoever ends the work of a killed process knows that they belong to a tunnel.
	// Rules of daemons cannot be held.
	Hold(ctx context.Context, b ByHand, rules []int) error
	// Release gives the rules that Hold has changed their own protocols again, where an adoption
	// has not begun.
	Release(ctx context.Context) error
	// Unstand removes the stand-ins of all links, with all that StandIn and Hold have added.
	Unstand(ctx context.Context) error
	// RemoveRoutes removes the routes with these indexes, and no others. A route that is gone
	// already is no error.
	RemoveRoutes(ctx context.Context, b ByHand, routes []int) error
	// RemoveRules removes the rules, held or not, and the NAT rules with these indexes, and no
	// others. A rule that is gone already is no error.
	RemoveRules(ctx context.Context, b ByHand, rules, nat []int) error
	// Restore makes the link, its addresses, its routes and the rules of the policy as Read found
	// them. Rules of other programs that Read found are added only where they are among rules.
	Restore(ctx context.Context, b ByHand, rules []int) error
}

// StandInProtocol is the protocol number of the routes and rules that [Hands.StandIn] adds.
// HeldProtocol is that of a rule of the protocol 0 that [Hands.Hold] holds; those of the protocols
// 1 to 3 have the next numbers. Nobody but root can make such rules, as no profile has them.
const (
	StandInProtocol = 212
	HeldProtocol    = 208
)

// StandInPrefix is how the names of stand-ins begin. The index of the other link follows.
const StandInPrefix = "nmgre-by"

// ByHand is a link that somebody made by hand.
type ByHand struct {
	Link Link // with its addresses
	// Odd are the settings of the link that no tunnel of nmgre's has, in the words of `ip link`,
	// such as "fwmark 7" or "encap fou". A new link does not have them.
	Odd []Setting
	// Parent and Controller are the names of the devices whose indexes Link has; empty for none.
	Parent, Controller string
	ControllerKind     string // such as "bridge" or "vrf"
	MAC                string // the Ethernet address of the Ethernet modes

	Addresses []HandAddress
	Routes    []HandRoute
	// Rules are all rules of the routing policy, in the order in which they decide.
	Rules []HeldRule
	// Tables are, by table, the devices of its routes. It has the tables with a route of this link.
	Tables map[uint32][]string
	NAT    []NATRule // the rules of others that change the source of packets
	NATErr error     // why the NAT rules could not be read; nil if they could

	Raw RawHand
}

// Setting is a setting of a link, and the words that take it away.
type Setting struct {
	Name  string // in the words of `ip link`, such as "fwmark 7"
	Field string // one word for it, such as "fwmark"
	Undo  string // the words after `ip link set dev NAME type KIND` that switch it off; may be empty
	// Mere says that packets pass without it, and that it may get lost: an alias.
	Mere bool
}

// HandAddress is an address of a link, with the properties that a profile may not hold.
type HandAddress struct {
	netip.Prefix
	Peer  netip.Prefix // the other end, with the prefix length of the address; not valid for none
	Label string       // empty where it is the link's name
	// Automatic is set for an address that the kernel gave the link by itself: IPv6's link-local
	// one, and those of router advertisements.
	Automatic bool
	Leased    bool   // its life time has an end
	Odd       string // its other special words, such as "scope link"; empty for none
}

// HandRoute is a route into the link.
type HandRoute struct {
	HeldRoute
	// Odd says why no [routes.Route] holds it, such as "type multicast"; empty where one does.
	Odd string
}

// NATRule is a rule of another program that changes the source of packets.
type NATRule struct {
	Where      string       // the chain, such as "ip nat POSTROUTING"
	Text       string       // the rule in nft's words, as far as they can be read
	From, To   netip.Prefix // the zero Prefix for any
	In, Out    string       // devices; empty for any
	NotOut     bool         // out of every device but Out
	Source     netip.Addr   // the zero Addr for masquerade
	Masquerade bool
	// Odd says which part of the rule cannot be read, or is more than nmgre's SNAT has; empty for
	// none.
	Odd string

	Family       uint8 // NFPROTO_...
	Table, Chain string
	Unread       bool   // the rules there cannot be read: they may be about the tunnel, or not
	Handle       uint64 // the kernel's number of the rule
}

// RawHand are the kernel's own messages about a link, by which it is restored.
type RawHand struct {
	Link      []byte   // a whole RTM_NEWLINK's body, to make the link
	Spec      []byte   // the attribute IFLA_AF_SPEC, for a link that is up
	Addresses [][]byte // RTM_NEWADDR, in the kernel's order
	Routes    [][]byte // RTM_NEWROUTE: those of ByHand.Routes, in the same order
	Rules     [][]byte // RTM_NEWRULE: those of ByHand.Rules, in the same order
}

// FamilyWord returns nft's word for the family of the rule's table.
func (n NATRule) FamilyWord() string {
	const inet, ipv4, ipv6 = 1, 2, 10
	return map[uint8]string{inet: "inet", ipv4: "ip", ipv6: "ip6"}[n.Family]
}
