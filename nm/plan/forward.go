package plan

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// kept is what has to be kept for the tunnel that is planned, but for the profile's UUID, which is
// not known yet.
func (p *preflight) kept(ctx context.Context) (keep.Kept, error) {
	k := keep.Kept{Name: p.t.Name, Remote: p.t.Remote, Inner: nm.InnerNetworks(p.t), SNAT: p.t.SNAT, ClampMSS: p.t.ClampMSS, Pin: p.pin,
		Routes: nm.OwnedBy(p.owned, nm.OwnerKernel)}
	if p.t.Forward {
		devices, err := p.forwardDevices(ctx)
		if err != nil {
			return k, err
		}
		k.Forward = devices
	}
	return k, nil
}

// forwardDevices are the devices between which packets are forwarded: the tunnel's, and those that
// lead to the SNAT destinations; without any, those of this host's own networks.
func (p *preflight) forwardDevices(ctx context.Context) ([]string, error) {
	devices := []string{p.t.Name}
	add := func(dev string) {
		if dev != "" && !slices.Contains(devices, dev) {
			devices = append(devices, dev)
		}
	}
	for _, s := range p.t.SNAT {
		leading, err := p.devicesTo(ctx, s.Dst)
		if err != nil {
			return nil, err
		}
		for _, dev := range leading {
			add(dev)
		}
	}
	if len(p.t.SNAT) == 0 {
		out, err := p.kernel.Lookup(ctx, kernel.Query{To: p.t.Remote})
		if err != nil && !errors.Is(err, fault.ErrUnreachable) {
			return nil, err
		}
		for _, link := range p.links {
			if len(OwnNetworks([]kernel.Link{link}, out.Dev, nm.Ipv4Of(p.t.Addresses))) > 0 {
				add(link.Name)
			}
		}
	}
	if len(devices) == 1 {
		return nil, fault.Invalid("forward", "bring the LAN's connection up first, or leave --forward out", "this host has no other network to forward to")
	}
	return devices, nil
}

// devicesTo returns the devices by which packets to dst leave: those whose own networks lie there,
// or else where the kernel would send one. An address of dst that is this host's own would lead to
// lo only.
func (p *preflight) devicesTo(ctx context.Context, dst netip.Prefix) ([]string, error) {
	var devices []string
	for _, link := range p.links {
		own := func(a netip.Prefix) bool { return a.Masked().Overlaps(dst) && !a.Addr().IsLoopback() }
		if link.Up && link.GRE == nil && slices.ContainsFunc(link.Addresses, own) {
			devices = append(devices, link.Name)
		}
	}
	if len(devices) > 0 {
		return devices, nil
	}
	hop, err := p.kernel.Lookup(ctx, kernel.Query{To: routes.SampleAddr(dst, p.t.Remote)})
	if errors.Is(err, fault.ErrUnreachable) {
		return nil, nil
	}
	return []string{hop.Dev}, err
}

// snatSources refuses sources that this host does not have: the answers would not come back to it.
func (p *preflight) snatSources() fault.List {
	var found fault.List
	for _, s := range p.t.SNAT {
		found.Add(nm.SourceNotHere(p.links, s))
	}
	return found
}

// forwardNotes tell what will keep forwarded packets from getting through.
func forwardNotes(ctx context.Context, h nm.System, k keep.Kept) []string {
	var notes []string
	if len(k.Forward) == 0 {
		if len(k.SNAT) > 0 {
			if on, err := h.Gateway.Forwarding(ctx, "all"); err == nil && !on {
				notes = append(notes, "packets are not forwarded on this host, so that SNAT has nothing to do: add --forward")
			}
		}
		return notes
	}
	obstacles, err := h.Gateway.Obstacles(ctx, k.Forward)
	if err != nil { // without root nobody can look
		return notes
	}
	for _, o := range obstacles {
		notes = append(notes, "warning: "+o.What+"; type: "+o.Hint)
	}
	return notes
}

// HookNote says that what is kept will not come back by itself, if so.
func HookNote(ctx context.Context, h nm.System, k keep.Kept) []string {
	if k.Empty() {
		return nil
	}
	err := h.Store.HookMissing(ctx)
	if err == nil {
		return nil
	}
	return []string{"warning: what NetworkManager cannot hold is not put back when the tunnel comes up again: " + err.Error() + "; " + strings.Join(fault.Hints(err), "; ")}
}
