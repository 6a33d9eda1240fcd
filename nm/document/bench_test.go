package document

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fullMesh is a document of n hosts, each with a link to each other one.
func fullMesh(n int) string {
	var b strings.Builder
	b.WriteString("pool: 10.128.0.0/9\nkey-pool: 1-4000000000\nlinks: [{full: all}]\nhosts:\n")
	for i := range n {
		fmt.Fprintf(&b, "  site%d: {outer: 203.0.%d.%d, networks: [10.%d.%d.0/24]}\n", i, i/250, i%250+1, i/250, i%250)
	}
	return b.String()
}

// The plan of a full mesh of 300 hosts, 44,850 links and both ends of each, takes less than two
// seconds and 200 MB.
func BenchmarkFullMesh(b *testing.B) {
	const hosts, links, most, bytes = 300, 44_850, 2 * time.Second, 200 << 20
	text := fullMesh(hosts)
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		begin := time.Now()
		d, err := Parse(text, Options{})
		if err != nil || len(d.Links()) != links {
			b.Fatal(err)
		}
		ends, err := everyEnd(d)
		if err != nil || len(ends) != hosts {
			b.Fatal(err)
		}
		took := time.Since(begin)
		runtime.ReadMemStats(&after)
		b.ReportMetric(took.Seconds(), "s/plan")
		b.ReportMetric(float64(after.Sys)/(1<<20), "MB")
		if held := after.Sys; took > most || held > bytes {
			b.Errorf("it took %v and %d MB", took, held>>20)
		}
		runtime.KeepAlive(ends)
	}
}

// One host's part of it is quick, and each of its links has both ends.
func TestFullMesh(t *testing.T) {
	d, err := Parse(fullMesh(60), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ends, err := everyEnd(d)
	if err != nil {
		t.Fatal(err)
	}
	addresses := make(map[string]string)
	for host, tunnels := range ends {
		if len(tunnels) != 59 {
			t.Fatalf("%s has %d tunnels", host, len(tunnels))
		}
		for _, one := range tunnels {
			inner := one.Addresses[0]
			if other := addresses[inner.String()]; other != "" {
				t.Fatalf("%s has %s, as %s", host, inner, other)
			}
			addresses[inner.String()] = host
			for _, back := range ends[one.Far] {
				if back.Far == host && (back.Addresses[0].Masked() != inner.Masked() || *back.OutputKey != *one.InputKey || back.Remote != one.Local || back.Local != one.Remote || back.Addresses[0].Addr() != one.ChoosePeer()) {
					t.Errorf("%s and %s differ: %v and %v", host, one.Far, one.Tunnel, back.Tunnel)
				}
			}
		}
	}
}
