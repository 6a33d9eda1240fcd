package pair

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/notation/importer"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// NetsOf returns the networks of a host's devices, as [Hello] has them.
func NetsOf(links []kernel.Link) []Net {
	var nets []Net
	for _, l := range links {
		for _, a := range l.Addresses {
			if a.Addr().IsLoopback() || a.Addr().IsLinkLocalUnicast() || len(nets) >= maxList || !routes.IsDevice(l.Name) {
				continue
			}
			nets = append(nets, Net{Dev: l.Name, Address: a, Up: l.Up, Tunnel: l.GRE != nil})
		}
	}
	return nets
}

// HelloOf returns the greeting of a host with these devices and profiles.
func HelloOf(links []kernel.Link, profiles []nm.Profile) *Hello {
	h := &Hello{Protocol: Protocol, Nets: NetsOf(links)}
	for _, l := range links {
		h.Names = append(h.Names, l.Name)
	}
	for _, p := range profiles {
		h.Names = append(h.Names, p.ID, p.Tunnel.Name)
		if p.Tunnel.Mode == 0 {
			continue
		}
		for _, a := range p.Tunnel.Addresses { // of tunnels that are down, too
			h.Nets = append(h.Nets, Net{Dev: p.Tunnel.Name, Address: a, Tunnel: true})
		}
		h.Ends, h.Routed = append(h.Ends, EndsOf(p)), append(h.Routed, routedBy(p.Tunnel)...)
	}
	h.Nets = slices.DeleteFunc(h.Nets, func(n Net) bool { return !routes.IsDevice(n.Dev) })
	h.Ends = slices.DeleteFunc(h.Ends, func(e Ends) bool { return !routes.IsDevice(e.Name) })
	h.Names = slices.DeleteFunc(h.Names, func(name string) bool { return name == "" || len(name) > 255 })
	h.Routed = slices.DeleteFunc(h.Routed, func(r Routed) bool { return !routes.IsDevice(r.Tunnel) })
	h.Nets, h.Names, h.Ends = h.Nets[:min(len(h.Nets), maxList)], h.Names[:min(len(h.Names), maxList)], h.Ends[:min(len(h.Ends), maxList)]
	h.Routed = h.Routed[:min(len(h.Routed), maxList)]
	return h
}

// EndsOf returns the ends of a profile's tunnel.
func EndsOf(p nm.Profile) Ends {
	t := p.Tunnel
	return Ends{Name: t.Name, Local: t.Local, Remote: t.Remote, Input: keyText(t.InputKey), Output: keyText(t.OutputKey), Trial: p.Trial || p.Edit != nil}
}

// Inner returns the inner addresses that the other end of t has, as far as they are known.
func Inner(t nm.Tunnel) []netip.Addr { return t.Peers() }

// InnerPeers returns the inner addresses that t has, in the form of [Inner].
func InnerPeers(t nm.Tunnel) []netip.Addr {
	var own []netip.Addr
	for _, a := range t.Addresses {
		own = append(own, a.Addr())
	}
	return own
}

func keyText(k *gre.Key) string {
	if k == nil {
		return ""
	}
	return k.String()
}

// Mirrors reports whether the ends are those of the other host for the tunnel t.
func (e Ends) Mirrors(t nm.Tunnel) bool {
	return Between(t, e.Local, e.Remote) && e.Input == keyText(t.OutputKey) && e.Output == keyText(t.InputKey)
}

// Between reports whether local and remote are the outer addresses of the other end of t. An end
// that sends from any address has each.
func Between(t nm.Tunnel, local, remote netip.Addr) bool {
	same := func(a, b netip.Addr) bool { return a == b || !isHost(a) || !isHost(b) }
	return same(t.Remote, local) && same(t.Local, remote) && (isHost(local) || isHost(remote))
}

