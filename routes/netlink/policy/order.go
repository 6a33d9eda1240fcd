package policy

import (
	"cmp"
	"slices"

	"nmgre/routes/rule"
)

// LastFirst returns the rules that are added in the order to send them: those that decide last
// first. To find a new rule's place the kernel walks past all that decide before it (fib_nl_newrule
// in net/core/fib_rules.c). For a thousand rules in the other order that is half a million steps.
// Those of one priority keep their order, as each comes behind the one before.
func LastFirst(rules []rule.Rule, added []int) []int {
	order := slices.Clone(added)
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rules[b].Priority, rules[a].Priority) })
	return order
}
