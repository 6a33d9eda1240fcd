package cause

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/opposite"
	"nmgre/nm/verify/behind"
	"nmgre/nm/verify/pathmtu"
	"nmgre/nm/verify/snat"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Evidence has all the facts by which the cause of a fault is found.
type Evidence struct {
	Tunnel     nm.Tunnel     // as it should be
	Name       string        // for nmgre's own commands
	Link       *kernel.Link  // the tunnel's; nil if there is none
	Links      []kernel.Link // all
	BeforeSave bool          // the tunnel is being made or edited
	Shadow     *Shadow       // nil if the link, if there is one, is the profile's

	Under    Underlay
	Probe    kernel.ProbeResult
	Grew     kernel.Counters // the link's counters during the probe
	Listened bool            // there was a listener
	Heard    kernel.Heard
	Large    pathmtu.Found
	Outer    *kernel.ProbeResult // of the far end's outer address; nil if it was not probed
	// of other programs, about the outer packets; empty if not permitted
	Rules keep.OuterRules
	// Filter is that of [Evidence.FilterDevice]; nil if it was not read.
	Filter *keep.ReversePathFilter
	// IPsec are the policies for the outer packets; none if IPsecUnread is set.
	IPsec       kernel.IPsecPolicies
	IPsecUnread bool
	LANs        []netip.Prefix // the networks that routes lead to through the tunnel
	SNAT        *snat.Found    // of the SNAT rule that is judged; nil if there is none
	// Behind has the answers of one address behind the far end, for [OfBehind].
	Behind behind.Found
	// Reached says that an address behind the far end has answered through the tunnel.
	Reached bool
	// Near are the far end's ICMP errors about packets of TTL 1 to hosts behind it.
	Near []kernel.ICMPError
}

// Underlay is the way of the tunnel's packets to the far end, as far as the kernel knows it.
type Underlay struct {
	From      netip.Addr // this end's outer address; the zero Addr if it is not known
	Away      bool       // no device has that address
	Present   netip.Addr // the address that the kernel would choose instead
	Parent    string     // the device that the tunnel is bound to, if there is no such device
	Down      string     // a device on the way that is down
	Unplugged bool       // that device is up, and has no carrier
	NoRoute   string     // the kernel's words, if no route leads there
	Hop       kernel.Hop
	Path      string // "gre1 -> gre2 -> gre1"
	Itself    bool   // the way leads back into the tunnel
	Loop      bool   // the way loops through other tunnels
	Nested    bool   // the way leads into another tunnel
	Gateway   string // a route past the tunnel: "100.0.2.100/32 via 100.0.1.1 dev eth0"
	Rule      string // the rule of the routing policy that leads the packets to a table of its own
	Pass      string // the command that has them pass before that rule
	VRF       string // the VRF of the way, if no rule leads to the tables of VRFs
}

// hears reports whether these things could be listened to: then one that was not heard did not
// happen.
func (ev Evidence) hears(things ...string) bool {
	return ev.Listened && !slices.ContainsFunc(ev.Heard.Deaf, func(d kernel.Deaf) bool { return slices.Contains(things, d.What) })
}

// none reports whether so is true of no packet of the list. One that is cut short proves nothing.
func (ev Evidence) none(list []kernel.Packet, so func(kernel.Packet) bool) bool {
	return !slices.ContainsFunc(list, so) && (len(list) == 0 || !ev.Heard.More)
}

// Keys returns the keys that the kernel's link has, or those of the tunnel if there is no link.
func (ev Evidence) Keys() (in, out *gre.Key) {
	if ev.Link != nil && ev.Link.GRE != nil {
		return ev.Link.GRE.InputKey, ev.Link.GRE.OutputKey
	}
	return ev.Tunnel.InputKey, ev.Tunnel.OutputKey
}

// isFar reports whether a is the far end's outer address.
func (ev Evidence) isFar(a netip.Addr) bool { return a.WithZone("") == ev.Tunnel.Remote.WithZone("") }

// isLocal reports whether a is this end's outer address, or may be it: a tunnel without one sends
// from the one that the kernel chooses for each packet, and takes packets to every one of the host.
func (ev Evidence) isLocal(a netip.Addr) bool {
	anyLocal := !ev.Tunnel.Local.IsValid() || ev.Tunnel.Local.IsUnspecified()
	return !ev.Under.From.IsValid() || a.WithZone("") == ev.Under.From.WithZone("") || anyLocal && kernel.Holding(ev.Links, a.WithZone("")) != nil
}

// came returns the packets that came in and of which so is true. Some are there twice: before and
// behind this host's firewall.
func (ev Evidence) came(so func(kernel.Packet) bool) (list []kernel.Packet) {
	for _, p := range slices.Concat(ev.Heard.Accepted, ev.Heard.Arrived) {
		if so(p) {
			list = append(list, p)
		}
	}
	return list
}

// between reports whether a packet came from the far end to this one.
func (ev Evidence) between(p kernel.Packet) bool { return ev.isFar(p.From) && ev.isLocal(p.To) }

// ours reports whether the packet came from the far end with this tunnel's key.
func (ev Evidence) ours(p kernel.Packet) bool {
	in, _ := ev.Keys()
	return ev.between(p) && p.Version == 0 && ev.sameKind(p) && gre.SameKey(p.Key, in)
}

// sameKind reports whether the packet carries Ethernet frames, as this tunnel's packets do, or
// neither does. With the same addresses and key there may be a tunnel of either kind. A packet that
// is cut off before its protocol may be of this kind.
func (ev Evidence) sameKind(p kernel.Packet) bool {
	unknown := p.Cut && p.Protocol == 0
	return unknown || (p.Protocol == gre.ProtocolEthernet) == ev.Tunnel.Mode.Ethernet()
}

