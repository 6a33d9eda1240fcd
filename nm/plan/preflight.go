package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// preflight looks at the host that shall get a tunnel. Nothing that it does changes anything.
type preflight struct {
	t        nm.Tunnel
	profiles []nm.Profile
	links    []kernel.Link
	kernel   kernel.Kernel
	notes    []string

	version nm.Version // NetworkManager's
	owned   []nm.Owned // the routes, with their owners
	pin     bool       // a route covers the far end, which gets a host route
}

// note remembers what the person should know of a decision.
func (p *preflight) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// decide fills in what the request left open, in an order in which each decision can use the ones
// before.
func (p *preflight) decide(ctx context.Context) error {
	p.decideInner()
	return p.decideOuter(ctx)
}

// decideInner decides what does not depend on the way to the far end.
func (p *preflight) decideInner() {
	if p.t.Name == "" {
		p.t.Name = nm.FreeName(p.takenNames())
	}
	if !p.t.PeerAddress.IsValid() {
		p.t.PeerAddress = nm.DerivePeer(p.t.Addresses)
	}
	if p.t.EncapLimit == 0 && p.t.Mode.IPv6Outer() {
		p.t.EncapLimit = gre.DefaultEncapLimit
	}
	p.routeToPeer()
	p.routesByPeer()
	p.owned = nm.AssignRoutes(p.t.Routes, 0, p.version)
}

// decideOuter decides what depends on the way to the far end.
func (p *preflight) decideOuter(ctx context.Context) error {
	var found fault.List
	found.Add(p.parentMissing(), p.localNotHere(), p.remoteHere())
	if err := found.Err(); err != nil {
		return err // the kernel would have no answer to what is asked next, or a misleading one
	}
	hop, err := p.underlay(ctx)
	if err != nil {
		return err
	}
	if !p.t.Local.IsValid() {
		p.t.Local = hop.Src
	}
	if p.t.MTU == 0 {
		p.t.MTU = p.computeMTU(hop)
	}
	return nil
}

// routeToPeer adds a route to the far end's inner address where no network of the tunnel has it:
// with a /32 for one's own address, the form that ifcfg files and point-to-point peers give,
// NetworkManager needs the other host as a route of its own.
func (p *preflight) routeToPeer() {
	peer := p.t.PeerAddress
	covered := func(own netip.Prefix) bool { return own.Contains(peer) }
	known := func(r routes.Route) bool { return r.Dst == routes.HostPrefix(peer) }
	if !peer.IsValid() || slices.ContainsFunc(p.t.Addresses, covered) || slices.ContainsFunc(p.t.Routes, known) {
		return
	}
	p.t.Routes = slices.Insert(p.t.Routes, 0, routes.Route{Dst: routes.HostPrefix(peer)})
	p.note("a route to the far end's inner address %s is added: none of the tunnel's networks contains it", peer)
}

// routesByPeer gives the routes of an Ethernet tunnel the far end as their gateway: on Ethernet a
// route without one says that every host of the network is on the link itself and answers for its
// address.
func (p *preflight) routesByPeer() {
	peer := p.t.PeerAddress
	if !p.t.Mode.Ethernet() || !peer.IsValid() {
		return
	}
	for i, r := range p.t.Routes {
		if !r.Via.IsValid() && len(r.Nexthops) == 0 && r.NexthopID == 0 && r.Type.HasDevice() && r.Dst != routes.HostPrefix(peer) && r.Dst.Addr().Is4() == peer.Is4() {
			p.t.Routes[i].Via = peer
			p.note("the route to %s goes via %s: mode %s carries Ethernet, where networks behind the far end need a gateway", r.Dst, peer, p.t.Mode)
		}
	}
}

