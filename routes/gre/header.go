package gre

import "net/netip"

// Header is the header of a GRE packet (RFC 2784, RFC 2890), with the addresses of the packet that
// it carries.
type Header struct {
	Version  uint8   // 0; 1 is PPTP's, and EoIP's (RFC 2637)
	Key      *Key    // nil for none
	Checksum bool    // the packet has one
	Sequence *uint32 // nil for none
	Protocol uint16  // the EtherType of what is carried; 0 is a keepalive of some routers
	// InnerFrom and InnerTo are those of an IPv4 or IPv6 packet that is carried. They are the zero
	// Addr if it is cut off, or something else.
	InnerFrom, InnerTo netip.Addr
}
