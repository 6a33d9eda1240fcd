package policy

import (
	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// place is where the kernel looks for a rule that it has already.
type place struct {
	ipv6     bool
	priority uint32
	action   rule.Action
	table    uint32
}

// Rivals refuses two rules of one priority which the kernel may take for the same: then it has only
// the first, and NetworkManager says nothing of the second. Pairs that were there before stay.
func Rivals(wanted, before []rule.Rule) error {
	was := set(before)
	at := make(map[place][]rule.Rule, len(wanted))
	for _, r := range wanted {
		here := place{r.IPv6, r.Priority, r.Action, r.Table}
		for _, o := range at[here] {
			if rivals := r.TakenFor(o) || o.TakenFor(r); rivals && !(was[r] && was[o]) {
				return fault.Invalid("rule", "give one of the two another priority", "the kernel may take %s for %s", fault.Printable(r.String()), fault.Printable(o.String()))
			}
		}
		at[here] = append(at[here], r)
	}
	return nil
}
