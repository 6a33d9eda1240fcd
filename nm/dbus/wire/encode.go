package wire

import (
	"net/netip"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes/gre"
)

// Encode returns the settings of a profile that holds t: a new one if base is empty, else base with
// t in it. What nmgre does not know in base is kept as it is, down to the attributes of single
// addresses and routes; so are its name and its UUID.
//
// Of the routes only those are written that the profile owns ([nmgre.RouteOwner]), or that base has
// already. The order of t's addresses and routes is kept within each family. A route without an
// address of its family is written all the same: NetworkManager before 1.46 needs one.
func Encode(t nm.Tunnel, base Settings) Settings {
	s := base.Clone()
	s.StripLegacy()
	encodeConnection(s, t)
	encodeTunnel(s, t)
	for _, family := range [...]string{SetIPv4, SetIPv6} {
		encodeFamily(s, family, t)
	}
	encodePeer(s, t)
	return s
}

func encodeConnection(s Settings, t nm.Tunnel) {
	if s.Text(SetConnection, "uuid") == "" {
		s.Set(SetConnection, "uuid", nm.NewUUID())
	}
	if s.Text(SetConnection, "id") == "" {
		s.Set(SetConnection, "id", t.Name)
	}
	s.Set(SetConnection, "type", typeTunnel)
	Put(s, SetConnection, "interface-name", t.Name, "")
	Put(s, SetConnection, "autoconnect", t.Autoconnect, true)
}

// encodeTunnel writes the ip-tunnel setting. Its integers are all D-Bus "u", whatever their range.
func encodeTunnel(s Settings, t nm.Tunnel) {
	for number, mode := range tunnelModes {
		if mode == t.Mode {
			s.Set(SetTunnel, "mode", number)
		}
	}
	Put(s, SetTunnel, "parent", t.Parent, "")
	Put(s, SetTunnel, "local", outer(t.Local), "")
	Put(s, SetTunnel, "remote", outer(t.Remote), "")
	Put(s, SetTunnel, "ttl", uint32(t.TTL), 0)
	Put(s, SetTunnel, "tos", uint32(t.TOS), 0)
	Put(s, SetTunnel, "path-mtu-discovery", !t.NoPMTUD, true)
	Put(s, SetTunnel, "input-key", keyText(t.InputKey), "")
	Put(s, SetTunnel, "output-key", keyText(t.OutputKey), "")
	Put(s, SetTunnel, "encapsulation-limit", uint32(t.EncapLimit), 0)
	Put(s, SetTunnel, "flow-label", t.FlowLabel, 0)
	Put(s, SetTunnel, "flags", uint32(t.Flags), 0)
	Put(s, SetTunnel, "mtu", t.MTU, 0)
}

// outer returns an outer address's text. An absent property is NetworkManager's way to say "any".
func outer(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// keyText returns the key in the only form that NetworkManager takes, decimal, or "" for no key;
// "0" is a key.
func keyText(k *gre.Key) string {
	if k == nil {
		return ""
	}
	return k.String()
}

// encodeFamily writes the ipv4 or the ipv6 setting.
func encodeFamily(s Settings, family string, t nm.Tunnel) {
	addresses := encodeAddresses(s, family, t)
	EncodeRoutes(s, family, t.Routes) // what does not fit is somebody else's
	s.Set(family, "method", method(s.Text(family, "method"), addresses))
	if family == SetIPv4 {
		encodeForwarding(s, t.Forward)
	}
}

// Values of ipv4.forwarding (NMSettingIPConfigForwarding), an enumeration, which D-Bus has as "i".
const (
	forwardingDefault int32 = -1
	forwardingYes     int32 = 1
)

// encodeForwarding writes ipv4.forwarding, which NetworkManager has from 1.54 on and refuses
// before. What somebody chose instead of yes stays.
func encodeForwarding(s Settings, forward bool) {
	switch {
	case forward:
		s.Set(SetIPv4, "forwarding", forwardingYes)
	case s[SetIPv4]["forwarding"].Value() == forwardingYes:
		delete(s[SetIPv4], "forwarding")
	}
}

// method returns what the family's method has to be. One that somebody chose, such as auto, stays
// where it still fits; manual must have addresses, and link-local and disabled must have none.
func method(old string, addresses int) string {
	switch {
	case addresses > 0 && (old == "auto" || old == "shared"):
		return old
	case addresses > 0:
		return "manual"
	case old == "" || old == "manual":
		return "disabled"
	}
	return old
}

// encodeAddresses writes address-data, and returns how many addresses there are.
func encodeAddresses(s Settings, family string, t nm.Tunnel) int {
	old := make(map[netip.Prefix]Entry)
	for _, e := range s.Entries(family, "address-data") {
		if p, err := decodeAddress(e, family); err == nil {
			old[p] = e
		}
	}
	var entries []Entry
	for _, p := range t.Addresses {
		if FamilyOf(p.Addr()) == family {
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

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// encodePeer notes the far end's inner address where it cannot be derived from this end's, since
// NetworkManager has no property for it.
func encodePeer(s Settings, t nm.Tunnel) {
	if t.PeerAddress == nm.DerivePeer(byFamily(t.Addresses)) {
		s.SetUser(KeyPeer, "")
		return
	}
	s.SetUser(KeyPeer, addrText(t.PeerAddress))
}

// byFamily returns the addresses in the order in which Decode finds them: IPv4 first.
func byFamily(addresses []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, family := range [...]string{SetIPv4, SetIPv6} {
		for _, p := range addresses {
			if FamilyOf(p.Addr()) == family {
				sorted = append(sorted, p)
			}
		}
	}
	return sorted
}

// FamilyOf returns the setting that an address belongs into.
func FamilyOf(a netip.Addr) string {
	if a.Is4() {
		return SetIPv4
	}
	return SetIPv6
}

// SetEntries writes a list of dictionaries, or removes the property if the list is empty; one that
// is empty already stays as it is.
func (s Settings) SetEntries(setting, property string, entries []Entry) {
	switch {
	case len(entries) > 0:
		s.Set(setting, property, entries)
	case len(s.Entries(setting, property)) > 0:
		delete(s[setting], property)
	}
}
