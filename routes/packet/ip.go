package packet

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// IP is the header of an IPv4 packet (RFC 791) or of an IPv6 packet (RFC 8200).
type IP struct {
	From, To netip.Addr
	TTL      uint8 // the hop limit of IPv6
	// Protocol is the payload's protocol. Behind an IPv6 extension header that is cut off, it is
	// the number of that header.
	Protocol uint8
	// Bytes is the length of the whole packet, by its own header. Some routers quote packets with a
	// wrong one.
	Bytes int
	// Payload follows the header and the IPv6 extension headers, as far as it is there. It is nil
	// in a later fragment, which begins in the middle of something.
	Payload []byte
}

// Lengths of headers in bytes.
const (
	ip4Header      = 20
	ip6Header      = 40
	fragmentHeader = 8
)

// Numbers of IPv6 extension headers.
const (
	hopByHop           = 0
	routing            = 43
	fragment           = 44
	destinationOptions = 60
)

// maxExtensions bounds how many IPv6 extension headers are passed over.
const maxExtensions = 8

var errNoHeader = errors.New("there is no whole IP header")

// ParseIP reads the header at the beginning of b. It fails when b does not begin with a whole IPv4
// or IPv6 header. The payload may be cut off.
func ParseIP(b []byte) (IP, error) {
	switch {
	case len(b) >= ip4Header && b[0]>>4 == 4:
		return parseIP4(b)
	case len(b) >= ip6Header && b[0]>>4 == 6:
		return parseIP6(b), nil
	}
	return IP{}, errNoHeader
}

func parseIP4(b []byte) (IP, error) {
	header := int(b[0]&15) * 4
	if header < ip4Header || header > len(b) {
		return IP{}, errNoHeader
	}
	ip := IP{
		From: netip.AddrFrom4([4]byte(b[12:16])), To: netip.AddrFrom4([4]byte(b[16:20])),
		TTL: b[8], Protocol: b[9], Bytes: int(binary.BigEndian.Uint16(b[2:])),
	}
	if offset := binary.BigEndian.Uint16(b[6:]) & 0x1fff; offset == 0 {
		ip.Payload = cut(b, ip.Bytes, header)[header:]
	}
	return ip, nil
}

func parseIP6(b []byte) IP {
	ip := IP{
		From: netip.AddrFrom16([16]byte(b[8:24])), To: netip.AddrFrom16([16]byte(b[24:40])),
		TTL: b[7], Protocol: b[6], Bytes: ip6Header + int(binary.BigEndian.Uint16(b[4:])),
	}
	ip.Payload = cut(b, ip.Bytes, ip6Header)[ip6Header:]
	ip.passExtensions()
	return ip
}

// cut takes away the bytes behind the packet's end, such as the padding of a short Ethernet frame.
// A packet's length that cannot be right is not believed.
func cut(b []byte, size, header int) []byte {
	if size >= header && size < len(b) {
		return b[:size]
	}
	return b
}

// passExtensions goes on to the payload behind the extension headers.
func (ip *IP) passExtensions() {
	for range maxExtensions {
		rest := ip.Payload
		if len(rest) < fragmentHeader { // they all have 8 bytes at least
			return
		}
		size := fragmentHeader
		switch ip.Protocol {
		case hopByHop, routing, destinationOptions:
			size += int(rest[1]) * 8
		case fragment:
			if offset := binary.BigEndian.Uint16(rest[2:]) >> 3; offset != 0 {
				ip.Payload = nil
				return
			}
		default:
			return
		}
		if size > len(rest) {
			return
		}
		ip.Protocol, ip.Payload = rest[0], rest[size:]
	}
}
