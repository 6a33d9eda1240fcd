package wire

import (
	"fmt"
	"maps"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Keys of a profile's user data. NetworkManager wants a dot in them.
const (
	// KeyPeer holds the far end's inner address where it cannot be derived.
	KeyPeer = "nmgre.peer-address"
	// KeyTrial marks a profile that is on trial: "<unique bus name>@<identity of the bus>" of the
	// process that tries it. A bus never gives a unique name twice, and another bus has another
	// identity.
	KeyTrial = "nmgre.trial"
	// KeyAutoconnect holds what connection.autoconnect will be when the trial ends well, "yes" or
	// "no".
	KeyAutoconnect = "nmgre.autoconnect"
)

// TrialAutoconnect returns what autoconnect will be after the trial; ok only for a profile with a
// mark.
func TrialAutoconnect(s Settings) (wanted, ok bool) {
	wish := s.User(KeyAutoconnect)
	return wish == "yes", s.User(KeyTrial) != "" && (wish == "yes" || wish == "no")
}

// Quote puts a text from outside between quotes, made harmless.
func Quote(text string) string { return `"` + fault.Printable(text) + `"` }

// Settings are a profile in NetworkManager's own form: setting, property, value.
type Settings map[string]map[string]dbus.Variant

// Names of the settings and the properties that a tunnel is made of.
const (
	SetConnection = "connection"
	SetTunnel     = "ip-tunnel"
	SetIPv4       = "ipv4"
	SetIPv6       = "ipv6"
	setUser       = "user"

	typeTunnel = SetTunnel // connection.type of a profile that has that setting
)

// tunnelModes are ip-tunnel.mode's numbers (NMIPTunnelMode). 11 and 10 came later than 8, hence the
// order.
var tunnelModes = map[uint32]gre.Mode{
	2:  gre.ModeGRE,
	10: gre.ModeGRETAP,
	8:  gre.ModeIP6GRE,
	11: gre.ModeIP6GRETAP,
}

// Clone returns a copy whose settings can be changed property by property.
func (s Settings) Clone() Settings {
	c := make(Settings, len(s))
	for setting, properties := range s {
		c[setting] = maps.Clone(properties)
	}
	return c
}

// Set puts a value of a type that D-Bus has into s, making the setting if it is not there.
func (s Settings) Set(setting, property string, value any) {
	if s[setting] == nil {
		s[setting] = make(map[string]dbus.Variant)
	}
	s[setting][property] = dbus.MakeVariant(value)
}

// Put is like set, but leaves the property out where it would be NetworkManager's default, as
// NetworkManager does.
func Put[T comparable](s Settings, setting, property string, value, defaultValue T) {
	if value == defaultValue {
		delete(s[setting], property)
		return
	}
	s.Set(setting, property, value)
}

// Text returns a property that is a string, empty if it is absent or of another type.
func (s Settings) Text(setting, property string) string {
	v, _ := s[setting][property].Value().(string)
	return v
}

// Entries returns a list of dictionaries (aa{sv}), such as route-data.
func (s Settings) Entries(setting, property string) []map[string]dbus.Variant {
	v, _ := s[setting][property].Value().([]map[string]dbus.Variant)
	return v
}

// User returns an entry of the profile's user data.
func (s Settings) User(key string) string {
	data, _ := s[setUser]["data"].Value().(map[string]string)
	return data[key]
}

// SetUser puts an entry into the profile's user data, or takes it out if value is empty. Nothing is
// left of a setting without data: NetworkManager would keep an empty one.
func (s Settings) SetUser(key, value string) {
	old, _ := s[setUser]["data"].Value().(map[string]string)
	data := maps.Clone(old)
	if data == nil {
		data = make(map[string]string)
	}
	delete(data, key)
	if value != "" {
		data[key] = value
	}
	if len(data) > 0 {
		s.Set(setUser, "data", data)
		return
	}
	delete(s[setUser], "data")
	if len(s[setUser]) == 0 {
		delete(s, setUser)
	}
}

// StripLegacy removes the properties that address-data and route-data have replaced. NetworkManager
// returns both, and prefers the old ones when it gets both, which hold neither a route's table nor
// its MTU; and godbus cannot send their type back.
func (s Settings) StripLegacy() {
	for _, family := range [...]string{SetIPv4, SetIPv6} {
		delete(s[family], "addresses")
		delete(s[family], "routes")
	}
}

// Wire returns s as it can be sent. It fails for a value that would not arrive as it is: godbus
// decodes a structure into a list of values, which it would send as such, and it panics on types
// that D-Bus lacks.
func (s Settings) Wire() (gnm.ConnectionSettings, error) {
	out := make(gnm.ConnectionSettings, len(s))
	for setting, properties := range s {
		out[setting] = make(map[string]any, len(properties))
		for property, v := range properties {
			if !sendable(v) {
				return nil, badSetting(fault.Printable(setting+"."+property), fmt.Sprintf("nmgre cannot send a value of the type %q back", v.Signature()))
			}
			out[setting][property] = v.Value()
		}
	}
	return out, nil
}

func sendable(v dbus.Variant) (ok bool) {
	defer func() {
		if recover() != nil { // SignatureOf's way to say that it does not know the type
			ok = false
		}
	}()
	return dbus.SignatureOf(v.Value()) == v.Signature()
}
