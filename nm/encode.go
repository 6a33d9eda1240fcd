package nm

import (
	"net/netip"

	"github.com/godbus/dbus/v5"

	"nmgre"
)

// Encode returns the settings of a profile that holds t: a new one if base is empty, else base with t in it. What nmgre does not know
// in base is kept as it is, down to the attributes of single addresses and routes; so are its name and its UUID.
//
// Only routes that the profile owns ([nmgre.RouteOwner]) are written. The order of t's addresses and routes is kept within each
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
	encodeRoutes(s, family, t)
	s.set(family, "method", method(s.text(family, "method"), addresses))
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
	old := make(map[netip.Prefix]map[string]dbus.Variant)
	for _, entry := range s.entries(family, "address-data") {
		if p, err := decodeAddress(entry, family); err == nil {
			old[p] = entry
		}
	}
	var entries []map[string]dbus.Variant
	for _, p := range t.Addresses {
		if familyOf(p.Addr()) == family {
			entry := copyEntry(old[p])
			entry["address"] = dbus.MakeVariant(p.Addr().String())
			entry["prefix"] = dbus.MakeVariant(uint32(p.Bits()))
			entries = append(entries, entry)
		}
	}
	s.setEntries(family, "address-data", entries)
	return len(entries)
}

// routeKey tells the routes of a profile apart.
type routeKey struct {
	dst    netip.Prefix
	via    netip.Addr
	metric int64 // -1 for NetworkManager's default
	table  uint32
}

func keyOf(r nmgre.Route) routeKey {
	k := routeKey{r.Dst, r.Via, -1, r.TableOrMain()}
	if r.Metric != nil {
		k.metric = int64(*r.Metric)
	}
	return k
}

// encodeRoutes writes route-data. What base has for the same route is taken over, with the attributes that nmgre does not know;
// what nmgre cannot read, such as a blackhole route, is put behind the tunnel's own.
func encodeRoutes(s Settings, family string, t nmgre.Tunnel) {
	table := s.routeTable(family)
	old := make(map[routeKey][]map[string]dbus.Variant)
	var foreign []map[string]dbus.Variant
	for _, entry := range s.entries(family, "route-data") {
		r, err := decodeRoute(entry, family, table)
		if err != nil {
			foreign = append(foreign, entry)
			continue
		}
		old[keyOf(r)] = append(old[keyOf(r)], entry)
	}
	var entries []map[string]dbus.Variant
	for _, r := range t.RoutesOf(nmgre.OwnerProfile) {
		if familyOf(r.Dst.Addr()) != family {
			continue
		}
		var entry map[string]dbus.Variant
		if same := old[keyOf(r)]; len(same) > 0 {
			entry, old[keyOf(r)] = same[0], same[1:]
		}
		entries = append(entries, encodeRoute(r, copyEntry(entry), table))
	}
	s.setEntries(family, "route-data", append(entries, foreign...))
}

// encodeRoute writes r into entry. table is where the profile puts routes that name no table.
func encodeRoute(r nmgre.Route, entry map[string]dbus.Variant, table uint32) map[string]dbus.Variant {
	entry["dest"] = dbus.MakeVariant(r.Dst.Addr().String())
	entry["prefix"] = dbus.MakeVariant(uint32(r.Dst.Bits()))
	attribute(entry, "next-hop", addrText(r.Via), "")
	attribute(entry, "src", addrText(r.Src), "")
	attribute(entry, "mtu", r.MTU, 0)
	attribute(entry, "lock-mtu", r.MTULock, false)
	attribute(entry, "onlink", r.OnLink, false)
	delete(entry, "metric") // 0 is a metric, no metric is another thing
	if r.Metric != nil {
		entry["metric"] = dbus.MakeVariant(*r.Metric)
	}
	encodeTable(r, entry, table)
	return entry
}

// encodeTable writes a route's table unless the profile puts it there anyway. A profile with a table of its own needs the main one named.
func encodeTable(r nmgre.Route, entry map[string]dbus.Variant, table uint32) {
	_, named := entry["table"]
	switch {
	case r.Table == table && !named:
	case r.Table == 0 && table == 0:
		delete(entry, "table")
	default:
		entry["table"] = dbus.MakeVariant(r.TableOrMain())
	}
}

func attribute[T comparable](entry map[string]dbus.Variant, name string, value, absent T) {
	if value == absent {
		delete(entry, name)
		return
	}
	entry[name] = dbus.MakeVariant(value)
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

func copyEntry(entry map[string]dbus.Variant) map[string]dbus.Variant {
	c := make(map[string]dbus.Variant, len(entry)+4)
	for name, v := range entry {
		c[name] = v
	}
	return c
}

// setEntries writes a list of dictionaries, or removes the property if the list is empty.
func (s Settings) setEntries(setting, property string, entries []map[string]dbus.Variant) {
	if len(entries) == 0 {
		delete(s[setting], property)
		return
	}
	s.set(setting, property, entries)
}
