package nmgre

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// preflight looks at the host that shall get a tunnel. Nothing that it does changes anything.
type preflight struct {
	t        Tunnel
	profiles []Profile
	links    []Link
	kernel   Kernel
	notes    []string

	version Version // NetworkManager's
	owned   []Owned // the routes, with their owners
	pin     bool    // a route covers the far end, which gets a host route
}

// note remembers what the person should know of a decision.
func (p *preflight) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// decide fills in what the request left open, in an order in which each decision can use the ones before.
func (p *preflight) decide(ctx context.Context) error {
	p.decideInner()
	return p.decideOuter(ctx)
}

// decideInner decides what does not depend on the way to the far end.
func (p *preflight) decideInner() {
	if p.t.Name == "" {
		p.t.Name = FreeName(p.takenNames())
	}
	if !p.t.PeerAddress.IsValid() {
		p.t.PeerAddress = DerivePeer(p.t.Addresses)
	}
	if p.t.EncapLimit == 0 && p.t.Mode.IPv6Outer() {
		p.t.EncapLimit = DefaultEncapLimit
	}
	p.routeToPeer()
	p.routesByPeer()
	p.owned = AssignRoutes(p.t.Routes, 0, p.version)
}

// decideOuter decides what depends on the way to the far end.
func (p *preflight) decideOuter(ctx context.Context) error {
	if err := joinProblems(p.parentMissing(), p.localNotHere(), p.remoteHere()); err != nil {
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

// routeToPeer adds a route to the far end's inner address where no network of the tunnel has it: with a /32 for one's own address,
// the form that ifcfg files and point-to-point peers give, NetworkManager needs the other host as a route of its own.
func (p *preflight) routeToPeer() {
	peer := p.t.PeerAddress
	covered := func(own netip.Prefix) bool { return own.Contains(peer) }
	known := func(r Route) bool { return r.Dst == hostPrefix(peer) }
	if !peer.IsValid() || slices.ContainsFunc(p.t.Addresses, covered) || slices.ContainsFunc(p.t.Routes, known) {
		return
	}
	p.t.Routes = slices.Insert(p.t.Routes, 0, Route{Dst: hostPrefix(peer)})
	p.note("a route to the far end's inner address %s is added: none of the tunnel's networks contains it", peer)
}

// routesByPeer gives the routes of an Ethernet tunnel the far end as their gateway: on Ethernet a route without one says that every
// host of the network is on the link itself and answers for its address.
func (p *preflight) routesByPeer() {
	peer := p.t.PeerAddress
	if !p.t.Mode.Ethernet() || !peer.IsValid() {
		return
	}
	for i, r := range p.t.Routes {
		if !r.Via.IsValid() && len(r.Nexthops) == 0 && r.NexthopID == 0 && r.Type.HasDevice() && r.Dst != hostPrefix(peer) && r.Dst.Addr().Is4() == peer.Is4() {
			p.t.Routes[i].Via = peer
			p.note("the route to %s goes via %s: mode %s carries Ethernet, where networks behind the far end need a gateway", r.Dst, peer, p.t.Mode)
		}
	}
}

// underlay asks the kernel how packets to the far end would leave.
func (p *preflight) underlay(ctx context.Context) (Hop, error) {
	from := p.t.Local
	if from.IsValid() && from.IsUnspecified() {
		from = netip.Addr{}
	}
	hop, err := p.kernel.Lookup(ctx, Query{To: p.t.Remote, From: from, Dev: p.parentDevice()})
	if errors.Is(err, ErrUnreachable) {
		return hop, &Error{Kind: ErrInvalid, Field: "peer", What: fmt.Sprintf("this host has no route to the far end %s", p.t.Remote),
			Hint: "check the address, and that the network which leads there is up: ip route get " + p.t.Remote.String(), Err: err}
	}
	return hop, err
}

// parentDevice is the parent where it is an interface; a UUID's interface is not known before.
func (p *preflight) parentDevice() string {
	if IsUUID(p.t.Parent) {
		return ""
	}
	return p.t.Parent
}

// computeMTU takes the MTU of the way to the far end less what the tunnel adds.
func (p *preflight) computeMTU(hop Hop) uint32 {
	e := p.t.Encapsulation()
	mtu := min(max(e.MTU(hop.MTU), minMTU4), e.MTU(0xffff))
	p.note("MTU %d: %s, on the way to %s by %s", mtu, e.Arithmetic(hop.MTU), p.t.Remote, Printable(hop.Dev))
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
func (p *preflight) problems(ctx context.Context) []error {
	var errs []error
	for _, check := range []func() *Error{
		p.nameTaken, p.duplicate, p.innerOverlap, p.routeIsOwnNetwork,
	} {
		if err := check(); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, p.snatSources()...)
	errs = append(errs, p.nexthopDevices()...)
	return append(errs, p.swallows(ctx)...)
}

// nexthopDevices refuses nexthops by devices that are nobody's. One that is down counts: its nexthop is set when it is up.
func (p *preflight) nexthopDevices() []error {
	var errs []error
	for i := range p.t.Routes {
		for _, hop := range p.t.Routes[i].Nexthops {
			if hop.Dev != "" && !p.knows(hop.Dev) {
				errs = append(errs, invalid("route", "name a device that is there, or a tunnel: nmgre list",
					"%s: there is no device %s", p.t.Routes[i].Dst, Printable(hop.Dev)))
			}
		}
	}
	return errs
}

// knows says whether there is a device of that name, or a profile that has one when it is up.
func (p *preflight) knows(dev string) bool {
	return dev == p.t.Name || findLink(p.links, dev) != nil ||
		slices.ContainsFunc(p.profiles, func(o Profile) bool { return o.Tunnel.Name == dev })
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

// leadsIntoTunnels says whether all nexthops of the route are GRE tunnels, whose profiles nmgre can change.
func (p *preflight) leadsIntoTunnels(r Route) bool {
	return !slices.ContainsFunc(r.Nexthops, func(hop Nexthop) bool {
		link := findLink(p.links, hop.Dev)
		return hop.Dev != "" && hop.Dev != p.t.Name && (link == nil || link.GRE == nil)
	})
}

// offerText says how NetworkManager could hold a multipath route; empty if it cannot.
func offerText(r Route, dev string, v Version) string {
	members := ECMPOffer(r, dev, v)
	if len(members) == 0 {
		return ""
	}
	var lines []string
	for _, m := range members {
		lines = append(lines, shellJoin([]string{"nmgre", "route", "add", m.Dev, m.Route.String()}))
	}
	return fmt.Sprintf("NetworkManager could hold the route to %s itself, one member in each tunnel's profile: %s", r.Dst, strings.Join(lines, "; "))
}

// joinProblems joins those that there are.
func joinProblems(problems ...*Error) error {
	var errs []error
	for _, problem := range problems {
		if problem != nil {
			errs = append(errs, problem)
		}
	}
	return errors.Join(errs...)
}

func (p *preflight) nameTaken() *Error {
	const hint = "choose another with --name, or leave it out to get the first free one of gre1, gre2, ..."
	for _, profile := range p.profiles {
		if profile.State == StateExternal || profile.ID != p.t.Name && profile.Tunnel.Name != p.t.Name {
			continue
		}
		if profile.Trial {
			return &Error{Kind: ErrInvalid, Field: "name", What: "another nmgre is making " + p.t.Name + " at this moment", Hint: hint}
		}
		return &Error{Kind: ErrInvalid, Field: "name", What: fmt.Sprintf("the profile %s (%s) has the name %s already",
			Printable(profile.ID), profile.UUID, p.t.Name), Hint: hint}
	}
	if link := findLink(p.links, p.t.Name); link != nil {
		return invalid("name", hint, "there is a device %s already", p.t.Name)
	}
	return nil
}

func (p *preflight) parentMissing() *Error {
	if dev := p.parentDevice(); dev != "" && findLink(p.links, dev) == nil {
		return invalid("parent", "give the device that leads to the far end, or leave --parent out", "there is no device %s", Printable(dev))
	}
	return nil
}

func (p *preflight) localNotHere() *Error {
	if !p.t.Local.IsValid() || p.t.Local.IsUnspecified() || holderOf(p.links, p.t.Local) != nil {
		return nil
	}
	return invalid("local", "use one of this host's addresses, or leave --local out to have it found; behind NAT it is the private address of the interface",
		"%s is not an address of this host", p.t.Local)
}

func (p *preflight) remoteHere() *Error {
	if link := holderOf(p.links, p.t.Remote); link != nil {
		return invalid("peer", "give the other host's address", "%s is this host's own address, on %s", p.t.Remote, Printable(link.Name))
	}
	return nil
}

// duplicate looks for a tunnel that the kernel could not tell from this one: it goes by mode, device, local, remote and input key.
func (p *preflight) duplicate() *Error {
	const hint = "give both ends of the new tunnel a key of its own, such as --key 1"
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.External && p.sameTuple(*link.GRE) {
			return invalid("peer", hint, "the device %s is a tunnel between %s and %s with the same input key", Printable(link.Name), link.GRE.Local, link.GRE.Remote)
		}
	}
	for _, profile := range p.profiles {
		o := profile.Tunnel
		if o.Mode == p.t.Mode && o.Local == p.t.Local && o.Remote == p.t.Remote && o.Parent == p.t.Parent && sameKey(o.InputKey, p.t.InputKey) {
			return invalid("peer", hint, "the profile %s is a tunnel between %s and %s with the same input key", Printable(profile.ID), o.Local, o.Remote)
		}
	}
	return nil
}

func (p *preflight) sameTuple(g GRELink) bool {
	parent := 0
	if link := findLink(p.links, p.parentDevice()); link != nil {
		parent = link.Index
	}
	return g.Mode == p.t.Mode && g.Local == p.t.Local && g.Remote == p.t.Remote && g.Parent == parent && sameKey(g.InputKey, p.t.InputKey)
}

func (p *preflight) innerOverlap() *Error {
	for _, own := range p.t.Addresses {
		for _, link := range p.links {
			for _, other := range link.Addresses {
				if !other.Addr().IsLinkLocalUnicast() && own.Overlaps(other) {
					return invalid("address", "choose a network that is used nowhere else, such as 172.16.0.0/30",
						"the inner network %s overlaps %s, which is on %s", own.Masked(), other.Masked(), Printable(link.Name))
				}
			}
		}
	}
	return nil
}

func (p *preflight) routeIsOwnNetwork() *Error {
	own := make(map[netip.Prefix]string)
	for _, link := range p.links {
		for _, a := range link.Addresses {
			own[a.Masked()] = link.Name
		}
	}
	for i := range p.t.Routes {
		r := &p.t.Routes[i]
		if name, is := own[r.Dst]; is && r.TableOrMain() == MainTable {
			return invalid("route", "routes lead to the networks behind the far end", "%s is this host's own network, on %s", r.Dst, Printable(name))
		}
	}
	return nil
}

// swallows refuses routes and inner networks that would lead the packets of a tunnel into a tunnel: this one's, or another's.
func (p *preflight) swallows(ctx context.Context) []error {
	ends := []netip.Addr{p.t.Remote}
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.Remote.IsUnspecified() {
			ends = append(ends, link.GRE.Remote)
		}
	}
	var errs []error
	check := func(field string, r *Route) {
		for _, end := range ends {
			if err := p.swallow(ctx, field, r, end); err != nil {
				errs = append(errs, err)
				return
			}
		}
	}
	for _, own := range p.t.Addresses {
		check("address", &Route{Dst: own.Masked()})
	}
	for i := range p.t.Routes {
		check("route", &p.t.Routes[i])
	}
	return errs
}

// swallow returns an error if r would take over the way to end: unless what leads there now is more specific. A route that takes over
// the way to the tunnel's own far end is taken all the same, if a host route can keep that out of it.
func (p *preflight) swallow(ctx context.Context, field string, r *Route, end netip.Addr) error {
	if r.TableOrMain() != MainTable || !r.Dst.Contains(end) || !r.Type.HasDevice() {
		return nil
	}
	hop, err := p.kernel.Lookup(ctx, Query{To: end})
	if err != nil && !errors.Is(err, ErrUnreachable) {
		return err
	}
	if err == nil && hop.Match.IsValid() && hop.Match.Bits() > r.Dst.Bits() {
		own, err := p.isOwnPin(ctx, hop, end)
		if !own || err != nil {
			return err
		}
	}
	if field == "route" && end == p.t.Remote && !r.Dst.IsSingleIP() {
		pin, err := pinFor(ctx, p.kernel, p.links, end)
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
		way = fmt.Sprintf("give the far end a route of its own first: ip route add %s via %s dev %s", end, hop.Via, Printable(hop.Dev))
	}
	return invalid(field, way, "%s covers the far end's outer address %s: the tunnel's own packets would go into the tunnel", r.Dst, end)
}

// isOwnPin says whether what leads to end is a host route of nmgre's own, which is there because of such a route.
func (p *preflight) isOwnPin(ctx context.Context, hop Hop, end netip.Addr) (bool, error) {
	if !hop.Match.IsSingleIP() {
		return false, nil
	}
	routes, err := p.kernel.RoutesTo(ctx, end)
	return slices.ContainsFunc(routes, func(r DeviceRoute) bool { return r.Dst == hop.Match && r.Protocol == RouteProtocol }), err
}

// pinned notes that the far end gets a host route.
func (p *preflight) pinned(r Route, pin OwnRoute) {
	if !p.pin {
		p.note("%s covers the far end's outer address: a host route keeps it reachable, now: %s dev %s", r.Dst, pin.Route, Printable(pin.Dev))
	}
	p.pin = true
}

// findLink returns the link with that name, nil if there is none.
func findLink(links []Link, name string) *Link {
	i := slices.IndexFunc(links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return &links[i]
}

// holderOf returns the link that has the address a, nil if none has.
func holderOf(links []Link, a netip.Addr) *Link {
	i := slices.IndexFunc(links, func(l Link) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == a })
	})
	if i < 0 {
		return nil
	}
	return &links[i]
}
