package list

import (
	"fmt"
	"testing"

	"nmgre/routes"
	"nmgre/testdata/want"
)

// The index finds what a map finds, also when it has to grow.
func TestSlotIndex(t *testing.T) {
	var set []routes.Route
	index := NewIndex(1, func(i int32) *routes.Route { return &set[i] })
	known := make(map[routes.Slot]int32)
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
		index.Put(int32(i))
		known[r.Slot()] = int32(i)
	}
}
