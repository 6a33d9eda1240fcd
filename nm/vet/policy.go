package vet

import (
	"context"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// checkPolicy refuses rules of the routing policy that belong into the profile, and those that may
// decide about packets which are not the tunnel's. Those that root keeps for the tunnel already may
// stay.
func (v *vetting) checkPolicy() fault.List {
	var problems fault.List
	before := make(map[rule.Rule]bool, len(v.before.Policy))
	for _, r := range v.before.Policy {
		before[r] = true
	}
	for _, o := range nm.AssignRules(v.kept.Policy, len(v.profile.Tunnel.Rules)) {
		if before[o.Rule] && len(v.allowed.Policy) > 0 {
			continue
		}
		text := fault.Printable(o.Rule.String())
		if !before[o.Rule] && o.Owner != nm.OwnerKernel {
			problems.Add(fault.Invalid("rule", "add it to the profile", "%s: a NetworkManager profile can hold it", text))
		}
		switch {
		case !o.Rule.HasPriority:
			problems.Add(fault.Invalid("rule", "write its place: priority 20000", "%s has no priority", text))
		case o.Rule.Table == routes.LocalTable:
			problems.Add(rootOnly("rule", "%s: only root may lead packets to the table local", text))
		case !v.isOwn(o.Rule):
			problems.Add(rootOnly("rule", "%s: it is for other packets than those of %s, and only root may set such a rule", text, v.kept.Name))
		}
	}
	return problems
}

// isOwn says whether a rule is for the tunnel's packets only: those with a source in one of its
// inner networks, those that come in by it, and those of sockets that are bound to it.
func (v *vetting) isOwn(r rule.Rule) bool {
	inner := func(n netip.Prefix) bool {
		return r.From.IsValid() && n.Bits() <= r.From.Bits() && n.Contains(r.From.Addr())
	}
	return !r.Not && (r.IIF == v.kept.Name || r.OIF == v.kept.Name || slices.ContainsFunc(v.kept.Inner, inner))
}

// checkPolicyLoops refuses rules that would lead the packets which carry a tunnel into this one.
func (v *vetting) checkPolicyLoops(ctx context.Context, sys nm.System) error {
	if len(v.kept.Policy) == 0 || slices.Equal(v.kept.Policy, v.allowed.Policy) {
		return nil
	}
	return policy.Loops(ctx, sys.Kernel, v.profile.Tunnel.WithKept(v.kept), v.links)
}
