package adopt

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Fate says where a part of a tunnel that was made by hand goes.
type Fate string

// The fates.
const (
	Taken     Fate = "taken"      // the profile, or root's file, has it
	NotNeeded Fate = "not needed" // it comes by itself
	Stays     Fate = "stays"      // it is left as it is, and nmgre does not hold it
	Lost      Fate = "lost"       // it goes with the next new link; packets pass without it
)

// Part is a part of the tunnel, and its fate.
type Part struct {
	What string // such as "address 172.16.0.1/30"
	Fate Fate
	Why  string // a few words; may be empty where it was taken
}

// Found is a tunnel that was made by hand, in nmgre's words.
type Found struct {
	Tunnel nm.Tunnel
	Parts  []Part
	// Rules and NAT are the indexes of the rules that the tunnel takes over: they are removed when
	// it has its own.
	Rules, NAT []int
}

// Read decides on the tunnel of a link. The errors are [fault.ErrInvalid], joined if there are
// several: each names a part that nmgre cannot hold.
func Read(b kernel.ByHand) (Found, error) {
	if err := isTunnel(b); err != nil {
		return Found{}, err
	}
	r := reader{b: b}
	r.link()
	for _, a := range b.Addresses {
		r.address(a)
	}
	for _, held := range b.Routes {
		r.route(held)
	}
	for i, held := range b.Rules {
		r.rule(i, held)
	}
	r.nat()
	return r.f, r.problems.Err()
}

// reader is a link while it is read.
type reader struct {
	b        kernel.ByHand
	f        Found
	problems fault.List
}

func (r *reader) part(fate Fate, why, format string, args ...any) {
	r.f.Parts = append(r.f.Parts, Part{fmt.Sprintf(format, args...), fate, why})
}

func (r *reader) refuse(field, hint, format string, args ...any) {
	r.problems.Add(fault.Invalid(field, hint, format, args...))
}

// isTunnel refuses a link that is no GRE tunnel of two ends.
func isTunnel(b kernel.ByHand) error {
	l, name := b.Link, fault.Printable(b.Link.Name)
	const hint = "adopt takes links of the kinds gre, gretap, ip6gre and ip6gretap that were made by hand; nmgre list shows them as external"
	switch {
	case nm.IsFallback(l.Name) || l.IsFallback():
		return fault.Invalid("", hint, "%s is a fallback device of the kernel's own, and no tunnel: it has no far end", name)
	case l.GRE == nil && l.Kind == "":
		return fault.Invalid("", hint, "%s is no GRE tunnel", name)
	case l.GRE == nil:
		return fault.Invalid("", hint, "%s is no GRE tunnel: it is a link of the kind %s", name, fault.Printable(l.Kind))
	case l.GRE.External:
		return fault.Invalid("", hint, "%s is in external mode: routes or a bridge choose its far end, and NetworkManager has no such tunnels", name)
	case l.GRE.Remote.IsUnspecified():
		return fault.Invalid("peer", "give the link its far end: ip link set dev "+fault.ShellWord(l.Name)+" type "+l.Kind+" remote ADDR, or make a tunnel to each far end",
			"%s has no far end (remote any): nmgre's tunnels have one", name)
	case l.GRE.Remote.IsMulticast():
		return fault.Invalid("peer", "nmgre's tunnels have one far end", "the far end of %s is the multicast group %s", name, l.GRE.Remote)
	}
	return nil
}

// link reads the settings of the link.
func (r *reader) link() {
	t, l, g := &r.f.Tunnel, r.b.Link, *r.b.Link.GRE
	*t = nm.NewTunnel()
	t.Name, t.Mode, t.Local, t.Remote, t.Parent = l.Name, g.Mode, g.Local, g.Remote, r.b.Parent
	t.InputKey, t.OutputKey = gre.CloneKey(g.InputKey), gre.CloneKey(g.OutputKey)
	t.TTL, t.TOS, t.NoPMTUD, t.MTU = g.TTL, g.TOS, !g.PMTUD, uint32(max(l.MTU, 0)) //nolint:gosec // the kernel's own
	if g.Mode.IPv6Outer() {
		t.EncapLimit, t.FlowLabel, t.Flags = g.EncapLimit, g.FlowLabel, g.Flags
		if t.Flags&gre.FlagIgnEncapLimit != 0 {
			t.EncapLimit = 0
		} else if t.EncapLimit == 0 {
			r.refuse("encap-limit", r.change("encaplimit 4"), "the link has the encapsulation limit 0, and nmgre's tunnels have 1 to 255, or none")
		}
	}
	t.Link = l.Options()
	if g.Mode.Ethernet() {
		t.MAC = r.b.MAC
	}
	t.Adopts = true
	r.part(Taken, "", "link %s: %s %s -> %s, mtu %d", fault.Printable(l.Name), g.Mode, gre.OuterText(g.Local), g.Remote, l.MTU)
	for _, name := range t.Link.Names() {
		r.part(Taken, "NetworkManager cannot hold it, root's file does", "%s", name)
	}
	if g.OneWay {
		r.refuse("checksum", r.change("csum")+", or nocsum; and the same of seq", "checksums or sequence numbers are on in one direction only (icsum, ocsum, iseq or oseq), and nmgre holds those of both")
	}
	r.controller()
	for _, s := range r.b.Odd {
		r.setting(s)
	}
	if !l.Up {
		r.part(Taken, "the link is down; the profile brings it up", "state down")
	}
}

