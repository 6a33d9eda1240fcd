package nm

import (
	"cmp"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/rule"
)

// Tunnel is one end of a GRE tunnel as the user wants it: everything that NetworkManager's
// ip-tunnel setting holds for the GRE modes, the inner addresses, the routes into the tunnel, and
// how packets are forwarded.
//
// A zero Name, Local or MTU means "not decided": a plan decides it. In a tunnel that was read from
// a profile, MTU 0 means that the kernel chooses the MTU.
type Tunnel struct {
	Name string // the interface's name, 1 to 15 bytes; also the name of a profile that nmgre makes

	Mode   gre.Mode
	Local  netip.Addr // this end's outer address; unspecified (0.0.0.0, ::) for any
	Remote netip.Addr // the far end's outer address
	// Parent is the device that the tunnel is bound to, by its name or the UUID of its profile. It
	// is empty for a tunnel that is not bound.
	Parent string
	// PeerName is the DNS name that Remote was found by. It is empty for a far end that was given
	// by its address. NetworkManager holds the address only.
	PeerName string
	// Follow says that `nmgre follow` looks PeerName up again, and moves the tunnel to its address.
	Follow bool
	// Zone is firewalld's zone for the tunnel's device (connection.zone). It is empty for the
	// default zone.
	Zone string
	// NoProbe says that the far end is never probed: it does not answer, as with a tunnel that
	// packets go through in one direction only.
	NoProbe bool
	// Of a new profile: its name, empty for the tunnel's, and whether it takes over a link that was
	// made by hand. A tunnel that was read from a profile has neither.
	Profile string
	Adopts  bool

	Document string // the name of the document that the tunnel was made from; empty for none
	// Leader and Doomed are of an edit of several tunnels: the UUID of the profile whose save, or
	// with a '-' whose removal, decides for all; and whether this tunnel is deleted then.
	Leader string
	Doomed bool

	// Controller is the bridge whose port the tunnel is, by its interface's name or the UUID of its
	// profile. It is empty for a tunnel that is no port. Only the Ethernet modes have it and MAC.
	Controller string
	MAC        string // the device's Ethernet address, such as 02:00:5e:10:00:01; empty for the kernel's

	InputKey  *gre.Key // the key of packets that come in; nil for packets without a key
	OutputKey *gre.Key // the key of packets that go out; nil for packets without a key

	TTL     uint8 // 1 to 255; 0 copies the inner packet's TTL
	TOS     uint8 // 0 to 255; 1 copies the inner packet's TOS
	NoPMTUD bool  // no path MTU discovery: the outer DF bit is copied from the inner packet

	// EncapLimit is the tunnel encapsulation limit (RFC 2473) of the IPv6 modes. With 0 no tunnel
	// on the way may carry the packets, unless [Tunnel.HasNoEncapLimit].
	EncapLimit uint8
	FlowLabel  uint32    // of the IPv6 modes: 20 bits
	Flags      gre.Flags // of the IPv6 modes

	MTU uint32 // of the tunnel device, in bytes

	Link gre.LinkOptions // of the tunnel's link; no profile holds them, and root sets them

	Addresses []netip.Prefix // this end's inner addresses, with the prefix length of their network
	// PeerAddress is the far end's inner address, to which probes are sent. The zero Addr stands
	// for an unknown address.
	PeerAddress netip.Addr
	// MorePeers are further inner addresses of the far end, each of which is probed as well. There
	// are none without a PeerAddress.
	MorePeers []netip.Addr

	// Routes lead into the tunnel. In a tunnel that was read from a profile they are the profile's.
	Routes      []routes.Route
	Autoconnect bool // NetworkManager brings the tunnel up by itself

	// Rules choose the table of routes for packets. In a tunnel that was read from a profile they
	// are the profile's.
	Rules []rule.Rule

	SNAT     []keep.SNAT // source addresses for packets from the inner networks
	Forward  bool        // packets are forwarded between the tunnel and this host's networks
	ClampMSS bool        // the MSS of TCP connections through the tunnel is clamped to its MTU
}

// NewTunnel returns a tunnel with the defaults of `nmgre create`: mode gre, TTL 64, path MTU
// discovery, autoconnect.
func NewTunnel() Tunnel {
	return Tunnel{Mode: gre.ModeGRE, TTL: gre.DefaultTTL, Autoconnect: true}
}

// ProfileName is the name of the profile that a plan makes.
func (t Tunnel) ProfileName() string { return cmp.Or(t.Profile, t.Name) }

