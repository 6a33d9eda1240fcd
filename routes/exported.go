package routes

import (
	"net/netip"
	"strconv"
	"strings"
)

// Number reads a number of that many bits as iproute2 does: decimal, hexadecimal with 0x, or octal
// with a leading 0. It takes no sign.
func Number(word string, bits int) (uint64, bool) { return parseNumber(word, bits) }

// Network reads a network as iproute2 does: an address without a length is a host, 10.1/16 is
// short for 10.1.0.0/16. Host bits stay set. Words such as default are no network.
func Network(word string) (netip.Prefix, bool) { return parsePrefix(word) }

// Table reads the number of a table, 1 to 4294967295, or the name of one.
func (n Names) Table(word string) (uint32, bool) {
	if number, ok := parseNumber(word, 32); ok {
		return uint32(number), number >= uint64(tableKind.low) //nolint:gosec // 32 bits
	}
	return n.look(&tableKind, word)
}

// TOS reads a TOS byte as iproute2 does: a name, or a hexadecimal number with 0x or without.
func (n Names) TOS(word string) (uint8, bool) {
	if number, ok := n.look(&tosKind, word); ok {
		return uint8(number), true //nolint:gosec // at most 255
	}
	number, err := strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 8)
	return uint8(number), err == nil //nolint:gosec // 8 bits
}

// TableText returns iproute2's name for a table that every host has, or the number.
func TableText(table uint32) string {
	for name, number := range tableNames {
		if number == table {
			return name
		}
	}
	return strconv.FormatUint(uint64(table), 10)
}
