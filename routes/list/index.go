package list

import (
	"hash/maphash"

	"nmgre/routes"
)

// Index finds the one of very many routes that is in a slot. It holds four bytes for each: a map
// with slots as its keys takes thirty times as much, and more time.
type Index struct {
	routes func(i int32) *routes.Route // the routes that are in it, by their numbers
	seed   maphash.Seed
	table  []int32 // numbers plus one, where the hash of their slots leads to, or behind; 0 is free
	used   int
}

// NewIndex has room for n routes; it grows when there are more.
func NewIndex(n int, set func(i int32) *routes.Route) *Index {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &Index{routes: set, seed: maphash.MakeSeed(), table: make([]int32, size)}
}

// IndexOf puts the routes of a list into an index.
func IndexOf(list []routes.Route) *Index {
	x := NewIndex(len(list), func(i int32) *routes.Route { return &list[i] })
	for i := range list {
		x.Put(int32(i)) //nolint:gosec // far fewer
	}
	return x
}

// Find returns the number of the route in the slot, and whether there is one.
func (x *Index) Find(s routes.Slot) (int32, bool) {
	at := x.place(s)
	return x.table[at] - 1, x.table[at] != 0
}

// Put notes that the route with the number i is in its slot, in the place of another if there is
// one.
func (x *Index) Put(i int32) {
	at := x.place(x.routes(i).Slot())
	if x.table[at] == 0 {
		x.used++
	}
	x.table[at] = i + 1
	if 2*x.used > len(x.table) {
		x.grow()
	}
}

// place is where the slot's route is, or would be.
func (x *Index) place(s routes.Slot) int {
	mask := len(x.table) - 1
	at := int(maphash.Comparable(x.seed, s)) & mask //nolint:gosec // any bits do
	for x.table[at] != 0 && x.routes(x.table[at]-1).Slot() != s {
		at = (at + 1) & mask
	}
	return at
}

func (x *Index) grow() {
	old := x.table
	x.table, x.used = make([]int32, 2*len(old)), 0
	for _, i := range old {
		if i != 0 {
			x.Put(i - 1)
		}
	}
}
