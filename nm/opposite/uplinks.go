package opposite

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// mostUplinks bounds how many networks are asked for.
const mostUplinks = 64

// Asked is [End] with routes to LANs alone: the kernel is asked which networks are further uplinks.
// fit returns the largest MTU that a known way takes, in bytes.
func Asked(ctx context.Context, k kernel.Kernel, links []kernel.Link, hop kernel.Hop, t nm.Tunnel, fit func() int) (nm.FarEnd, error) {
	only, notes, err := lansOnly(ctx, k, links, hop, t)
	if err != nil {
		return nm.FarEnd{}, err
	}
	fits := 0
	if hop.MTU != 0 {
		fits = fit()
	}
	far := End(only, hop, t, fits)
	far.Notes = append(far.Notes, notes...)
	return far, nil
}

// lansOnly returns the links without the networks of further uplinks, and a note for each of these.
// By such a network packets to the far end of t leave, from the own address there, by a gateway:
// whoever routes it into the tunnel leads the packets astray that carry a tunnel. Packets to the
// far end itself leave by hop.
func lansOnly(ctx context.Context, k kernel.Kernel, links []kernel.Link, hop kernel.Hop, t nm.Tunnel) (only []kernel.Link, notes []string, err error) {
	if !t.Remote.IsValid() || t.Remote.IsUnspecified() || t.Remote.IsMulticast() {
		return links, nil, nil
	}
	only = slices.Clone(links)
	lans := nm.LANs(links, hop, t)
	for _, lan := range lans[:min(len(lans), mostUplinks)] {
		net := lan.Address.Masked()
		if net.Addr().Is4() != t.Remote.Is4() {
			continue
		}
		via, err := gateway(ctx, k, t.Remote, lan.Address, lan.Dev)
		switch {
		case err != nil:
			return nil, nil, err
		case !via.IsValid():
			continue
		}
		at := slices.IndexFunc(only, func(l kernel.Link) bool { return l.Name == lan.Dev })
		only[at].Addresses = slices.DeleteFunc(slices.Clone(only[at].Addresses), func(p netip.Prefix) bool { return p.Masked() == net })
		notes = append(notes, fmt.Sprintf("no route leads back to %s on %s, an uplink by the gateway %s; where it is a LAN of yours, add --route %s", net, fault.Printable(lan.Dev), via, net))
	}
	return only, notes, nil
}

// Uplinks returns the networks of links by which packets to the host to leave, from the own address
// there, by a gateway. Each is there once, in the order of links. There are none for the zero Addr.
func Uplinks(ctx context.Context, k kernel.Kernel, links []kernel.Link, to netip.Addr) ([]netip.Prefix, error) {
	if !to.IsValid() {
		return nil, nil
	}
	var uplinks []netip.Prefix
	asked := 0
	for _, l := range links {
		for _, own := range l.Addresses {
			if !l.Up || l.GRE != nil || own.IsSingleIP() || own.Addr().Is4() != to.Is4() || asked == mostUplinks || slices.Contains(uplinks, own.Masked()) {
				continue
			}
			asked++
			via, err := gateway(ctx, k, to, own, l.Name)
			if err != nil {
				return nil, err
			}
			if via.IsValid() {
				uplinks = append(uplinks, own.Masked())
			}
		}
	}
	return uplinks, nil
}

// gateway returns the gateway in the network of own by which packets to a host leave that have
// own's address and go by dev. It is the zero Addr if there is none.
func gateway(ctx context.Context, k kernel.Kernel, to netip.Addr, own netip.Prefix, dev string) (netip.Addr, error) {
	out, err := k.Lookup(ctx, kernel.Query{To: to, From: own.Addr(), Dev: dev})
	switch {
	case errors.Is(err, fault.ErrUnreachable), errors.Is(err, fault.ErrInvalid): // no way to the host
		return netip.Addr{}, nil
	case err != nil || !own.Contains(out.Via):
		return netip.Addr{}, err
	}
	return out.Via, nil
}
