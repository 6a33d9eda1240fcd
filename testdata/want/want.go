// Package want has what tests of several packages need: short ways to write addresses, comparisons
// that print where two texts part, golden files, and errors as a person sees them.
package want

import "net/netip"

// Addr reads an address that is known to be right.
func Addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// CIDR reads a prefix that is known to be right.
func CIDR(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// CIDRs reads several.
func CIDRs(words ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(words))
	for i, word := range words {
		list[i] = CIDR(word)
	}
	return list
}

// Ptr is a pointer to a value of its own.
func Ptr[T any](v T) *T { return &v }
