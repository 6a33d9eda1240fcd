package list

import (
	"strings"
	"testing"

	"nmgre/routes"
)

// A change is undone in a list that somebody else has changed meanwhile: their changes stay.
func TestMerged(t *testing.T) {
	const old, wanted = "10.1.0.0/16|10.2.0.0/16 mtu 1300|10.3.0.0/16", "10.1.0.0/16|10.2.0.0/16|10.4.0.0/16"
	for now, want := range map[string]string{
		old: wanted,
		"10.1.0.0/16|10.2.0.0/16 mtu 1300|10.3.0.0/16|10.9.0.0/16": wanted + "|10.9.0.0/16",                        // added
		"10.1.0.0/16|10.2.0.0/16 mtu 1200|10.3.0.0/16":             "10.1.0.0/16|10.2.0.0/16 mtu 1200|10.4.0.0/16", // changed
		"10.2.0.0/16 mtu 1300|10.3.0.0/16":                         "10.2.0.0/16|10.4.0.0/16",                      // removed
		"10.1.0.0/16|10.4.0.0/16 mtu 9000":                         "10.1.0.0/16|10.4.0.0/16 mtu 9000",             // in the place of another
	} {
		var got []string
		for _, r := range Merged(parsed(now), parsed(old), parsed(wanted)) {
			got = append(got, r.String())
		}
		if !same(got, strings.Split(want, "|")) {
			t.Errorf("from %s: got %q, want %s", now, got, want)
		}
	}
}

func parsed(specs string) (list []routes.Route) {
	for _, spec := range strings.Split(specs, "|") {
		list = append(list, routes.MustParse(spec))
	}
	return list
}

// same reports whether two lists have the same entries, in any order.
func same(a, b []string) bool {
	count := make(map[string]int)
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
