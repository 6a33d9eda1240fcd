package verify

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/policy"
	"nmgre/nm/verify/cause"
	"nmgre/nm/verify/place"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// checkPolicy checks that the kernel has the tunnel's rules of the routing policy, and that a rule
// leads to each table in which the tunnel has routes.
func (v *verifier) checkPolicy(ctx context.Context) (err error) {
	v.rules = slices.Clone(v.tunnel.Rules)
	own := make(map[rule.Rule]bool, len(v.rules))
	for _, r := range v.rules {
		own[r] = true
	}
	for _, r := range v.kept.Policy { // a plan's tunnel has them already
		if !own[r] {
			v.rules = append(v.rules, r)
		}
	}
	all := v.tunnel
	all.Rules = v.rules
	if v.heldRules, err = v.sys.Kernel.Rules(ctx); err != nil {
		return err
	}
	v.checkRulesThere()
	for _, table := range policy.Unled(all, v.links, v.heldRules, v.kept.Routes...) {
		family := ""
		if table.IPv6 {
			family = " for IPv6"
		}
		v.report.add(Check{ID: fmt.Sprintf("table %d%s", table.Number, family), Status: Warn, Certainty: Proved, Cause: cause.RouteElsewhere, Summary: fmt.Sprintf("no rule leads to table %d%s", table.Number, family),
			Evidence: "ip rule list names it nowhere", Hint: fmt.Sprintf("add one: nmgre rule add %s from ADDRESS table %d", fault.Operand(v.name), table.Number)})
	}
	return nil
}

// checkRulesThere looks for the rules in the kernel: a check for each, or one for very many.
func (v *verifier) checkRulesThere() {
	there := kernel.RulesOf(v.heldRules)
	var gone []rule.Rule
	for _, r := range v.rules {
		if !there[r] {
			gone = append(gone, r)
		}
	}
	switch {
	case len(v.rules) == 0:
	case v.link == nil:
		v.report.add(skip("rules", noLink))
	case len(v.rules) > maxRouteChecks:
		c := Check{ID: "rules", Status: Pass, Certainty: Proved, Summary: fmt.Sprintf("the kernel has all %d rules", len(v.rules))}
		if len(gone) > 0 {
			c.Summary, c.Evidence = fmt.Sprintf("the kernel lacks %d of %d rules", len(gone), len(v.rules)), "such as "+gone[0].String()
			v.lacksRule(&c)
		}
		v.report.add(c)
	default:
		for _, r := range v.rules {
			c := Check{ID: "rule " + fault.Printable(r.String()), Status: Pass, Certainty: Proved, Summary: "the kernel has the rule"}
			if slices.Contains(gone, r) {
				c.Summary, c.Evidence = "the kernel does not have the rule", r.String()
				v.lacksRule(&c)
			}
			v.report.add(c)
		}
	}
}

// lacksRule makes a check fail for a rule that is not there.
func (v *verifier) lacksRule(c *Check) {
	c.Status, c.Cause, c.Place, c.Hint = Fail, cause.RuleMissing, place.ThisHost, "set it again: nmcli connection up "+v.nmcli()
	if len(v.kept.Policy) > 0 {
		c.Hint = v.setAgainHint()
	}
}

// checkByRule checks a route in a table of its own as its packets would be sent: by the first rule
// of the tunnel that leads there. It is none of ours where no rule does, or where nothing is known
// of the packets.
func (v *verifier) checkByRule(ctx context.Context, r routes.Route) (c Check, ours bool, err error) {
	if r.TableOrMain() == routes.MainTable || r.Type != routes.TypeUnicast || r.From.IsValid() || r.TOS != 0 || r.NexthopID != 0 {
		return c, false, nil
	}
	to := routes.SampleAddr(r.Dst, v.tunnel.Remote)
	for _, by := range v.rules {
		q, ok := v.questionBy(by, to)
		if by.Table != r.TableOrMain() || by.Action != rule.Lookup || !ok {
			continue
		}
		c, err = v.askedBy(ctx, r, by, q)
		return c, err == nil, err
	}
	return c, false, nil
}

// questionBy returns the question for the way of a packet that the rule is for: one of this host's
// own, or one that it forwards from a network of its own.
func (v *verifier) questionBy(by rule.Rule, to netip.Addr) (kernel.Query, bool) {
	q := kernel.Query{To: to}
	packet := by.Sample()
	packet.To = to
	if by.From.IsValid() {
		q.From = v.sourceIn(by.From)
		if q.From == (netip.Addr{}) {
			q.From, q.In = v.lanIn(by)
		}
		packet.From = q.From
	}
	packet.IIF = "lo"
	if q.In != "" {
		packet.IIF = q.In
	}
	plain := by.Mask == 0 && !by.UIDs.Set && by.IPProto == 0 && by.TOS == 0 && by.SPort.First == 0 && by.DPort.First == 0 && by.OIF == ""
	return q, plain && by.Fits(packet) && (q.From.IsValid() || !by.From.IsValid() && by.IIF == "")
}

// sourceIn returns an address of this host in a network, or the zero Addr.
func (v *verifier) sourceIn(n netip.Prefix) netip.Addr {
	for _, l := range v.links {
		for _, own := range l.Addresses {
			if n.Contains(own.Addr()) {
				return own.Addr()
			}
		}
	}
	return netip.Addr{}
}

// lanIn returns the source and the device of a packet that comes in by a LAN, for a rule.
func (v *verifier) lanIn(by rule.Rule) (netip.Addr, string) {
	for _, l := range v.links {
		for _, own := range l.Addresses {
			if own.Contains(by.From.Addr()) && l.Name != v.link.Name && (by.IIF == "" || by.IIF == l.Name) {
				return routes.SampleAddr(by.From, own.Addr()), l.Name
			}
		}
	}
	return netip.Addr{}, ""
}

