package legacy

import (
	"slices"
	"strings"
	"testing"
)

// The names of tables are read line by line.
func TestTablesIn(t *testing.T) {
	for text, want := range map[string][]string{"": nil, "filter\n": {"filter"}, "nat\nfilter\n": {"nat", "filter"}, "nat": {"nat"}} {
		if got := tablesIn([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := tablesIn([]byte(strings.Repeat("x\n", 1000))); len(got) > 100 {
		t.Errorf("%d names", len(got))
	}
}
