// Package want has functions for the tests of several packages: short ways to write addresses,
// comparisons that print the differences, golden files, and errors as the user sees them.
package want

import "net/netip"

// Addr parses an address. It panics if the address is wrong.
func Addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// CIDR parses a prefix. It panics if the prefix is wrong.
func CIDR(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// CIDRs parses several prefixes.
func CIDRs(words ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(words))
	for i, word := range words {
		list[i] = CIDR(word)
	}
	return list
}

// Ptr returns a pointer to a copy of v.
func Ptr[T any](v T) *T { return &v }
