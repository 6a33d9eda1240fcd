package plan

import (
	"context"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// decideRules places the rules and decides their owners. Those of before keep theirs: the profile
// held some, and root kept the others.
func (p *preflight) decideRules(ctx context.Context, before, inProfile, atRoots []rule.Rule) error {
	placed, notes, err := policy.Place(ctx, p.sys.Kernel, p.t.Rules, before)
	p.t.Rules, p.notes, p.rules = placed, append(p.notes, notes...), policy.Assign(placed, inProfile, atRoots)
	if err == nil {
		err = policy.Rivals(placed, before)
	}
	return err
}

// warnPolicy notes the obstacles to the rules and tables. before are the rules that the tunnel has.
func (p *preflight) warnPolicy(ctx context.Context, before []rule.Rule) error {
	notes, err := policy.Warnings(ctx, policy.Without(p.sys.Kernel, before), p.links, p.t)
	p.notes = append(p.notes, notes...)
	return err
}

// StepRule is the ID of the steps for rules of the routing policy that root keeps.
const StepRule = "rule"

// ruleSteps are the steps for the fresh rules that root keeps.
func ruleSteps(k keep.Kept, fresh []nm.OwnedRule) []Step {
	var steps []Step
	for _, o := range fresh {
		if o.Owner != nm.OwnerKernel {
			continue
		}
		if len(k.Policy) > keep.MaxRouteSteps {
			return []Step{{ID: StepRule, What: "add " + rule.CountText(len(k.Policy)) + " to the kernel's routing policy", Why: o.Why}}
		}
		steps = append(steps, Step{ID: StepRule, What: "add the rule " + fault.Printable(o.Rule.String()) + " to the kernel", Why: o.Why, Commands: []string{o.Rule.IPRule("add")}})
	}
	return steps
}
