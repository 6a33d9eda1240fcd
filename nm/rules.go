package nm

import (
	"fmt"
	"strings"

	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// OwnedRule is a rule of the routing policy with its owner.
type OwnedRule struct {
	Rule  rule.Rule
	Owner Owner
	Why   string // a few words: why nmgre holds the rule, or when NetworkManager sets it
}

// MaxProfileRules is the highest number of rules that nmgre puts into one profile: NetworkManager
// sends them to the kernel one by one. nmgre itself holds the rules of longer lists.
const MaxProfileRules = 100

// MaxRules is the highest number of rules of one tunnel. The kernel compares each packet with one
// after the other.
const MaxRules = 10_000

// longRulesWhy is the reason why nmgre holds rules that NetworkManager could hold.
var longRulesWhy = fmt.Sprintf("NetworkManager is slow with more than %d rules in a profile", MaxProfileRules)

// RuleOwner returns who holds a rule, with a few words for the user. A profile can hold all words
// but those of which [UnfitRule] tells, in every version from [MinVersion] on.
func RuleOwner(r rule.Rule) (Owner, string) {
	if why := UnfitRule(r); why != "" {
		return OwnerKernel, "a NetworkManager profile cannot hold " + why
	}
	return OwnerProfile, profileWhy
}

// UnfitRule names the part of a rule that no profile can hold (nm_ip_routing_rule_validate in
// nm-setting-ip-config.c). It is empty if one can. A rule with the priority 0 is no problem to the
// setting, but NetworkManager removes such a rule by words that fit others, too.
func UnfitRule(r rule.Rule) string {
	odd := func(name string) bool { return strings.ContainsAny(name, "\\,") }
	switch {
	case r.SuppressGroup != 0:
		return "suppress_ifgroup"
	case r.HasPriority && r.Priority == 0:
		return "the priority 0"
	case odd(r.IIF) || odd(r.OIF):
		return "the name of that device"
	}
	return ""
}

// WhyRuleKernel says why nmgre holds r itself.
func WhyRuleKernel(r rule.Rule) string {
	if owner, why := RuleOwner(r); owner == OwnerKernel {
		return why
	}
	return longRulesWhy
}

// AssignRules decides who holds rules that are added to a profile with held rules. nmgre holds all
// of them if the profile would have more than [MaxProfileRules].
func AssignRules(added []rule.Rule, held int) []OwnedRule {
	list := make([]OwnedRule, len(added))
	long := held+len(added) > MaxProfileRules
	for i, r := range added {
		owner, why := RuleOwner(r)
		if owner == OwnerProfile && long {
			owner, why = OwnerKernel, longRulesWhy
		}
		list[i] = OwnedRule{r, owner, why}
	}
	return list
}

// OwnedRules returns the rules of one owner.
func OwnedRules(list []OwnedRule, owner Owner) []rule.Rule {
	var own []rule.Rule
	for _, o := range list {
		if o.Owner == owner {
			own = append(own, o.Rule)
		}
	}
	return own
}

// CheckRules refuses rules that are there twice, and very many of them.
func CheckRules(t Tunnel) fault.List {
	var problems fault.List
	if len(t.Rules) > MaxRules {
		problems.Add(fault.Invalid("rule", "every packet is compared with each of them: choose by networks", "%d rules are more than the %d allowed", len(t.Rules), MaxRules))
		return problems
	}
	seen := make(map[rule.Rule]bool, len(t.Rules))
	for _, r := range t.Rules {
		if seen[r] {
			problems.Add(fault.Invalid("rule", "give it once", "%s is there twice", fault.Printable(r.String())))
		}
		seen[r] = true
	}
	return problems
}

// RulesText tells of the rules, in the words after those of the routes.
func (t Tunnel) RulesText() string {
	if len(t.Rules) == 0 {
		return ""
	}
	return ", and " + rule.CountText(len(t.Rules)) + " of the routing policy"
}