// change is the command that gives the link other settings.
func (r *reader) change(words string) string {
	return "ip link set dev " + fault.ShellWord(r.b.Link.Name) + " type " + r.b.Link.Kind + " " + words
}

// controller reads whose port the link is.
func (r *reader) controller() {
	name := fault.Printable(r.b.Controller)
	switch {
	case r.b.Controller == "":
	case r.b.ControllerKind == "bridge" && r.b.Link.GRE.Mode.Ethernet():
		r.f.Tunnel.Controller = r.b.Controller
		r.part(Taken, "", "port of the bridge %s", name)
	default:
		r.refuse("controller", "take it out of there: ip link set dev "+fault.ShellWord(r.b.Link.Name)+" nomaster", "the link belongs to %s, a %s, and nmgre's tunnels belong to bridges alone", name, fault.Printable(r.b.ControllerKind))
	}
}

func (r *reader) setting(s kernel.Setting) {
	if s.Mere {
		r.part(Lost, "NetworkManager does not hold it; a new link does not have it", "%s", s.Name)
		return
	}
	hint := "make a tunnel without it"
	if s.Undo != "" {
		hint = "take it off the link first: " + r.change(s.Undo)
	}
	r.refuse(s.Field, hint, "the link has %s, which neither NetworkManager nor nmgre can hold for a GRE tunnel", fault.Printable(s.Name))
}

// address reads an address. Of one with a peer the prefix length is the peer's.
func (r *reader) address(a kernel.HandAddress) {
	t, text := &r.f.Tunnel, a.String()
	if a.Peer.IsValid() {
		text = a.Addr().String() + " peer " + a.Peer.String()
	}
	switch {
	case a.Automatic && !r.uses6():
		r.part(NotNeeded, "the kernel made it by itself, and the tunnel has no other IPv6", "address %s", text)
		return
	case a.Automatic && a.Leased:
		r.part(NotNeeded, "it came from the network", "address %s", text)
		return
	case a.Leased:
		r.refuse("address", "make it last: ip address change "+text+" dev "+fault.ShellWord(t.Name)+" valid_lft forever", "the life time of the address %s has an end, and those of a profile's have none", text)
		return
	}
	own := a.Prefix
	switch hasPeer := a.Peer.IsValid() && a.Peer.Addr() != own.Addr(); {
	case hasPeer && a.Peer.Masked().Contains(own.Addr()):
		t.SetPeers(append(t.Peers(), a.Peer.Addr()))
		r.part(Taken, fmt.Sprintf("as %s, with %s as the far end's: NetworkManager has no peer addresses", own, a.Peer.Addr()), "address %s", text)
	case hasPeer:
		own = routes.HostPrefix(own.Addr())
		t.SetPeers(append(t.Peers(), a.Peer.Addr()))
		if !a.Peer.IsSingleIP() {
			t.Routes = append(t.Routes, routes.Route{Dst: a.Peer.Masked()})
		}
		r.part(Taken, fmt.Sprintf("as %s with a route to %s: NetworkManager has no peer addresses", own, a.Peer.Masked()), "address %s", text)
	default:
		r.plainAddress(&own, a)
	}
	if a.Label != "" {
		r.part(Lost, "nmgre's addresses have no label", "label %s of %s", fault.Printable(a.Label), own.Addr())
	}
	if !slices.Contains(t.Addresses, own) {
		t.Addresses = append(t.Addresses, own)
	}
}

// uses6 says whether the tunnel has an IPv6 address that somebody gave it, or a route of IPv6.
func (r *reader) uses6() bool {
	return slices.ContainsFunc(r.b.Addresses, func(a kernel.HandAddress) bool { return a.Addr().Is6() && !a.Automatic }) ||
		slices.ContainsFunc(r.b.Routes, func(h kernel.HandRoute) bool { return h.Dst.Addr().Is6() && h.Protocol != protoKernel })
}

