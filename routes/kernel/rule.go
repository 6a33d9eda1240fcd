package kernel

import (
	"context"

	"nmgre/routes/rule"
)

// Policy is the kernel's routing policy: the rules that choose a table of routes for a packet.
type Policy interface {
	// Rules returns the rules of both families, IPv4 first, in the order in which they decide. It
	// needs no privilege. A kernel without rules has none.
	Rules(ctx context.Context) ([]HeldRule, error)
	// SyncRules makes the rules with the protocol number [RouteProtocol] those of want, and no
	// others. Each of want has a priority. It compares want with the kernel's rules and sends the
	// difference only. It leaves other protocols' rules alone. After a refused rule the others are
	// still set. With dryRun it changes nothing and needs no privilege.
	SyncRules(ctx context.Context, want []rule.Rule, dryRun bool) (RulesResult, error)
}

// HeldRule is a rule as the kernel holds it.
type HeldRule struct {
	rule.Rule
	Protocol int // 213 is nmgre's, 4 static (NetworkManager), 3 boot (`ip rule`), 2 the kernel's
	// Partly says that the rule has more to it than nmgre can read, such as goto or a tunnel ID.
	Partly bool
}

// RulesResult is the result of [Policy.SyncRules].
type RulesResult struct {
	Added   []int // indexes into the wanted rules: the kernel did not have them
	Removed int   // how many rules with [RouteProtocol] were not wanted any more
	Refused []Refusal
}

// Changed reports whether the kernel was changed.
func (r RulesResult) Changed() bool { return len(r.Added)+r.Removed > 0 }

// RulesOf returns the rules that nmgre can read in full, for a look whether one is there.
func RulesOf(held []HeldRule) map[rule.Rule]bool {
	there := make(map[rule.Rule]bool, len(held))
	for _, h := range held {
		if !h.Partly {
			there[h.Rule] = true
		}
	}
	return there
}