// isHost says whether a is the address of one host.
func isHost(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// ParseTunnel reads the tunnel of a plan, which the other end may have written in any way. It fails
// with [fault.ErrInvalid] for everything but one whole tunnel.
func ParseTunnel(m Message) (nm.Tunnel, error) {
	im, err := importer.Read(m.Command, importer.Options{From: "nmgre", Strict: true})
	switch {
	case err != nil:
		return nm.Tunnel{}, err
	case len(im.Tunnels) != 1:
		return nm.Tunnel{}, bad("its plan has %d tunnels", len(im.Tunnels))
	}
	t := im.Tunnels[0]
	if m.AnyName {
		t.Name = ""
	}
	return t, nil
}

// Peer returns the outer address of the far end: the one that ssh has reached, or the first of that
// device with the family of the mode. An ssh that came by another host, as by a jump host, may have
// reached an address that means nothing to the near end: a public one of the far end is taken
// instead of a private one then. It fails with [fault.ErrInvalid] if there is none.
func (h *Hello) Peer(host string, mode gre.Mode, near *Hello) (netip.Addr, error) {
	fits := func(a netip.Addr) bool { return a.IsValid() && a.Is6() == mode.IPv6Outer() && a.IsGlobalUnicast() }
	at := slices.IndexFunc(h.Nets, func(n Net) bool { return n.Address.Addr() == h.Reached })
	if at >= 0 && h.Reached.IsPrivate() && h.Client.IsValid() && !near.has(h.Client) {
		public := func(n Net) bool {
			return n.Up && !n.Tunnel && fits(n.Address.Addr()) && !n.Address.Addr().IsPrivate()
		}
		if other := slices.IndexFunc(h.Nets, public); other >= 0 {
			return h.Nets[other].Address.Addr(), nil
		}
	}
	if at >= 0 && fits(h.Reached) {
		return h.Reached, nil
	}
	if at >= 0 {
		for _, n := range h.Nets {
			if n.Dev == h.Nets[at].Dev && n.Up && !n.Tunnel && fits(n.Address.Addr()) {
				return n.Address.Addr(), nil
			}
		}
	}
	return netip.Addr{}, fault.Invalid("peer", "give the outer address of "+fault.Printable(host)+": --peer ADDR", "ssh does not tell which address of %s a tunnel of mode %s leads to", fault.Printable(host), mode)
}

// LANs returns the networks behind a host whose outer address is outer: those of its devices that
// are up, and neither tunnels nor the device that has outer. A network that holds the address avoid
// is none either.
func (h *Hello) LANs(outer, avoid netip.Addr) []netip.Prefix {
	dev := ""
	for _, n := range h.Nets {
		if n.Address.Addr() == outer {
			dev = n.Dev
		}
	}
	var lans []netip.Prefix
	for _, n := range h.Nets {
		lan := n.Address.Masked()
		if !n.Up || n.Tunnel || n.Dev == dev || lan.IsSingleIP() || lan.Contains(outer) || lan.Contains(avoid) || slices.Contains(lans, lan) {
			continue
		}
		lans = append(lans, lan)
	}
	return lans
}

// pool is where inner networks are taken from (RFC 1918).
var pool = netip.MustParsePrefix("172.16.0.0/12")

// maxTried bounds how many networks of the pool are tried.
const maxTried = 1 << 16

// FreeInner returns the near end's address in the first network of two hosts that neither host has
// a part of. It is the zero Prefix if there is none.
func FreeInner(near, far *Hello) netip.Prefix {
	taken := func(p netip.Prefix) bool {
		overlaps := func(n Net) bool { return n.Address.Masked().Overlaps(p) }
		return slices.ContainsFunc(near.Nets, overlaps) || slices.ContainsFunc(far.Nets, overlaps)
	}
	first := pool.Addr().As4()
	for i := range maxTried {
		at := uint32(first[0])<<24 | uint32(first[1])<<16 | uint32(i*4) //nolint:gosec // below 2^18
		net := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at)}), 30)
		if !taken(net) {
			return netip.PrefixFrom(net.Addr().Next(), 30)
		}
	}
	return netip.Prefix{}
}

// Wish has the two ends that a person wants.
type Wish struct {
	Near      nm.Tunnel
	There     bool           // Near is there already
	Taken     []string       // the far end's tunnels that belong to other ones, as [Taken] has them
	Routed    bool           // Near has the routes that are wanted, maybe none
	FarRouted bool           // so have FarRoutes
	FarRoutes []routes.Route // into the far end of the tunnel
	FarPeer   netip.Addr     // the near end's address as the far end sees it; the zero Addr for Near's own
}

// Complete fills in the fields that the wish leaves open: the far end's outer address, the inner
// addresses, and the routes to the networks behind the far end. It returns notes about its choices.
func (w *Wish) Complete(host string, near, far *Hello) (notes []string, err error) {
	t := &w.Near
	if !t.Remote.IsValid() {
		if t.Remote, err = far.Peer(host, t.Mode, near); err != nil {
			return nil, err
		}
		if far.Reached.IsPrivate() && !t.Remote.IsPrivate() && t.Remote.Is4() == far.Reached.Is4() {
			notes = append(notes, fmt.Sprintf("--peer %s: ssh came to %s at %s, but not from here; if that is the address to take, give it with --peer", t.Remote, fault.Printable(host), far.Reached))
		}
	}
	if len(t.Addresses) == 0 && t.Controller == "" {
		inner := FreeInner(near, far)
		if !inner.IsValid() {
			return nil, fault.Invalid("address", "give this end's inner address with --address", "no network of %s is free at both ends", pool)
		}
		t.Addresses = []netip.Prefix{inner}
		notes = append(notes, fmt.Sprintf("inner addresses %s here, and the other one of %s there: that network is free at both ends", inner, inner.Masked()))
	}
	if !w.Routed && t.Controller == "" {
		notes = append(notes, w.propose(host, near, far)...)
	}
	return notes, nil
}

