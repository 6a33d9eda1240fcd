package verify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/verify/pathmtu"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// facts are everything that the cause of a fault is told from.
type facts struct {
	tunnel     nm.Tunnel     // as it should be
	name       string        // for nmgre's own commands
	link       *kernel.Link  // the tunnel's; nil if there is none
	links      []kernel.Link // all
	beforeSave bool          // the tunnel is being made or edited

	under    underlay
	probe    kernel.ProbeResult
	grew     kernel.Counters // the link's counters during the probe
	listened bool            // there was a listener
	heard    kernel.Heard
	large    pathmtu.Found
	outer    *kernel.ProbeResult // of the far end's outer address; nil if it was not probed
	// of other programs, about the outer packets; empty if not permitted
	rules keep.OuterRules
	lans  []netip.Prefix // the networks that routes lead to through the tunnel
}

// underlay is the way of the tunnel's packets to the far end, as far as the kernel knows it.
type underlay struct {
	from      netip.Addr // this end's outer address; the zero Addr if it is not known
	away      bool       // no device has that address
	present   netip.Addr // the address that the kernel would choose instead
	parent    string     // the device that the tunnel is bound to, if there is no such device
	down      string     // a device on the way that is down
	unplugged bool       // that device is up, and has no carrier
	noRoute   string     // the kernel's words, if no route leads there
	hop       kernel.Hop
	path      string // "gre1 -> gre2 -> gre1"
	itself    bool   // the way leads back into the tunnel
	loop      bool   // the way loops through other tunnels
	nested    bool   // the way leads into another tunnel
	// the words of a route past the tunnel: "100.0.2.100/32 via 100.0.1.1 dev eth0"
	gateway string
}

// hears reports whether these things could be listened to, so that what was not heard did not
// happen.
func (f facts) hears(things ...string) bool {
	return f.listened && !slices.ContainsFunc(f.heard.Deaf, func(d kernel.Deaf) bool { return slices.Contains(things, d.What) })
}

// none reports whether no packet of the list is so. Of a list that is not whole that is not known.
func (f facts) none(list []kernel.Packet, so func(kernel.Packet) bool) bool {
	return !slices.ContainsFunc(list, so) && (len(list) == 0 || !f.heard.More)
}

// keys returns the keys that the kernel's link has, or those of the tunnel if there is no link.
func (f facts) keys() (in, out *gre.Key) {
	if f.link != nil && f.link.GRE != nil {
		return f.link.GRE.InputKey, f.link.GRE.OutputKey
	}
	return f.tunnel.InputKey, f.tunnel.OutputKey
}

// isFar reports whether a is the far end's outer address.
func (f facts) isFar(a netip.Addr) bool { return a.WithZone("") == f.tunnel.Remote.WithZone("") }

// isLocal reports whether a is this end's outer address, or may be it.
func (f facts) isLocal(a netip.Addr) bool {
	return !f.under.from.IsValid() || a.WithZone("") == f.under.from.WithZone("")
}

// came returns the packets that came in and are so. Some are there twice: before and behind this
// host's firewall.
func (f facts) came(so func(kernel.Packet) bool) (list []kernel.Packet) {
	for _, p := range slices.Concat(f.heard.Accepted, f.heard.Arrived) {
		if so(p) {
			list = append(list, p)
		}
	}
	return list
}

// between reports whether a packet came from the far end to this one.
func (f facts) between(p kernel.Packet) bool { return f.isFar(p.From) && f.isLocal(p.To) }

// ours reports whether the packet came from the far end with this tunnel's key.
func (f facts) ours(p kernel.Packet) bool {
	in, _ := f.keys()
	return f.between(p) && p.Version == 0 && gre.SameKey(p.Key, in)
}

// strange returns the packets from the far end whose key no tunnel of this host expects, and which
// carry what belongs into this tunnel. Others may be of a tunnel that is down here.
func (f facts) strange() []kernel.Packet {
	return f.came(func(p kernel.Packet) bool {
		return f.between(p) && p.Version == 0 && !f.ours(p) && !f.sibling(p) && (f.tunnel.Mode.Ethernet() || f.carriesOurs(p) || f.isBehind(p.InnerFrom))
	})
}

// isBehind reports whether a route leads to the address through the tunnel.
func (f facts) isBehind(a netip.Addr) bool {
	return slices.ContainsFunc(f.lans, func(lan netip.Prefix) bool { return lan.Contains(a) })
}

// etherTypeEthernet is the EtherType of Ethernet frames in GRE (ETH_P_TEB).
const etherTypeEthernet = 0x6558

// sibling reports whether another tunnel of this host takes the packet.
func (f facts) sibling(p kernel.Packet) bool { return f.taker(p) != nil }