// underlay asks the kernel how packets to the far end would leave.
func (p *preflight) underlay(ctx context.Context) (kernel.Hop, error) {
	from := p.t.Local
	if from.IsValid() && from.IsUnspecified() {
		from = netip.Addr{}
	}
	hop, err := p.kernel.Lookup(ctx, kernel.Query{To: p.t.Remote, From: from, Dev: p.parentDevice()})
	if errors.Is(err, fault.ErrUnreachable) {
		return hop, &fault.Error{Kind: fault.ErrInvalid, Field: "peer", What: fmt.Sprintf("this host has no route to the far end %s", p.t.Remote),
			Hint: "check the address, and that the network which leads there is up: ip route get " + p.t.Remote.String(), Err: err}
	}
	return hop, err
}

// parentDevice is the parent where it is an interface; a UUID's interface is not known before.
func (p *preflight) parentDevice() string {
	if keep.IsUUID(p.t.Parent) {
		return ""
	}
	return p.t.Parent
}

// computeMTU takes the MTU of the way to the far end less what the tunnel adds.
func (p *preflight) computeMTU(hop kernel.Hop) uint32 {
	e := p.t.Encapsulation()
	mtu := min(max(e.MTU(hop.MTU), gre.MinMTU4), e.MTU(0xffff))
	p.note("MTU %d: %s, on the way to %s by %s", mtu, e.Arithmetic(hop.MTU), p.t.Remote, fault.Printable(hop.Dev))
	return uint32(mtu) //nolint:gosec // between 68 and a device's MTU
}

// takenNames are the names of links, of the profiles' interfaces, and of the profiles.
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

// problems returns why this host cannot have the tunnel, all at once.
func (p *preflight) problems(ctx context.Context) error {
	var found fault.List
	found.Add(p.nameTaken(), p.duplicate(), p.innerOverlap(), p.routeIsOwnNetwork())
	found.Add(p.snatSources()...)
	found.Add(p.nexthopDevices()...)
	return errors.Join(found.Err(), errors.Join(p.swallows(ctx)...))
}

// nexthopDevices refuses nexthops by devices that are nobody's. One that is down counts: its
// nexthop is set when it is up.
func (p *preflight) nexthopDevices() fault.List {
	var found fault.List
	for i := range p.t.Routes {
		for _, hop := range p.t.Routes[i].Nexthops {
			if hop.Dev != "" && !p.knows(hop.Dev) {
				found.Add(fault.Invalid("route", "name a device that is there, or a tunnel: nmgre list",
					"%s: there is no device %s", p.t.Routes[i].Dst, fault.Printable(hop.Dev)))
			}
		}
	}
	return found
}

// knows says whether there is a device of that name, or a profile that has one when it is up.
func (p *preflight) knows(dev string) bool {
	return dev == p.t.Name || kernel.Named(p.links, dev) != nil ||
		slices.ContainsFunc(p.profiles, func(o nm.Profile) bool { return o.Tunnel.Name == dev })
}

// offers tell where NetworkManager itself could hold a multipath route.
func (p *preflight) offers() []string {
	var notes []string
	for _, o := range p.owned {
		if text := offerText(*o.Route, p.t.Name, p.version); text != "" && p.leadsIntoTunnels(*o.Route) {
			notes = append(notes, text)
		}
	}
	return notes
}

// leadsIntoTunnels says whether all nexthops of the route are GRE tunnels, whose profiles nmgre can
// change.
func (p *preflight) leadsIntoTunnels(r routes.Route) bool {
	return !slices.ContainsFunc(r.Nexthops, func(hop routes.Nexthop) bool {
		link := kernel.Named(p.links, hop.Dev)
		return hop.Dev != "" && hop.Dev != p.t.Name && (link == nil || link.GRE == nil)
	})
}

// offerText says how NetworkManager could hold a multipath route; empty if it cannot.
func offerText(r routes.Route, dev string, v nm.Version) string {
	members := nm.ECMPOffer(r, dev, v)
	if len(members) == 0 {
		return ""
	}
	var lines []string
	for _, m := range members {
		lines = append(lines, fault.Shell([]string{"nmgre", "route", "add", m.Dev, m.Route.String()}))
	}
	return fmt.Sprintf("NetworkManager could hold the route to %s itself, one member in each tunnel's profile: %s", r.Dst, strings.Join(lines, "; "))
}

