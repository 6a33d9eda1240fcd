package cut

import (
	"context"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Numbers of the packets of a session by ssh, and of those that carry a tunnel.
const (
	protocolTCP = 6
	protocolGRE = 47
	portSSH     = 22
)

// byRules says whether the rules of the routing policy may lead the packets of w another way after
// the change: by a rule that comes or goes, or by a route of the tunnel in a table of its own. It
// follows the rules as they are then, until one decides, and compares its table with the present
// one. carries says that the packets are those that carry a tunnel.
func byRules(ctx context.Context, k kernel.Kernel, e plan.Effect, w plan.Way, carries bool) (bool, error) {
	if w.Hop.Table == routes.LocalTable || !touchesPolicy(e.Before) && !touchesPolicy(e.After) {
		return false, nil
	}
	held, err := k.Rules(ctx)
	if err != nil {
		return false, err
	}
	f := follower{kernel: k, effect: e, way: w, present: w.Hop.Table}
	if f.present == 0 {
		f.present = routes.MainTable
	}
	packet := rule.Packet{From: w.Hop.Src, To: w.To, IIF: "lo", IPProto: protocolTCP, SPort: portSSH}
	if carries {
		packet.IPProto, packet.SPort = protocolGRE, 0
	}
	for _, r := range rulesAfter(e, held, w.To) {
		if !r.Fits(packet) || r.Table == routes.LocalTable {
			continue
		}
		moved, decided, err := f.follow(ctx, r)
		if decided || err != nil {
			return moved, err
		}
	}
	return true, nil // nothing leads there any more
}

// touchesPolicy reports whether the tunnel has rules, or routes in other tables than the main one.
func touchesPolicy(t nm.Tunnel) bool {
	return len(t.Rules) > 0 || slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return r.TableOrMain() != routes.MainTable })
}

// rulesAfter returns the rules that decide after the change, in their order.
func rulesAfter(e plan.Effect, held []kernel.HeldRule, to netip.Addr) []rule.Rule {
	all := slices.Clone(e.After.Rules)
	for _, h := range held {
		own := slices.Contains(e.Before.Rules, h.Rule) || slices.Contains(e.After.Rules, h.Rule)
		if !h.Partly && !own {
			all = append(all, h.Rule)
		}
	}
	all = append(all, rule.Rule{IPv6: to.Is6(), Table: routes.MainTable}.At(rule.MainPriority)) // every host has it
	slices.SortStableFunc(all, rule.Compare)
	return all
}

// follower follows the rules for the packets of one way.
type follower struct {
	kernel  kernel.Kernel
	effect  plan.Effect
	way     plan.Way
	present uint32 // the table that decides now
}

// follow asks one rule. It has decided where its table has a route for the packets; moved says
// whether that is another way than now.
func (f *follower) follow(ctx context.Context, r rule.Rule) (moved, decided bool, err error) {
	if r.Action != rule.Lookup {
		return true, true, nil // the packets pass now
	}
	own := f.best(f.effect.After, r)
	if r.Table == f.present && !f.suppresses(r, f.way.Hop.Match) {
		return f.movesWithin(own, r), true, nil
	}
	if own != nil {
		return true, true, nil
	}
	leads, err := f.othersLead(ctx, r)
	return leads, leads, err
}

// movesWithin says whether the tunnel's routes in the present table lead the packets another way.
// [plan.Effect.Moves] knows of those in the main table.
func (f *follower) movesWithin(own *routes.Route, r rule.Rule) bool {
	before := f.best(f.effect.Before, r)
	switch {
	case r.Table == routes.MainTable:
		return false
	case f.way.Hop.Dev == f.effect.Device && f.effect.Device != "":
		return own == nil && before != nil || own != nil && before != nil && !own.Equal(before)
	case own == nil || before != nil && own.Equal(before):
		return false
	}
	return f.way.LosesTo(own)
}

// best returns the tunnel's longest route for the packets in a rule's table, or nil.
func (f *follower) best(t nm.Tunnel, r rule.Rule) (best *routes.Route) {
	for i := range t.Routes {
		route := &t.Routes[i]
		if route.TableOrMain() == r.Table && route.Dst.Contains(f.way.To) && !f.suppresses(r, route.Dst) && (best == nil || route.Dst.Bits() > best.Dst.Bits()) {
			best = route
		}
	}
	return best
}

// suppresses reports whether a route to dst does not count for the rule.
func (f *follower) suppresses(r rule.Rule, dst netip.Prefix) bool {
	return r.SuppressLength != 0 && dst.Bits() < int(r.SuppressLength)
}

// othersLead reports whether a rule's table has a route for the packets that is not the tunnel's.
func (f *follower) othersLead(ctx context.Context, r rule.Rule) (bool, error) {
	to := func(dst netip.Prefix) bool { return dst.Contains(f.way.To) && !f.suppresses(r, dst) }
	if r.Table == routes.MainTable {
		there, err := f.kernel.RoutesTo(ctx, f.way.To)
		return slices.ContainsFunc(there, func(d kernel.DeviceRoute) bool { return d.Dev != f.effect.Device && to(d.Dst) }), err
	}
	links, err := f.kernel.Links(ctx)
	for _, l := range links {
		if l.Name == f.effect.Device || err != nil {
			continue
		}
		var list []kernel.HeldRoute
		list, err = f.kernel.Routes(ctx, l.Name, to)
		if slices.ContainsFunc(list, func(h kernel.HeldRoute) bool { return h.TableOrMain() == r.Table }) {
			return true, nil
		}
	}
	return false, err
}
