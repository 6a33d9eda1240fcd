package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/policy"
	"nmgre/nm/whole"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// loops refuses inner networks and routes that would make a routing loop: packets that carry this
// tunnel, or another one, would go into this tunnel.
func (p *preflight) loops(ctx context.Context, addresses []netip.Prefix, list []routes.Route) error {
	far := []netip.Addr{p.t.Remote}
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.Remote.IsUnspecified() && !slices.Contains(far, link.GRE.Remote) {
			far = append(far, link.GRE.Remote)
		}
	}
	var errs []error
	check := func(field string, r *routes.Route) {
		for _, end := range far {
			if err := p.checkLoop(ctx, field, r, end); err != nil {
				errs = append(errs, err)
				return
			}
		}
	}
	for _, own := range addresses {
		check("address", &routes.Route{Dst: own.Masked()})
	}
	for i := range list {
		check("route", &list[i])
	}
	if len(addresses)+len(list) == 0 {
		return nil
	}
	t := p.t
	t.Routes = list
	return errors.Join(append(errs, policy.Loops(ctx, p.sys.Kernel, t, p.links))...)
}

// checkLoop returns an error if r would lead packets to the far end into the tunnel. It would not
// if the present route to end is more specific. It is accepted all the same when host routes by the
// present gateway, the pins, can lead packets there: those of this tunnel, and those of others if r
// is wide.
func (p *preflight) checkLoop(ctx context.Context, field string, r *routes.Route, end netip.Addr) error {
	if r.TableOrMain() != routes.MainTable || !r.Dst.Contains(end) || !r.Type.HasDevice() {
		return nil
	}
	hop, err := p.sys.Kernel.Lookup(ctx, ends.WayTo(p.links, p.t, end))
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return err
	}
	if err == nil && ends.Apart(hop) {
		return nil
	}
	if err == nil && hop.Match.IsValid() && hop.Match.Bits() > r.Dst.Bits() {
		own, err := whole.IsPin(ctx, p.sys.Kernel, hop, end)
		if !own || err != nil {
			return err
		}
	}
	if field == "route" && keep.IsWide(r.Dst, p.t.Remote) && !r.Dst.IsSingleIP() {
		pin, err := keep.PinFor(ctx, p.sys.Kernel, p.links, end)
		if err != nil {
			return err
		}
		if pin != nil {
			p.pinned(r, pin)
			return nil
		}
	}
	hint := "give the far end a route of its own first"
	if err == nil && hop.Via.IsValid() {
		hint += ": " + fault.Shell([]string{"ip", "route", "add", end.String(), "via", hop.Via.WithZone("").String(), "dev", hop.Dev})
	}
	return fault.Invalid(field, hint, "%s covers the far end's outer address %s: the packets that carry the tunnel would go into it", whole.CoverText(r.Dst), end)
}

// held decides whether the tunnel of, as it is now, needs a pin that nobody has planned. without
// says that it has none.
func (p *preflight) held(ctx context.Context, of nm.Profile, without bool) error {
	if !without || p.pin || of.Tunnel.Remote != p.t.Remote {
		return nil
	}
	note, err := whole.Unpinned(ctx, p.sys, of)
	if note != "" {
		p.note("%s", note)
		p.pin = p.sys.Kernel.CanChange()
	}
	return err
}

// pinned decides that a far end gets a host route, and adds a note about it.
func (p *preflight) pinned(r *routes.Route, pin *kernel.OwnRoute) {
	if slices.Contains(p.pins, pin.Route.Dst) {
		return
	}
	p.pins = append(p.pins, pin.Route.Dst)
	whose := "the far end's outer address"
	if end := pin.Route.Dst.Addr(); end != p.t.Remote {
		whose = fmt.Sprintf("%s, the far end of another tunnel", end)
	}
	p.note("%s covers %s: a host route keeps the far end reachable, at present: %s dev %s", whole.CoverText(r.Dst), whose, pin.Route, fault.Printable(pin.Dev))
	p.pin = true
}

// isSwallowed says whether packets that leave so go into another tunnel, by a wide route. A
// narrower route into a tunnel is meant so.
func (p *preflight) isSwallowed(hop kernel.Hop) bool {
	link := kernel.Named(p.links, hop.Dev)
	return link != nil && link.GRE != nil && hop.Match.IsValid() && keep.IsWide(hop.Match, link.GRE.Remote)
}

// pastTunnels returns the way of packets to the far end by a pin past all tunnels, or hop if
// nothing else leads there.
func (p *preflight) pastTunnels(ctx context.Context, k kernel.Kernel, q kernel.Query, hop kernel.Hop) (kernel.Hop, error) {
	pin, err := keep.PinFor(ctx, k, p.links, q.To)
	if err != nil || pin == nil {
		return hop, err
	}
	p.pinned(&routes.Route{Dst: hop.Match}, pin)
	return hopBy(pin, p.links, q), nil
}

// hopBy is the way of a packet that follows a pin.
func hopBy(pin *kernel.OwnRoute, links []kernel.Link, q kernel.Query) kernel.Hop {
	link := kernel.Named(links, pin.Dev)
	hop := kernel.Hop{Dev: pin.Dev, Via: pin.Route.Via, Src: q.From, Match: pin.Route.Dst, MTU: link.MTU}
	for _, own := range link.Addresses {
		if !hop.Src.IsValid() && own.Addr().Is4() == q.To.Is4() && !own.Addr().IsLinkLocalUnicast() {
			hop.Src = own.Addr()
		}
	}
	return hop
}
