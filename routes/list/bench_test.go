package list

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// routeLines writes a list of n routes.
func routeLines(n int, format string) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, format+"\n", fmt.Sprintf("10.%d.%d.%d/30", i>>14, i>>6&255, i<<2&255))
	}
	return b.Bytes()
}

// A hundred thousand routes are read in a fraction of a second: the ns/line are the time for one.
func BenchmarkParseRouteList(b *testing.B) {
	const n = 100_000
	for _, format := range []string{"%s", "%s metric 50", "%s via 172.16.0.2 metric 50", "%s via 172.16.0.2 src 172.16.0.1 metric 50 table 100 mtu lock 1400 advmss 1360"} {
		text := routeLines(n, format)
		b.Run(strings.ReplaceAll(strings.TrimPrefix(format, "%s"), " ", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list, err := Parse(bytes.NewReader(text)); err != nil || len(list.Routes) != n {
					b.Fatalf("%d routes, %v", len(list.Routes), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
		})
	}
}

// Lists without an order take the search for repeated routes besides.
func BenchmarkParseRouteListUnordered(b *testing.B) {
	const n = 100_000
	lines := strings.SplitAfter(string(routeLines(n, "%s via 172.16.0.2 metric 50")), "\n")
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	text := strings.Join(lines, "")
	b.ReportAllocs()
	for b.Loop() {
		if list, err := Parse(strings.NewReader(text)); err != nil || len(list.Routes) != n {
			b.Fatalf("%d routes, %v", len(list.Routes), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
}
