package nm

import (
	"slices"
	"strings"
	"testing"
)

func TestCompareNames(t *testing.T) {
	names := []string{"gre10", "tun0", "gre2", "gre", "alpha", "gre1", "gre2a"}
	slices.SortFunc(names, CompareNames)
	if got, want := strings.Join(names, " "), "alpha gre gre1 gre2 gre10 gre2a tun0"; got != want {
		t.Errorf("sorted: %s, want %s", got, want)
	}
}
