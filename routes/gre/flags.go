package gre

// Flags are NetworkManager's ip-tunnel.flags (NMIPTunnelFlags). Only the IPv6 modes have them.
type Flags uint32

// The flags, with NetworkManager's names and numbers.
const (
	// send no encapsulation limit option, which takes 8 bytes
	FlagIgnEncapLimit    Flags = 1 << iota
	FlagUseOrigTClass          // copy the traffic class from the inner packet
	FlagUseOrigFlowLabel       // copy the flow label from the inner packet
	FlagMIP6Dev                // the device is for Mobile IPv6
	FlagRcvDSCPCopy            // copy the DSCP to the inner packet on receipt
	FlagUseOrigFwmark          // copy the fwmark from the inner packet
)

// DefaultTTL is the TTL of the outer packets of a new tunnel. With the inner packet's TTL, routing
// protocols' hellos (TTL 1) and traceroute's packets would die on the way.
const DefaultTTL = 64

// DefaultEncapLimit is the tunnel encapsulation limit (RFC 2473) of a new tunnel by IPv6, as it is
// iproute2's. NetworkManager's default is 0, which keeps the packets out of any further tunnel on
// their way.
const DefaultEncapLimit = 4
