package plan

import (
	"context"
	"errors"
	"net/netip"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// FarEnd returns the tunnel that the far end has to make. Its routes lead to the networks of this
// host's devices. Tunnels, and the device that leads to the far end, do not count.
func FarEnd(ctx context.Context, k kernel.Kernel, t nm.Tunnel) (nm.Tunnel, error) {
	links, err := k.Links(ctx)
	if err != nil {
		return nm.Tunnel{}, err
	}
	hop, err := k.Lookup(ctx, kernel.Query{To: t.Remote})
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return nm.Tunnel{}, err
	}
	if t.Local.IsUnspecified() && hop.Src.IsValid() {
		t.Local = hop.Src // the far end needs the address from which this end sends
	}
	return t.FarEnd(ownNetworks(links, hop.Dev, t.Addresses)), nil
}

// ownNetworks returns the networks of [nm.LANs].
func ownNetworks(links []kernel.Link, underlay string, inner []netip.Prefix) []netip.Prefix {
	var networks []netip.Prefix
	for _, lan := range nm.LANs(links, underlay, inner) {
		networks = append(networks, lan.Address.Masked())
	}
	return networks
}
