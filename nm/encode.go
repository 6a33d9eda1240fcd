package nm

import (
	"net/netip"

	"github.com/godbus/dbus/v5"

	"nmgre"
)

// Encode returns the settings of a profile that holds t: a new one if base is empty, else base with t in it. What nmgre does not know
// in base is kept as it is, down to the attributes of single addresses and routes; so are its name and its UUID.
//
// Of the routes only those are written that the profile owns ([nmgre.RouteOwner]), or that base has already. The order of t's addresses and routes is kept within each
// family. A route without an address of its family is written all the same: NetworkManager before 1.46 needs one.
func Encode(t nmgre.Tunnel, base Settings) Settings {
	s := base.clone()
	s.stripLegacy()
	encodeConnection(s, t)
	encodeTunnel(s, t)
	for _, family := range [...]string{setIPv4, setIPv6} {
		encodeFamily(s, family, t)
	}
	encodePeer(s, t)
	return s
}

func encodeConnection(s Settings, t nmgre.Tunnel) {
	if s.text(setConnection, "uuid") == "" {
		s.set(setConnection, "uuid", newUUID())
	}
	if s.text(setConnection, "id") == "" {
		s.set(setConnection, "id", t.Name)
	}
	s.set(setConnection, "type", typeTunnel)
	put(s, setConnection, "interface-name", t.Name, "")
	put(s, setConnection, "autoconnect", t.Autoconnect, true)
}

// encodeTunnel writes the ip-tunnel setting. Its integers are all D-Bus "u", whatever their range.
func encodeTunnel(s Settings, t nmgre.Tunnel) {
	for number, mode := range tunnelModes {
		if mode == t.Mode {
			s.set(setTunnel, "mode", number)
		}
	}
	put(s, setTunnel, "parent", t.Parent, "")
	put(s, setTunnel, "local", outer(t.Local), "")
	put(s, setTunnel, "remote", outer(t.Remote), "")
	put(s, setTunnel, "ttl", uint32(t.TTL), 0)
	put(s, setTunnel, "tos", uint32(t.TOS), 0)
	put(s, setTunnel, "path-mtu-discovery", !t.NoPMTUD, true)
	put(s, setTunnel, "input-key", keyText(t.InputKey), "")
	put(s, setTunnel, "output-key", keyText(t.OutputKey), "")
	put(s, setTunnel, "encapsulation-limit", uint32(t.EncapLimit), 0)
	put(s, setTunnel, "flow-label", t.FlowLabel, 0)
	put(s, setTunnel, "flags", uint32(t.Flags), 0)
	put(s, setTunnel, "mtu", t.MTU, 0)
}

// outer returns an outer address's text. An absent property is NetworkManager's way to say "any".
func outer(a netip.Addr) string {
	if !a.IsValid() || a.IsUnspecified() {
		return ""
	}
	return a.String()
}

// keyText returns the key in the only form that NetworkManager takes, decimal, or "" for no key; "0" is a key.
func keyText(k *nmgre.Key) string {
	if k == nil {
		return ""
	}
	return k.String()
}

// encodeFamily writes the ipv4 or the ipv6 setting.
func encodeFamily(s Settings, family string, t nmgre.Tunnel) {
	addresses := encodeAddresses(s, family, t)
	encodeRoutes(s, family, t.Routes) // what does not fit is somebody else's
	s.set(family, "method", method(s.text(family, "method"), addresses))
	if family == setIPv4 {
		encodeForwarding(s, t.Forward)
	}
}

// Values of ipv4.forwarding (NMSettingIPConfigForwarding), an enumeration, which D-Bus has as "i".
const (
	forwardingDefault int32 = -1
	forwardingYes     int32 = 1
)

// encodeForwarding writes ipv4.forwarding, which NetworkManager has from 1.54 on and refuses before. What somebody chose instead of yes stays.
func encodeForwarding(s Settings, forward bool) {
	switch {
	case forward:
		s.set(setIPv4, "forwarding", forwardingYes)
	case s[setIPv4]["forwarding"].Value() == forwardingYes:
		delete(s[setIPv4], "forwarding")
	}
}

// method returns what the family's method has to be. One that somebody chose, such as auto, stays where it still fits; manual must
// have addresses, and link-local and disabled must have none.
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
func encodeAddresses(s Settings, family string, t nmgre.Tunnel) int {
	old := make(map[netip.Prefix]entry)
	for _, e := range s.entries(family, "address-data") {
		if p, err := decodeAddress(e, family); err == nil {
			old[p] = e
		}
	}
	var entries []entry
	for _, p := range t.Addresses {
		if familyOf(p.Addr()) == family {
			e := entry{"address": dbus.MakeVariant(p.Addr().String()), "prefix": dbus.MakeVariant(uint32(p.Bits()))}
			if same := old[p]; same != nil {
				e = same
			}
			entries = append(entries, e)
		}
	}
	s.setEntries(family, "address-data", entries)
	return len(entries)
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// encodePeer notes the far end's inner address where it cannot be derived from this end's, since NetworkManager has no property for it.
func encodePeer(s Settings, t nmgre.Tunnel) {
	if t.PeerAddress == nmgre.DerivePeer(byFamily(t.Addresses)) {
		s.setUser(keyPeer, "")
		return
	}
	s.setUser(keyPeer, addrText(t.PeerAddress))
}

// byFamily returns the addresses in the order in which Decode finds them: IPv4 first.
func byFamily(addresses []netip.Prefix) []netip.Prefix {
	var sorted []netip.Prefix
	for _, family := range [...]string{setIPv4, setIPv6} {
		for _, p := range addresses {
			if familyOf(p.Addr()) == family {
				sorted = append(sorted, p)
			}
		}
	}
	return sorted
}

// familyOf returns the setting that an address belongs into.
func familyOf(a netip.Addr) string {
	if a.Is4() {
		return setIPv4
	}
	return setIPv6
}

// setEntries writes a list of dictionaries, or removes the property if the list is empty; one that is empty already stays as it is.
func (s Settings) setEntries(setting, property string, entries []entry) {
	switch {
	case len(entries) > 0:
		s.set(setting, property, entries)
	case len(s.entries(setting, property)) > 0:
		delete(s[setting], property)
	}
}
