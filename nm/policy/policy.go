// Package policy decides about the rules of the routing policy that a tunnel wants on a host: their
// priorities, their owners, and whether they have their effect. It is pure, and changes nothing.
// Begin with [Place].
package policy

import (
	"context"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// maxNotes bounds the notes of one kind.
const maxNotes = 5

// Place gives each wanted rule without a priority its place: that of the same rule before, or else
// the first one from [rule.FirstChosen] on that no rule of this host has. It returns a new list,
// and notes about the places. It fails with [fault.ErrInvalid] if there is no place left.
func Place(ctx context.Context, k kernel.Policy, wanted, before []rule.Rule) (placed []rule.Rule, notes []string, err error) {
	if !slices.ContainsFunc(wanted, func(r rule.Rule) bool { return !r.HasPriority }) {
		return wanted, nil, nil
	}
	held, err := k.Rules(ctx)
	if err != nil {
		return nil, nil, err
	}
	taken := make(map[uint32]bool, len(held))
	for _, h := range held {
		taken[h.Priority] = true
	}
	list := asBefore(wanted, before)
	placed, ok := rule.Place(list, taken)
	if !ok {
		return nil, nil, fault.Invalid("rule", "write priority N behind each rule", "there are not enough free priorities for %s from %d on", rule.CountText(len(list)), rule.FirstChosen)
	}
	for i := range list {
		switch chosen := !list[i].HasPriority; {
		case chosen && len(notes) < maxNotes:
			notes = append(notes, fmt.Sprintf("the rule %s gets the priority %d, the first free one: rules with lower numbers decide before it; choose another one by: priority N", fault.Printable(list[i].String()), placed[i].Priority))
		case chosen && len(notes) == maxNotes:
			notes = append(notes, "and so on for the other rules without a priority")
		}
	}
	return placed, notes, nil
}

// asBefore gives the wanted rules without a priority that of the same rule before.
func asBefore(wanted, before []rule.Rule) []rule.Rule {
	list, free := slices.Clone(wanted), make(map[rule.Rule][]rule.Rule, len(before))
	for _, r := range before {
		free[r.Unplaced()] = append(free[r.Unplaced()], r)
	}
	for i, r := range list {
		if same := free[r]; !r.HasPriority && len(same) > 0 {
			list[i], free[r] = same[0], same[1:]
		}
	}
	return list
}

// Assign decides the owners of a tunnel's rules after a change. Those that the profile held before,
// or root, stay where they are.
func Assign(after, inProfile, atRoots []rule.Rule) []nm.OwnedRule {
	held, kept := set(inProfile), set(atRoots)
	list := make([]nm.OwnedRule, len(after))
	var fresh []rule.Rule
	n := 0
	for i, r := range after {
		switch {
		case held[r]:
			_, why := nm.RuleOwner(r)
			list[i] = nm.OwnedRule{Rule: r, Owner: nm.OwnerProfile, Why: why}
			n++
		case kept[r]:
			list[i] = nm.OwnedRule{Rule: r, Owner: nm.OwnerKernel, Why: nm.WhyRuleKernel(r)}
		default:
			fresh = append(fresh, r)
		}
	}
	assigned := nm.AssignRules(fresh, n)
	for i := range list {
		if list[i].Owner == "" {
			list[i], assigned = assigned[0], assigned[1:]
		}
	}
	return list
}

func set(list []rule.Rule) map[rule.Rule]bool {
	is := make(map[rule.Rule]bool, len(list))
	for _, r := range list {
		is[r] = true
	}
	return is
}

// Without is the policy as it is when the rules in gone are no more: those that a tunnel had before
// an edit, which the kernel has until the edit is applied. They are no rules of somebody else.
func Without(k kernel.Policy, gone []rule.Rule) kernel.Policy { return without{k, set(gone)} }

type without struct {
	kernel.Policy
	gone map[rule.Rule]bool
}

// Rules implements [kernel.Policy].
func (w without) Rules(ctx context.Context) ([]kernel.HeldRule, error) {
	held, err := w.Policy.Rules(ctx)
	gone := func(h kernel.HeldRule) bool { return !h.Partly && w.gone[h.Rule] }
	return slices.DeleteFunc(slices.Clone(held), gone), err
}

// Warnings tells why rules of a tunnel, or its routes in tables, have no effect.
func Warnings(ctx context.Context, k kernel.Policy, links []kernel.Link, t nm.Tunnel) ([]string, error) {
	if len(t.Rules) == 0 && !slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return apart(r.TableOrMain()) }) {
		return nil, nil
	}
	held, err := k.Rules(ctx)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, table := range Unled(t, links, held) {
		notes = append(notes, table.String())
	}
	notes = append(notes, absent(t, links)...)
	others := foreign(t.Rules, held)
	for _, r := range t.Rules {
		if before := first(r, others); before != nil && len(notes) < maxNotes {
			notes = append(notes, fmt.Sprintf("the rule %d: %s decides before the rule %s; give that one a lower priority: priority %d", before.Priority,
				fault.Printable(before.Unplaced().String()), fault.Printable(r.String()), below(before.Priority)))
		}
	}
	return notes, nil
}

