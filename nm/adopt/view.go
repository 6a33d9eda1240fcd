package adopt

import (
	"context"
	"net/netip"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// without is the kernel as it would be without a link and the rules that belong to it: so a plan
// checks the tunnel as it checks one that is new.
type without struct {
	kernel.Kernel
	dev   string
	rules map[rule.Rule]bool
}

// taking returns the rules that the tunnel takes over.
func (f Found) taking(b kernel.ByHand) map[rule.Rule]bool {
	rules := make(map[rule.Rule]bool, len(f.Rules))
	for _, i := range f.Rules {
		rules[b.Rules[i].Rule] = true
	}
	return rules
}

// Links returns the other links.
func (w without) Links(ctx context.Context) ([]kernel.Link, error) {
	links, err := w.Kernel.Links(ctx)
	return slices.DeleteFunc(slices.Clone(links), func(l kernel.Link) bool { return l.Name == w.dev }), err
}

// Link returns one of the other links.
func (w without) Link(ctx context.Context, name string) (kernel.Link, error) {
	if name == w.dev {
		return kernel.Link{}, &fault.Error{Kind: fault.ErrNotFound, What: "the link does not count"}
	}
	return w.Kernel.Link(ctx, name)
}

// Rules returns the other rules.
func (w without) Rules(ctx context.Context) ([]kernel.HeldRule, error) {
	held, err := w.Kernel.Rules(ctx)
	return slices.DeleteFunc(slices.Clone(held), func(h kernel.HeldRule) bool {
		return h.Protocol != kernel.RouteProtocol && !h.Partly && w.rules[h.Rule]
	}), err
}

// RoutesTo returns the routes by other devices.
func (w without) RoutesTo(ctx context.Context, to netip.Addr) ([]kernel.DeviceRoute, error) {
	list, err := w.Kernel.RoutesTo(ctx, to)
	return slices.DeleteFunc(slices.Clone(list), func(r kernel.DeviceRoute) bool { return r.Dev == w.dev }), err
}
