package routes

import (
	"testing"
	"unsafe"
)

func BenchmarkParseRoute(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("10.10.2.0/24 via 172.16.0.2 metric 50"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRouteString(b *testing.B) {
	r := MustParse("10.10.2.0/24 via 172.16.0.2 src 172.16.0.1 metric 50 table 100 mtu lock 1400")
	b.ReportAllocs()
	for b.Loop() {
		_ = r.String()
	}
}

// A route takes little room: there are lists of a hundred thousand.
func TestRouteSize(t *testing.T) {
	if size := unsafe.Sizeof(Route{}); size > 208 {
		t.Errorf("a route takes %d bytes", size)
	}
}
