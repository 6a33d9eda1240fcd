package nmgre

import (
	"hash/maphash"
	"net/netip"
	"slices"
)

// routeSlot is what tells routes apart: the kernel, or NetworkManager, holds one in each.
type routeSlot struct {
	dst, from netip.Prefix
	tos       uint8
	table     uint32
	metric    int64 // -1 for the default
}

func (r *Route) slot() routeSlot {
	s := routeSlot{r.Dst, r.From, r.TOS, r.TableOrMain(), -1}
	if r.Metric != nil {
		s.metric = int64(*r.Metric)
	}
	return s
}

// slotIndex finds the one of very many routes that is in a slot. It holds four bytes for each: a map with slots as its keys takes
// thirty times as much, and more time.
type slotIndex struct {
	routes func(i int32) *Route // the routes that are in it, by their numbers
	seed   maphash.Seed
	table  []int32 // numbers plus one, where the hash of their slots leads to, or behind; 0 is free
	used   int
}

// newSlotIndex has room for n routes; it grows when there are more.
func newSlotIndex(n int, routes func(i int32) *Route) *slotIndex {
	size := 16
	for size < 2*n {
		size *= 2
	}
	return &slotIndex{routes: routes, seed: maphash.MakeSeed(), table: make([]int32, size)}
}

// indexOf puts the routes of a list into an index.
func indexOf(list []Route) *slotIndex {
	x := newSlotIndex(len(list), func(i int32) *Route { return &list[i] })
	for i := range list {
		x.put(int32(i)) //nolint:gosec // far fewer
	}
	return x
}

// find returns the number of the route in the slot, and whether there is one.
func (x *slotIndex) find(s routeSlot) (int32, bool) {
	at := x.place(s)
	return x.table[at] - 1, x.table[at] != 0
}

// put notes that the route with the number i is in its slot, in the place of another if there is one.
func (x *slotIndex) put(i int32) {
	at := x.place(x.routes(i).slot())
	if x.table[at] == 0 {
		x.used++
	}
	x.table[at] = i + 1
	if 2*x.used > len(x.table) {
		x.grow()
	}
}

// place is where the slot's route is, or would be.
func (x *slotIndex) place(s routeSlot) int {
	mask := len(x.table) - 1
	at := int(maphash.Comparable(x.seed, s)) & mask //nolint:gosec // any bits do
	for x.table[at] != 0 && x.routes(x.table[at]-1).slot() != s {
		at = (at + 1) & mask
	}
	return at
}

func (x *slotIndex) grow() {
	old := x.table
	x.table, x.used = make([]int32, 2*len(old)), 0
	for _, i := range old {
		if i != 0 {
			x.put(i - 1)
		}
	}
}

// Equal says whether the two are the same in every word.
func (r *Route) Equal(o *Route) bool {
	return r.Type == o.Type && r.Dst == o.Dst && r.From == o.From && r.TOS == o.TOS && r.Via == o.Via && r.Src == o.Src && r.Table == o.Table &&
		r.OnLink == o.OnLink && r.MTU == o.MTU && r.MTULock == o.MTULock && r.Realms == o.Realms && r.Expires == o.Expires && r.Pref == o.Pref &&
		r.NexthopID == o.NexthopID && equal(r.Metric, o.Metric) && equal(r.Scope, o.Scope) && equal(r.TTLPropagate, o.TTLPropagate) &&
		equal(r.Metrics, o.Metrics) && r.Encap.equal(o.Encap) && slices.EqualFunc(r.Nexthops, o.Nexthops, Nexthop.equal)
}

func (n Nexthop) equal(o Nexthop) bool {
	return n.Via == o.Via && n.Dev == o.Dev && n.Weight == o.Weight && n.OnLink == o.OnLink && n.Realms == o.Realms && n.Encap.equal(o.Encap)
}

func (e *Encap) equal(o *Encap) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.Type == o.Type && equal(e.ID, o.ID) && e.Dst == o.Dst && e.Src == o.Src && equal(e.TOS, o.TOS) && equal(e.TTL, o.TTL) &&
		e.Key == o.Key && e.Csum == o.Csum && e.Seq == o.Seq && slices.Equal(e.Labels, o.Labels) && e.Mode == o.Mode &&
		slices.Equal(e.Segments, o.Segments) && e.HMAC == o.HMAC
}

// equal compares what two pointers point to.
func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// equalRoutes says whether the lists have the same routes in the same order.
func equalRoutes(a, b []Route) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if &a[i] != &b[i] && !a[i].Equal(&b[i]) {
			return false
		}
	}
	return true
}