// taker returns another tunnel of this host that may take the packet, or nil.
func (f facts) taker(p kernel.Packet) *kernel.Link {
	fits := func(a, of netip.Addr) bool { return !of.IsValid() || of.IsUnspecified() || a == of }
	i := slices.IndexFunc(f.links, func(l kernel.Link) bool {
		g := l.GRE
		return g != nil && l.Up && (f.link == nil || l.Index != f.link.Index) && !isFallback(l) && g.Mode.Ethernet() == (p.Protocol == etherTypeEthernet) &&
			fits(p.From, g.Remote) && fits(p.To, g.Local) && (g.External || gre.SameKey(g.InputKey, p.Key))
	})
	if i < 0 {
		return nil
	}
	return &f.links[i]
}

// isFallback reports whether the link is the kernel's own fallback tunnel, such as gre0: it has no
// addresses and no key.
func isFallback(l kernel.Link) bool {
	g := l.GRE
	none := func(a netip.Addr) bool { return !a.IsValid() || a.IsUnspecified() }
	return g != nil && none(g.Local) && none(g.Remote) && g.InputKey == nil && g.Parent == 0 && !g.External
}

// carriesOurs reports whether the packet carries one of the probe's answers, or the like: it is for
// this end's inner address, or from the far end's.
func (f facts) carriesOurs(p kernel.Packet) bool {
	own, known := f.tunnel.AddressTowardsPeer()
	return known && p.Version == 0 && (p.InnerFrom == f.tunnel.PeerAddress || p.InnerTo == own.Addr())
}

// hasInner reports whether a is one of this end's inner addresses.
func (f facts) hasInner(a netip.Addr) bool {
	has := func(p netip.Prefix) bool { return p.Addr() == a }
	return slices.ContainsFunc(f.tunnel.Addresses, has) || f.link != nil && slices.ContainsFunc(f.link.Addresses, has)
}

// nearInner reports whether a is in a network of this end's inner addresses, and is no address of
// this end, nor one for several hosts.
func (f facts) nearInner(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !f.hasInner(a) && slices.ContainsFunc(f.tunnel.Addresses, func(p netip.Prefix) bool {
		return p.Contains(a) && a.IsGlobalUnicast()
	})
}

// keyText writes a key, or its absence.
func keyText(k *gre.Key) string {
	if k == nil {
		return "no key"
	}
	return "key " + k.String()
}

// keyWord is the value of --key for a key, or its absence.
func keyWord(k *gre.Key) string {
	if k == nil {
		return "none"
	}
	return k.String()
}

// keyFact is a key as a fact: a number, or "none".
func keyFact(k *gre.Key) any {
	if k == nil {
		return "none"
	}
	return uint32(*k)
}

// packetText describes a packet by its headers.
func packetText(p kernel.Packet) string {
	text := fmt.Sprintf("a GRE packet from %s to %s with %s", p.From, p.To, keyText(p.Key))
	if p.Checksum {
		text += ", a checksum"
	}
	if p.Sequence != nil {
		text += fmt.Sprintf(", sequence number %d", *p.Sequence)
	}
	if p.InnerFrom.IsValid() && p.InnerTo.IsValid() {
		text += fmt.Sprintf(", which carries %s to %s", p.InnerFrom, p.InnerTo)
	}
	return text
}

// unheard names what could not be listened to, and is empty if nothing is missing.
func (f facts) unheard() string {
	var names []string
	for _, d := range f.heard.Deaf {
		names = append(names, fault.Printable(d.What))
	}
	if len(names) == 0 {
		return ""
	}
	return "not listened to: " + strings.Join(names, ", ")
}

// edit is nmgre's command that changes the tunnel.
func (f facts) edit(flags string) string { return "nmgre edit " + fault.Operand(f.name) + " " + flags }

// farEdit is nmgre's command that changes the far end's tunnel, whose name is not known.
func farEdit(flags string) string { return "nmgre edit TUNNEL " + flags }

// farCreate is the command that makes the far end.
func (f facts) farCreate() string {
	far := f.tunnel
	if !far.Local.IsValid() || far.Local.IsUnspecified() {
		far.Local = f.under.from
	}
	far = far.FarEnd(nil)
	far.Name = ""
	return far.CreateCommand()
}

// farLink is the tunnel that the far end has to have, in the words of `ip link`.
func (f facts) farLink() string {
	far := f.tunnel.FarEnd(nil)
	remote := gre.OuterText(f.under.from)
	words := append([]string{far.Mode.String(), "local", gre.OuterText(far.Local), "remote", remote}, far.IPKeys()...)
	if len(far.IPKeys()) == 0 {
		words = append(words, "without a key")
	}
	return strings.Join(words, " ")
}
