package gateway

import (
	"bufio"
	"bytes"
	"os"
	"slices"

	"nmgre/routes/keep"
)

// legacyRules tells that there are tables of iptables-legacy, whose rules nmgre cannot read. The
// kernel lists those that somebody has used since the boot.
func legacyRules(p keep.OuterPackets) (rules keep.OuterRules) {
	// of this thread's network namespace
	file, family, command := "/proc/thread-self/net/ip_tables_names", "ip", programLegacy
	if p.Remote.Is6() {
		file, family, command = "/proc/thread-self/net/ip6_tables_names", "ip6", "ip6tables-legacy"
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return rules
	}
	tables := legacyTables(text)
	for _, table := range []string{"raw", "mangle", "filter", "security", "nat"} {
		if !slices.Contains(tables, table) {
			continue
		}
		r := keep.Ruling{Program: programLegacy, Family: family, Table: table, Perhaps: true,
			What: command + " has a table " + table + ", whose rules nmgre cannot read", Hint: "sudo " + command + " -t " + table + " -S"}
		if table == "nat" {
			rules.Rewrites = append(rules.Rewrites, keep.OuterRewrite{Ruling: r, Out: true})
			continue
		}
		rules.Obstacles = append(rules.Obstacles, keep.OuterObstacle{Ruling: r})
	}
	return rules
}

// legacyTables returns the names in the file, one a line.
func legacyTables(text []byte) (names []string) {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan() && len(names) < 100; {
		names = append(names, lines.Text())
	}
	return names
}
