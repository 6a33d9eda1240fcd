package wire

import (
	"fmt"
	"maps"
	"strings"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Settings are a profile in NetworkManager's own form: setting, property, value. The settings and
// their properties are those of nm-settings-dbus(5). Reading from the zero value is safe.
type Settings map[string]map[string]dbus.Variant

// Names of the settings that a tunnel is made of.
const (
	Connection = "connection"
	IPTunnel   = "ip-tunnel"
	IPv4       = "ipv4"
	IPv6       = "ipv6"
	userData   = "user"

	typeTunnel = IPTunnel // connection.type of a profile that has that setting
)

// Keys of a profile's user data. NetworkManager requires a dot in them.
const (
	// KeyPeer holds the far end's inner address where it cannot be derived.
	KeyPeer = "nmgre.peer-address"
	// KeyMorePeers holds its other inner addresses, with spaces between them.
	KeyMorePeers = "nmgre.more-peer-addresses"
	// keyTrial holds the mark of a profile on trial.
	keyTrial = "nmgre.trial"
	// keyAutoconnect holds connection.autoconnect as it will be when the trial ends well, "yes" or
	// "no".
	keyAutoconnect = "nmgre.autoconnect"
	// keyWith holds the UUID of the profile that decides whether the trial ends well.
	keyWith = "nmgre.with"
)

// tunnelModes are the numbers of ip-tunnel.mode (NMIPTunnelMode). NetworkManager got modes 10 and
// 11 later than mode 8.
var tunnelModes = map[uint32]gre.Mode{
	2:  gre.ModeGRE,
	8:  gre.ModeIP6GRE,
	10: gre.ModeGRETAP,
	11: gre.ModeIP6GRETAP,
}

// Mode returns the mode of a GRE profile, or 0 for any other profile.
func (s Settings) Mode() gre.Mode {
	if s.Text(Connection, "type") != typeTunnel {
		return 0
	}
	number, _ := s[IPTunnel]["mode"].Value().(uint32)
	return tunnelModes[number]
}

// Clone returns a copy whose settings can be changed property by property. The values are shared.
func (s Settings) Clone() Settings {
	c := make(Settings, len(s))
	for setting, properties := range s {
		c[setting] = maps.Clone(properties)
	}
	return c
}

// Set sets a property, and makes the setting if it is not there. It panics for a type that D-Bus
// lacks.
func (s Settings) Set(setting, property string, value any) {
	if s[setting] == nil {
		s[setting] = make(map[string]dbus.Variant)
	}
	s[setting][property] = dbus.MakeVariant(value)
}

// put sets a property, or removes it where the value is NetworkManager's default: NetworkManager
// leaves defaults out, too.
func put[T comparable](s Settings, setting, property string, value, defaultValue T) {
	if value == defaultValue {
		delete(s[setting], property)
		return
	}
	s.Set(setting, property, value)
}

// Text returns a property that is a string, or the empty string if it is absent or of another type.
func (s Settings) Text(setting, property string) string {
	v, _ := s[setting][property].Value().(string)
	return v
}

// Entry is a dictionary in a list such as address-data or route-data.
type Entry = map[string]dbus.Variant

// Entries returns a property that is a list of dictionaries (aa{sv}), or nil if it is absent or of
// another type. The list is not a copy.
func (s Settings) Entries(setting, property string) []Entry {
	v, _ := s[setting][property].Value().([]map[string]dbus.Variant)
	return v
}

// SetEntries sets a property that is a list of dictionaries, or removes it if the list is empty.
// One that is empty already stays as it is.
func (s Settings) SetEntries(setting, property string, entries []Entry) {
	switch {
	case len(entries) > 0:
		s.Set(setting, property, entries)
	case len(s.Entries(setting, property)) > 0:
		delete(s[setting], property)
	}
}

// Users returns the names of the users whom the profile is for: those of the permissions, such as
// "user:ann:". It is nil for a profile of all users. A permission of another kind is for nobody,
// the user without a name.
func (s Settings) Users() []string {
	permissions, _ := s[Connection]["permissions"].Value().([]string)
	var users []string
	for _, permission := range permissions {
		rest, _ := strings.CutPrefix(permission, "user:")
		if rest == permission {
			rest = ""
		}
		name, _, _ := strings.Cut(rest, ":")
		users = append(users, fault.Printable(name))
	}
	return users
}

// user returns an entry of the profile's user data, or the empty string.
func (s Settings) user(key string) string {
	data, _ := s[userData]["data"].Value().(map[string]string)
	return data[key]
}

// setUser sets an entry of the profile's user data, or removes it if value is empty. A setting that
// has no data any more goes too, since NetworkManager would keep an empty one.
func (s Settings) setUser(key, value string) {
	old, _ := s[userData]["data"].Value().(map[string]string)
	data := maps.Clone(old)
	if data == nil {
		data = make(map[string]string)
	}
	delete(data, key)
	if value != "" {
		data[key] = value
	}
	if len(data) > 0 {
		s.Set(userData, "data", data)
		return
	}
	delete(s[userData], "data")
	if len(s[userData]) == 0 {
		delete(s, userData)
	}
}

// StripLegacy removes the properties that address-data and route-data have replaced. NetworkManager
// returns both forms. When it gets both, it prefers the old one, which holds neither a route's
// table nor its MTU; and godbus cannot send its type back.
func (s Settings) StripLegacy() {
	for _, family := range [...]string{IPv4, IPv6} {
		delete(s[family], "addresses")
		delete(s[family], "routes")
	}
}

// Values returns s in the form that is sent: plain values instead of variants. It fails with
// [fault.ErrInvalid] for a value that would not arrive as it is. godbus decodes a structure into a
// list of values and would send it as such, and it panics on types that D-Bus lacks.
func (s Settings) Values() (gnm.ConnectionSettings, error) {
	values := make(gnm.ConnectionSettings, len(s))
	for setting, properties := range s {
		values[setting] = make(map[string]any, len(properties))
		for property, v := range properties {
			if !sendable(v) {
				return nil, badSetting(fault.Printable(setting+"."+property), fmt.Sprintf("nmgre cannot send a value of the type %q back", v.Signature()))
			}
			values[setting][property] = v.Value()
		}
	}
	return values, nil
}

func sendable(v dbus.Variant) (ok bool) {
	defer func() {
		if recover() != nil { // SignatureOf panics on a type that it does not know
			ok = false
		}
	}()
	return dbus.SignatureOf(v.Value()) == v.Signature()
}

// Quote returns a text from outside between quotes, escaped with [fault.Printable].
func Quote(text string) string { return `"` + fault.Printable(text) + `"` }

// ReadyFlags returns the state flag that tells that the tunnel's addresses are set, or 0 for a
// tunnel without addresses.
func (s Settings) ReadyFlags() uint32 {
	switch {
	case len(s.Entries(IPv4, "address-data")) > 0:
		return uint32(gnm.NmActivationStateFlagIp4Ready)
	case len(s.Entries(IPv6, "address-data")) > 0:
		return uint32(gnm.NmActivationStateFlagIp6Ready)
	}
	return 0
}

// Waits names the method with which NetworkManager may wait in vain for an address, and why. It
// is empty for a profile that has all of its addresses, or needs none.
func (s Settings) Waits() string {
	const dhcp, router, arp = "hardly any tunnel leads to a DHCP server", "hardly any tunnel leads to a router that announces addresses", "hardly any tunnel has the ARP by which such an address is chosen"
	for _, w := range []struct{ family, method, why string }{
		{IPv4, "auto", dhcp}, {IPv4, "link-local", arp}, {IPv6, "auto", router}, {IPv6, "dhcp", dhcp},
	} {
		without := len(s.Entries(w.family, "address-data")) == 0
		if s.Text(w.family, "method") == w.method && without {
			return "its " + w.family + ".method is " + w.method + " without an address, and " + w.why
		}
	}
	return ""
}