// plainAddress reads an address without a peer.
func (r *reader) plainAddress(own *netip.Prefix, a kernel.HandAddress) {
	switch {
	case a.Odd == "noprefixroute":
		*own = routes.HostPrefix(own.Addr())
		r.part(Taken, "as "+own.String()+": it has no route to its network", "address %s noprefixroute", a.Prefix)
	case a.Odd != "":
		r.refuse("address", "ip address change "+a.String()+" dev "+fault.ShellWord(r.b.Link.Name)+" scope global", "the address %s has %s, which NetworkManager does not hold", a.Prefix, fault.Printable(a.Odd))
	default:
		r.part(Taken, "", "address %s", a.Prefix)
	}
}

// Numbers of rtm_protocol (linux/rtnetlink.h).
const (
	protoRedirect = 1
	protoKernel   = 2
	protoStatic   = 4
	protoRA       = 9
	protoDHCP     = 16
)

// route reads a route. Every route gets the metric that it has: a profile's own default is another.
func (r *reader) route(h kernel.HandRoute) {
	text := fault.Escaped(h.String())
	switch {
	case h.Protocol == protoKernel:
		return // it belongs to an address
	case h.Protocol == kernel.RouteProtocol:
		r.part(NotNeeded, "an interrupted nmgre left it behind", "route %s", text)
	case h.Protocol == protoRedirect || h.Protocol == protoRA || h.Protocol == protoDHCP || h.Expires > 0:
		r.part(Stays, "it came from the network, and ends by itself", "route %s", text)
	case h.Protocol > protoStatic:
		r.part(Stays, fmt.Sprintf("a routing daemon holds it (protocol %d)", h.Protocol), "route %s", text)
	case h.Odd != "":
		r.refuse("route", "remove it: "+h.IPRoute("del", r.b.Link.Name), "the route to %s has %s, which nmgre cannot hold", h.Dst, fault.Printable(h.Odd))
	default:
		one := h.Route.Clone()
		if one.Metric == nil {
			metric := one.KernelMetric()
			one.Metric = &metric
		}
		if one.Src, text = r.source(one), fault.Escaped(h.String()); one.Src != h.Src {
			r.part(Taken, "with its source "+one.Src.String()+": NetworkManager sets the addresses in another order", "route %s", text)
		} else {
			r.part(Taken, "", "route %s", text)
		}
		r.f.Tunnel.Routes = append(r.f.Tunnel.Routes, one)
	}
}

// source returns the source address that the kernel gives packets of an IPv4 route: of several
// addresses that of the gateway's network, or the first. NetworkManager may set another one first.
func (r *reader) source(one routes.Route) netip.Addr {
	var first, near netip.Addr
	n := 0
	for _, a := range r.b.Addresses {
		if !a.Addr().Is4() || a.Odd != "" {
			continue
		}
		n++
		if !first.IsValid() {
			first = a.Addr()
		}
		if !near.IsValid() && one.Via.IsValid() && a.Contains(one.Via) {
			near = a.Addr()
		}
	}
	switch {
	case one.Src.IsValid() || n < 2 || !one.Dst.Addr().Is4() || !one.Type.HasDevice() || len(one.Nexthops) > 0 || one.NexthopID != 0:
		return one.Src
	case near.IsValid():
		return near
	}
	return first
}

// rule reads a rule of the policy, if it belongs to the tunnel: it names the device, or leads to a
// table whose routes are all the tunnel's.
func (r *reader) rule(i int, h kernel.HeldRule) {
	if h.Protocol == kernel.RouteProtocol || h.Protocol == protoStatic || h.Protocol == protoKernel {
		return // nmgre's, a profile's, the kernel's
	}
	name := r.b.Link.Name
	devices, leads := r.b.Tables[h.Table]
	leads = leads && h.Action == rule.Lookup && !isEverybodys(h.Table)
	shared := slices.ContainsFunc(devices, func(d string) bool { return d != name })
	text := fault.Escaped(h.String())
	switch named := h.IIF == name || h.OIF == name; {
	case !named && !leads:
	case !named && shared:
		r.part(Stays, fmt.Sprintf("the table %d has routes of other devices, too", h.Table), "rule %s", text)
	case h.Protocol > protoStatic:
		r.part(Stays, fmt.Sprintf("a daemon holds it (protocol %d)", h.Protocol), "rule %s", text)
	case h.Partly:
		r.part(Stays, "it has more to it than nmgre can hold, such as goto", "rule %s", text)
	case slices.Contains(r.f.Tunnel.Rules, h.Rule):
		r.f.Rules = append(r.f.Rules, i)
	default:
		r.f.Tunnel.Rules, r.f.Rules = append(r.f.Tunnel.Rules, h.Rule), append(r.f.Rules, i)
		r.part(Taken, "", "rule %s", text)
	}
}

// isEverybodys says whether a table is one that every host has: default, main, local, or none.
func isEverybodys(table uint32) bool {
	const tableDefault, tableLocal = 253, 255
	return table == 0 || table >= tableDefault && table <= tableLocal
}
