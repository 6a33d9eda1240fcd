package policy

import (
	"slices"

	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Diff is the difference between the wanted rules and the kernel's.
type Diff struct {
	Removed []kernel.HeldRule // to remove first, also for the place of one that is added again
	Result  kernel.RulesResult
}

// place is where the kernel looks for a rule that is to be removed.
type place struct {
	ipv6     bool
	priority uint32
}

// Compare compares the wanted rules with those of ours in the kernel. The kernel removes the first
// rule of a priority that fits the words of the request. So where one of several with the same
// priority goes, all of them are removed, and those that stay are added again.
func Compare(want []rule.Rule, held []kernel.HeldRule) Diff {
	var s Diff
	if allHeld(want, held) || s.oneSided(want, held) {
		return s
	}
	wanted := make(map[rule.Rule]bool, len(want))
	for _, r := range want {
		wanted[r] = true
	}
	there := make(map[rule.Rule]bool)
	losing := make(map[place]bool)
	var ours []kernel.HeldRule
	for _, h := range held {
		if h.Protocol != kernel.RouteProtocol {
			continue
		}
		ours = append(ours, h)
		at := place{h.IPv6, h.Priority}
		if h.Partly || !wanted[h.Rule] || there[h.Rule] {
			losing[at] = true
		}
		there[h.Rule] = true
	}
	for _, h := range ours {
		if losing[place{h.IPv6, h.Priority}] {
			s.Removed = append(s.Removed, h)
			delete(there, h.Rule)
		}
	}
	for i, r := range want {
		if !there[r] {
			s.Result.Added = append(s.Result.Added, i)
			there[r] = true // a second one of the same is none
		}
	}
	s.Result.Removed = len(s.Removed)
	return s
}

// oneSided compares where all are to be added, or all to be removed, as when a tunnel comes up or
// goes down. It reports whether that is so, and hashes no whole rules.
func (s *Diff) oneSided(want []rule.Rule, held []kernel.HeldRule) bool {
	ours := func(h kernel.HeldRule) bool { return h.Protocol == kernel.RouteProtocol }
	switch {
	case len(want) == 0:
		s.Removed = slices.DeleteFunc(slices.Clone(held), func(h kernel.HeldRule) bool { return !ours(h) })
		s.Result.Removed = len(s.Removed)
	case !slices.ContainsFunc(held, ours) && isAscending(want):
		s.Result.Added = make([]int, len(want))
		for i := range want {
			s.Result.Added[i] = i
		}
	default:
		return false
	}
	return true
}

// isAscending reports whether each rule has a higher priority than the one before it. Then no two
// are the same.
func isAscending(rules []rule.Rule) bool {
	for i := 1; i < len(rules); i++ {
		if rules[i].Priority <= rules[i-1].Priority {
			return false
		}
	}
	return true
}

// allHeld reports whether ours in the kernel are the wanted rules, each with a place of its own. It
// is quick, as it hashes no whole rules. It may say no where they are all the same.
func allHeld(want []rule.Rule, held []kernel.HeldRule) bool {
	if len(held) < len(want) {
		return false
	}
	at := make(map[place]*rule.Rule, len(want))
	for i := range want {
		at[place{want[i].IPv6, want[i].Priority}] = &want[i]
	}
	n := 0
	for i := range held {
		h := &held[i]
		if h.Protocol != kernel.RouteProtocol {
			continue
		}
		here := place{h.IPv6, h.Priority}
		if r := at[here]; r == nil || h.Partly || *r != h.Rule {
			return false
		}
		delete(at, here)
		n++
	}
	return n == len(want)
}