// Clone returns a copy that shares nothing with t.
func (t Tunnel) Clone() Tunnel {
	t.InputKey, t.OutputKey = gre.CloneKey(t.InputKey), gre.CloneKey(t.OutputKey)
	t.Addresses, t.MorePeers, t.SNAT = slices.Clone(t.Addresses), slices.Clone(t.MorePeers), slices.Clone(t.SNAT)
	t.Rules = slices.Clone(t.Rules)
	t.Routes = slices.Clone(t.Routes)
	for i := range t.Routes {
		t.Routes[i] = t.Routes[i].Clone()
	}
	return t
}

// Sharing is Clone, but for the routes, of which there may be very many: the copy shares them with
// t, so whoever changes one makes a new list.
func (t Tunnel) Sharing() Tunnel {
	shared := slices.Clip(t.Routes)
	t.Routes = nil
	t = t.Clone()
	t.Routes = shared
	return t
}

// WithKept returns the whole tunnel: t, which is a profile's, with the routes, rules, SNAT,
// forwarding, MSS clamping and options of the link that root keeps for it. The kept routes and
// rules follow the profile's. It shares the routes with t and k, as [Tunnel.Sharing] does.
func (t Tunnel) WithKept(k keep.Kept) Tunnel {
	t = t.Sharing()
	switch {
	case len(t.Routes) == 0:
		t.Routes = slices.Clip(k.Routes)
	case len(k.Routes) > 0:
		t.Routes = slices.Concat(t.Routes, k.Routes)
	}
	t.SNAT, t.ClampMSS, t.Link = slices.Clone(k.SNAT), k.ClampMSS, k.Link
	t.Rules = append(t.Rules, k.Policy...)
	t.Forward = t.Forward || len(k.Forward) > 0
	return t
}

// WithoutKept returns the profile's part of the tunnel, but for the routes that root keeps.
func (t Tunnel) WithoutKept() Tunnel {
	t.SNAT, t.ClampMSS, t.Link = nil, false, gre.LinkOptions{}
	return t
}

// HasNoEncapLimit reports whether the tunnel sends no encapsulation limit, as --encap-limit none
// has it.
func (t Tunnel) HasNoEncapLimit() bool {
	return t.Flags&gre.FlagIgnEncapLimit != 0 && t.EncapLimit == 0
}

// SetEncapLimit sets the encapsulation limit, 1 to 255, or 0 to send none.
func (t *Tunnel) SetEncapLimit(limit uint8) {
	t.EncapLimit, t.Flags = limit, t.Flags&^gre.FlagIgnEncapLimit
	if limit == 0 {
		t.Flags |= gre.FlagIgnEncapLimit
	}
}

// SetIgnoreDF has the tunnel ignore the DF bit of inner packets, or not. The kernel and
// NetworkManager need path MTU discovery off for it, and then the TTL must be the inner packet's.
func (t *Tunnel) SetIgnoreDF(on bool) {
	t.Link.IgnoreDF, t.NoPMTUD, t.TTL = on, on, gre.DefaultTTL
	if on {
		t.TTL = 0
	}
}

// Encapsulation returns the headers that the tunnel puts around a packet.
func (t Tunnel) Encapsulation() gre.Encapsulation {
	return gre.Encapsulation{Mode: t.Mode, Key: t.OutputKey != nil, Checksum: t.Link.Checksum, Sequence: t.Link.Sequence,
		NoEncapLimit: t.Flags&gre.FlagIgnEncapLimit != 0}
}

// IPv4Addresses returns the inner addresses that are IPv4.
func (t Tunnel) IPv4Addresses() []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(t.Addresses), func(p netip.Prefix) bool { return !p.Addr().Is4() })
}

// InnerNetworks returns the networks whose packets SNAT rewrites: the networks of the inner
// addresses, and the far end's inner addresses that are in none of them.
func (t Tunnel) InnerNetworks() []netip.Prefix {
	var networks []netip.Prefix
	add := func(n netip.Prefix) {
		if !slices.Contains(networks, n) {
			networks = append(networks, n)
		}
	}
	for _, own := range t.Addresses {
		add(own.Masked())
	}
	for _, peer := range t.Peers() {
		if !slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(peer) }) {
			add(routes.HostPrefix(peer))
		}
	}
	return networks
}

// CoversRemote says whether one of the tunnel's routes covers the far end's outer address.
func (t Tunnel) CoversRemote() bool {
	return slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return Covers(&r, t.Remote) })
}

// Covers says whether r is a route of the main table for a whole network, default routes included,
// and a is in that network: packets to a may follow r.
func Covers(r *routes.Route, a netip.Addr) bool {
	return r.TableOrMain() == routes.MainTable && r.Type.HasDevice() && !r.Dst.IsSingleIP() && r.Dst.Contains(a)
}

// ParentDevice returns the name of the parent device. It is empty for a parent that is given by a
// UUID: its device is not known before the tunnel is up.
func (t Tunnel) ParentDevice() string {
	if keep.IsUUID(t.Parent) {
		return ""
	}
	return t.Parent
}
