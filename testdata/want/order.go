package want

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Order is the machine's order of bytes: little, or big.
func Order() string {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return "big"
	}
	return "little"
}

// GoldenBytes compares messages, byte by byte, with the golden file testdata/NAME.ORDER.hex, where
// ORDER is the machine's order of bytes. `make test-arch` does so on a machine with the other one.
func GoldenBytes(t testing.TB, name string, messages map[string][]byte) {
	t.Helper()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(messages)) {
		fmt.Fprintf(&b, "# %s\n", what)
		for line := range slices.Chunk(messages[what], 16) {
			fmt.Fprintf(&b, "% x\n", line)
		}
	}
	Golden(t, name+"."+Order()+".hex", b.String())
}