// askedBy is the check of a route by the kernel's answer.
func (v *verifier) askedBy(ctx context.Context, r routes.Route, by rule.Rule, q kernel.Query) (Check, error) {
	c := Check{ID: routeID(r), Status: Pass, Certainty: Proved}
	hop, err := v.sys.Kernel.Lookup(ctx, q)
	switch {
	case errors.Is(err, fault.ErrInvalid) || err != nil && q.In != "" && !errors.Is(err, fault.ErrUnreachable): // it may be refused as it came in
		return v.checkHeld(r)
	case errors.Is(err, fault.ErrUnreachable):
		c.Status, c.Cause, c.Summary, c.Evidence, c.Hint = Fail, cause.RouteElsewhere, fmt.Sprintf("packets to %s%s go nowhere", q.To, fromText(q)), err.Error(), v.ruleHint(by)
	case err != nil:
		return c, err
	case v.leadsTo(r, hop):
		c.Summary, c.Evidence = fmt.Sprintf("packets to it%s go into the tunnel, by the rule of the priority %d", fromText(q), by.Priority), nm.HopText(q.To, hop)
	default:
		c.Status, c.Cause, c.Summary, c.Evidence, c.Hint = Fail, cause.RouteElsewhere, fmt.Sprintf("packets to %s%s do not go into the tunnel", q.To, fromText(q)), nm.HopText(q.To, hop), v.ruleHint(by)
	}
	return c, nil
}

// fromText names the source of the packets.
func fromText(q kernel.Query) string {
	switch {
	case q.In != "":
		return fmt.Sprintf(" from %s, by %s,", q.From, fault.Printable(q.In))
	case q.From.IsValid():
		return " from " + q.From.String()
	}
	return ""
}

// ruleHint names the rule of somebody else that decides before, or says that the own one is to be
// looked at.
func (v *verifier) ruleHint(by rule.Rule) string {
	if h := policy.Before(by, v.rules, v.heldRules); h != nil {
		return fmt.Sprintf("the rule %d: %s decides before the tunnel's, %s: give that one a lower priority", h.Priority, fault.Printable(h.Unplaced().String()), fault.Printable(by.String()))
	}
	return fmt.Sprintf("look whether the rule and the route are there: ip rule list; ip route show table %d", by.Table)
}

// checkLANs checks, where this host has rules of its own, that packets which it forwards from its
// LANs follow the tunnel's routes of the main table as this host's own packets do.
func (v *verifier) checkLANs(ctx context.Context) error {
	if v.link == nil || !slices.ContainsFunc(v.heldRules, func(h kernel.HeldRule) bool { return h.Conditions() && h.Action == rule.Lookup && !h.IPv6 }) {
		return nil
	}
	var to netip.Addr
	v.anyRoute(func(r *routes.Route) bool {
		if r.Type == routes.TypeUnicast && r.TableOrMain() == routes.MainTable && r.Dst.Addr().Is4() && !slices.Contains(v.tunnel.Peers(), r.Dst.Addr()) {
			to = routes.SampleAddr(r.Dst, v.tunnel.Remote)
		}
		return to.IsValid()
	})
	if !to.IsValid() {
		return nil
	}
	own, err := v.sys.Kernel.Lookup(ctx, kernel.Query{To: to})
	if err != nil || !v.leadsIn(own) {
		return nil // the route's own check tells
	}
	for _, lan := range nm.LANs(v.links, own, v.tunnel) {
		if err := v.checkLAN(ctx, lan.Dev, lan.Address, to); err != nil {
			return err
		}
	}
	return nil
}

// checkLAN checks one LAN.
func (v *verifier) checkLAN(ctx context.Context, dev string, address netip.Prefix, to netip.Addr) error {
	forwards := slices.Contains(v.kept.Forward, dev)
	if !forwards {
		forwards, _ = v.sys.Gateway.Forwarding(ctx, dev) // a device that is gone forwards nothing
	}
	if !forwards || !address.Addr().Is4() {
		return nil
	}
	q := kernel.Query{To: to, From: routes.SampleAddr(address.Masked(), address.Addr()), In: dev}
	c := Check{ID: "lan " + fault.Printable(dev), Status: Pass, Certainty: Proved, Summary: "packets that come in by it go into the tunnel"}
	switch hop, err := v.sys.Kernel.Lookup(ctx, q); {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil: // a filter may refuse the packet before the rules are asked
		return nil
	case v.leadsIn(hop):
		c.Evidence = nm.HopText(to, hop)
	default:
		c.Status, c.Cause, c.Evidence = Fail, cause.RouteElsewhere, nm.HopText(to, hop)
		c.Summary, c.Hint = fmt.Sprintf("packets to %s%s do not go into the tunnel, though this host's own do", to, fromText(q)), v.decider(q)
	}
	v.report.add(c)
	return nil
}

// decider names the first rule with conditions that fits a packet.
func (v *verifier) decider(q kernel.Query) string {
	for _, h := range v.heldRules {
		if h.Fits(rule.Packet{From: q.From, To: q.To, IIF: q.In}) && h.Conditions() && !h.Partly && h.Action == rule.Lookup {
			return fmt.Sprintf("the rule %d: %s decides about them: put the tunnel's route into that table, too, or a rule before it", h.Priority, fault.Printable(h.Unplaced().String()))
		}
	}
	return "a rule decides about them: ip rule list"
}