// absent tells of devices that rules name and that are not there. The kernel takes such rules.
func absent(t nm.Tunnel, links []kernel.Link) (notes []string) {
	for _, r := range t.Rules {
		for _, dev := range []string{r.IIF, r.OIF} {
			if dev != "" && dev != t.Name && kernel.Named(links, dev) == nil && len(notes) < maxNotes {
				notes = append(notes, fmt.Sprintf("this host has no device %s: the rule %s fits no packet until there is one", fault.Printable(dev), fault.Printable(r.String())))
			}
		}
	}
	return notes
}

// below returns the number before n.
func below(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	return n - 1
}

// apart says whether only rules that somebody makes lead to a table.
func apart(table uint32) bool {
	const defaultTable = 253 // every host has a rule for it, but IPv6
	return table != routes.MainTable && table != routes.LocalTable && table != defaultTable
}

// Table is a table of one family that no rule leads to.
type Table struct {
	Number uint32
	IPv6   bool
}

// String returns the warning about the table.
func (t Table) String() string {
	family := ""
	if t.IPv6 {
		family = " for IPv6"
	}
	return fmt.Sprintf("no rule leads to table %d%s: its routes carry nothing; add one, such as: --rule 'from ADDRESS table %[1]d'", t.Number, family)
}

// Unled returns the tables of the tunnel's routes, and of more of them, that neither a rule of the
// tunnel nor one of this host leads to. The rule for VRFs names no table: it leads to those of the
// VRFs among the links.
func Unled(t nm.Tunnel, links []kernel.Link, held []kernel.HeldRule, more ...routes.Route) []Table {
	led := make(map[Table]bool)
	for _, r := range t.Rules {
		led[Table{r.Table, r.IPv6}] = true
	}
	for _, h := range held {
		led[Table{h.Table, h.IPv6}] = true
		for i := range links {
			if links[i].Table != 0 && leadsToVRFs(h) {
				led[Table{links[i].Table, h.IPv6}] = true
			}
		}
	}
	var unled []Table
	for i := range len(t.Routes) + len(more) { // they may be very many, and are not copied
		list := t.Routes
		if i >= len(list) {
			i, list = i-len(list), more
		}
		table := Table{list[i].TableOrMain(), list[i].Dst.Addr().Is6()}
		if apart(table.Number) && !led[table] {
			led[table] = true // one warning is enough
			unled = append(unled, table)
		}
	}
	return unled
}

// Before returns the first rule of somebody else that is for the packets of the rule r as well, and
// decides before it; nil if there is none. Rules for all packets do not count, nor do those that
// look up the table of r.
func Before(r rule.Rule, own []rule.Rule, held []kernel.HeldRule) *kernel.HeldRule {
	return first(r, foreign(own, held))
}

// foreign returns the rules of others that are for some packets only.
func foreign(own []rule.Rule, held []kernel.HeldRule) []kernel.HeldRule {
	ours := set(own)
	return slices.DeleteFunc(slices.Clone(held), func(h kernel.HeldRule) bool {
		return ours[h.Rule] || h.Partly || !h.Conditions() || h.Not || h.SuppressLength != 0 || h.Action == rule.Lookup && h.Table == routes.LocalTable
	})
}

// first returns the first of the others that decides before r.
func first(r rule.Rule, others []kernel.HeldRule) *kernel.HeldRule {
	packet := r.Sample()
	for i := range others {
		h := &others[i]
		earlier := h.IPv6 == r.IPv6 && h.Priority < r.Priority && (h.Action != rule.Lookup || h.Table != r.Table)
		if earlier && !r.Not && h.Fits(packet) {
			return h
		}
	}
	return nil
}

// Fresh returns the rules of the list that are not in old.
func Fresh(list []nm.OwnedRule, old []rule.Rule) []nm.OwnedRule {
	known := set(old)
	return slices.DeleteFunc(slices.Clone(list), func(o nm.OwnedRule) bool { return known[o.Rule] })
}
