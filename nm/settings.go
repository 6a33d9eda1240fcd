package nm

import (
	"crypto/rand"
	"fmt"
	"maps"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre"
)

// Settings are a profile in NetworkManager's own form: setting, property, value.
type Settings map[string]map[string]dbus.Variant

// Names of the settings and the properties that a tunnel is made of.
const (
	setConnection = "connection"
	setTunnel     = "ip-tunnel"
	setIPv4       = "ipv4"
	setIPv6       = "ipv6"
	setUser       = "user"

	typeTunnel = setTunnel // connection.type of a profile that has that setting
)

// tunnelModes are ip-tunnel.mode's numbers (NMIPTunnelMode). 11 and 10 came later than 8, hence the order.
var tunnelModes = map[uint32]nmgre.Mode{
	2:  nmgre.ModeGRE,
	10: nmgre.ModeGRETAP,
	8:  nmgre.ModeIP6GRE,
	11: nmgre.ModeIP6GRETAP,
}

// clone returns a copy whose settings can be changed property by property.
func (s Settings) clone() Settings {
	c := make(Settings, len(s))
	for setting, properties := range s {
		c[setting] = maps.Clone(properties)
	}
	return c
}

// set puts a value of a type that D-Bus has into s, making the setting if it is not there.
func (s Settings) set(setting, property string, value any) {
	if s[setting] == nil {
		s[setting] = make(map[string]dbus.Variant)
	}
	s[setting][property] = dbus.MakeVariant(value)
}

// put is like set, but leaves the property out where it would be NetworkManager's default, as NetworkManager does.
func put[T comparable](s Settings, setting, property string, value, defaultValue T) {
	if value == defaultValue {
		delete(s[setting], property)
		return
	}
	s.set(setting, property, value)
}

// text returns a property that is a string, empty if it is absent or of another type.
func (s Settings) text(setting, property string) string {
	v, _ := s[setting][property].Value().(string)
	return v
}

// entries returns a list of dictionaries (aa{sv}), such as route-data.
func (s Settings) entries(setting, property string) []map[string]dbus.Variant {
	v, _ := s[setting][property].Value().([]map[string]dbus.Variant)
	return v
}

// user returns an entry of the profile's user data.
func (s Settings) user(key string) string {
	data, _ := s[setUser]["data"].Value().(map[string]string)
	return data[key]
}

// setUser puts an entry into the profile's user data, or takes it out if value is empty. Nothing is left of a setting without data:
// NetworkManager would keep an empty one.
func (s Settings) setUser(key, value string) {
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
		s.set(setUser, "data", data)
		return
	}
	delete(s[setUser], "data")
	if len(s[setUser]) == 0 {
		delete(s, setUser)
	}
}

// stripLegacy removes the properties that address-data and route-data have replaced. NetworkManager returns both, and prefers the
// old ones when it gets both, which hold neither a route's table nor its MTU; and godbus cannot send their type back.
func (s Settings) stripLegacy() {
	for _, family := range [...]string{setIPv4, setIPv6} {
		delete(s[family], "addresses")
		delete(s[family], "routes")
	}
}

// wire returns s as it can be sent. It fails for a value that would not arrive as it is: godbus decodes a structure into a list of
// values, which it would send as such, and it panics on types that D-Bus lacks.
func (s Settings) wire() (gnm.ConnectionSettings, error) {
	out := make(gnm.ConnectionSettings, len(s))
	for setting, properties := range s {
		out[setting] = make(map[string]any, len(properties))
		for property, v := range properties {
			if !sendable(v) {
				return nil, badSetting(nmgre.Printable(setting+"."+property), fmt.Sprintf("nmgre cannot send a value of the type %q back", v.Signature()))
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

// newUUID returns a random UUID (version 4, RFC 9562).
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
