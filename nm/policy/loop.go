package policy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// outer are the packets that carry a tunnel.
type outer struct {
	packet rule.Packet
	whose  string // "the tunnel", or the name of another one
}

// Loops refuses rules that lead the packets which carry this tunnel, or another one of links, into
// this tunnel, and those that drop them. It looks at the tunnel's own rules, and at those of this
// host that lead to a table with routes of the tunnel.
func Loops(ctx context.Context, k kernel.Policy, t nm.Tunnel, links []kernel.Link) error {
	inTables := slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return apart(r.TableOrMain()) })
	if len(t.Rules) == 0 && !inTables {
		return nil
	}
	held, err := k.Rules(ctx)
	if err != nil {
		return err
	}
	all := deciding(t.Rules, held)
	var errs []error
	for _, o := range carriers(t, links) {
		errs = append(errs, o.checkEach(t, all))
	}
	return errors.Join(errs...)
}

// deciding returns the rules in the order in which they decide: the tunnel's own, and those of this
// host but for nmgre's and NetworkManager's forms of the same.
func deciding(own []rule.Rule, held []kernel.HeldRule) []rule.Rule {
	all, ours := slices.Clone(own), set(own)
	for _, h := range held {
		if !h.Partly && !ours[h.Rule] && h.Protocol != kernel.RouteProtocol {
			all = append(all, h.Rule)
		}
	}
	slices.SortStableFunc(all, rule.Compare)
	return all
}

// carriers are the packets that carry the tunnel, and those that carry the others.
func carriers(t nm.Tunnel, links []kernel.Link) []outer {
	const protocolGRE = 47
	known := func(a netip.Addr) netip.Addr {
		if a.IsUnspecified() {
			return netip.Addr{}
		}
		return a
	}
	list := []outer{{rule.Packet{From: known(t.Local), To: t.Remote, IIF: "lo", OIF: t.Parent, IPProto: protocolGRE, TOS: t.TOS}, "the tunnel"}}
	for _, l := range links {
		if remote, has := l.FarEnd(); has && l.Name != t.Name {
			list = append(list, outer{rule.Packet{From: known(l.GRE.Local), To: remote, IIF: "lo", IPProto: protocolGRE, TOS: l.GRE.TOS}, "the tunnel " + fault.Printable(l.Name)})
		}
	}
	return list
}

// tosInherit has each packet carried with the TOS of the one inside.
const tosInherit = 1

// checkEach checks the packets with each of their kinds of TOS.
func (o outer) checkEach(t nm.Tunnel, all []rule.Rule) error {
	for _, tos := range o.kinds(all) {
		o.packet.TOS = tos
		if err := o.check(t, all); err != nil {
			return err
		}
	}
	return nil
}

// kinds lists each TOS that the packets may have and a rule chooses by, in the bits that the kernel
// compares.
func (o outer) kinds(all []rule.Rule) []uint8 {
	kinds := []uint8{o.packet.TOS &^ 3}
	if o.packet.To.Is4() {
		kinds[0] &= rule.MaxTOS4
	}
	for _, r := range all {
		if o.packet.TOS == tosInherit && !slices.Contains(kinds, r.TOS) {
			kinds = append(kinds, r.TOS)
		}
	}
	return kinds
}

// Leading returns the rule of this host that leads the packets which carry the tunnel to a table,
// with the command that has them pass before it. The answers are empty if the routes of every host
// decide. table is the one in which the kernel found a route; the kernel cannot be asked for the
// protocol and the TOS, so that a rule which chooses by them counts for each table.
func Leading(t nm.Tunnel, held []kernel.HeldRule, table uint32) (by, pass string) {
	o := carriers(t, nil)[0]
	o.packet.TOS = o.kinds(nil)[0]
	for _, r := range deciding(nil, held) {
		if !r.Fits(o.packet) || r.Table == routes.LocalTable || r.Action != rule.Lookup {
			continue
		}
		if r.Table == routes.MainTable && r.SuppressLength == 0 {
			break
		}
		if apart(r.Table) && (r.Table == table || r.IPProto != 0 || r.TOS != 0 || r.UIDs.Set) {
			return r.String(), o.passing(r).IPRule("add")
		}
	}
	return "", ""
}

// passing is the rule by which the packets pass before another one.
func (o outer) passing(r rule.Rule) rule.Rule {
	return rule.Rule{IPv6: r.IPv6, To: routes.HostPrefix(o.packet.To), Table: routes.MainTable}.At(below(r.Priority))
}

// check follows the rules until one decides.
func (o outer) check(t nm.Tunnel, all []rule.Rule) error {
	if !o.packet.To.IsValid() || o.packet.To.IsUnspecified() {
		return nil
	}
	for _, r := range all {
		if !r.Fits(o.packet) || r.Table == routes.LocalTable {
			continue
		}
		if r.Action != rule.Lookup {
			return o.problem(t, r, "would be dropped")
		}
		if r.Table == routes.MainTable { // routes there are checked by themselves
			if r.SuppressLength == 0 {
				return nil
			}
			continue
		}
		if into := o.covering(t, r); into != nil {
			return o.problem(t, r, fmt.Sprintf("would go into it, by the route %s", into))
		}
	}
	return nil
}

// covering returns the tunnel's route that the packet would take by the rule, or nil.
func (o outer) covering(t nm.Tunnel, r rule.Rule) *routes.Route {
	for i := range t.Routes {
		route := &t.Routes[i]
		suppressed := r.SuppressLength != 0 && route.Dst.Bits() < int(r.SuppressLength)
		if route.TableOrMain() == r.Table && route.Dst.Contains(o.packet.To) && route.Type.HasDevice() && !suppressed {
			return route
		}
	}
	return nil
}

// problem names the fate of the packets, and the rule that lets them pass. A rule of somebody
// else's is about the routes that it leads to.
func (o outer) problem(t nm.Tunnel, r rule.Rule, fate string) error {
	field := "rule"
	if !slices.Contains(t.Rules, r) {
		if r.Action != rule.Lookup {
			return nil // this tunnel has nothing to do with that
		}
		field = "route"
	}
	return fault.Invalid(field, "have them pass before: --rule '"+o.passing(r).String()+"'", "by the rule %s the packets that carry %s, to %s, %s", fault.Printable(r.String()), o.whose, o.packet.To, fate)
}