// strange returns the packets from the far end whose key no tunnel of this host expects, and whose
// inner packets belong into this tunnel. Others may be of a tunnel that is down here. That a
// default route leads to their source says nothing: it leads to every one.
func (ev Evidence) strange() []kernel.Packet {
	return ev.came(func(p kernel.Packet) bool {
		belongs := ev.Tunnel.Mode.Ethernet() || ev.carriesOurs(p) || ev.isBehind(p.InnerFrom, 1)
		return ev.between(p) && p.Version == 0 && ev.sameKind(p) && !ev.ours(p) && !ev.sibling(p) && belongs
	})
}

// isBehind reports whether a route whose destination has at least that length leads to the address
// through the tunnel.
func (ev Evidence) isBehind(a netip.Addr, bits int) bool {
	return slices.ContainsFunc(ev.LANs, func(lan netip.Prefix) bool { return lan.Bits() >= bits && lan.Contains(a) })
}

// sibling reports whether another tunnel of this host takes the packet.
func (ev Evidence) sibling(p kernel.Packet) bool { return ev.taker(p) != nil }

// taker returns another tunnel of this host that the kernel gives the packet to, or nil. Its
// fallback tunnel does not count: it takes the packets that no tunnel expects.
func (ev Evidence) taker(p kernel.Packet) *kernel.Link {
	tunnels := slices.DeleteFunc(slices.Clone(ev.Links), kernel.Link.IsFallback)
	taker := kernel.Receiver(tunnels, ev.arrival(p))
	if taker == nil || ev.Link != nil && taker.Index == ev.Link.Index {
		return nil
	}
	return taker
}

// arrival is the packet as it came in: by the device that leads to the far end, where no other is
// known.
func (ev Evidence) arrival(p kernel.Packet) kernel.Arrival {
	a := kernel.Arrival{From: p.From.WithZone(""), To: p.To.WithZone(""), Key: p.Key, Dev: p.Index, Ethernet: p.Protocol == gre.ProtocolEthernet}
	if out := kernel.Named(ev.Links, ev.Under.Hop.Dev); out != nil && a.Dev == 0 {
		a.Dev = out.Index
	}
	return a
}

// carriesOurs reports whether the packet carries one of the probe's answers, or the like: it is for
// this end's inner address, or from the far end's.
func (ev Evidence) carriesOurs(p kernel.Packet) bool {
	own, known := ev.Tunnel.AddressTowardsPeer()
	return known && p.Version == 0 && (p.InnerFrom == ev.Tunnel.PeerAddress || p.InnerTo == own.Addr())
}

// hasInner reports whether a is one of this end's inner addresses.
func (ev Evidence) hasInner(a netip.Addr) bool {
	has := func(p netip.Prefix) bool { return p.Addr() == a }
	return slices.ContainsFunc(ev.Tunnel.Addresses, has) || ev.Link != nil && slices.ContainsFunc(ev.Link.Addresses, has)
}

// nearInner reports whether a is in a network of this end's inner addresses, and is no address of
// this end, nor one for several hosts.
func (ev Evidence) nearInner(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !ev.hasInner(a) && slices.ContainsFunc(ev.Tunnel.Addresses, func(p netip.Prefix) bool {
		return p.Contains(a) && a.IsGlobalUnicast()
	})
}

// Unheard lists the things that could not be listened to, and is empty if there are none.
func (ev Evidence) Unheard() string {
	var names []string
	for _, d := range ev.Heard.Deaf {
		names = append(names, fault.Printable(d.What))
	}
	text := ""
	if len(names) > 0 {
		text = "not listened to: " + strings.Join(names, ", ")
	}
	if ev.IPsecUnread {
		text = fault.Joined(text, "not looked at: IPsec policies")
	}
	return text
}

// Permit names the remedy, if something could not be listened to for want of privileges. Else it is
// empty.
func (ev Evidence) Permit() string {
	for _, d := range ev.Heard.Deaf {
		if !errors.Is(d.Err, fault.ErrNotPermitted) {
			continue
		}
		for _, hint := range fault.Hints(d.Err) {
			return hint
		}
		return "run it with sudo"
	}
	return ""
}

// edit is nmgre's command that changes the tunnel. Flags do not stand behind a name with a dash.
func (ev Evidence) edit(flags string) string {
	if strings.HasPrefix(ev.Name, "-") {
		return "nmgre edit " + flags + " " + fault.Operand(ev.Name)
	}
	return "nmgre edit " + fault.Operand(ev.Name) + " " + flags
}

// farEdit is nmgre's command that changes the far end's tunnel, whose name is not known.
func farEdit(flags string) string { return "nmgre edit TUNNEL " + flags }

// farCreate is the command that makes the far end. It is empty if there is none.
func (ev Evidence) farCreate() string {
	near, fits := ev.Tunnel, ev.Fits()
	if !near.Local.IsValid() || near.Local.IsUnspecified() {
		near.Local = ev.Under.From
	}
	if fits < pathmtu.Modest {
		fits = 0
	}
	return opposite.End(ev.Links, ev.Under.Hop, near, fits).CreateCommand()
}

// farLink is the tunnel that the far end has to have, in the words of `ip link`.
func (ev Evidence) farLink() string {
	far := ev.Tunnel.FarEnd(nil)
	remote := gre.OuterText(ev.Under.From)
	words := append([]string{far.Mode.String(), "local", gre.OuterText(far.Local), "remote", remote}, far.IPKeys()...)
	if len(far.IPKeys()) == 0 {
		words = append(words, "without a key")
	}
	return strings.Join(words, " ")
}
