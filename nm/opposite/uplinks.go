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
		out, err := k.Lookup(ctx, kernel.Query{To: t.Remote, From: lan.Address.Addr(), Dev: lan.Dev})
		switch {
		case errors.Is(err, fault.ErrUnreachable), errors.Is(err, fault.ErrInvalid): // no way to the far end
			continue
		case err != nil:
			return nil, nil, err
		case !out.Via.IsValid() || !net.Contains(out.Via):
			continue
		}
		at := slices.IndexFunc(only, func(l kernel.Link) bool { return l.Name == lan.Dev })
		only[at].Addresses = slices.DeleteFunc(slices.Clone(only[at].Addresses), func(p netip.Prefix) bool { return p.Masked() == net })
		notes = append(notes, fmt.Sprintf("no route leads back to %s on %s, an uplink by the gateway %s; where it is a LAN of yours, add --route %s", net, fault.Printable(lan.Dev), out.Via, net))
	}
	return only, notes, nil
}
