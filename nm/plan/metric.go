package plan

import (
	"context"
	"slices"

	"nmgre/nm"
	"nmgre/nm/metric"
	"nmgre/routes"
	"nmgre/routes/keep"
)

// chooseMetrics gives default routes without a metric one, as [metric.Chooser] does.
func (p *preflight) chooseMetrics(ctx context.Context, fresh, held []routes.Route) error {
	chooser := metric.Chooser{Kernel: p.sys.Kernel, Links: p.links, Name: p.t.Name}
	err := chooser.Choose(ctx, fresh, held)
	p.notes = append(p.notes, chooser.Notes...)
	return err
}

// withMetrics returns the change with a metric for each default route that has none, and notes
// about those that were chosen.
func (c RouteChange) withMetrics(ctx context.Context, sys nm.System, of nm.Profile, k keep.Kept) (RouteChange, []string, error) {
	plain := func(r routes.Route) bool { return metric.IsPlainDefault(&r) }
	if c.Op == RouteDelete {
		return c, nil, nil
	}
	var hosts preflight
	hosts.noteHosts(c.Routes)
	if !slices.ContainsFunc(c.Routes, plain) {
		return c, hosts.notes, nil
	}
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return c, nil, err
	}
	chooser := metric.Chooser{Kernel: sys.Kernel, Links: links, Name: of.Tunnel.Name}
	c.Routes = slices.Clone(c.Routes)
	err = chooser.Choose(ctx, c.Routes, of.Tunnel.WithKept(k).Routes)
	return c, append(hosts.notes, chooser.Notes...), err
}
