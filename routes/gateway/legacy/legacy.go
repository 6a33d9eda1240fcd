// Package legacy tells of the rules of iptables-legacy, which nmgre cannot read.
//
// Begin with [Rules].
package legacy

import (
	"bufio"
	"bytes"
	"os"
	"slices"

	"nmgre/routes/keep"
)

// Program is the name of the program in a [keep.Ruling].
const Program = "iptables-legacy"

// Rules tells that there are tables of iptables-legacy. The kernel lists those that somebody has
// used since the boot.
func Rules(p keep.OuterPackets) (rules keep.OuterRules) {
	// of this thread's network namespace
	file, family, command := "/proc/thread-self/net/ip_tables_names", "ip", Program
	if p.Remote.Is6() {
		file, family, command = "/proc/thread-self/net/ip6_tables_names", "ip6", "ip6tables-legacy"
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return rules
	}
	tables := tablesIn(text)
	for _, table := range []string{"raw", "mangle", "filter", "security", "nat"} {
		if !slices.Contains(tables, table) {
			continue
		}
		r := keep.Ruling{Program: Program, Family: family, Table: table, Perhaps: true,
			What: command + " has a table " + table + ", whose rules nmgre cannot read", Hint: "sudo " + command + " -t " + table + " -S"}
		if table == "nat" {
			rules.Rewrites = append(rules.Rewrites, keep.OuterRewrite{Ruling: r, Out: true})
			continue
		}
		rules.Obstacles = append(rules.Obstacles, keep.OuterObstacle{Ruling: r})
	}
	return rules
}

// tablesIn returns the names in the file, one a line.
func tablesIn(text []byte) (names []string) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan() && len(names) < 100; {
		names = append(names, lines.Text())
	}
	return names
}
