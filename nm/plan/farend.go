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

// FarEnd returns the tunnel that the far end has to make. Its routes lead to the networks of this
// host's devices. Tunnels, and the networks that lead to the far end, do not count.
func FarEnd(ctx context.Context, k kernel.Kernel, t nm.Tunnel) (nm.FarEnd, error) {
	links, err := k.Links(ctx)
	if err != nil {
		return nm.FarEnd{}, err
	}
	hop, err := wayFrom(ctx, k, links, t)
	if err != nil {
		return nm.FarEnd{}, err
	}
	return farEndBy(links, hop, t), nil
}

// farEndBy is [FarEnd] for packets that leave by hop.
func farEndBy(links []kernel.Link, hop kernel.Hop, t nm.Tunnel) nm.FarEnd {
	fits := 0
	if hop.MTU != 0 {
		fits = int(fittingMTU(t, hop, nil))
	}
	return opposite.End(links, hop, t, fits)
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
