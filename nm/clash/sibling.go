package clash

import (
	"context"
	"errors"
	"net/netip"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Siblings refuses a tunnel that would take the packets of another one which has got them so far,
// and notes that it will never receive any itself. The kernel tells tunnels apart by addresses,
// parent device and input key, and prefers one to the other where several fit.
func (h *Host) Siblings(ctx context.Context) (*fault.Error, error) {
	index := 0
	for _, l := range h.Links {
		index = max(index, l.Index)
	}
	own := kernel.Link{Index: index + 1, Name: h.Tunnel.Name, Up: true, GRE: h.greLink()}
	all := append([]kernel.Link{own}, h.Links...)
	for _, l := range h.Links {
		arrival, works, err := h.arrivalFor(ctx, l)
		if err != nil {
			return nil, err
		}
		if taker := kernel.Receiver(all, arrival); works && taker != nil && taker.Index == own.Index {
			return fault.Invalid("peer", "give one of them a key at both ends, such as --key 1, or the same parent device", "it would take the packets of the tunnel %s: the kernel prefers it for what comes from %s",
				fault.Printable(l.Name), arrival.From), nil
		}
	}
	arrival, known, err := h.arrivalFor(ctx, own)
	if err != nil || !known {
		return nil, err
	}
	if taker := kernel.Receiver(all, arrival); taker != nil && taker.Index != own.Index {
		h.Note("the tunnel will receive nothing: the kernel gives what comes from %s to the tunnel %s; give one of them a key at both ends, or the same parent device", arrival.From, fault.Printable(taker.Name))
	}
	return nil, nil
}

// greLink is the kernel's link that the tunnel will have.
func (h *Host) greLink() *kernel.GRELink {
	g := &kernel.GRELink{Mode: h.Tunnel.Mode, Local: h.Tunnel.Local, Remote: h.Tunnel.Remote, InputKey: h.Tunnel.InputKey, OutputKey: h.Tunnel.OutputKey}
	if parent := kernel.Named(h.Links, h.Tunnel.ParentDevice()); parent != nil {
		g.Parent = parent.Index
	}
	return g
}

// arrivalFor returns a packet of the far end of a tunnel, as it comes in by the device that leads
// there. works is false if there is no such far end, or if another tunnel takes the packet by now.
func (h *Host) arrivalFor(ctx context.Context, l kernel.Link) (arrival kernel.Arrival, works bool, err error) {
	remote, has := l.FarEnd()
	if !has {
		return arrival, false, nil
	}
	from := l.GRE.Local
	if from.IsUnspecified() {
		from = netip.Addr{}
	}
	isNew := kernel.Named(h.Links, l.Name) == nil
	hop := h.Way // known already for a new tunnel
	if !isNew || hop.Dev == "" {
		hop, err = h.Kernel.Lookup(ctx, kernel.Query{To: remote, From: from})
	}
	if errors.Is(err, fault.ErrUnreachable) {
		return arrival, false, nil
	}
	if err != nil {
		return arrival, false, err
	}
	if !from.IsValid() {
		from = hop.Src
	}
	arrival = kernel.Arrival{From: remote, To: from, Key: l.GRE.InputKey, Ethernet: l.GRE.Mode.Ethernet()}
	if dev := kernel.Named(h.Links, hop.Dev); dev != nil {
		arrival.Dev = dev.Index
	}
	if isNew {
		return arrival, true, nil
	}
	taker := kernel.Receiver(h.Links, arrival)
	return arrival, taker != nil && taker.Index == l.Index, nil
}
