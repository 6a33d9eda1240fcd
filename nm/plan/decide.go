package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/port"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// decide fills in the fields that the request leaves open. The order matters: each decision uses
// the earlier ones.
func (p *preflight) decide(ctx context.Context) error {
	if err := p.decidePort(""); err != nil {
		return err
	}
	p.decideInner()
	p.notePeer()
	p.decideEncapLimit()
	p.flatten(p.t.Routes)
	if err := p.chooseMetrics(ctx, p.t.Routes, nil); err != nil {
		return err
	}
	p.t.Routes = p.decideRoutes(p.t.Routes, p.t.Routes)
	p.owned = nm.AssignRoutes(p.t.Routes, 0, p.version)
	if err := p.decideRules(ctx, nil, nil, nil); err != nil {
		return err
	}
	var err error
	if p.way, err = p.wayOut(ctx, p.sys.Kernel); err != nil {
		return err
	}
	p.decideLocal(p.way)
	if err := p.readIPsec(ctx, p.way); err != nil {
		return err
	}
	p.decideMTU(p.way)
	return nil
}

// decideInner decides the name and the peer address.
func (p *preflight) decideInner() {
	if p.t.Name == "" {
		p.t.Name = nm.FreeName(p.takenNames())
	}
	if !p.t.PeerAddress.IsValid() {
		p.t.PeerAddress = p.t.ChoosePeer()
	}
}

// notePeer says which of the far end's possible inner addresses is probed, if there are several.
func (p *preflight) notePeer() {
	if choices := p.t.PeerChoices(); len(choices) > 0 && slices.Contains(choices, p.t.PeerAddress) && len(p.t.MorePeers) == 0 {
		p.note("the far end's inner address may be %s: %s is probed; choose by --peer-address, once for each", strings.ReplaceAll(nm.AddrTexts(choices), ", ", " or "), p.t.PeerAddress)
	}
}

// takenNames are the names of all links, of all profiles, and of the profiles' interfaces.
func (p *preflight) takenNames() map[string]bool {
	taken := make(map[string]bool)
	for _, link := range p.links {
		taken[link.Name] = true
	}
	for _, profile := range p.profiles {
		taken[profile.Tunnel.Name], taken[profile.ID] = true, true
	}
	return taken
}

// decidePort finds the bridge whose port the tunnel is to be. That of before, which may be empty,
// stays as it is.
func (p *preflight) decidePort(before string) error {
	if p.t.Controller == before {
		return nil
	}
	controller, err := port.Resolve(p.t.Controller, p.profiles, p.links)
	if err != nil {
		return err
	}
	p.t.Controller = controller
	return nil
}

// decideEncapLimit sets the kernel's default: NetworkManager's is a different one.
func (p *preflight) decideEncapLimit() {
	if p.t.EncapLimit == 0 && p.t.Mode.IPv6Outer() && p.t.Flags&gre.FlagIgnEncapLimit == 0 {
		p.t.EncapLimit = gre.DefaultEncapLimit
	}
}

// decideRoutes completes the fresh routes, which are a part of all: with a route to each peer
// address that needs one, and with gateways in an Ethernet tunnel.
func (p *preflight) decideRoutes(fresh, all []routes.Route) []routes.Route {
	var own []routes.Route
	for _, peer := range p.t.Peers() {
		if r, needed := p.routeToPeer(peer, all); needed {
			own = append(own, r)
			p.note("the far end's inner address %s gets a route of its own: it is in none of the tunnel's networks", peer)
		}
	}
	fresh = append(own, fresh...)
	p.viaPeer(fresh)
	p.noteHosts(fresh)
	return fresh
}

// noteHosts says of routes to a single host that its address looks like a network's.
func (p *preflight) noteHosts(list []routes.Route) {
	const most = 5
	told := 0
	for i := range list {
		if told == most || !list[i].Dst.IsSingleIP() {
			continue
		}
		a, bits := list[i].Dst.Addr(), 24
		if a.Is6() {
			bits = 64
		}
		if network := netip.PrefixFrom(a, bits); network.Masked().Addr() == a && !slices.Contains(p.t.Peers(), a) {
			told++
			p.note("the route to %s leads to that one host; for a network write its prefix length, such as %s", a, network)
		}
	}
}

