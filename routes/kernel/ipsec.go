package kernel

import (
	"context"
	"fmt"
	"net/netip"
)

// IPsec is the kernel's IPsec (xfrm, RFC 4301): policies say which packets it is to protect, and
// states (security associations) how.
type IPsec interface {
	// IPsec returns the policies that count for packets between two hosts. It fails with
	// [fault.ErrNotPermitted] without CAP_NET_ADMIN. A kernel without IPsec has no policies.
	IPsec(ctx context.Context, between IPsecEnds) (IPsecPolicies, error)
}

// IPsecEnds are the two ends of packets.
type IPsecEnds struct {
	Local, Remote netip.Addr // of one family
	Protocol      uint8      // IP protocol number
	Index         int        // of the device by which they leave; 0 if it is not known
}

// IPsecPolicies are the policies that count for packets: of those that select them, the ones with
// the lowest priority number.
type IPsecPolicies struct {
	Out, In *IPsecPolicy // nil if none selects them
}

// IPsecPolicy is a policy. Policies for marked packets, for virtual devices (if_id) and for ports
// are not among them.
type IPsecPolicy struct {
	From, To  netip.Prefix // the packets that it selects
	Protocol  uint8        // 0 for any
	Priority  uint32
	Index     uint32 // the kernel's number of it
	Block     bool   // it drops the packets
	Templates []IPsecTemplate
	// WayMTU is how many bytes fit on the way to [IPsecPolicy.TunnelEnd]. It is 0 where that is the
	// way to the packets' own destination.
	WayMTU int
}

// IPsecTemplate is a protection that a policy wants.
type IPsecTemplate struct {
	From, To netip.Addr // the ends of the protection
	Protocol string     // "esp", "ah" or "comp"
	Mode     string     // such as "transport" or "tunnel"
	Optional bool
	State    bool // the kernel has a state for it
	// States are the different ones, at most [MaxIPsecStates] of them.
	States []IPsecState
}

// MaxIPsecStates bounds the different states of a template.
const MaxIPsecStates = 16

// String writes the selector in the words of `ip xfrm policy`.
func (p IPsecPolicy) String() string {
	text := "src " + p.From.String() + " dst " + p.To.String()
	if p.Protocol != 0 {
		text += fmt.Sprintf(" proto %d", p.Protocol)
	}
	return text
}

// String writes the template in the words of `ip xfrm policy`.
func (t IPsecTemplate) String() string {
	return "tmpl src " + t.From.String() + " dst " + t.To.String() + " proto " + t.Protocol + " mode " + t.Mode
}

// Needs returns the first protection that packets must have. It returns nil if they may go without.
// With stateless set, it must be one that has no state, too. p may be nil.
func (p *IPsecPolicy) Needs(stateless bool) *IPsecTemplate {
	if p == nil || p.Block {
		return nil
	}
	for i, t := range p.Templates {
		if !t.Optional && !(stateless && t.State) {
			return &p.Templates[i]
		}
	}
	return nil
}
