package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/nm/ends"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
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

// problems returns all reasons why this host cannot have the tunnel.
func (p *preflight) problems(ctx context.Context) error {
	var found fault.List
	list, part := p.t.Routes, p.routeIsPart(p.t.Routes)
	found.Add(p.nameTaken("get the first free one of gre1, gre2, ..."), p.flagsTooNew(), p.duplicate(), p.innerOverlap(p.t.Addresses), cmp.Or(p.routeIsOwnNetwork(list), part))
	found.Add(p.snatSources(p.t.SNAT)...)
	found.Add(p.nexthopDevices(list)...)
	if part != nil { // a far end on the same network would be a second reason for the same
		list = nil
	}
	sibling, err := p.siblings(ctx)
	if err != nil {
		return err
	}
	found.Add(sibling)
	return errors.Join(found.Err(), p.loops(ctx, p.t.Addresses, list))
}

// nameTaken refuses a name that a profile or a device has already. without is what the tunnel would
// do without --name.
func (p *preflight) nameTaken(without string) *fault.Error {
	hint := "choose another name, or leave --name out to " + without
	for _, profile := range p.profiles {
		if profile.State == nm.StateExternal || profile.ID != p.t.Name && profile.Tunnel.Name != p.t.Name {
			continue
		}
		if profile.Trial {
			return fault.Invalid("name", hint, "another nmgre is making %s right now", p.t.Name)
		}
		return fault.Invalid("name", hint, "the profile %s has the name %s already", profile.Called(), p.t.Name)
	}
	if link := kernel.Named(p.links, p.t.Name); link != nil {
		return fault.Invalid("name", hint+advice.ByHand(link, p.profiles), "the device %s exists already", p.t.Name)
	}
	return nil
}

// flagsTooNew refuses flags that the NetworkManager here does not take.
func (p *preflight) flagsTooNew() *fault.Error {
	if p.t.Flags == 0 || !p.version.Before(nm.FlagsVersion) {
		return nil
	}
	if p.t.Flags == gre.FlagIgnEncapLimit {
		return fault.Invalid("encap-limit", fmt.Sprintf("give a number, or use NetworkManager %d.%d or later", nm.FlagsVersion.Major, nm.FlagsVersion.Minor),
			"NetworkManager %s cannot leave the encapsulation limit out (none) in mode %s", p.version, p.t.Mode)
	}
	return fault.Invalid("flags", fmt.Sprintf("leave --flags out, or use NetworkManager %d.%d or later", nm.FlagsVersion.Major, nm.FlagsVersion.Minor),
		"NetworkManager %s takes no flags for mode %s", p.version, p.t.Mode)
}

// parentMissing refuses a parent that this host does not have.
func (p *preflight) parentMissing() *fault.Error {
	if dev := p.parentDevice(); dev != "" && kernel.Named(p.links, dev) == nil {
		return fault.Invalid("parent", "give the device that leads to the far end, or leave --parent out", "there is no device %s", fault.Printable(dev))
	}
	return nil
}

// parentDevice returns the name of the parent device, or the empty string for a parent that is
// given by a UUID: its device is not known before the tunnel is up.
func (p *preflight) parentDevice() string {
	if keep.IsUUID(p.t.Parent) {
		return ""
	}
	return p.t.Parent
}

// isAway says whether this host does not have the local address that was given.
func (p *preflight) isAway() bool {
	return p.t.Local.IsValid() && !p.t.Local.IsUnspecified() && kernel.Holding(p.links, p.t.Local) == nil
}

// localNotHere refuses a local address that this host does not have. Where both ends are the wrong
// way round, remoteHere says all.
func (p *preflight) localNotHere() *fault.Error {
	if !p.isAway() || kernel.Holding(p.links, p.t.Remote) != nil {
		return nil
	}
	return fault.Invalid("local", "give one of this host's addresses, or leave --local out and nmgre finds it; behind NAT it is the private address of the interface",
		"%s is not an address of this host", p.t.Local)
}

// remoteHere refuses a far end that is this host itself.
func (p *preflight) remoteHere() *fault.Error {
	if link := kernel.Holding(p.links, p.t.Remote); link != nil {
		hint := "give the other host's address"
		if p.isAway() { // both ends the wrong way round
			hint += fmt.Sprintf("; this is the line for the far end, %s: type it there", p.t.Local)
		}
		return fault.Invalid("peer", hint, "%s is this host's own address, on %s", p.t.Remote, fault.Printable(link.Name))
	}
	return nil
}

// duplicate refuses a tunnel that the kernel could not tell from another one. The kernel tells
// tunnels apart by mode, parent device, local address, remote address and input key.
func (p *preflight) duplicate() *fault.Error {
	for _, link := range p.links {
		if link.GRE != nil && !link.GRE.External && p.sameTuple(*link.GRE) {
			return p.joinedAlready("the device", link.Name, advice.ByHand(&link, p.profiles), link.GRE.Local, link.GRE.Remote)
		}
	}
	for _, profile := range p.profiles {
		o := profile.Tunnel
		if o.Mode == p.t.Mode && o.Local == p.t.Local && o.Remote == p.t.Remote && o.Parent == p.t.Parent && gre.SameKey(o.InputKey, p.t.InputKey) {
			return p.joinedAlready("the profile", profile.ID, "", o.Local, o.Remote)
		}
	}
	return nil
}

