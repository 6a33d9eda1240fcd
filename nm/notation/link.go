package notation

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// Link is a tunnel with both of its ends. Each is the other's mirror, as far as both are known.
type Link struct{ Near, Far End }

// End is one end of a [Link].
type End struct {
	nm.Tunnel
	// Missing says why the end cannot be made, or why it is not known. It is empty for an end that
	// is known.
	Missing string
	Notes   []string // for the person who makes the end
}

// NewLink returns the link of a tunnel and its far end. A bridge of the near end that is known by
// its profile is written by its interface, where the far end's maker has found that out.
func NewLink(near nm.Tunnel, far nm.FarEnd) Link {
	notes := far.Notes
	switch {
	case near.Controller == "":
	case far.Controller == "":
		notes = append(slices.Clone(notes), "this end is the port of a bridge; choose the far end's bridge there")
	case !routes.IsDevice(near.Controller):
		near.Controller = far.Controller
	}
	viaPeer(&far.Tunnel)
	return Link{Near: End{Tunnel: near}, Far: End{Tunnel: far.Tunnel, Missing: far.Missing, Notes: notes}}
}

// viaPeer gives the routes of a far end that carries Ethernet this end as their gateway, as nmgre
// does by itself. On Ethernet a route without a gateway means that every host of the network is on
// the link.
func viaPeer(far *nm.Tunnel) {
	if !far.Mode.Ethernet() {
		return
	}
	far.Routes = slices.Clone(far.Routes)
	for i := range far.Routes {
		r := &far.Routes[i]
		for _, peer := range far.Peers() {
			if r.Bare() && !r.Via.IsValid() && r.Type.HasDevice() && r.Dst != routes.HostPrefix(peer) && r.Dst.Addr().Is4() == peer.Is4() {
				r.Via = peer
				break
			}
		}
	}
}

// Swap returns the link as the far end sees it. It is its own inverse.
func (l Link) Swap() Link { return Link{Near: l.Far, Far: l.Near} }

// Difference is a field in which the two ends do not mirror each other.
type Difference struct{ Field, What string }

// Differences returns the fields in which the ends do not mirror each other, so that no packet gets
// through. Addresses that one end does not know do not count.
func (l Link) Differences() []Difference {
	a, b := l.Near.Tunnel, l.Far.Tunnel
	var list []Difference
	add := func(differ bool, field, format string, args ...any) {
		if differ {
			list = append(list, Difference{field, fmt.Sprintf(format, args...)})
		}
	}
	add(a.Mode != b.Mode, "mode", "one end has mode %s, the other %s", a.Mode, b.Mode)
	add(crossed(a.Local, b.Remote), "peer", "the remote address of one end is %s, and the local address of the other is %s", b.Remote, a.Local)
	add(crossed(b.Local, a.Remote), "peer", "the remote address of one end is %s, and the local address of the other is %s", a.Remote, b.Local)
	add(!gre.SameKey(a.InputKey, b.OutputKey), "key", "the keys differ: %s and %s", keyText(a.InputKey), keyText(b.OutputKey))
	add(!gre.SameKey(a.OutputKey, b.InputKey) && !gre.SameKey(a.OutputKey, a.InputKey), "key", "the keys differ: %s and %s", keyText(a.OutputKey), keyText(b.InputKey))
	add(a.Link.Checksum != b.Link.Checksum, "checksum", "only one end puts checksums into its packets")
	add(a.Link.Sequence != b.Link.Sequence, "sequence", "only one end puts sequence numbers into its packets")
	for _, p := range a.Addresses {
		both := slices.ContainsFunc(b.Addresses, func(o netip.Prefix) bool { return o.Addr() == p.Addr() })
		add(both, "address", "both ends have the inner address %s", p.Addr())
	}
	return list
}

// crossed says whether both addresses are known and differ.
func crossed(a, b netip.Addr) bool { return isHost(a) && isHost(b) && a != b }

func keyText(k *gre.Key) string {
	if k == nil {
		return "none"
	}
	return k.String()
}

// isHost says whether a is the address of one host.
func isHost(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// underlay is the MTU, in bytes, of the way to the far end where nobody has measured it.
const underlay = 1500

// Ready returns the tunnel with everything that a notation writes down: a name, an MTU, and the
// routes to the peer addresses that are in none of its networks.
func Ready(t nm.Tunnel) nm.Tunnel {
	t = t.Clone()
	if t.Name == "" {
		t.Name = nm.FreeName(nil)
	}
	if t.MTU == 0 {
		t.MTU = uint32(t.Encapsulation().MTU(underlay)) //nolint:gosec // below 1500
	}
	if t.Mode.IPv6Outer() && t.EncapLimit == 0 && t.Flags&gre.FlagIgnEncapLimit == 0 {
		t.EncapLimit = gre.DefaultEncapLimit
	}
	for _, peer := range t.Peers() {
		route := routes.Route{Dst: routes.HostPrefix(peer)}
		there := slices.ContainsFunc(t.Routes, func(r routes.Route) bool { return r.Dst == route.Dst })
		if t.IsRouteToPeer(route) && !there {
			t.Routes = append(t.Routes, route)
		}
	}
	return t
}

// MSS returns the largest TCP segment, in bytes, that fits into the tunnel: the MTU without the
// headers of IPv4 and TCP.
func MSS(t nm.Tunnel) uint32 { return t.MTU - 40 }

// MSS6 is [MSS] for IPv6.
func MSS6(t nm.Tunnel) uint32 { return t.MTU - 60 }

// Inner4 returns the IPv4 inner addresses, Inner6 those of IPv6.
func Inner4(t nm.Tunnel) []netip.Prefix { return t.IPv4Addresses() }

// Inner6 returns the IPv6 inner addresses.
func Inner6(t nm.Tunnel) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(t.Addresses), func(p netip.Prefix) bool { return p.Addr().Is4() })
}

// PeerOf returns the far end's inner address that the network of own has. It is the zero Addr where
// there is none.
func PeerOf(t nm.Tunnel, own netip.Prefix) netip.Addr {
	for _, peer := range t.Peers() {
		if own.Contains(peer) {
			return peer
		}
	}
	return nm.DerivePeer([]netip.Prefix{own})
}

// Mask returns the netmask of an IPv4 prefix, such as 255.255.255.252.
func Mask(p netip.Prefix) string {
	bits := uint32(0xffffffff) << (32 - p.Bits()) //nolint:gosec // a prefix has 0 to 32 bits
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}).String()
}

// ByMask returns the prefix of an address and a netmask.
func ByMask(a, mask netip.Addr) (netip.Prefix, bool) {
	if !a.Is4() || !mask.Is4() {
		return netip.Prefix{}, false
	}
	for bits := 0; bits <= 32; bits++ {
		if p := netip.PrefixFrom(a, bits); Mask(p) == mask.String() {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// Number returns the number at the end of a tunnel's name, by which routers call their tunnels, or
// 0 where there is none, or a larger one than 9999.
func Number(name string) int {
	n, factor := 0, 1
	for i := len(name) - 1; i >= 0 && name[i] >= '0' && name[i] <= '9'; i-- {
		n, factor = n+int(name[i]-'0')*factor, factor*10
		if n > 9999 || factor > 10000 {
			return 0
		}
	}
	return n
}
