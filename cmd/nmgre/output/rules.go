package output

import (
	"fmt"
	"io"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/policy"
	"nmgre/routes/fault"
)

// ruleForm is a rule of the routing policy.
type ruleForm struct {
	Rule  string `json:"rule"`
	Owner string `json:"owner"`
	Why   string `json:"why,omitempty"`
	State string `json:"state,omitempty"` // in rule list alone: set, missing or down
}

// newRules lists the profile's rules, then those that nmgre keeps.
func newRules(s nmgre.Status) []ruleForm {
	return newOwnedRules(policy.Assign(s.Tunnel.WithKept(s.Kept).Rules, s.Tunnel.Rules, s.Kept.Policy))
}

func newOwnedRules(list []nm.OwnedRule) []ruleForm {
	out := make([]ruleForm, len(list))
	for i, o := range list {
		out[i] = ruleForm{Rule: o.Rule.String(), Owner: string(o.Owner), Why: o.Why}
	}
	return out
}

// changedRulesForm is the output of a change of rules with --json.
type changedRulesForm struct {
	Tunnel  string     `json:"tunnel"`
	Added   int        `json:"added"`
	Deleted int        `json:"deleted"`
	Rules   []ruleForm `json:"rules"` // all that the tunnel has now
	Notes   []string   `json:"notes"`
}

// ChangedRules writes the outcome of a change of rules: as JSON to w, or in words to told.
func ChangedRules(w, told io.Writer, p plan.EditPlan, asJSON bool) error {
	form := changedRulesForm{Tunnel: p.Before.Name, Rules: newOwnedRules(p.Rules), Notes: append([]string{}, p.Notes...)}
	for _, c := range p.Changes {
		switch {
		case c.Field == "rule" && c.Old == "":
			form.Added++
		case c.Field == "rule":
			form.Deleted++
		}
	}
	if asJSON {
		return JSON(w, form)
	}
	for _, note := range p.Notes {
		fmt.Fprintf(told, "nmgre: %s\n", OneLine(note))
	}
	const most = 20
	if len(p.Changes) <= most {
		tellAdded(told, p)
	}
	later := ""
	if !p.Up() {
		later = "; the tunnel is down: they are set when it comes up"
	}
	fmt.Fprintf(told, "nmgre: %s: %d added, %d deleted%s\n", fault.Printable(form.Tunnel), form.Added, form.Deleted, later)
	return nil
}

// tellAdded tells the owners of the rules that were added.
func tellAdded(told io.Writer, p plan.EditPlan) {
	for _, c := range p.Changes {
		for _, o := range p.Rules {
			if c.Field == "rule" && c.New == o.Rule.String() {
				fmt.Fprintf(told, "nmgre: %s: %s (%s)\n", fault.Escaped(c.New), o.Owner, o.Why)
			}
		}
	}
}

// Rules writes the rules of a tunnel with their owners and states.
func Rules(w io.Writer, states []nmgre.RuleState, asJSON bool) error {
	if asJSON {
		out := make([]ruleForm, len(states))
		for i, r := range states {
			out[i] = ruleForm{Rule: r.Rule.String(), Owner: string(r.Owner), Why: r.Why, State: r.State}
		}
		return JSON(w, out)
	}
	return table(w, func(w io.Writer) {
		fmt.Fprintln(w, "RULE\tOWNER\tSTATE\tWHY")
		for _, r := range states {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", fault.Escaped(r.Rule.String()), r.Owner, r.State, OneLine(r.Why))
		}
	})
}