// propose adds a route to each network behind the far end that this end does not have itself, and
// that none of its tunnels carries already.
func (w *Wish) propose(host string, near, far *Hello) (notes []string) {
	t, toFar := &w.Near, leadsToAny(far, w.Near.Remote)
	for _, lan := range far.LANs(t.Remote, t.Local) {
		has4 := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() == lan.Addr().Is4() })
		switch {
		case !has4:
		case own(near, lan):
			notes = append(notes, fmt.Sprintf("no route to %s at %s: this host has that network, or a part of it, itself", lan, fault.Printable(host)))
		case slices.Contains(far.Uplinks, lan):
			notes = append(notes, fmt.Sprintf("no route to %s at %s, an uplink there; where it is a LAN of yours, add --route %s", lan, fault.Printable(host), lan))
		case near.carrier(lan, toFar) != "":
			notes = append(notes, notTwice(lan, "here", near.carrier(lan, toFar), "route"))
		default:
			t.Routes = append(t.Routes, routes.Route{Dst: lan})
			notes = append(notes, fmt.Sprintf("route %s here: %s has that network", lan, fault.Printable(host)))
		}
	}
	return notes
}

// own reports whether the host has a part of the network.
func own(h *Hello, lan netip.Prefix) bool {
	return slices.ContainsFunc(h.Nets, func(n Net) bool { return n.Address.Masked().Overlaps(lan) })
}

// Far returns the plan for the far end: mirror is the near end's, from its host. Its name is the
// near end's where that is free there.
func (w *Wish) Far(mirror nm.FarEnd, near nm.Tunnel, far *Hello) (Message, []string, error) {
	t, notes := mirror.Tunnel.Clone(), []string(nil)
	if w.FarPeer.IsValid() {
		t.Remote, mirror.Missing = w.FarPeer, ""
	}
	if mirror.Missing != "" {
		return Message{}, nil, fault.Invalid("local", "give this end's outer address with --local, and its inner one with --address", "%s", mirror.Missing)
	}
	t.Name, t.MTU = near.Name, w.Near.MTU
	switch {
	case w.FarRouted:
		t.Routes = slices.Clone(w.FarRoutes)
	default:
		mine := far.partners(near, w.There, w.Taken)
		t.Routes = slices.DeleteFunc(t.Routes, func(r routes.Route) bool {
			has, carrier := own(far, r.Dst) && !r.Dst.IsSingleIP(), far.carrier(r.Dst, leadsToAny(&Hello{}, t.Remote), mine...)
			switch {
			case has:
				notes = append(notes, fmt.Sprintf("no route to %s there: %s has that network, or a part of it, itself", r.Dst, fault.Printable(far.Host)))
			case carrier != "":
				notes = append(notes, notTwice(r.Dst, "there", carrier, "far-route"))
			}
			return has || carrier != ""
		})
	}
	if err := t.Validate(); err != nil {
		return Message{}, nil, err
	}
	command := t.CreateCommand()
	if len(command) > maxText {
		return Message{}, nil, fault.Invalid("far-route", "add them at the far end, with nmgre route add --routes-from", "the far end's command has more than %d bytes", maxText)
	}
	return Message{Type: Plan, Command: command, AnyName: slices.Contains(far.Names, t.Name)}, notes, nil
}

// Mend changes the tunnel t, which an end has, into the mirror that the other end wants. Settings
// that do not concern the other end stay: the name, further routes, SNAT, the zone.
func Mend(t *nm.Tunnel, want nm.Tunnel) {
	t.Mode, t.Local, t.Remote = want.Mode, want.Local, want.Remote
	t.InputKey, t.OutputKey = gre.CloneKey(want.InputKey), gre.CloneKey(want.OutputKey)
	t.Link.Checksum, t.Link.Sequence = want.Link.Checksum, want.Link.Sequence
	if want.MTU != 0 && (t.MTU == 0 || want.MTU < t.MTU) {
		t.MTU = want.MTU
	}
	missing := func(a netip.Prefix) bool { return !slices.Contains(t.Addresses, a) }
	if slices.ContainsFunc(want.Addresses, missing) { // those that are there lead nowhere
		t.Addresses = slices.Clone(want.Addresses)
	}
	t.SetPeers(want.Peers())
	for _, r := range want.Routes {
		if !slices.ContainsFunc(t.Routes, func(has routes.Route) bool { return has.Dst == r.Dst }) {
			t.Routes = append(t.Routes, r)
		}
	}
}
