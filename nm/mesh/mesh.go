// Package mesh links many hosts: it says which of them a star or a full mesh joins, and allots an
// inner network and a key to each pair. It is pure. Begin at [Full] and [Allot].
//
// # How a pair gets its place
//
// The place of a pair in its pool is a hash of the two names. If another pair has the place, the
// next free one is taken. Pairs are asked in the order in which their hosts came into the document:
// a pair is as old as the younger of its two hosts. So a host that is added at the end asks last,
// and no older pair moves, however full the pool is. No file has to remember anything: each host
// comes to the same answer from the same document.
//
// A host that is added elsewhere, or removed, moves only pairs that had met it, or its followers,
// at the same place. Those are few while most of the pool is free: in a pool ten times as large as
// needed one in twenty pairs meets another. An order that only grows would be without such
// meetings, but its numbers would have to be written down somewhere, or each removal would move all
// pairs that follow. Which of the two ends gets the lower address is decided by the names alone, so
// the order of the hosts never swaps the ends.
package mesh

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes/fault"
)

// Pair is a link between two hosts, by their places in the list of hosts, counted from 0. The older
// one, A, is the smaller number.
type Pair struct{ A, B int }

// NewPair returns the pair of two hosts, in whichever order they are given.
func NewPair(a, b int) Pair { return Pair{min(a, b), max(a, b)} }

// Has says whether a host is one of the two.
func (p Pair) Has(host int) bool { return p.A == host || p.B == host }

// Other returns the host at the other end.
func (p Pair) Other(host int) int {
	if host == p.A {
		return p.B
	}
	return p.A
}

// Compare sorts pairs by their age: a pair is as old as the younger of its hosts.
func Compare(a, b Pair) int {
	if a.B != b.B {
		return a.B - b.B
	}
	return a.A - b.A
}

// Full returns all pairs of the hosts, n(n-1)/2 of them, sorted by age.
func Full(hosts []int) []Pair {
	hosts = slices.Sorted(slices.Values(hosts))
	pairs := make([]Pair, 0, len(hosts)*max(len(hosts)-1, 0)/2)
	for i, b := range hosts {
		for _, a := range hosts[:i] {
			pairs = append(pairs, Pair{a, b})
		}
	}
	return pairs
}

// Star returns the pairs of the hub with each other host, sorted by age.
func Star(hub int, hosts []int) []Pair {
	var pairs []Pair
	for _, host := range hosts {
		if host != hub {
			pairs = append(pairs, NewPair(hub, host))
		}
	}
	slices.SortFunc(pairs, Compare)
	return pairs
}

// hash is the same number for the names of a pair in either order. NUL is in no name of a host.
func hash(a, b string) uint64 {
	sum := sha256.Sum256([]byte(min(a, b) + "\x00" + max(a, b)))
	return binary.BigEndian.Uint64(sum[:])
}

// Allot gives each pair a place of its own, 0 to places-1. names are those of all hosts. The pairs
// are asked in their order, which is that of their age. Places in taken are given to nobody; Allot
// adds those that it gives. It fails with [fault.ErrInvalid] if there are too few places.
func Allot(names []string, pairs []Pair, places uint64, taken map[uint64]bool) ([]uint64, error) {
	if uint64(len(pairs)) > places || uint64(len(taken)) > places-uint64(len(pairs)) {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: "the pool has too few places for its links", Hint: "give a larger pool, best one ten times as large as what is needed"}
	}
	given := make([]uint64, len(pairs))
	for i, p := range pairs {
		place := hash(names[p.A], names[p.B]) % places
		for taken[place] {
			place = (place + 1) % places
		}
		taken[place], given[i] = true, place
	}
	return given, nil
}

// DeviceName returns the name of the device that leads to a host: gre- and the host's name. Where
// that is longer than the kernel's 15 bytes, or has other characters than letters, digits, '-', '_'
// and '.', the end of the name is a hash of it.
func DeviceName(host string) string {
	const prefix, most = "gre-", 15
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return -1
	}, host)
	if plain == host && len(prefix+plain) <= most {
		return prefix + plain
	}
	sum := sha256.Sum256([]byte(host))
	return prefix + plain[:min(len(plain), 4)] + "-" + hex.EncodeToString(sum[:3])
}

// maxPlaces bounds the places of a pool: those of a large IPv6 network are more than are ever used.
const maxPlaces = 1 << 32

// Pool is a network out of which each link gets a network of two addresses: a /31 (RFC 3021) or a
// /127 (RFC 6164).
type Pool struct{ prefix netip.Prefix }

// NewPool returns the pool of a network. It fails with [fault.ErrInvalid] if the network holds no
// two addresses, or has host bits set.
func NewPool(p netip.Prefix) (Pool, error) {
	const hint = "give a network such as 172.31.0.0/16"
	switch {
	case !p.IsValid() || p.Addr().Is4In6():
		return Pool{}, fault.Invalid("pool", hint, "it is no network")
	case p.Masked() != p:
		return Pool{}, fault.Invalid("pool", "the network is "+p.Masked().String(), "%s has host bits set", p)
	case p.Bits() >= p.Addr().BitLen():
		return Pool{}, fault.Invalid("pool", hint, "%s has one address, and a link needs two", p)
	case p.Addr().IsMulticast() || p.Addr().IsLoopback() || p.Addr().IsUnspecified() && p.Bits() == 0:
		return Pool{}, fault.Invalid("pool", hint, "%s has no addresses of hosts", p)
	}
	return Pool{p}, nil
}

// Prefix returns the whole network.
func (p Pool) Prefix() netip.Prefix { return p.prefix }

// Places returns how many links the pool has networks for.
func (p Pool) Places() uint64 {
	bits := p.prefix.Addr().BitLen() - 1 - p.prefix.Bits()
	if bits > 32 {
		return maxPlaces
	}
	return min(uint64(1)<<bits, maxPlaces)
}

// Network returns the two addresses at a place, each with the length of the network.
func (p Pool) Network(place uint64) (low, high netip.Prefix) {
	bytes := p.prefix.Addr().As16()
	offset := place * 2
	for i := 15; offset > 0; i-- {
		sum := uint64(bytes[i]) + offset&0xff
		bytes[i] = byte(sum)
		offset = offset>>8 + sum>>8
	}
	first := netip.AddrFrom16(bytes)
	if p.prefix.Addr().Is4() {
		first = first.Unmap()
	}
	length := first.BitLen() - 1
	return netip.PrefixFrom(first, length), netip.PrefixFrom(first.Next(), length)
}

// Place returns the place whose network has the address. It is false if the pool has none.
func (p Pool) Place(a netip.Addr) (uint64, bool) {
	if !p.prefix.Contains(a) {
		return 0, false
	}
	first, at := p.prefix.Addr().As16(), a.As16()
	high := binary.BigEndian.Uint64(at[:8]) - binary.BigEndian.Uint64(first[:8])
	low := binary.BigEndian.Uint64(at[8:]) - binary.BigEndian.Uint64(first[8:])
	place := low / 2
	return place, high == 0 && place < p.Places()
}
