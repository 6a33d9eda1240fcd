package plan

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/ends"
	"nmgre/nm/opposite"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// kept is the part of the tunnel that root keeps, with those routes, and forwarding between those
// devices. The UUID is left empty: it is not known yet.
func (p *preflight) kept(forward []string, own []routes.Route) keep.Kept {
	return keep.Kept{Name: p.t.Name, Remote: p.t.Remote, PeerName: p.t.Followed(), Inner: p.t.InnerNetworks(), SNAT: p.t.SNAT, ClampMSS: p.t.ClampMSS, Pin: p.pin, Link: p.t.Link,
		Forward: forward, Routes: own, Policy: nm.OwnedRules(p.rules, nm.OwnerKernel)}
}

// forwardDevices returns the devices between which packets are forwarded, if the tunnel wants
// forwarding. They are the tunnel and the devices that lead to the SNAT destinations. Without SNAT
// they are the tunnel and the devices of this host's own networks.
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
		return nil, fault.Invalid("forward", "bring up the connection of the LAN first, or leave --forward out", "this host has no other network to forward packets to")
	}
	return devices, nil
}

// devicesToSNAT returns the devices that lead to the SNAT destinations.
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

// ownDevices returns the devices of this host's own networks.
func (p *preflight) ownDevices(ctx context.Context) ([]string, error) {
	out, err := p.sys.Kernel.Lookup(ctx, ends.Way(p.links, p.t))
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return nil, err
	}
	var devices []string
	for _, link := range p.links {
		own := opposite.Networks([]kernel.Link{link}, out, p.t)
		if slices.ContainsFunc(own, func(n netip.Prefix) bool { return n.Addr().Is4() }) && len(p.t.IPv4Addresses()) > 0 {
			devices = append(devices, link.Name)
		}
	}
	return devices, nil
}

// devicesTo returns the devices by which packets to dst leave: those with a network in dst, or else
// the one to which the kernel would send a packet. The kernel alone is not enough: for an address
// in dst that is this host's own it answers lo.
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

// snatSources refuses source addresses that this host does not have.
func (p *preflight) snatSources(list []keep.SNAT) fault.List {
	var found fault.List
	for _, s := range list {
		found.Add(nm.CheckSNATSource(p.links, s))
	}
	return found
}
