package netlink

import (
	"hash/maphash"
	"math/bits"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// slotOf returns the slot of a route that wireRoute.set has found nothing wrong with.
func slotOf(r *routes.Route) wire.Slot {
	w := wire.Route{Family: wire.FamilyOf(r.Dst.Addr()), Dst: r.Dst.Masked(), Table: r.TableOrMain(), Tos: r.TOS}
	if r.From.IsValid() && r.From.Bits() > 0 {
		w.From = r.From.Masked()
	}
	if r.Metric != nil {
		w.Priority = *r.Metric
	}
	return w.Slot()
}

// slotIndex finds wanted routes by their slots. It is a hash table with open addressing that has
// their numbers only: a map with the slots as keys would take ten times the memory.
type slotIndex struct {
	want  []kernel.OwnRoute
	seed  maphash.Seed
	cells []slotCell // a power of two of them, at most half of them taken
}

// slotCell is a place of the table.
type slotCell struct {
	number int32 // in want, plus one; 0 for none
	// of the slot's hash, so that the route is only looked at when it is most likely the right one
	mark uint32
}

func newSlotIndex(want []kernel.OwnRoute) *slotIndex {
	return &slotIndex{want: want, seed: maphash.MakeSeed(), cells: make([]slotCell, 2<<bits.Len(uint(len(want))))}
}

// cell returns the cell that a slot is in, or where it would be put, and the slot's mark.
func (x *slotIndex) cell(s wire.Slot) (*slotCell, uint32) {
	hash, mask := maphash.Comparable(x.seed, s), uint64(len(x.cells)-1)
	mark := uint32(hash >> 32)
	for at := hash & mask; ; at = (at + 1) & mask {
		cell := &x.cells[at]
		if cell.number == 0 || cell.mark == mark && slotOf(x.want[cell.number-1].Route) == s {
			return cell, mark
		}
	}
}

// put enters a wanted route. It is false when there is another of the same slot.
func (x *slotIndex) put(i int, s wire.Slot) bool {
	cell, mark := x.cell(s)
	if cell.number != 0 {
		return false
	}
	*cell = slotCell{int32(i + 1), mark} //nolint:gosec // lists are far shorter
	return true
}

// find returns the number of the wanted route with a slot, -1 if there is none.
func (x *slotIndex) find(s wire.Slot) int {
	cell, _ := x.cell(s)
	return int(cell.number) - 1
}
