package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nmgre/testdata/lab"
)

// policyRows is how many rules the bench has, each with a route in a table of its own.
const policyRows = 1000

// writePolicy writes the rules and the routes: for nmgre a file of each, and for ip a batch that
// adds both and one that deletes both. It returns the names of the four.
func writePolicy(b *testing.B) (rules, routes, add, remove string) {
	b.Helper()
	var text [4]strings.Builder
	for i := range policyRows {
		rule := fmt.Sprintf("from 10.%d.%d.%d table %d priority %d", 100+i/62500, i/250%250, i%250+1, 1000+i, 1000+i)
		route := fmt.Sprintf("10.%d.0.0/16 table %d", 1+i%90, 1000+i)
		fmt.Fprintln(&text[0], rule)
		fmt.Fprintln(&text[1], route)
		fmt.Fprintf(&text[2], "route add %s dev bench proto 99\nrule add %s\n", route, rule)
		fmt.Fprintf(&text[3], "rule del %s\nroute del %s dev bench proto 99\n", rule, route)
	}
	names := [4]string{"/var/tmp/policy-rules", "/var/tmp/policy-routes", "/var/tmp/policy-add", "/var/tmp/policy-del"}
	for i, name := range names {
		if err := os.WriteFile(filepath.Join(lab.Linux1.Root(), name), []byte(text[i].String()), 0o644); err != nil { //nolint:gosec // a list
			b.Fatal(err)
		}
	}
	return names[0], names[1], names[2], names[3]
}

// The bars. A profile that NetworkManager adds and brings up takes most of create's time: create
// without rules and routes is logged beside it, and so is the time that they add on either side.
const (
	mostOfPolicy      = 0.25
	mostOfPolicyHook  = 0.25
	mostOfPolicyAgain = 0.1
)

// A thousand rules, each with a route in a table: create, and the hook at down and up, against the
// usual commands and the usual script of the dispatcher, which asks nmcli whether the tunnel is up
// and gives the lines to ip -batch. And the hook once more, when there is nothing left to do.
func BenchmarkLabPolicy(b *testing.B) {
	lab.Need(b)
	rules, routes, add, remove := writePolicy(b)
	const plain = "nmgre create --name bench --peer 100.0.2.100 --address 172.16.0.1/30 --no-probe"
	create := plain + " --rules-from " + rules + " --routes-from " + routes
	const nmcli = "nmcli connection add type ip-tunnel con-name bench ifname bench mode gre remote 100.0.2.100 local 100.0.1.100" +
		" ipv4.method manual ipv4.addresses 172.16.0.1/30 ipv6.method disabled && nmcli connection up bench"
	const asks = "nmcli -g GENERAL.STATE connection show bench && "
	// quiet measures a line when NetworkManager has read the kernel's messages about the line
	// before
	quiet := func(line string) run {
		lab.Linux1.Run(b, "nmcli", "-t", "general", "status")
		return measure(b, lab.Linux1, line)
	}
	for b.Loop() {
		ours, theirs := &side{name: "nmgre"}, &side{name: "nmcli and ip -batch"}
		floor, theirFloor := &side{name: "nmgre without rules and routes"}, &side{name: "nmcli alone"}
		more, theirMore := &side{name: "nmgre's more"}, &side{name: "ip -batch"}
		down, theirDown := &side{name: "the hook at down"}, &side{name: "nmcli and ip -batch"}
		up, theirUp := &side{name: "the hook at up"}, &side{name: "nmcli and ip -batch"}
		again := &side{name: "the hook again"}
		compare(b, profileRounds, []bar{
			{"policy create wall time", "ms", ours, theirs, wall, mostOfPolicy},
			{"policy down wall time", "ms", down, theirDown, wall, mostOfPolicyHook},
			{"policy up wall time", "ms", up, theirUp, wall, mostOfPolicyHook},
			{"policy again wall time", "ms", again, ours, wall, mostOfPolicyAgain},
		}, func() {
			floor.add(quiet(plain))
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
			ours.add(quiet(create))
			more.add(lessThan(ours, floor))
			lab.Linux1.Run(b, "ip", "link", "set", "bench", "down") // to the hook the tunnel is not up then
			down.add(quiet("nmgre hook -- bench down"))
			lab.Linux1.Run(b, "ip", "link", "set", "bench", "up")
			up.add(quiet("nmgre hook -- bench up"))
			again.add(quiet("nmgre hook -- bench up"))
			checkPolicyRows(b, "213")
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
		}, func() {
			theirFloor.add(quiet(nmcli))
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
			theirs.add(quiet(nmcli + " && ip -batch " + add))
			theirMore.add(lessThan(theirs, theirFloor))
			theirDown.add(quiet(asks + "ip -batch " + remove))
			theirUp.add(quiet(asks + "ip -batch " + add))
			checkPolicyRows(b, "99")
			lab.Linux1.Run(b, "sh", "-c", asks+"ip -batch "+remove)
			lab.Linux1.Run(b, "nmgre", "delete", "bench")
		})
		for _, c := range []bar{{"policy more wall time", "ms", more, theirMore, wall, 1}, {"policy floor wall time", "ms", floor, theirs, wall, 1}} {
			c.report(b)
		}
	}
}

// lessThan returns by how much the last run of one side took longer than that of another.
func lessThan(s, other *side) run {
	return run{took: s.runs[len(s.runs)-1].took - other.runs[len(other.runs)-1].took}
}

// checkPolicyRows fails the benchmark if the kernel does not have all rules and routes.
func checkPolicyRows(b *testing.B, protocol string) {
	b.Helper()
	all := lab.Linux1.Run(b, "ip", "rule", "list")
	there := strings.Count(lab.Linux1.Run(b, "ip", "route", "show", "table", "all", "proto", protocol), " dev bench ")
	if n := strings.Count(all, "lookup 1"); n < policyRows || there != policyRows {
		b.Fatalf("%d rules and %d routes", n, there)
	}
}
