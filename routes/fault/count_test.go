package fault_test

import (
	"testing"

	"nmgre/routes/fault"
)

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 packets", 1: "1 packet", 2: "2 packets", 1 << 63: "9223372036854775808 packets"} {
		if got := fault.Count(n, "packet"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
