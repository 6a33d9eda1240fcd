package policy

import (
	"slices"
	"testing"

	"nmgre/routes/rule"
)

// Those of a later priority are sent first, and those of one priority in their order.
func TestLastFirst(t *testing.T) {
	var all []rule.Rule
	for _, spec := range []string{"from 10.0.0.1 table 300 priority 5", "from 10.0.0.2 table 300 priority 5", "from 10.0.0.3 table 300 priority 7", "from fd00::1 table 300 priority 6"} {
		all = append(all, rule.MustParse(spec))
	}
	added := []int{0, 1, 2, 3}
	if order := LastFirst(all, added); !slices.Equal(order, []int{2, 3, 0, 1}) || !slices.Equal(added, []int{0, 1, 2, 3}) {
		t.Errorf("%v of %v", order, added)
	}
	if order := LastFirst(all, []int{1, 3}); !slices.Equal(order, []int{3, 1}) {
		t.Errorf("of two: %v", order)
	}
}
