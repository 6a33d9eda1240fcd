package plan

import (
	"context"
	"errors"
	"net/netip"
	"slices"

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

// ownNetworks returns the networks of links that are neither tunnels nor the underlay. Only the
// address families of inner count.
func ownNetworks(links []kernel.Link, underlay string, inner []netip.Prefix) []netip.Prefix {
	var networks []netip.Prefix
	for _, link := range links {
		if link.GRE != nil || link.Name == underlay || !link.Up {
			continue
		}
		for _, own := range link.Addresses {
			if isLAN(own, inner) && !slices.Contains(networks, own.Masked()) {
				networks = append(networks, own.Masked())
			}
		}
	}
	return networks
}

// isLAN says whether own is an address in a network with other hosts, of the family of one of the
// inner addresses.
func isLAN(own netip.Prefix, inner []netip.Prefix) bool {
	a := own.Addr()
	sameFamily := func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() }
	return !a.IsLoopback() && !a.IsLinkLocalUnicast() && !own.IsSingleIP() && slices.ContainsFunc(inner, sameFamily)
}
