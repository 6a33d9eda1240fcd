package gre

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/routes/packet"
)

// Header is the header of a GRE packet (RFC 2784, RFC 2890), with the addresses of the packet that
// it carries.
type Header struct {
	Version  uint8   // 0; 1 is PPTP's, and EoIP's (RFC 2637)
	Key      *Key    // nil for none; version 1 has none
	Checksum bool    // the packet has one
	Sequence *uint32 // nil for none
	Protocol uint16  // the EtherType of the inner packet; 0 is a keepalive of some routers
	// InnerFrom and InnerTo are those of an IPv4 or IPv6 packet that is carried, by itself or in an
	// Ethernet frame. They are the zero Addr if it is cut off, or something else.
	InnerFrom, InnerTo netip.Addr
	// EchoReply says that the packet that is carried answers an echo request (RFC 792, RFC 4443).
	EchoReply bool
	// ICMPError says that it is an error of ICMP or of ICMPv6 about another packet.
	ICMPError bool
}

// Numbers in Header.Protocol.
const (
	ProtocolKeepalive = 0x0000
	ProtocolIPv4      = 0x0800
	ProtocolEthernet  = 0x6558 // the frames of gretap
	ProtocolIPv6      = 0x86dd
	ProtocolEoIP      = 0x6400 // of version 1: MikroTik's Ethernet over IP
	ProtocolPPP       = 0x880b // of version 1: PPTP
)

// The first two bytes of a GRE header.
const (
	bitChecksum        = 0x8000
	bitRouting         = 0x4000 // RFC 1701
	bitKey             = 0x2000
	bitSequence        = 0x1000
	bitAcknowledgement = 0x0080 // of version 1
	bitsVersion        = 0x0007
)

const (
	leastHeader    = 4  // bytes
	ethernetHeader = 14 // bytes
)

// ErrCut means that the end of a GRE header is not there.
var ErrCut = errors.New("the GRE header is cut off")

var errRouting = errors.New("the GRE header has the routing of RFC 1701")

// ParseHeader reads a GRE header (RFC 2784, RFC 2890; for version 1 RFC 2637), and the addresses
// behind it. It does not verify the checksum.
//
// It fails with [ErrCut] when the header is cut off. As Linux does, it fails as well when the
// header has a version above 1, or the routing field of RFC 1701. All that comes before the fault
// is in the Header even then: an ICMP error may quote no more than 8 bytes.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < leastHeader {
		return Header{}, ErrCut
	}
	bits := binary.BigEndian.Uint16(b)
	h := Header{Version: uint8(bits & bitsVersion), Protocol: binary.BigEndian.Uint16(b[2:])}
	switch {
	case h.Version == 1:
		return h, h.parseEnhanced(bits, fields{rest: b[leastHeader:]})
	case h.Version > 1:
		return h, fmt.Errorf("GRE has no version %d", h.Version)
	}
	h.Checksum = bits&bitChecksum != 0
	if bits&bitRouting != 0 {
		return h, errRouting
	}
	return h, h.parseFields(bits, fields{rest: b[leastHeader:]})
}

// parseFields reads the fields of version 0, and the inner packet.
func (h *Header) parseFields(bits uint16, f fields) error {
	f.next(bits&bitChecksum != 0) // with 16 bits that are reserved
	if key, ok := f.next(bits&bitKey != 0); ok {
		h.Key = new(Key(key))
	}
	if sequence, ok := f.next(bits&bitSequence != 0); ok {
		h.Sequence = new(sequence)
	}
	if f.cut {
		return ErrCut
	}
	h.parseInner(h.Protocol, f.rest)
	return nil
}

// parseEnhanced reads the fields of version 1. Where version 0 has a key, it has the length of the
// payload and a call's number.
func (h *Header) parseEnhanced(bits uint16, f fields) error {
	f.next(bits&bitKey != 0)
	if sequence, ok := f.next(bits&bitSequence != 0); ok {
		h.Sequence = new(sequence)
	}
	f.next(bits&bitAcknowledgement != 0)
	if f.cut {
		return ErrCut
	}
	return nil
}

// parseInner reads the addresses of a packet that is carried.
func (h *Header) parseInner(protocol uint16, b []byte) {
	if protocol == ProtocolEthernet {
		if len(b) < ethernetHeader {
			return
		}
		protocol, b = binary.BigEndian.Uint16(b[ethernetHeader-2:]), b[ethernetHeader:]
	}
	ip, err := packet.ParseIP(b)
	if err != nil || protocol != ProtocolIPv4 && protocol != ProtocolIPv6 || ip.To.Is6() != (protocol == ProtocolIPv6) {
		return
	}
	h.InnerFrom, h.InnerTo, h.EchoReply, h.ICMPError = ip.From, ip.To, isEchoReply(ip), isError(ip)
}

// The numbers of ICMP and of ICMPv6 in an IP header.
const icmp, icmp6 = 1, 58

// isEchoReply reports whether a packet is an echo reply of ICMP or of ICMPv6.
func isEchoReply(ip packet.IP) bool {
	if len(ip.Payload) == 0 {
		return false
	}
	return ip.Protocol == icmp && ip.Payload[0] == 0 || ip.Protocol == icmp6 && ip.Payload[0] == 129
}

// isError reports whether a packet is an ICMP error: destination unreachable, time exceeded or
// parameter problem, or any error of ICMPv6 (RFC 792; RFC 4443, 2.1).
func isError(ip packet.IP) bool {
	if len(ip.Payload) == 0 {
		return false
	}
	kind := ip.Payload[0]
	return ip.Protocol == icmp && (kind == 3 || kind == 11 || kind == 12) || ip.Protocol == icmp6 && kind < 128
}

// fields reads the fields of 4 bytes that follow the first one.
type fields struct {
	rest []byte
	cut  bool // one of them was not there
}

// next returns the next field, if the packet has it. Behind a cut there is none.
func (f *fields) next(has bool) (uint32, bool) {
	if !has || f.cut {
		return 0, false
	}
	if len(f.rest) < 4 {
		f.cut = true
		return 0, false
	}
	n := binary.BigEndian.Uint32(f.rest)
	f.rest = f.rest[4:]
	return n, true
}
