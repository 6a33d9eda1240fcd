package main

import (
	"os/exec"
	"testing"

	"nmgre/testdata/lab"
)

// The list of no tunnels, against one call of the smallest client of D-Bus in Go.
func BenchmarkLabListOfNone(b *testing.B) {
	lab.Need(b)
	if _, err := exec.LookPath("onecall"); err != nil {
		b.Fatalf("%v: run make bench", err)
	}
	for b.Loop() {
		ours, smallest := &side{name: "nmgre list"}, &side{name: "one call in Go"}
		compare(b, 3*rounds, []bar{{"list of none wall time", "ms", ours, smallest, wall, 1.5}},
			func() { ours.add(measure(b, lab.Linux1, "nmgre list")) },
			func() { smallest.add(measure(b, lab.Linux1, "onecall")) })
	}
}

// The names of a thousand tunnels for a shell, against those of nmcli.
func BenchmarkLabComplete(b *testing.B) {
	lab.Need(b)
	addProfiles(b, 1000)
	// A shell waits two seconds at most for nmgre, and a list without all names is no result.
	all := func(line string) string { return "test $(" + line + " | grep -c many) = 1000" }
	for b.Loop() {
		ours, theirs := &side{name: "nmgre"}, &side{name: "nmcli"}
		compare(b, rounds, []bar{{"completion wall time", "ms", ours, theirs, wall, 0.15}},
			func() { ours.add(measure(b, lab.Linux1, all("nmgre __complete show ''"))) },
			func() { theirs.add(measure(b, lab.Linux1, all("nmcli --complete-args connection show ''"))) })
	}
}
