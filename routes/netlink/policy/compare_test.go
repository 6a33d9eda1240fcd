package policy

import (
	"slices"
	"testing"

	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// When a tunnel comes up nothing of its rules is there, and when it goes down nothing is wanted.
// Rules of others are left alone, and a rule that is wanted twice is added once.
func TestRulesOfOneSideOnly(t *testing.T) {
	parse := func(specs ...string) (all []rule.Rule) {
		for _, spec := range specs {
			all = append(all, rule.MustParse(spec))
		}
		return all
	}
	held := func(protocol int, rules []rule.Rule) (all []kernel.HeldRule) {
		for _, r := range rules {
			all = append(all, kernel.HeldRule{Rule: r, Protocol: protocol})
		}
		return all
	}
	three := parse("from 10.0.0.1 table 300 priority 5", "from 10.0.0.2 table 300 priority 6", "from 10.0.0.3 table 300 priority 7")
	twice := parse("from 10.0.0.1 table 300 priority 5", "from 10.0.0.1 table 300 priority 5", "from 10.0.0.2 table 300 priority 5")
	others := held(2, three)
	for name, c := range map[string]struct {
		want    []rule.Rule
		held    []kernel.HeldRule
		added   []int
		removed int
	}{
		"up":              {three, others, []int{0, 1, 2}, 0},
		"up, one twice":   {twice, nil, []int{0, 2}, 0},
		"down":            {nil, slices.Concat(others, held(kernel.RouteProtocol, three[:2])), nil, 2},
		"nothing":         {nil, others, nil, 0},
		"another is ours": {three, held(kernel.RouteProtocol, twice[2:]), []int{0, 1, 2}, 1},
	} {
		s := Compare(c.want, c.held)
		if !slices.Equal(s.Result.Added, c.added) || s.Result.Removed != c.removed || len(s.Removed) != c.removed {
			t.Errorf("%s: %+v, removed %v", name, s.Result, s.Removed)
		}
		if slices.ContainsFunc(s.Removed, func(h kernel.HeldRule) bool { return h.Protocol != kernel.RouteProtocol }) {
			t.Errorf("%s: removes a rule of another: %v", name, s.Removed)
		}
	}
}
