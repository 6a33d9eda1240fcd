package gre

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// Key is a GRE key: a number of 32 bits that must be the same at both ends (RFC 2890). It tells
// tunnels between the same two hosts apart, and is not a secret. 0 is a key; a nil *Key is none.
type Key uint32

const keyHint = "a GRE key is a number of 32 bits, equal at both ends: 0 to 4294967295 in decimal, 0x hexadecimal, leading-zero octal, or as a dotted quad"

// ParseKey reads every form that iproute2's tnl_parse_key reads: decimal, 0x hexadecimal,
// leading-zero octal, and a dotted quad. The quad must have four numbers, unlike iproute2's, which
// takes 1.2 for 1.2.0.0. Errors are [fault.ErrInvalid] for the field "key".
func ParseKey(s string) (Key, error) {
	if strings.Contains(s, ".") {
		return parseDottedKey(s)
	}
	// base 0 of strconv takes 0b1, 0o7 and 1_000 as well, and iproute2 does not
	if strings.ContainsAny(s, "_oObB") && !strings.HasPrefix(strings.ToLower(s), "0x") || strings.Contains(s, "_") {
		return 0, fault.Invalid("key", keyHint, "%.80q is not a number", s)
	}
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fault.Invalid("key", keyHint, "%.80q is not a number of 32 bits", s)
	}
	return Key(n), nil
}

func parseDottedKey(s string) (Key, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 0, fault.Invalid("key", keyHint, "%.80q is neither a number nor a dotted quad", s)
	}
	quad := a.As4()
	return Key(binary.BigEndian.Uint32(quad[:])), nil
}

// String returns the key in decimal, which is the only form that NetworkManager takes.
func (k Key) String() string { return strconv.FormatUint(uint64(k), 10) }

// Hex returns the key as tcpdump prints it, such as "0x2a".
func (k Key) Hex() string { return "0x" + strconv.FormatUint(uint64(k), 16) }

// Dotted returns the key as `ip -d link` prints it, such as "0.0.0.42".
func (k Key) Dotted() string {
	var quad [4]byte
	binary.BigEndian.PutUint32(quad[:], uint32(k))
	return netip.AddrFrom4(quad).String()
}

// SameKey reports whether two keys are equal, or both nil.
func SameKey(a, b *Key) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// CloneKey returns a pointer to a copy of the key, or nil for nil.
func CloneKey(k *Key) *Key {
	if k == nil {
		return nil
	}
	return new(*k)
}