func (p *preflight) nameTaken() *fault.Error {
	const hint = "choose another with --name, or leave it out to get the first free one of gre1, gre2, ..."
	for _, profile := range p.profiles {
		if profile.State == nm.StateExternal || profile.ID != p.t.Name && profile.Tunnel.Name != p.t.Name {
			continue
		}
		if profile.Trial {
			return &fault.Error{Kind: fault.ErrInvalid, Field: "name", What: "another nmgre is making " + p.t.Name + " at this moment", Hint: hint}
		}
		return &fault.Error{Kind: fault.ErrInvalid, Field: "name", What: fmt.Sprintf("the profile %s (%s) has the name %s already",
			fault.Printable(profile.ID), profile.UUID, p.t.Name), Hint: hint}
	}
	if link := kernel.Named(p.links, p.t.Name); link != nil {
		return fault.Invalid("name", hint, "there is a device %s already", p.t.Name)
	}
	return nil
}

func (p *preflight) parentMissing() *fault.Error {
	if dev := p.parentDevice(); dev != "" && kernel.Named(p.links, dev) == nil {
		return fault.Invalid("parent", "give the device that leads to the far end, or leave --parent out", "there is no device %s", fault.Printable(dev))
	}
	return nil
}

func (p *preflight) localNotHere() *fault.Error {
	if !p.t.Local.IsValid() || p.t.Local.IsUnspecified() || kernel.Holding(p.links, p.t.Local) != nil {
		return nil
	}
	return fault.Invalid("local", "use one of this host's addresses, or leave --local out to have it found; behind NAT it is the private address of the interface",
		"%s is not an address of this host", p.t.Local)
}

func (p *preflight) remoteHere() *fault.Error {
	if link := kernel.Holding(p.links, p.t.Remote); link != nil {
		return fault.Invalid("peer", "give the other host's address", "%s is this host's own address, on %s", p.t.Remote, fault.Printable(link.Name))
	}
	return nil
}

// duplicate looks for a tunnel that the kernel could not tell from this one: it goes by mode,
// device, local, remote and input key.
func (p *preflight) duplicate() *fault.Error {
	const hint = "give both ends of the new tunnel a key of its own, such as --key 1"
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.External && p.sameTuple(*link.GRE) {
			return fault.Invalid("peer", hint, "the device %s is a tunnel between %s and %s with the same input key", fault.Printable(link.Name), link.GRE.Local, link.GRE.Remote)
		}
	}
	for _, profile := range p.profiles {
		o := profile.Tunnel
		if o.Mode == p.t.Mode && o.Local == p.t.Local && o.Remote == p.t.Remote && o.Parent == p.t.Parent && gre.SameKey(o.InputKey, p.t.InputKey) {
			return fault.Invalid("peer", hint, "the profile %s is a tunnel between %s and %s with the same input key", fault.Printable(profile.ID), o.Local, o.Remote)
		}
	}
	return nil
}

func (p *preflight) sameTuple(g kernel.GRELink) bool {
	parent := 0
	if link := kernel.Named(p.links, p.parentDevice()); link != nil {
		parent = link.Index
	}
	return g.Mode == p.t.Mode && g.Local == p.t.Local && g.Remote == p.t.Remote && g.Parent == parent && gre.SameKey(g.InputKey, p.t.InputKey)
}

func (p *preflight) innerOverlap() *fault.Error {
	for _, own := range p.t.Addresses {
		for _, link := range p.links {
			for _, other := range link.Addresses {
				if !other.Addr().IsLinkLocalUnicast() && own.Overlaps(other) {
					return fault.Invalid("address", "choose a network that is used nowhere else, such as 172.16.0.0/30",
						"the inner network %s overlaps %s, which is on %s", own.Masked(), other.Masked(), fault.Printable(link.Name))
				}
			}
		}
	}
	return nil
}

func (p *preflight) routeIsOwnNetwork() *fault.Error {
	own := make(map[netip.Prefix]string)
	for _, link := range p.links {
		for _, a := range link.Addresses {
			own[a.Masked()] = link.Name
		}
	}
	for i := range p.t.Routes {
		r := &p.t.Routes[i]
		if name, is := own[r.Dst]; is && r.TableOrMain() == routes.MainTable {
			return fault.Invalid("route", "routes lead to the networks behind the far end", "%s is this host's own network, on %s", r.Dst, fault.Printable(name))
		}
	}
	return nil
}

