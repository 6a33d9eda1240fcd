package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/clash"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// preflight compares a wanted tunnel with the host that is to get it. It changes nothing on the
// host.
type preflight struct {
	t        nm.Tunnel
	sys      nm.System // its kernel is asked each question once
	profiles []nm.Profile
	links    []kernel.Link
	version  nm.Version // NetworkManager's
	control  nm.Permission

	way kernel.Hop // by which the packets to the far end leave
	// ipsec is the policy for the packets to the far end; nil if there is none, or it could not be
	// read.
	ipsec    *kernel.IPsecPolicy
	ipsecErr error
	rules    []nm.OwnedRule // of the routing policy, each with its owner
	owned    []nm.Owned     // the routes, each with its owner
	pin      bool           // the far end gets a host route, since a route covers it
	pins     []netip.Prefix // the host routes of which a note tells
	notes    []string
}

// note adds a note about a decision.
func (p *preflight) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// host is the host, for the look at everything that is in the tunnel's way there.
func (p *preflight) host() *clash.Host {
	return &clash.Host{Tunnel: p.t, Kernel: p.sys.Kernel, Profiles: p.profiles, Links: p.links, Version: p.version, Way: p.way, Note: p.note}
}

// problems returns all reasons why this host cannot have the tunnel.
func (p *preflight) problems(ctx context.Context) error {
	var found fault.List
	h := p.host()
	list, part := p.t.Routes, h.RouteIsPart(p.t.Routes)
	found.Add(h.NameTaken("get the first free one of gre1, gre2, ..."), h.FlagsTooNew(), h.Duplicate(), h.InnerOverlap(p.t.Addresses), cmp.Or(h.RouteIsOwnNetwork(list), part))
	found.Add(p.snatSources(p.t.SNAT)...)
	found.Add(h.NexthopDevices(list)...)
	if part != nil { // a far end on the same network would be a second reason for the same
		list = nil
	}
	sibling, err := h.Siblings(ctx)
	if err != nil {
		return err
	}
	found.Add(sibling)
	return errors.Join(found.Err(), p.loops(ctx, p.t.Addresses, list))
}
