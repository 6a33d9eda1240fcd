package keep

import (
	"slices"
	"testing"
)

// However routes are left out or stand before others, each is known by its file and its place.
func TestOriginsTellEachRoute(t *testing.T) {
	a, b := &Kept{Name: "a"}, &Kept{Name: "b"}
	list := []keptRoute{{a, 0}, {a, 1}, {a, 2}, {a, 5}, {a, 6}, {b, 7}, {b, 8}, {b, 0}, {a, 7}}
	pins := []keptRoute{{a, -1}, {a, -1}, {b, -1}}
	var o origins
	for _, from := range list {
		o.add(from)
	}
	if len(o.runs) != 5 {
		t.Errorf("%d runs: %v", len(o.runs), o.runs)
	}
	o.precede(pins)
	list = slices.Concat(pins, list)
	o.add(keptRoute{a, 8})
	list = append(list, keptRoute{a, 8})
	for i, from := range list {
		if got := o.of(i); got != from {
			t.Errorf("route %d is of %v, and not of %v", i, got, from)
		}
	}
}
