package fake

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Kernel is a process as a [kernel.Kernel]. It is a type of its own since its Watch is not that of
// the profiles.
type Kernel struct{ *Process }

// Watch implements [kernel.Kernel]: it relays the events that a test sends.
func (k Kernel) Watch(ctx context.Context) (<-chan kernel.Event, error) {
	if k.KernelWatchErr != nil {
		return nil, k.KernelWatchErr
	}
	return relay(ctx, k.KernelEvents), nil
}

// relay copies events until ctx ends or the channel from is closed.
func relay[E any](ctx context.Context, from <-chan E) <-chan E {
	to := make(chan E)
	go func() {
		defer close(to)
		for {
			select {
			case e, open := <-from:
				if !open {
					return
				}
				select {
				case to <- e:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}

func (p *Process) Supports(m gre.Mode) error {
	return p.call(context.Background(), "Supports", func() error {
		if p.Unsupported[m] {
			return &fault.Error{Kind: fault.ErrUnsupported, What: "this kernel has no " + m.String()}
		}
		return nil
	})
}

func (p *Process) CanChange() bool { return p.AsRoot || !p.NoRoot }

func (p *Process) Links(ctx context.Context) (list []kernel.Link, err error) {
	err = p.call(ctx, "Links", func() error {
		for _, l := range slices.Clone(p.links) {
			if l.Dying == 1 {
				p.RemoveLink(l.Name)
				continue
			}
			l.Dying = max(0, l.Dying-1)
			link := l.Link
			link.Addresses = slices.Clone(link.Addresses)
			if link.GRE != nil {
				g := *link.GRE
				link.GRE = &g
			}
			list = append(list, link)
		}
		return nil
	})
	return list, err
}

// Link is a method of Kernel alone: that of the world returns the device itself.
func (k Kernel) Link(ctx context.Context, name string) (link kernel.Link, err error) {
	err = k.call(ctx, "Link", func() error {
		l := k.World.Link(name)
		if l == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "there is no network device " + name}
		}
		k.probing.Lock() // the probes of others move its counters
		defer k.probing.Unlock()
		link = l.Link
		link.Addresses = nil
		return nil
	})
	return link, err
}

func (p *Process) Lookup(ctx context.Context, q kernel.Query) (hop kernel.Hop, err error) {
	err = p.call(ctx, "Lookup", func() error {
		hop, err = p.Find(q)
		return err
	})
	return hop, err
}

func (p *Process) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) (list []kernel.HeldRoute, err error) {
	err = p.call(ctx, "Routes", func() error {
		for _, r := range p.Table {
			if r.Dev == dev && (to == nil || to(r.Dst)) {
				list = append(list, r.HeldRoute)
			}
		}
		return nil
	})
	return list, err
}

func (p *Process) OwnRoutes(ctx context.Context) (byDev map[string][]kernel.HeldRoute, err error) {
	err = p.call(ctx, "OwnRoutes", func() error {
		byDev = make(map[string][]kernel.HeldRoute)
		for _, r := range p.Table {
			if r.Protocol == kernel.RouteProtocol {
				byDev[r.Dev] = append(byDev[r.Dev], r.HeldRoute)
			}
		}
		return nil
	})
	return byDev, err
}

func (p *Process) RoutesByDevice(ctx context.Context, to func(netip.Prefix) bool) (byDev map[string][]kernel.HeldRoute, err error) {
	err = p.call(ctx, "RoutesByDevice", func() error {
		byDev = make(map[string][]kernel.HeldRoute)
		for _, r := range p.Table {
			if r.Dev != "" && (to == nil || to(r.Dst)) {
				byDev[r.Dev] = append(byDev[r.Dev], r.HeldRoute)
			}
		}
		return nil
	})
	return byDev, err
}

func (p *Process) RoutesTo(ctx context.Context, to netip.Addr) (list []kernel.DeviceRoute, err error) {
	err = p.call(ctx, "RoutesTo", func() error {
		for _, r := range p.Table {
			if r.Dst.Contains(to) && r.TableOrMain() == routes.MainTable {
				list = append(list, kernel.DeviceRoute{Dev: r.Dev, HeldRoute: r.HeldRoute})
			}
		}
		return nil
	})
	return list, err
}

func (p *Process) SyncRoutes(ctx context.Context, want []kernel.OwnRoute, opts kernel.SyncOptions) (result kernel.SyncResult, err error) {
	err = p.call(ctx, "SyncRoutes", func() error {
		if !p.CanChange() && !opts.DryRun {
			return &fault.Error{Kind: fault.ErrNotPermitted, What: "set routes"}
		}
		result = p.sync(want, opts)
		return nil
	})
	return result, err
}

// SetLink implements [kernel.Kernel].
func (p *Process) SetLink(ctx context.Context, c kernel.LinkChange) error {
	return p.call(ctx, "SetLink", func() error {
		if err := p.root("set a link"); err != nil {
			return err
		}
		l := p.Link(c.Name)
		if l == nil || l.GRE == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no link " + c.Name}
		}
		has := l.Options().With(c.On).Without(c.Off)
		if has.IgnoreDF && l.GRE.PMTUD {
			return &fault.Error{Kind: fault.ErrInvalid, What: "set the link " + c.Name}
		}
		g := *l.GRE
		g.IgnoreDF, g.Checksum, g.Sequence = has.IgnoreDF, has.Checksum, has.Sequence
		l.Multicast, l.GRE = has.Multicast, &g
		return nil
	})
}

