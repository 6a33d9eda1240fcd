package gre

import (
	"fmt"
	"strings"
)

// The smallest MTU that every link must have, in bytes, for IPv4 (RFC 791) and IPv6 (RFC 8200).
const (
	MinMTU4 = 68
	MinMTU6 = 1280
)

// Encapsulation is the headers that a tunnel puts around each packet, as far as their length goes.
// Only headers that are sent count: a key or checksum that is merely expected costs nothing.
type Encapsulation struct {
	Mode     Mode
	Key      bool // a key is sent: 4 bytes (RFC 2890)
	Checksum bool // a checksum is sent: 4 bytes (RFC 2784)
	Sequence bool // sequence numbers are sent: 4 bytes (RFC 2890)
	// IPv6 modes: the tunnel encapsulation limit option (RFC 2473), which takes 8 bytes, is not
	// sent.
	NoEncapLimit bool
	// IPsec is the bytes that IPsec takes of a packet on the way to the far end; 0 if there is
	// none.
	IPsec int
}

// OverheadPart is one header of an encapsulation, with its length.
type OverheadPart struct {
	Name  string
	Bytes int
}

// Parts returns the headers in the order in which they are sent, the outermost first.
func (e Encapsulation) Parts() []OverheadPart {
	var parts []OverheadPart
	if e.IPsec > 0 {
		parts = append(parts, OverheadPart{"IPsec", e.IPsec})
	}
	if !e.Mode.IPv6Outer() {
		parts = append(parts, OverheadPart{"IPv4", 20})
	} else if parts = append(parts, OverheadPart{"IPv6", 40}); !e.NoEncapLimit {
		parts = append(parts, OverheadPart{"encapsulation limit", 8})
	}
	parts = append(parts, OverheadPart{"GRE", 4})
	for _, option := range []struct {
		sent bool
		name string
	}{{e.Checksum, "checksum"}, {e.Key, "key"}, {e.Sequence, "sequence"}} {
		if option.sent {
			parts = append(parts, OverheadPart{option.name, 4})
		}
	}
	if e.Mode.Ethernet() {
		parts = append(parts, OverheadPart{"Ethernet", 14})
	}
	return parts
}

// Overhead returns the bytes that the encapsulation adds to a packet.
func (e Encapsulation) Overhead() int {
	sum := 0
	for _, part := range e.Parts() {
		sum += part.Bytes
	}
	return sum
}

// MTU returns the length, in bytes, of the longest packet that fits into the tunnel, where underlay
// bytes fit on the way to the far end. It is never negative.
func (e Encapsulation) MTU(underlay int) int { return max(0, underlay-e.Overhead()) }

// Arithmetic returns [Encapsulation.MTU] with its derivation: "1500 - 20 (IPv4) - 4 (GRE) = 1476".
func (e Encapsulation) Arithmetic(underlay int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", underlay)
	for _, part := range e.Parts() {
		fmt.Fprintf(&b, " - %d (%s)", part.Bytes, part.Name)
	}
	fmt.Fprintf(&b, " = %d", e.MTU(underlay))
	return b.String()
}
