package main

import (
	"sync"
	"testing"

	"nmgre/testdata/lab"
)

// Both ends by pair, over a real sshd, against the slower one of the two commands that make an end
// each. Both hosts of the lab share one processor, so these two run at the same time, as both ends
// of pair do: on two machines neither takes the other one's time.
func BenchmarkLabPair(b *testing.B) {
	lab.Need(b)
	lab.Linux2.SSH(b, lab.Linux1)
	gone := func() {
		lab.Linux1.Run(b, "nmgre", "delete", "gre1")
		lab.Linux2.Run(b, "nmgre", "delete", "gre1")
	}
	for b.Loop() {
		pair, create := &side{name: "pair"}, &side{name: "the slower create"}
		compare(b, 7, []bar{{"pair wall time", "ms", pair, create, wall, 1.3}}, func() {
			pair.add(measure(b, lab.Linux1, "nmgre pair linux2"))
			gone()
		}, func() {
			var first, second run
			var both sync.WaitGroup
			both.Go(func() {
				first = measure(b, lab.Linux1, "nmgre create --peer 100.0.2.100 --address 172.16.0.1/30 --route 10.10.2.0/24")
			})
			both.Go(func() {
				second = measure(b, lab.Linux2, "nmgre create --peer 100.0.1.100 --address 172.16.0.2/30 --route 10.10.1.0/24")
			})
			both.Wait()
			if second.took > first.took {
				first = second
			}
			create.add(first)
			gone()
		})
	}
}
