// Package clash finds what is in a new tunnel's way on its host: a name that is taken, addresses
// and networks that others have, another tunnel that the kernel could not tell from it. It is pure.
//
// Begin with [Host].
package clash

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/nm/ends"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Host is a host, and the tunnel that it is to get. The other tunnels are among its profiles and
// links, the tunnel itself is not.
type Host struct {
	Tunnel   nm.Tunnel
	Kernel   kernel.Kernel
	Profiles []nm.Profile
	Links    []kernel.Link
	Version  nm.Version // NetworkManager's
	Way      kernel.Hop // by which the packets to the far end leave; empty if not known
	// Note tells the person of something that is no obstacle.
	Note func(format string, args ...any)
}

// NameTaken refuses a name that a profile or a device has already. without is what the tunnel would
// do without --name.
func (h *Host) NameTaken(without string) *fault.Error {
	hint := "choose another name, or leave --name out to " + without
	for _, profile := range h.Profiles {
		if profile.State == nm.StateExternal || profile.ID != h.Tunnel.Name && profile.Tunnel.Name != h.Tunnel.Name {
			continue
		}
		if profile.Trial {
			return fault.Invalid("name", hint, "another nmgre is making %s right now", h.Tunnel.Name)
		}
		return fault.Invalid("name", hint, "the profile %s has the name %s already", profile.Called(), h.Tunnel.Name)
	}
	if link := kernel.Named(h.Links, h.Tunnel.Name); link != nil {
		return fault.Invalid("name", hint+advice.ByHand(link, h.Profiles), "the device %s exists already", h.Tunnel.Name)
	}
	return nil
}

// FlagsTooNew refuses flags that the NetworkManager here does not take.
func (h *Host) FlagsTooNew() *fault.Error {
	if h.Tunnel.Flags == 0 || !h.Version.Before(nm.FlagsVersion) {
		return nil
	}
	if h.Tunnel.Flags == gre.FlagIgnEncapLimit {
		return fault.Invalid("encap-limit", fmt.Sprintf("give a number, or use NetworkManager %d.%d or later", nm.FlagsVersion.Major, nm.FlagsVersion.Minor),
			"NetworkManager %s cannot leave the encapsulation limit out (none) in mode %s", h.Version, h.Tunnel.Mode)
	}
	return fault.Invalid("flags", fmt.Sprintf("leave --flags out, or use NetworkManager %d.%d or later", nm.FlagsVersion.Major, nm.FlagsVersion.Minor),
		"NetworkManager %s takes no flags for mode %s", h.Version, h.Tunnel.Mode)
}

// ParentMissing refuses a parent that this host does not have.
func (h *Host) ParentMissing() *fault.Error {
	if dev := h.Tunnel.ParentDevice(); dev != "" && kernel.Named(h.Links, dev) == nil {
		return fault.Invalid("parent", "give the device that leads to the far end, or leave --parent out", "there is no device %s", fault.Printable(dev))
	}
	return nil
}

// isAway says whether this host does not have the local address that was given.
func (h *Host) isAway() bool {
	return h.Tunnel.Local.IsValid() && !h.Tunnel.Local.IsUnspecified() && kernel.Holding(h.Links, h.Tunnel.Local) == nil
}

// LocalNotHere refuses a local address that this host does not have. Where both ends are the wrong
// way round, RemoteHere says all.
func (h *Host) LocalNotHere() *fault.Error {
	if !h.isAway() || kernel.Holding(h.Links, h.Tunnel.Remote) != nil {
		return nil
	}
	return fault.Invalid("local", "give one of this host's addresses, or leave --local out and nmgre finds it; behind NAT it is the private address of the interface",
		"%s is not an address of this host", h.Tunnel.Local)
}

// RemoteHere refuses a far end that is this host itself.
func (h *Host) RemoteHere() *fault.Error {
	if link := kernel.Holding(h.Links, h.Tunnel.Remote); link != nil {
		hint := "give the other host's address"
		if h.isAway() { // both ends the wrong way round
			hint += fmt.Sprintf("; this is the line for the far end, %s: type it there", h.Tunnel.Local)
		}
		return fault.Invalid("peer", hint, "%s is this host's own address, on %s", h.Tunnel.Remote, fault.Printable(link.Name))
	}
	return nil
}

