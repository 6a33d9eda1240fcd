package gre

// Flags are NetworkManager's ip-tunnel.flags (NMIPTunnelFlags), of the IPv6 modes.
type Flags uint32

// The flags by NetworkManager's names; the numbers are its own.
const (
	// no encapsulation limit option is sent: 8 bytes less overhead
	FlagIgnEncapLimit    Flags = 1 << iota
	FlagUseOrigTClass          // the traffic class is copied from the inner packet
	FlagUseOrigFlowLabel       // so is the flow label
	FlagMIP6Dev                // for Mobile IPv6
	FlagRcvDSCPCopy            // the DSCP is copied to the inner packet on receipt
	FlagUseOrigFwmark          // the fwmark is copied from the inner packet
)

// DefaultTTL is what a new tunnel sends with. Inheriting the inner packet's TTL would kill routing
// hellos and traceroute.
const DefaultTTL = 64

// DefaultEncapLimit is what a new tunnel by IPv6 sends, as iproute2's do. NetworkManager would send
// 0, which forbids the packets to go through another tunnel on their way.
const DefaultEncapLimit = 4

func CloneKey(k *Key) *Key {
	if k == nil {
		return nil
	}
	copied := *k
	return &copied
}
