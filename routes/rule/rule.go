package rule

import (
	"cmp"
	"net/netip"

	"nmgre/routes"
)

// Rule is a rule of the routing policy. Rules can be compared with ==. The zero value of a field
// means that the word is absent.
type Rule struct {
	IPv6 bool // the rule is for IPv6 packets
	Not  bool // it is for the packets that the conditions do not fit

	// The conditions.
	From, To netip.Prefix // masked; the zero Prefix for all
	IIF      string       // the device that packets come in by; lo for this host's own
	OIF      string       // the device that the socket of a packet is bound to
	Mark     uint32       // the packet's mark in the bits of Mask
	Mask     uint32       // 0 for any mark
	UIDs     UIDs         // of the sender, for this host's own packets
	SPort    Ports        // of TCP, UDP and the like
	DPort    Ports
	IPProto  uint8 // the number of the protocol; 0 for any
	TOS      uint8 // without the bits of ECN

	// Priority is the rule's place: those with lower numbers decide first. HasPriority is false
	// where it is still to be chosen.
	Priority    uint32
	HasPriority bool

	Action Action
	Table  uint32 // of [Lookup]; 0 for other actions
	// SuppressLength is one more than the prefix length up to which a route does not count; 0 if
	// every route counts.
	SuppressLength uint8
	// SuppressGroup is one more than the group of devices whose routes do not count.
	SuppressGroup uint32
}

// UIDs is a range of user IDs.
type UIDs struct {
	First, Last uint32
	Set         bool
}

// Ports is a range of ports, 1 to 65534; 0 for any port.
type Ports struct{ First, Last uint16 }

// Action is the rule's verdict on the packets (FR_ACT_...).
type Action uint8

// The actions.
const (
	Lookup      Action = iota // the way is looked up in Table
	Blackhole                 // they are dropped
	Unreachable               // they are refused with "host unreachable"
	Prohibit                  // they are refused with "administratively prohibited"
)

// actionNames are iproute2's words for the actions.
var actionNames = [...]string{"lookup", "blackhole", "unreachable", "prohibit"}

// String returns iproute2's word for the action.
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return "unknown"
}

// The priorities of the rules that every host has (fib4_rules.c).
const (
	MainPriority = 32766 // the rule for the table main
	// FirstChosen is the first priority that nmgre gives to a rule without one.
	FirstChosen = 20_000
)

// Same reports whether a and b are the same but for their priorities. Where one of them has no
// priority it fits the other.
func Same(a, b Rule) bool {
	if a.HasPriority && b.HasPriority && a.Priority != b.Priority {
		return false
	}
	return a.Unplaced() == b.Unplaced()
}

// NamesPlace says whether the rule is nothing but a priority, as in `ip rule delete priority 100`,
// which names the rule that is there.
func (r Rule) NamesPlace() bool {
	return r.HasPriority && r.Unplaced() == Rule{IPv6: r.IPv6, Table: routes.MainTable}
}

// Unplaced returns the rule without its priority.
func (r Rule) Unplaced() Rule {
	r.Priority, r.HasPriority = 0, false
	return r
}

// At returns the rule with a priority.
func (r Rule) At(priority uint32) Rule {
	r.Priority, r.HasPriority = priority, true
	return r
}

// Compare sorts rules by the order in which they decide, IPv4 before IPv6.
func Compare(a, b Rule) int {
	if a.IPv6 != b.IPv6 {
		if b.IPv6 {
			return -1
		}
		return 1
	}
	if c := cmp.Compare(a.Priority, b.Priority); c != 0 {
		return c // the texts take long
	}
	return cmp.Compare(a.String(), b.String())
}

// Conditions says whether the rule has any: without one it is for all packets of its family.
func (r Rule) Conditions() bool {
	return r.From.IsValid() || r.To.IsValid() || r.IIF != "" || r.OIF != "" || r.Mask != 0 || r.UIDs.Set || r.SPort.First != 0 || r.DPort.First != 0 ||
		r.IPProto != 0 || r.TOS != 0
}

// TakenFor says whether the kernel, which has o, takes a request for r as one for o, and refuses
// it. It does so where o has more in "from", "to" or "tos", and where they differ in "not"
// (rule_exists in net/core/fib_rules.c).
func (r Rule) TakenFor(o Rule) bool {
	if r == o {
		return false
	}
	o.Not = r.Not
	if !r.From.IsValid() {
		o.From = r.From
	}
	if !r.To.IsValid() {
		o.To = r.To
	}
	if r.TOS == 0 {
		o.TOS = 0
	}
	return r == o
}

// Place gives each rule without a priority the first free one from [FirstChosen] on that is higher
// than that of the rule before it in the list, so that the rules decide in the order of the list. A
// priority is free if taken does not have it. It returns a new list, and false if there is no free
// one below the rule for the table main.
func Place(list []Rule, taken map[uint32]bool) ([]Rule, bool) {
	placed := make([]Rule, len(list))
	used := make(map[uint32]bool, len(list))
	for _, r := range list {
		used[r.Priority] = used[r.Priority] || r.HasPriority
	}
	next := uint32(FirstChosen)
	for i, r := range list {
		if !r.HasPriority {
			for used[next] || taken[next] {
				next++
			}
			if next >= MainPriority {
				return nil, false
			}
			r = r.At(next)
			next++
		}
		placed[i] = r
	}
	return placed, true
}

// CountText returns "no rules", "1 rule" or "N rules".
func CountText(n int) string {
	if n == 1 {
		return "1 rule"
	}
	text := routes.CountText(n)
	return text[:len(text)-len("routes")] + "rules"
}