// sync sets the routes as the kernel does for SyncRoutes.
func (p *Process) sync(want []kernel.OwnRoute, opts kernel.SyncOptions) (result kernel.SyncResult) {
	kept := slices.DeleteFunc(slices.Clone(p.Table), func(r Route) bool { return r.Protocol == kernel.RouteProtocol })
	foreign := len(kept)
	for i, w := range want {
		same := func(r Route) bool { return r.Slot() == w.Route.Slot() }
		refusal := func(kind error, what string) {
			result.Refused = append(result.Refused, kernel.Refusal{Index: i, Err: &fault.Error{Kind: kind, What: what}})
		}
		switch old := slices.IndexFunc(p.Table, same); {
		case w.Dev != "" && p.Link(w.Dev) == nil:
			refusal(fault.ErrInvalid, "no such device")
			continue
		case slices.ContainsFunc(kept[:foreign], same):
			refusal(fault.ErrExists, "add the route "+w.Route.String())
			continue
		case old < 0:
			result.Added = append(result.Added, i)
		case p.Table[old].String() == w.Route.String() && p.Table[old].Dev == w.Dev:
			result.Unchanged++
		default:
			result.Replaced = append(result.Replaced, i)
		}
		kept = append(kept, Route{w.Dev, kernel.HeldRoute{Route: w.Route.Clone(), Protocol: kernel.RouteProtocol}})
	}
	for _, r := range p.Table {
		if r.Protocol == kernel.RouteProtocol && !slices.ContainsFunc(want, func(w kernel.OwnRoute) bool { return r.Slot() == w.Route.Slot() }) {
			result.Removed++
		}
	}
	if !opts.DryRun {
		p.Table = kept
	}
	return result
}

func (p *Process) IPsec(ctx context.Context, _ kernel.IPsecEnds) (policies kernel.IPsecPolicies, err error) {
	err = p.call(ctx, "IPsec", func() error {
		policies = p.Policies
		if !p.CanChange() && policies != (kernel.IPsecPolicies{}) { // else the kernel is not asked
			return &fault.Error{Kind: fault.ErrNotPermitted, What: "read the IPsec policies"}
		}
		return nil
	})
	return policies, err
}

func (p *Process) Probe(ctx context.Context, probe kernel.Probe) (result kernel.ProbeResult, err error) {
	err = p.call(ctx, "Probe", func() error {
		var delta kernel.Counters
		p.probing.Lock() // probes may be in flight together
		defer p.probing.Unlock()
		if result, delta, err = p.Answer(probe); err != nil {
			return err
		}
		p.probes++
		if p.PathMTU > 0 && probe.Size > p.PathMTU {
			result, delta.RxPackets = kernel.ProbeResult{Sent: probe.Count}, 0
			if probe.UDP {
				result.Small = probe.Count
			}
		}
		l := p.Link(probe.Dev)
		if l == nil || probe.From.IsValid() && p.holder(probe.From) == nil {
			return &fault.Error{What: fmt.Sprintf("probe by %s from %s", probe.Dev, probe.From)}
		}
		// A probe that runs beside the plain one may have ended before it began.
		if result.Received == 0 && (probe.UntilRefused || probe.Size > 0) {
			return nil
		}
		c := &l.Counters
		for _, part := range []struct{ to, by *uint64 }{
			{&c.RxPackets, &delta.RxPackets}, {&c.TxPackets, &delta.TxPackets}, {&c.TxErrors, &delta.TxErrors}, {&c.RxErrors, &delta.RxErrors},
			{&c.TxDropped, &delta.TxDropped}, {&c.TxCarrierErrors, &delta.TxCarrierErrors}, {&c.Collisions, &delta.Collisions},
			{&c.RxCRCErrors, &delta.RxCRCErrors}, {&c.RxFIFOErrors, &delta.RxFIFOErrors},
		} {
			*part.to += *part.by
		}
		return nil
	})
	return result, err
}

func (p *Process) Rules(ctx context.Context) (list []kernel.HeldRule, err error) {
	err = p.call(ctx, "Rules", func() error {
		list = slices.Clone(p.Policy)
		return nil
	})
	return list, err
}

func (p *Process) SyncRules(ctx context.Context, want []rule.Rule, dryRun bool) (result kernel.RulesResult, err error) {
	err = p.call(ctx, "SyncRules", func() error {
		if !p.CanChange() && !dryRun {
			return &fault.Error{Kind: fault.ErrNotPermitted, What: "set rules"}
		}
		kept := slices.DeleteFunc(slices.Clone(p.Policy), func(h kernel.HeldRule) bool {
			return h.Protocol == kernel.RouteProtocol && !slices.Contains(want, h.Rule)
		})
		result.Removed = len(p.Policy) - len(kept)
		for i, r := range want {
			if !slices.Contains(kept, kernel.HeldRule{Rule: r, Protocol: kernel.RouteProtocol}) {
				kept = append(kept, kernel.HeldRule{Rule: r, Protocol: kernel.RouteProtocol})
				result.Added = append(result.Added, i)
			}
		}
		if !dryRun {
			p.Policy = kept
		}
		return nil
	})
	return result, err
}
