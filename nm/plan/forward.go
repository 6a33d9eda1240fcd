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

// kept is for root to keep for the tunnel that is planned, forwarding between those devices. The
// profile's UUID is not known yet.
func (p *preflight) kept(forward []string) keep.Kept {
	return keep.Kept{Name: p.t.Name, Remote: p.t.Remote, Inner: nm.InnerNetworks(p.t), SNAT: p.t.SNAT, ClampMSS: p.t.ClampMSS, Pin: p.pin,
		Forward: forward, Routes: nm.OwnedBy(p.owned, nm.OwnerKernel)}
}

// forwardDevices are the devices between which packets are forwarded, if that is wanted: the
// tunnel's, and those that lead to the SNAT destinations; without any, those of this host's own
// networks.
func (p *preflight) forwardDevices(ctx context.Context) ([]string, error) {
	if !p.t.Forward {
		return nil, nil
	}
	leading, err := p.devicesToSNAT(ctx)
	if len(p.t.SNAT) == 0 {
		leading, err = p.ownDevices(ctx)
	}
	if err != nil {
		return nil, err
	}
	devices := []string{p.t.Name}
	for _, dev := range leading {
		if dev != "" && !slices.Contains(devices, dev) {
			devices = append(devices, dev)
		}
	}
	if len(devices) == 1 {
		return nil, fault.Invalid("forward", "bring the LAN's connection up first, or leave --forward out", "this host has no other network to forward to")
	}
	return devices, nil
}

// devicesToSNAT are the devices that lead to the SNAT destinations.
func (p *preflight) devicesToSNAT(ctx context.Context) ([]string, error) {
	var devices []string
	for _, s := range p.t.SNAT {
		leading, err := p.devicesTo(ctx, s.Dst)
		if err != nil {
			return nil, err
		}
		devices = append(devices, leading...)
	}
	return devices, nil
}

// ownDevices are the devices of this host's own networks.
func (p *preflight) ownDevices(ctx context.Context) ([]string, error) {
	out, err := p.sys.Kernel.Lookup(ctx, kernel.Query{To: p.t.Remote})
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return nil, err
	}
	var devices []string
	for _, link := range p.links {
		if len(ownNetworks([]kernel.Link{link}, out.Dev, nm.Ipv4Of(p.t.Addresses))) > 0 {
			devices = append(devices, link.Name)
		}
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
	hop, err := p.sys.Kernel.Lookup(ctx, kernel.Query{To: routes.SampleAddr(dst, p.t.Remote)})
	if errors.Is(err, fault.ErrUnreachable) {
		return nil, nil
	}
	return []string{hop.Dev}, err
}

// snatSources refuses sources that this host does not have: the answers would not come back to it.
func (p *preflight) snatSources(list []keep.SNAT) fault.List {
	var found fault.List
	for _, s := range list {
		found.Add(nm.SourceNotHere(p.links, s))
	}
	return found
}

// forwardNotes tell of obstacles to forwarded packets.
func forwardNotes(ctx context.Context, sys nm.System, k keep.Kept) []string {
	var notes []string
	if len(k.Forward) == 0 {
		if len(k.SNAT) > 0 {
			if on, err := sys.Gateway.Forwarding(ctx, "all"); err == nil && !on {
				notes = append(notes, "packets are not forwarded on this host, so that SNAT has nothing to do: add --forward")
			}
		}
		return notes
	}
	obstacles, err := sys.Gateway.Obstacles(ctx, k.Forward)
	if err != nil { // without root nobody can look
		return notes
	}
	for _, o := range obstacles {
		notes = append(notes, "warning: "+o.What+"; type: "+o.Hint)
	}
	return notes
}

// HookNote warns where root's part of a tunnel would not come back by itself.
func HookNote(ctx context.Context, sys nm.System, k keep.Kept) []string {
	if k.Empty() {
		return nil
	}
	err := sys.Store.HookMissing(ctx)
	if err == nil {
		return nil
	}
	return []string{"warning: routes and rules that NetworkManager cannot hold are lost when the tunnel goes down: " + err.Error() + "; " + strings.Join(fault.Hints(err), "; ")}
}