// swallows refuses routes and inner networks that would lead the packets of a tunnel into a tunnel:
// this one's, or another's.
func (p *preflight) swallows(ctx context.Context) []error {
	ends := []netip.Addr{p.t.Remote}
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.Remote.IsUnspecified() {
			ends = append(ends, link.GRE.Remote)
		}
	}
	var errs []error
	check := func(field string, r *routes.Route) {
		for _, end := range ends {
			if err := p.swallow(ctx, field, r, end); err != nil {
				errs = append(errs, err)
				return
			}
		}
	}
	for _, own := range p.t.Addresses {
		check("address", &routes.Route{Dst: own.Masked()})
	}
	for i := range p.t.Routes {
		check("route", &p.t.Routes[i])
	}
	return errs
}

// swallow returns an error if r would take over the way to end: unless what leads there now is more
// specific. A route that takes over the way to the tunnel's own far end is taken all the same, if a
// host route can keep that out of it.
func (p *preflight) swallow(ctx context.Context, field string, r *routes.Route, end netip.Addr) error {
	if r.TableOrMain() != routes.MainTable || !r.Dst.Contains(end) || !r.Type.HasDevice() {
		return nil
	}
	hop, err := p.kernel.Lookup(ctx, kernel.Query{To: end})
	if err != nil && !errors.Is(err, fault.ErrUnreachable) {
		return err
	}
	if err == nil && hop.Match.IsValid() && hop.Match.Bits() > r.Dst.Bits() {
		own, err := p.isOwnPin(ctx, hop, end)
		if !own || err != nil {
			return err
		}
	}
	if field == "route" && end == p.t.Remote && !r.Dst.IsSingleIP() {
		pin, err := keep.PinFor(ctx, p.kernel, p.links, end)
		if err != nil {
			return err
		}
		if pin != nil {
			p.pinned(*r, *pin)
			return nil
		}
	}
	way := "give the far end a route of its own first"
	if err == nil && hop.Via.IsValid() {
		way = fmt.Sprintf("give the far end a route of its own first: ip route add %s via %s dev %s", end, hop.Via, fault.Printable(hop.Dev))
	}
	return fault.Invalid(field, way, "%s covers the far end's outer address %s: the tunnel's own packets would go into the tunnel", r.Dst, end)
}

// isOwnPin says whether what leads to end is a host route of nmgre's own, which is there because of
// such a route.
func (p *preflight) isOwnPin(ctx context.Context, hop kernel.Hop, end netip.Addr) (bool, error) {
	if !hop.Match.IsSingleIP() {
		return false, nil
	}
	set, err := p.kernel.RoutesTo(ctx, end)
	return slices.ContainsFunc(set, func(r kernel.DeviceRoute) bool { return r.Dst == hop.Match && r.Protocol == kernel.RouteProtocol }), err
}

// pinned notes that the far end gets a host route.
func (p *preflight) pinned(r routes.Route, pin kernel.OwnRoute) {
	if !p.pin {
		p.note("%s covers the far end's outer address: a host route keeps it reachable, now: %s dev %s", r.Dst, pin.Route, fault.Printable(pin.Dev))
	}
	p.pin = true
}

// OwnNetworks returns the networks of the links that are neither tunnels nor the underlay, of the
// families that inner has.
func OwnNetworks(links []kernel.Link, underlay string, inner []netip.Prefix) []netip.Prefix {
	var networks []netip.Prefix
	for _, link := range links {
		if link.GRE != nil || link.Name == underlay || !link.Up {
			continue
		}
		for _, own := range link.Addresses {
			a := own.Addr()
			sameFamily := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is4() == a.Is4() })
			if sameFamily && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !own.IsSingleIP() && !slices.Contains(networks, own.Masked()) {
				networks = append(networks, own.Masked())
			}
		}
	}
	return networks
}
