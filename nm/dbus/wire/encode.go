package wire

import (
	"net/netip"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// Encode returns the settings of a profile that holds t. With an empty base the profile is a new
// one, with a random UUID; else it is base with t in it. Everything in base that nmgre does not
// know stays as it is, down to the attributes of single addresses and routes. So do its name and
// its UUID. base is not changed.
//
// Routes are written only if a profile can hold them ([nm.Holds]) or base has them already. The
// order of t's addresses and routes is kept within each family. A route of a family in which the
// tunnel has no address is written all the same, though NetworkManager before 1.46 needs one.
func Encode(t nm.Tunnel, base Settings) Settings {
	s := base.Clone()
	s.StripLegacy()
	encodeConnection(s, t)
	encodeMAC(s, t)
	encodeTunnel(s, t)
	for _, family := range [...]string{IPv4, IPv6} {
		encodeFamily(s, family, t)
	}
	encodePeers(s, t)
	for _, n := range t.Notes() {
		s.setUser(n.Key, n.Value)
	}
	if t.Adopts {
		s.setUser(nm.KeyAdopts, nm.Yes)
	}
	encodePort(s, t)
	return s
}

func encodeConnection(s Settings, t nm.Tunnel) {
	if s.Text(Connection, "uuid") == "" {
		s.Set(Connection, "uuid", nm.NewUUID())
	}
	if s.Text(Connection, "id") == "" {
		s.Set(Connection, "id", t.ProfileName())
	}
	s.Set(Connection, "type", typeTunnel)
	put(s, Connection, "interface-name", t.Name, "")
	put(s, Connection, "autoconnect", t.Autoconnect, true)
	put(s, Connection, "zone", t.Zone, "")
}

// encodeTunnel writes the ip-tunnel setting. All its integers are D-Bus "u", whatever their range.
func encodeTunnel(s Settings, t nm.Tunnel) {
	for number, mode := range tunnelModes {
		if mode == t.Mode {
			s.Set(IPTunnel, "mode", number)
		}
	}
	put(s, IPTunnel, "parent", t.Parent, "")
	putOuter(s, "local", t.Local)
	putOuter(s, "remote", t.Remote)
	put(s, IPTunnel, "ttl", uint32(t.TTL), 0)
	put(s, IPTunnel, "tos", uint32(t.TOS), 0)
	put(s, IPTunnel, "path-mtu-discovery", !t.NoPMTUD, true)
	// NetworkManager takes keys in decimal only
	put(s, IPTunnel, "input-key", gre.KeyText(t.InputKey), "")
	put(s, IPTunnel, "output-key", gre.KeyText(t.OutputKey), "")
	put(s, IPTunnel, "encapsulation-limit", uint32(t.EncapLimit), 0)
	put(s, IPTunnel, "flow-label", t.FlowLabel, 0)
	put(s, IPTunnel, "flags", uint32(t.Flags), 0)
	put(s, IPTunnel, "mtu", t.MTU, 0)
}

// putOuter writes an outer address. One that the profile has already stays as somebody wrote it.
// NetworkManager must have a remote, even an unspecified one; an absent local means any.
func putOuter(s Settings, property string, a netip.Addr) {
	if old, err := netip.ParseAddr(s.Text(IPTunnel, property)); err == nil && old == a {
		return
	}
	if !a.IsValid() || a.IsUnspecified() && property == "local" {
		delete(s[IPTunnel], property)
		return
	}
	s.Set(IPTunnel, property, a.String())
}

// encodeFamily writes the ipv4 or the ipv6 setting.
func encodeFamily(s Settings, family string, t nm.Tunnel) {
	had := len(s.Entries(family, "address-data"))
	addresses := encodeAddresses(s, family, t)
	if addresses == 0 { // NetworkManager refuses it then
		delete(s[family], "gateway")
	}
	encodeRoutes(s, family, t.Routes) // the others are the kernel half's
	encodeRules(s, family, t.Rules)
	s.Set(family, "method", method(s.Text(family, "method"), had, addresses))
	if family == IPv4 {
		encodeForwarding(s, t.Forward)
	}
}

// Values of ipv4.forwarding (NMSettingIPConfigForwarding). It is an enumeration, on D-Bus an "i".
const (
	forwardingDefault int32 = -1
	forwardingYes     int32 = 1
)

// encodeForwarding writes ipv4.forwarding, which NetworkManager has from 1.54 on and refuses
// before. Without forward any other value than yes stays: somebody chose it.
func encodeForwarding(s Settings, forward bool) {
	switch {
	case forward:
		s.Set(IPv4, "forwarding", forwardingYes)
	case s[IPv4]["forwarding"].Value() == forwardingYes:
		delete(s[IPv4], "forwarding")
	}
}

// method returns the family's method, by the old one and the numbers of addresses before and now. A
// method that somebody chose, such as auto, stays where it still fits: manual must have addresses,
// link-local and disabled must have none. An auto without addresses, which is the default of other
// programs, fits no address: no DHCP server and no router answer through a tunnel, and
// NetworkManager would wait for one.
func method(old string, had, addresses int) string {
	switch {
	case addresses > 0 && (old == "shared" || old == "auto" && had > 0):
		return old
	case addresses > 0:
		return "manual"
	case old == "" || old == "manual":
		return "disabled"
	}
	return old
}

// encodeAddresses writes address-data and returns the number of addresses. An address that base has
// already keeps its other attributes.
func encodeAddresses(s Settings, family string, t nm.Tunnel) int {
	old := make(map[netip.Prefix]Entry)
	for _, e := range s.Entries(family, "address-data") {
		if p, err := decodeAddress(e, family); err == nil {
			old[p] = e
		}
	}
	var entries []Entry
	for _, p := range t.Addresses {
		if familyOf(p.Addr()) == family {
			e := Entry{"address": dbus.MakeVariant(p.Addr().String()), "prefix": dbus.MakeVariant(uint32(p.Bits()))}
			if same := old[p]; same != nil {
				e = same
			}
			entries = append(entries, e)
		}
	}
	s.SetEntries(family, "address-data", entries)
	return len(entries)
}

// encodePeers notes the far end's inner addresses in the profile's user data, unless there is one
// that can be derived from this end's. NetworkManager has no property for them.
func encodePeers(s Settings, t nm.Tunnel) {
	more := make([]string, len(t.MorePeers))
	for i, a := range t.MorePeers {
		more[i] = a.String()
	}
	s.setUser(KeyMorePeers, strings.Join(more, " "))
	if t.PeerAddress == nm.DerivePeer(byFamily(t.Addresses)) {
		s.setUser(KeyPeer, "")
		return
	}
	s.setUser(KeyPeer, routes.AddrText(t.PeerAddress))
}

// byFamily returns the addresses in the order in which [Decode] finds them: IPv4 first.
func byFamily(addresses []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, family := range [...]string{IPv4, IPv6} {
		for _, p := range addresses {
			if familyOf(p.Addr()) == family {
				sorted = append(sorted, p)
			}
		}
	}
	return sorted
}

// familyOf returns the name of the setting that holds addresses and routes of a's family.
func familyOf(a netip.Addr) string {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}
