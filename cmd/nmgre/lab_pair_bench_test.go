package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"nmgre/testdata/lab"
)

// Both ends by pair, over a real sshd, against the slower one of the two commands that make an end
// each. Both hosts of the lab share one processor, so these two run at the same time, as both ends
// of pair do: on two machines neither takes the other one's time.
//
// The bar is on nmgre's own time: the time of pair without that of `ssh HOST true` in the same
// round. A login is ssh's own work, of which an emulated processor makes more than all of nmgre's.
// The whole ratio is printed beside it, and the same for a connection that is open already, as
// OpenSSH's ControlMaster keeps it.
func BenchmarkLabPair(b *testing.B) {
	lab.Need(b)
	lab.Linux2.SSH(b, lab.Linux1)
	openWay(b)
	gone := func() {
		lab.Linux1.Run(b, "nmgre", "delete", "gre1")
		lab.Linux2.Run(b, "nmgre", "delete", "gre1")
	}
	for b.Loop() {
		create := &side{name: "the slower create"}
		sides := map[string]*side{}
		var bars []bar
		turns := []func(){func() { create.add(slowerCreate(b)); gone() }}
		for _, host := range []string{"linux2", "linux2-open"} {
			whole, adds := &side{name: "pair " + host}, &side{name: "pair " + host + " without ssh"}
			sides[host] = whole
			bars = append(bars, bar{"pair " + host + " without ssh wall time", "ms", adds, create, wall, 1.3})
			turns = append(turns, func() {
				login := measure(b, lab.Linux1, "ssh "+host+" true")
				all := measure(b, lab.Linux1, "nmgre pair "+host)
				whole.add(all)
				adds.add(run{took: all.took - login.took})
				gone()
			})
		}
		compare(b, 7, bars, turns...)
		for host, whole := range sides {
			b.Logf("the whole of pair %s, with ssh: %.0f ms, %.2f times the slower create", host, whole.median(wall), whole.median(wall)/create.median(wall))
		}
	}
}

// slowerCreate makes both ends at the same time, and returns the run that took longer.
func slowerCreate(b *testing.B) run {
	b.Helper()
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
		return second
	}
	return first
}

// openWay configures linux2-open on linux1: linux2 over a connection that stays open, and opens it.
func openWay(b *testing.B) {
	b.Helper()
	file := filepath.Join(lab.Linux1.Root(), "root/.ssh/config")
	config, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	config = append([]byte("Host linux2-open\n\tHostName linux2\n\tHostKeyAlias linux2\n\tControlMaster auto\n\tControlPath /run/ssh-%C\n\tControlPersist yes\nHost *\n"), config...)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		b.Fatal(err)
	}
	lab.Linux1.Run(b, "sh", "-c", "ssh -f -N linux2-open </dev/null >/dev/null 2>&1")
	b.Cleanup(func() { lab.Linux1.Try("ssh", "-O", "exit", "linux2-open") })
}
