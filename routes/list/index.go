package list

import (
	"hash/maphash"
	"math/bits"

	"nmgre/routes"
)

// Index finds the one of very many entries that has a key. It is a hash table with open addressing
// that holds the numbers of the entries, eight bytes each: a map with a route's slot as its key
// takes ten times the memory, and more time.
type Index[K comparable] struct {
	key   func(i int) K // of the entry with a number
	seed  maphash.Seed
	cells []cell // a power of two of them, at most half of them taken
	used  int
}

// cell is a place of the table.
type cell struct {
	entry int32 // number of the entry, plus one; 0 is free
	// of the entry's key: the key itself is only made when this is the same
	hash uint32
}

// NewIndex returns an index with room for n entries; it grows when there are more. key returns the
// key of an entry that is in the index. Entries have numbers from 0 to 1<<31 - 2.
func NewIndex[K comparable](n int, key func(i int) K) *Index[K] {
	return &Index[K]{key: key, seed: maphash.MakeSeed(), cells: make([]cell, 2<<bits.Len(uint(max(n-1, 7))))} //nolint:gosec // not negative
}

// IndexOf returns the index of a list's routes by their slots.
func IndexOf(list []routes.Route) *Index[routes.Slot] {
	x := NewIndex(len(list), func(i int) routes.Slot { return list[i].Slot() })
	for i := range list {
		x.Put(list[i].Slot(), i)
	}
	return x
}

// Find returns the number of the entry with a key, and whether there is one.
func (x *Index[K]) Find(key K) (i int, found bool) {
	at, _ := x.place(key)
	return int(at.entry) - 1, at.entry != 0
}

// Add enters the entry with the number i and its key. If there is one with that key already, it
// stays, and Add returns its number and true.
func (x *Index[K]) Add(key K, i int) (other int, taken bool) {
	at, hash := x.place(key)
	if at.entry != 0 {
		return int(at.entry) - 1, true
	}
	x.enter(at, cell{int32(i + 1), hash}) //nolint:gosec // lists are far shorter
	return i, false
}

// Put enters the entry with the number i and its key, in the place of another with that key.
func (x *Index[K]) Put(key K, i int) {
	at, hash := x.place(key)
	if at.entry != 0 {
		at.entry = int32(i + 1) //nolint:gosec // as above
		return
	}
	x.enter(at, cell{int32(i + 1), hash}) //nolint:gosec // as above
}

// enter takes a free cell, and makes more when half of them are taken.
func (x *Index[K]) enter(free *cell, c cell) {
	*free = c
	if x.used++; 2*x.used > len(x.cells) {
		x.grow()
	}
}

// place returns the cell that the key is in, or the free one where it would be, and the key's hash.
func (x *Index[K]) place(key K) (*cell, uint32) {
	hash := uint32(maphash.Comparable(x.seed, key)) //nolint:gosec // any bits do
	for at := x.home(hash); ; at = x.next(at) {
		c := &x.cells[at]
		if c.entry == 0 || c.hash == hash && x.key(int(c.entry)-1) == key {
			return c, hash
		}
	}
}

func (x *Index[K]) home(hash uint32) int { return int(hash) & (len(x.cells) - 1) }

func (x *Index[K]) next(at int) int { return (at + 1) & (len(x.cells) - 1) }

// grow doubles the cells. The hashes tell where each entry goes.
func (x *Index[K]) grow() {
	old := x.cells
	x.cells = make([]cell, 2*len(old))
	for _, c := range old {
		if c.entry == 0 {
			continue
		}
		at := x.home(c.hash)
		for x.cells[at].entry != 0 {
			at = x.next(at)
		}
		x.cells[at] = c
	}
}
