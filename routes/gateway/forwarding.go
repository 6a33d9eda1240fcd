package gateway

import (
	"cmp"
	"context"

	"nmgre/routes/gateway/sysctl"
	"nmgre/routes/keep"
)

// Forwarding calls [sysctl.Settings.Forwarding].
func (g *Gateway) Forwarding(ctx context.Context, dev string) (bool, error) {
	on, err := g.settings().Forwarding(dev)
	return on, cmp.Or(err, ctx.Err())
}

// SetForwarding calls [sysctl.Settings.SetForwarding].
func (g *Gateway) SetForwarding(ctx context.Context, dev string, on bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.settings().SetForwarding(dev, on)
}

// ReversePathFilter calls [sysctl.Settings.ReversePathFilter].
func (g *Gateway) ReversePathFilter(ctx context.Context, dev string) (keep.ReversePathFilter, error) {
	f, err := g.settings().ReversePathFilter(dev)
	return f, cmp.Or(err, ctx.Err())
}

func (g *Gateway) settings() sysctl.Settings { return sysctl.Settings(g.proc) }
