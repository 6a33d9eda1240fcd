package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/port"
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
	near := t.Sharing()
	if !isHost(near.Local) {
		near.Local = hop.Src // the far end needs the address from which this end sends
	}
	near.Controller = port.Name(near, links)
	far := near.FarEnd(ownNetworks(links, hop, near))
	if far.MTU != 0 && hop.MTU != 0 && far.MTU > fittingMTU(near, hop, nil) {
		far.MTU = 0 // too large here: the far end computes one that fits
	}
	far.Notes = append(far.Notes, outerNotes(near)...)
	if link := kernel.Named(links, t.Name); link != nil && link.GRE != nil {
		askOfLink(&far, *link)
	}
	return far
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

// outerNotes tell of choices that the far end's command cannot make: a public address, a device.
func outerNotes(t nm.Tunnel) []string {
	var notes []string
	if isHost(t.Local) && nm.IsPrivate(t.Local) && !nm.IsPrivate(t.Remote) {
		notes = append(notes, fmt.Sprintf("%s is a private address: behind NAT the far end uses the public one in its place, as --peer", t.Local))
	}
	switch {
	case t.Parent == "":
	case t.Remote.Is6() && t.Remote.IsLinkLocalUnicast():
		notes = append(notes, fmt.Sprintf("the far end's tunnel is bound to the device that has %s there; where several have it, choose one with --parent", t.Remote))
	default:
		notes = append(notes, fmt.Sprintf("this end is bound to %s; whether the far end is bound to a device of its own is to be chosen there, with --parent", fault.Printable(t.Parent)))
	}
	return notes
}

// askOfLink adds the demands of the present link on the far end. A link that somebody made by hand
// may have more than its profile says.
func askOfLink(far *nm.FarEnd, link kernel.Link) {
	g, has := link.GRE, link.Options()
	switch {
	case g.External:
		far.Missing = "the link takes its far ends from routes or a bridge"
	case g.OneWay:
		far.Missing = "the link has checksums or sequence numbers in one direction only, which nmgre cannot make: make it with ip, or this end without them"
	default:
		far.Link.Checksum, far.Link.Sequence = has.Checksum, has.Sequence
	}
	if g.IgnoreDF && !far.Link.IgnoreDF {
		far.Notes = append(far.Notes, "the link ignores the DF bit (ignore-df); the far end works without it")
	}
}

// ownNetworks returns the networks of [nm.LANs].
func ownNetworks(links []kernel.Link, hop kernel.Hop, t nm.Tunnel) []netip.Prefix {
	var networks []netip.Prefix
	for _, lan := range nm.LANs(links, hop, t) {
		networks = append(networks, lan.Address.Masked())
	}
	return networks
}