// routeToPeer returns a route to a peer address. The route is needed if the address is in no
// network of the tunnel and no route leads to it alone. That is so if this end's address is a /32,
// as in ifcfg files and with point-to-point peers.
func (p *preflight) routeToPeer(peer netip.Addr, all []routes.Route) (r routes.Route, needed bool) {
	r.Dst = routes.HostPrefix(peer)
	covered := func(own netip.Prefix) bool { return own.Contains(peer) }
	known := func(o routes.Route) bool { return o.Dst == r.Dst }
	return r, !slices.ContainsFunc(p.t.Addresses, covered) && !slices.ContainsFunc(all, known)
}

// viaPeer gives the routes of an Ethernet tunnel the far end as their gateway. On Ethernet a route
// without a gateway means that every host of the network is on the link itself and answers for its
// own address.
func (p *preflight) viaPeer(list []routes.Route) {
	peer := p.t.PeerAddress
	if !p.t.Mode.Ethernet() || !peer.IsValid() || p.t.Adopts {
		return
	}
	for i, r := range list {
		if !r.Via.IsValid() && len(r.Nexthops) == 0 && r.NexthopID == 0 && r.Type.HasDevice() && !isRouteTo(p.t.Peers(), r) && r.Dst.Addr().Is4() == peer.Is4() {
			list[i].Via = peer
			p.note("the route to %s goes via %s: mode %s carries Ethernet, where a network behind the far end needs a gateway", r.Dst, peer, p.t.Mode)
		}
	}
}

// isRouteTo says whether r leads to one of the addresses alone.
func isRouteTo(addresses []netip.Addr, r routes.Route) bool {
	return slices.ContainsFunc(addresses, func(a netip.Addr) bool { return r.Dst == routes.HostPrefix(a) })
}

// decideParent binds a tunnel between link-local addresses to the device that has this end's: such
// an address means nothing without its device (RFC 4007).
func (p *preflight) decideParent() *fault.Error {
	local := p.t.Local
	if p.t.Parent != "" || !local.Is6() || !local.IsLinkLocalUnicast() {
		return nil
	}
	var devices []string
	for _, l := range p.links {
		if l.GRE == nil && slices.ContainsFunc(l.Addresses, func(own netip.Prefix) bool { return own.Addr() == local }) {
			devices = append(devices, l.Name)
		}
	}
	switch len(devices) {
	case 0:
		return nil // LocalNotHere says so
	case 1:
		p.t.Parent = devices[0]
		p.note("the tunnel is bound to %s, the device that has %s", fault.Printable(devices[0]), local)
		return nil
	}
	return fault.Invalid("parent", "name the one that leads to the far end with --parent", "several devices have the link-local address %s: %s", local, fault.Printable(strings.Join(devices, ", ")))
}

// wayOut asks k how packets to the far end would leave, after it has checked the outer addresses
// and the parent. With wrong ones the kernel's answer would mislead.
func (p *preflight) wayOut(ctx context.Context, k kernel.Kernel) (kernel.Hop, error) {
	if err := p.decideParent(); err != nil {
		return kernel.Hop{}, err
	}
	var found fault.List
	h := p.host()
	found.Add(h.ParentMissing(), h.LocalNotHere(), h.RemoteHere())
	if err := found.Err(); err != nil {
		return kernel.Hop{}, err
	}
	return p.underlay(ctx, k)
}

// underlay asks k how packets to the far end would leave. If a route as wide as a default route
// leads them into another tunnel, they leave by a pin past it.
func (p *preflight) underlay(ctx context.Context, k kernel.Kernel) (kernel.Hop, error) {
	from := p.t.Local
	if from.IsValid() && from.IsUnspecified() {
		from = netip.Addr{}
	}
	q := kernel.Query{To: p.t.Remote, From: from, Dev: p.t.ParentDevice()}
	hop, err := k.Lookup(ctx, q)
	if err == nil && p.isSwallowed(hop) {
		return p.pastTunnels(ctx, k, q, hop)
	}
	if errors.Is(err, fault.ErrUnreachable) {
		return hop, &fault.Error{Kind: fault.ErrInvalid, Field: "peer", What: fmt.Sprintf("this host has no route to the far end %s", p.t.Remote),
			Hint: "check the address, and whether the network that leads there is up: ip route get " + p.t.Remote.String(), Err: err}
	}
	return hop, err
}

// decideLocal chooses the source address that the kernel would use.
func (p *preflight) decideLocal(hop kernel.Hop) {
	if !p.t.Local.IsValid() {
		p.t.Local = hop.Src
	}
}