// joinedAlready refuses a second tunnel between two hosts that has the first one's key, or none
// like the first one.
func (p *preflight) joinedAlready(kind, name, byHand string, local, remote netip.Addr) *fault.Error {
	key := "neither has a key"
	switch {
	case p.t.InputKey != nil:
		key = "both have the same input key"
	case p.t.OutputKey != nil:
		key = "neither has an input key"
	}
	return fault.Invalid("peer", "to change that one: nmgre edit "+fault.Operand(name)+"; a second one needs a key of its own at both ends, such as --key 1"+byHand, "%s and %s are joined already by %s %s, and %s", gre.OuterText(local), gre.OuterText(remote), kind, fault.Printable(name), key)
}

// sameTuple says whether g has all the values by which the kernel tells tunnels apart.
func (p *preflight) sameTuple(g kernel.GRELink) bool {
	parent := 0
	if link := kernel.Named(p.links, p.parentDevice()); link != nil {
		parent = link.Index
	}
	return g.Mode == p.t.Mode && g.Local == p.t.Local && g.Remote == p.t.Remote && g.Parent == parent && gre.SameKey(g.InputKey, p.t.InputKey)
}

// innerOverlap refuses inner networks that overlap a network of this host. An address for itself
// (/32, /128) has no network, so it may be on other devices as well: unnumbered tunnels borrow one.
func (p *preflight) innerOverlap(addresses []netip.Prefix) *fault.Error {
	for _, own := range addresses {
		for _, link := range p.links {
			for _, other := range link.Addresses {
				switch {
				case !own.Overlaps(other) || isScoped(own):
				case own.IsSingleIP() || other.IsSingleIP() && !slices.Contains(p.t.Peers(), other.Addr()):
					p.note("the inner address %s is in the same network as %s on %s", own, other, fault.Printable(link.Name))
				case ends.IsAutomatic(own, other):
					p.note("the inner network %s is a part of %s, which is on %s", own.Masked(), other.Masked(), fault.Printable(link.Name))
				default:
					return fault.Invalid("address", "choose a network that nothing else uses",
						"the inner network %s overlaps %s, which is on %s", own.Masked(), other.Masked(), fault.Printable(link.Name))
				}
			}
		}
	}
	return nil
}

// isScoped says whether the network is one that each device has for itself: IPv6's link-local
// addresses are looked up by device (RFC 4007).
func isScoped(n netip.Prefix) bool { return n.Addr().Is6() && n.Addr().IsLinkLocalUnicast() }

// routeIsOwnNetwork refuses routes to networks of this host, and to the host itself.
func (p *preflight) routeIsOwnNetwork(list []routes.Route) *fault.Error {
	own := make(map[netip.Prefix]string)
	for _, link := range p.links {
		for _, a := range link.Addresses {
			own[a.Masked()] = link.Name
		}
	}
	for i := range list {
		r := &list[i]
		if ends.LeadsToItself(r.Dst) {
			return fault.Invalid("route", "give the networks behind the far end", "packets to %s never leave this host", r.Dst)
		}
		if name, is := own[r.Dst]; is && r.TableOrMain() == routes.MainTable {
			return fault.Invalid("route", "give the networks behind the far end", "%s is this host's own network, on %s", r.Dst, fault.Printable(name))
		}
	}
	return nil
}

// routeIsPart refuses routes that lead a part of this host's own network into the tunnel. The
// networks of other tunnels do not count: parts of them may be behind this one.
func (p *preflight) routeIsPart(list []routes.Route) *fault.Error {
	whole := make(map[netip.Prefix]string)
	var lengths []int
	for _, link := range p.links {
		for _, a := range link.Addresses {
			if link.GRE == nil && link.Name != p.t.Name && !a.Addr().IsLinkLocalUnicast() {
				whole[a.Masked()], lengths = link.Name, append(lengths, a.Bits())
			}
		}
	}
	slices.Sort(lengths)
	lengths = slices.Compact(lengths) // a look-up each, for very many routes
	// the last network of each length that is not this host's
	others := make([]netip.Prefix, len(lengths))
	for i := range list {
		r := &list[i]
		if r.TableOrMain() != routes.MainTable || !r.Type.HasDevice() {
			continue
		}
		for j, bits := range lengths {
			if bits >= r.Dst.Bits() {
				break
			}
			if others[j].Contains(r.Dst.Addr()) { // routes beside each other are in one network
				continue
			}
			others[j], _ = r.Dst.Addr().Prefix(bits) // bits are fewer than its own
			if dev, is := whole[others[j]]; is {
				own := others[j]
				return fault.Invalid("route", "give the networks behind the far end, or put the route into a table of its own", "%s is a part of this host's own network %s, on %s", r.Dst, own, fault.Printable(dev))
			}
		}
	}
	return nil
}

// nexthopDevices refuses nexthops by devices that do not exist. Tunnels that are down do exist:
// their nexthops are set when they come up.
func (p *preflight) nexthopDevices(list []routes.Route) fault.List {
	var found fault.List
	for i := range list {
		for _, hop := range list[i].Nexthops {
			if hop.Dev != "" && !p.knows(hop.Dev) {
				found.Add(fault.Invalid("route", "name a device of this host or a tunnel, see: nmgre list",
					"%s: there is no device %s", list[i].Dst, fault.Printable(hop.Dev)))
			}
		}
	}
	return found
}

// knows says whether there is a device of that name, or a profile for one.
func (p *preflight) knows(dev string) bool {
	return dev == p.t.Name || kernel.Named(p.links, dev) != nil ||
		slices.ContainsFunc(p.profiles, func(o nm.Profile) bool { return o.Tunnel.Name == dev })
}
