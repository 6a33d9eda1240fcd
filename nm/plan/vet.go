package plan

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Vet checks k, which a caller who is not root wants root to keep for the tunnel p, with the checks
// that a plan makes: the caller's own plan proves nothing. before has the present kept routes and
// rules for the same far end, and stay tells which of k's routes are among them; both may be empty.
// Those that are kept already may stay, even if the host has changed since. Errors are
// [fault.ErrInvalid], [fault.ErrNotPermitted], and those of reading the host.
func Vet(ctx context.Context, sys nm.System, p nm.Profile, before keep.Kept, stay []bool, k keep.Kept) error {
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	pre := &preflight{t: p.Tunnel.WithKept(keep.Kept{SNAT: k.SNAT, Forward: k.Forward}), sys: sys, links: links}
	var found fault.List
	found.Add(pre.innerIsOthers(without(k.Inner, before.Inner)))
	found.Add(pre.snatSources(without(k.SNAT, before.SNAT))...)
	strangers, err := pre.strangers(ctx, without(k.Forward, before.Forward))
	if err != nil {
		return err
	}
	found.Add(strangers...)
	if err := errors.Join(found.Err(), pre.newRoutes(ctx, stay, k.Routes)); err != nil {
		return err
	}
	return pre.checkPin(before, k)
}

// newRoutes refuses the routes of all that this host cannot have. It does not look at those that
// stay.
func (p *preflight) newRoutes(ctx context.Context, stay []bool, all []routes.Route) error {
	const some = 1024 // at a time: a copy of very many routes takes much memory
	fresh := make([]routes.Route, 0, some)
	var errs []error
	for from := 0; from < len(all); from += some {
		fresh = fresh[:0]
		for i := from; i < min(from+some, len(all)); i++ {
			if i >= len(stay) || !stay[i] {
				fresh = append(fresh, all[i])
			}
		}
		if problem := cmp.Or(p.host().RouteIsOwnNetwork(fresh), p.hides(fresh)); problem != nil {
			errs = append(errs, problem)
		}
		errs = append(errs, p.loops(ctx, nil, fresh))
		if errors.Join(errs...) != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// hides refuses routes that take a part of another device's network away from it, and those that
// drop the packets which carry a tunnel. Root itself may want both.
func (p *preflight) hides(list []routes.Route) *fault.Error {
	for i := range list {
		if r := &list[i]; r.TableOrMain() == routes.MainTable {
			if whose := p.hidden(r); whose != "" {
				return &fault.Error{Kind: fault.ErrNotPermitted, Field: "route", Hint: fault.HintRoot, What: r.String() + ": only root may hide " + whose}
			}
		}
	}
	return nil
}

// hidden names the network or host that r hides, or is empty if r hides nothing.
func (p *preflight) hidden(r *routes.Route) string {
	for _, link := range p.links {
		part := func(own netip.Prefix) bool { return own.Bits() <= r.Dst.Bits() && own.Contains(r.Dst.Addr()) }
		if link.Name != p.t.Name && slices.ContainsFunc(link.Addresses, part) {
			return "a part of the network on " + fault.Printable(link.Name)
		}
		if !r.Type.HasDevice() && link.GRE != nil && r.Dst.Contains(link.GRE.Remote) {
			return "the far end of " + fault.Printable(link.Name)
		}
	}
	if !r.Type.HasDevice() && r.Dst.Contains(p.t.Remote) {
		return "the far end of " + fault.Printable(p.t.Name)
	}
	return ""
}

// innerIsOthers refuses inner networks that overlap a network of another device. SNAT would change
// that device's packets.
func (p *preflight) innerIsOthers(inner []netip.Prefix) *fault.Error {
	others := p.host()
	others.Links = slices.DeleteFunc(slices.Clone(p.links), func(l kernel.Link) bool { return l.Name == p.t.Name })
	return others.InnerOverlap(inner)
}

// strangers refuses forwarding for devices that a plan of the tunnel would not choose.
func (p *preflight) strangers(ctx context.Context, devices []string) (fault.List, error) {
	devices = without(devices, []string{p.t.Name})
	if len(devices) == 0 {
		return nil, nil
	}
	chosen, err := p.forwardDevices(ctx)
	if err != nil && !errors.Is(err, fault.ErrInvalid) { // invalid: there is none to choose
		return nil, err
	}
	var found fault.List
	for _, dev := range without(devices, chosen) {
		found.Add(&fault.Error{Kind: fault.ErrNotPermitted, Field: "forward", Hint: fault.HintRoot,
			What: fault.Printable(dev) + " has nothing to do with the tunnel " + p.t.Name + ", and only root may forward its packets"})
	}
	return found, nil
}

// checkPin refuses routes that swallow the far end if no pin keeps it reachable. A pin by itself
// does no harm: the profile may get the route that needs it in the next moment.
func (p *preflight) checkPin(before, k keep.Kept) error {
	lost := before.Pin && slices.ContainsFunc(k.Routes, func(r routes.Route) bool { return nm.Covers(&r, k.Remote) })
	if k.Pin || !p.pin && !lost {
		return nil
	}
	return fault.Invalid("route", "keep the far end reachable by a pin", "a route covers the far end's outer address %s: the packets that carry the tunnel would go into it", k.Remote)
}
