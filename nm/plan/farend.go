package plan

import (
	"context"
	"errors"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/opposite"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// FarEnd returns the tunnel that the far end has to make, with routes to this host's networks.
func FarEnd(ctx context.Context, k kernel.Kernel, t nm.Tunnel) (nm.FarEnd, error) {
	links, err := k.Links(ctx)
	if err != nil {
		return nm.FarEnd{}, err
	}
	hop, err := wayFrom(ctx, k, links, t)
	if err != nil {
		return nm.FarEnd{}, err
	}
	return farEndBy(ctx, k, links, hop, t)
}

// farEndBy is [FarEnd] for packets that leave by hop.
func farEndBy(ctx context.Context, k kernel.Kernel, links []kernel.Link, hop kernel.Hop, t nm.Tunnel) (nm.FarEnd, error) {
	return opposite.Asked(ctx, k, links, hop, t, func() int { return int(fittingMTU(t, hop, nil)) })
}

// isHost says whether a is the address of one host.
func isHost(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// wayFrom asks k how packets to the far end leave. The answer is empty if none do.
func wayFrom(ctx context.Context, k kernel.Kernel, links []kernel.Link, t nm.Tunnel) (kernel.Hop, error) {
	if !isHost(t.Remote) {
		return kernel.Hop{}, nil
	}
	hop, err := k.Lookup(ctx, ends.Way(links, t))
	if errors.Is(err, fault.ErrUnreachable) {
		return kernel.Hop{}, nil
	}
	return hop, err
}
