package wire

import (
	"testing"

	"nmgre/testdata/want"
)

// Routes as bytes, in the machine's own order.
func TestGoldenBytes(t *testing.T) {
	messages := make(map[string][]byte)
	for name, route := range wireRoutes {
		messages[name] = route.Encode()
	}
	want.GoldenBytes(t, "routes", messages)
}
