package gre

import (
	"fmt"
	"strings"
)

// Encapsulation is what a tunnel puts around each packet, as far as its length goes. Only what is
// sent counts: a key or checksum that is merely expected costs nothing.
type Encapsulation struct {
	Mode     Mode
	Key      bool // a key is sent: 4 bytes (RFC 2890)
	Checksum bool // a checksum is sent: 4 bytes (RFC 2784)
	Sequence bool // sequence numbers are sent: 4 bytes (RFC 2890)
	// IPv6 modes: no tunnel encapsulation limit option (RFC 2473), which takes 8 bytes
	NoEncapLimit bool
}

// OverheadPart is one header of an encapsulation.
type OverheadPart struct {
	Name  string
	Bytes int
}

// Parts returns the headers from the outside in.
func (e Encapsulation) Parts() []OverheadPart {
	parts := []OverheadPart{{"IPv4", 20}}
	if e.Mode.IPv6Outer() {
		parts = []OverheadPart{{"IPv6", 40}}
		if !e.NoEncapLimit {
			parts = append(parts, OverheadPart{"encapsulation limit", 8})
		}
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

// MTU returns what fits into the tunnel where underlay bytes fit on the way to the far end; at
// least 0.
func (e Encapsulation) MTU(underlay int) int { return max(0, underlay-e.Overhead()) }

// Arithmetic shows how [Encapsulation.MTU] comes about: "1500 - 20 (IPv4) - 4 (GRE) = 1476".
func (e Encapsulation) Arithmetic(underlay int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", underlay)
	for _, part := range e.Parts() {
		fmt.Fprintf(&b, " - %d (%s)", part.Bytes, part.Name)
	}
	fmt.Fprintf(&b, " = %d", e.MTU(underlay))
	return b.String()
}

// The smallest packets that every link must carry: RFC 791 and RFC 8200.
const (
	MinMTU4 = 68
	MinMTU6 = 1280
)
