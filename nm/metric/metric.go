// Package metric chooses the metrics of default routes into tunnels. It changes nothing on the
// host.
package metric

import (
	"context"
	"fmt"
	"net/netip"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Metrics of default routes into tunnels. NetworkManager's own choice for a tunnel, 675, loses to
// every other default route that it sets, so a default route without a metric would carry nothing.
const (
	tunnelMetric = 50 // before Ethernet's 100
	backupStep   = 10 // behind the tunnel that carries the packets at present
)

// Chooser chooses metrics on a host.
type Chooser struct {
	Kernel kernel.Kernel
	Links  []kernel.Link
	Name   string   // the tunnel's, whose own routes do not count
	Notes  []string // about the chosen metrics
}

// note adds a note about a choice.
func (p *Chooser) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// Choose gives those default routes of the main table a metric that have none, and adds a note
// about each. Among the tunnel's routes held, one default route of the same family has the metric
// already.
func (p *Chooser) Choose(ctx context.Context, fresh, held []routes.Route) error {
	for i := range fresh {
		r := &fresh[i]
		if !IsPlainDefault(r) {
			continue
		}
		if same := onlyDefault(held, r); same != nil {
			r.Metric = same.Metric
			continue
		}
		if err := p.chooseMetric(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// IsPlainDefault says whether r is a default route without a metric.
func IsPlainDefault(r *routes.Route) bool {
	return r.Dst.Bits() == 0 && r.Metric == nil && r.TableOrMain() == routes.MainTable && r.Type == routes.TypeUnicast && !r.From.IsValid() && r.TOS == 0
}

// onlyDefault returns the only default route of r's family and table among those, or nil.
func onlyDefault(held []routes.Route, r *routes.Route) (only *routes.Route) {
	for i := range held {
		h := &held[i]
		if h.Dst != r.Dst || h.TableOrMain() != routes.MainTable {
			continue
		}
		if only != nil {
			return nil
		}
		only = h
	}
	return only
}

// chooseMetric gives the default route r a metric: one before the default route that packets take
// at present, or one behind it if that leads into another tunnel, or leaves no room before it. Then
// r is its backup. No other default route has the chosen metric: of two with one metric, nobody can
// say which wins.
func (p *Chooser) chooseMetric(ctx context.Context, r *routes.Route) error {
	best, taken, err := p.presentDefaults(ctx, r.Dst.Addr())
	if best == nil || err != nil {
		return err
	}
	dev, present := fault.Printable(best.Dev), best.KernelMetric()
	link := kernel.Named(p.Links, best.Dev)
	var chosen uint32
	switch {
	case link != nil && link.GRE != nil:
		for chosen = present + backupStep; taken[chosen]; chosen += backupStep {
		}
		p.note("%[1]s gets the metric %[2]d, behind that of %[3]s with %[4]d: it takes over when that tunnel goes down; choose another one by: %[1]s metric N", r, chosen, dev, present)
	case present > 1:
		chosen = min(tunnelMetric, present-1)
		p.note("%[1]s gets the metric %[2]d, before that of %[3]s with %[4]d: all packets without a narrower route take the tunnel; choose another one by: %[1]s metric N", r, chosen, dev, present)
	default:
		for chosen = tunnelMetric; taken[chosen]; chosen += backupStep {
		}
		p.note("%s gets the metric %d, behind that of %s with %d, since hardly any is before that: it carries nothing as long as that one is there; to let it win, give that one a higher metric", r, chosen, dev, present)
	}
	r.Metric = &chosen
	return nil
}

// presentDefaults returns the default route that the kernel prefers, of a's family and without this
// tunnel's own, and the metrics of all of these. It returns nil if there is none.
func (p *Chooser) presentDefaults(ctx context.Context, a netip.Addr) (best *kernel.DeviceRoute, taken map[uint32]bool, err error) {
	taken = make(map[uint32]bool)
	// the unspecified address itself is no destination
	list, err := p.Kernel.RoutesTo(ctx, a.Next())
	for i := range list {
		c := &list[i]
		if c.Dst.Bits() != 0 || c.Dev == p.Name {
			continue
		}
		taken[c.KernelMetric()] = true
		if best == nil || c.KernelMetric() < best.KernelMetric() {
			best = c
		}
	}
	return best, taken, err
}
