package quirk

import (
	"testing"

	"nmgre/nm"
)

// lab are the NetworkManagers of the lab's suites: bookworm, trixie and forky.
var lab = []nm.Version{{Major: 1, Minor: 42, Micro: 4}, {Major: 1, Minor: 52, Micro: 1}, {Major: 1, Minor: 58, Micro: 1}}

// Every quirk can be seen in the lab, and so can its absence.
func TestLabHasBothSides(t *testing.T) {
	for _, q := range Table {
		with := 0
		for _, v := range lab {
			if q.In(v) {
				with++
			}
		}
		if with == 0 || with == len(lab) {
			t.Errorf("%s, %s: %d of %d versions in the lab have it", q.Name, q.Versions(), with, len(lab))
		}
	}
}

func TestTableIsWhole(t *testing.T) {
	names := make(map[string]bool)
	for _, q := range Table {
		if names[q.Name] || q.Name == "" || q.Does == "" || q.Seen == "" || q.Here == "" {
			t.Errorf("%+v is not a whole row, or not the only one of its name", q)
		}
		names[q.Name] = true
	}
	if !names[ForgetsIPv6.Name] || !names[KeepsWeighted.Name] {
		t.Error("a quirk that the code asks for is not in the table")
	}
}

func TestIn(t *testing.T) {
	between := Quirk{Since: minor(44), Until: minor(46)}
	for _, c := range []struct {
		quirk Quirk
		v     nm.Version
		in    bool
		words string
	}{
		{ForgetsIPv6, nm.Version{Major: 1, Minor: 43, Micro: 99}, true, "before 1.44"},
		{ForgetsIPv6, nm.Version{Major: 1, Minor: 44}, false, "before 1.44"},
		{Quirk{Since: minor(54)}, nm.Version{Major: 1, Minor: 53, Micro: 90}, false, "from 1.54 on"},
		{Quirk{Since: minor(54)}, nm.Version{Major: 2}, true, "from 1.54 on"},
		{between, nm.Version{Major: 1, Minor: 42, Micro: 4}, false, "from 1.44 on, before 1.46"},
		{between, nm.Version{Major: 1, Minor: 44, Micro: 2}, true, "from 1.44 on, before 1.46"},
		{between, nm.Version{Major: 1, Minor: 46}, false, "from 1.44 on, before 1.46"},
	} {
		if got := c.quirk.In(c.v); got != c.in || c.quirk.Versions() != c.words {
			t.Errorf("%q in %v: %v", c.quirk.Versions(), c.v, got)
		}
	}
}
