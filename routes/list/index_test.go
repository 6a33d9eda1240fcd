package list

import (
	"fmt"
	"testing"

	"nmgre/routes"
	"nmgre/testdata/want"
)

// The index finds the same as a map, also when it has to grow.
func TestSlotIndex(t *testing.T) {
	var set []routes.Route
	index := NewIndex(1, func(i int) routes.Slot { return set[i].Slot() })
	known := make(map[routes.Slot]int)
	for i := range 5000 {
		r := routes.Route{Dst: want.CIDR(fmt.Sprintf("10.%d.%d.0/24", i%7, i%250)), TOS: uint8(i % 3)}
		if i%2 == 0 {
			r.Metric = want.Ptr(uint32(i % 5))
		}
		set = append(set, r)
		expected, known1 := known[r.Slot()]
		if got, found := index.Find(r.Slot()); found != known1 || found && got != expected {
			t.Fatalf("route %d: %d %v, want %d %v", i, got, found, expected, known1)
		}
		if other, taken := index.Add(r.Slot(), i); taken != known1 || taken && other != expected || !taken && other != i {
			t.Fatalf("adding route %d: %d %v, want %d %v", i, other, taken, expected, known1)
		}
		index.Put(r.Slot(), i)
		known[r.Slot()] = i
	}
}