// Duplicate refuses a tunnel that the kernel could not tell from another one. The kernel tells
// tunnels apart by mode, parent device, local address, remote address and input key.
func (h *Host) Duplicate() *fault.Error {
	for _, link := range h.Links {
		if link.GRE != nil && !link.GRE.External && h.sameTuple(*link.GRE) {
			return h.joinedAlready("the device", link.Name, advice.ByHand(&link, h.Profiles), link.GRE.Local, link.GRE.Remote)
		}
	}
	for _, profile := range h.Profiles {
		o := profile.Tunnel
		if o.Mode == h.Tunnel.Mode && o.Local == h.Tunnel.Local && o.Remote == h.Tunnel.Remote && o.Parent == h.Tunnel.Parent && gre.SameKey(o.InputKey, h.Tunnel.InputKey) {
			return h.joinedAlready("the profile", profile.ID, "", o.Local, o.Remote)
		}
	}
	return nil
}

// joinedAlready refuses a second tunnel between two hosts that has the first one's key, or none
// like the first one.
func (h *Host) joinedAlready(kind, name, byHand string, local, remote netip.Addr) *fault.Error {
	key := "neither has a key"
	switch {
	case h.Tunnel.InputKey != nil:
		key = "both have the same input key"
	case h.Tunnel.OutputKey != nil:
		key = "neither has an input key"
	}
	return fault.Invalid("peer", "to change that one: nmgre edit "+fault.Operand(name)+"; a second one needs a key of its own at both ends, such as --key 1"+byHand, "%s and %s are joined already by %s %s, and %s", gre.OuterText(local), gre.OuterText(remote), kind, fault.Printable(name), key)
}

// sameTuple says whether g has all the values by which the kernel tells tunnels apart.
func (h *Host) sameTuple(g kernel.GRELink) bool {
	parent := 0
	if link := kernel.Named(h.Links, h.Tunnel.ParentDevice()); link != nil {
		parent = link.Index
	}
	return g.Mode == h.Tunnel.Mode && g.Local == h.Tunnel.Local && g.Remote == h.Tunnel.Remote && g.Parent == parent && gre.SameKey(g.InputKey, h.Tunnel.InputKey)
}

// InnerOverlap refuses inner networks that overlap a network of this host. An address for itself
// (/32, /128) has no network, so it may be on other devices as well: unnumbered tunnels borrow one.
func (h *Host) InnerOverlap(addresses []netip.Prefix) *fault.Error {
	for _, own := range addresses {
		for _, link := range h.Links {
			for _, other := range link.Addresses {
				switch {
				case !own.Overlaps(other) || isScoped(own):
				case own.IsSingleIP() || other.IsSingleIP() && !slices.Contains(h.Tunnel.Peers(), other.Addr()):
					h.Note("the inner address %s is in the same network as %s on %s", own, other, fault.Printable(link.Name))
				case ends.IsAutomatic(own, other):
					h.Note("the inner network %s is a part of %s, which is on %s", own.Masked(), other.Masked(), fault.Printable(link.Name))
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

// RouteIsOwnNetwork refuses routes to networks of this host, and to the host itself.
func (h *Host) RouteIsOwnNetwork(list []routes.Route) *fault.Error {
	own := make(map[netip.Prefix]string)
	for _, link := range h.Links {
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

// RouteIsPart refuses routes that lead a part of this host's own network into the tunnel. The
// networks of other tunnels do not count: parts of them may be behind this one.
func (h *Host) RouteIsPart(list []routes.Route) *fault.Error {
	whole := make(map[netip.Prefix]string)
	var lengths []int
	for _, link := range h.Links {
		for _, a := range link.Addresses {
			if link.GRE == nil && link.Name != h.Tunnel.Name && !a.Addr().IsLinkLocalUnicast() {
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

// NexthopDevices refuses nexthops by devices that do not exist. Tunnels that are down do exist:
// their nexthops are set when they come up.
func (h *Host) NexthopDevices(list []routes.Route) fault.List {
	var found fault.List
	for i := range list {
		for _, hop := range list[i].Nexthops {
			if hop.Dev != "" && !h.knows(hop.Dev) {
				found.Add(fault.Invalid("route", "name a device of this host or a tunnel, see: nmgre list",
					"%s: there is no device %s", list[i].Dst, fault.Printable(hop.Dev)))
			}
		}
	}
	return found
}

// knows says whether there is a device of that name, or a profile for one.
func (h *Host) knows(dev string) bool {
	return dev == h.Tunnel.Name || kernel.Named(h.Links, dev) != nil ||
		slices.ContainsFunc(h.Profiles, func(o nm.Profile) bool { return o.Tunnel.Name == dev })
}
