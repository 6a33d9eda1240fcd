// Package applied is about the settings that a device runs with, its applied connection. It
// compares them with those of the profile, which somebody may have changed since the tunnel came
// up, and knows which of those NetworkManager takes in their place, and in which steps.
package applied

import (
	"reflect"
	"slices"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// inert are the properties of the connection setting that mean nothing to a tunnel that is up. Of
// some NetworkManager keeps the old value whatever Reapply hands over (id, uuid, stable-id and
// autoconnect); most others make it refuse the whole of Reapply.
var inert = []string{"id", "uuid", "stable-id", "autoconnect", "autoconnect-priority", "autoconnect-retries", "autoconnect-slaves", "autoconnect-ports", "auth-retries",
	"timestamp", "read-only", "permissions", "multi-connect", "secondaries", "gateway-ping-timeout", "ip-ping-timeout", "ip-ping-addresses",
	"ip-ping-addresses-require-all", "wait-device-timeout", "wait-activation-delay", "down-on-poweroff"}

// reapplied are the properties that NetworkManager applies while the tunnel is up
// (can_reapply_change in nm-device.c and nm-device-ip-tunnel.c), and whole for the settings of
// which it applies all.
var (
	reapplied = map[string][]string{
		wire.Connection: {"zone", "metered", "lldp", "mdns", "llmnr", "dns-over-tls", "mptcp-flags"},
		wire.IPTunnel:   {"mtu"},
	}
	whole = []string{wire.IPv4, wire.IPv6, "proxy", "link"}
)

// user is the setting for other programs' notes. NetworkManager does nothing with it.
const user = "user"

// Pending returns the settings that the profile has and the device has not, which runs with
// applied. Neither has the properties that [wire.Settings.StripLegacy] removes.
func Pending(applied, profile wire.Settings) nm.Pending {
	var p nm.Pending
	for setting := range union(applied, profile) {
		for property := range union(applied[setting], profile[setting]) {
			if setting != user && !isInert(setting, property) && differs(applied, profile, setting, property) {
				p.Settings = append(p.Settings, fault.Printable(setting+"."+property))
			}
		}
	}
	if len(p.Settings) == 0 {
		return p
	}
	slices.Sort(p.Settings)
	for _, name := range p.Settings {
		if !isReapplied(name) {
			p.NewLink = name
			break
		}
	}
	if t, err := wire.Decode(applied); err == nil {
		p.Running = &t
	}
	return p
}

// union returns the keys of both.
func union[V any](a, b map[string]V) map[string]bool {
	keys := make(map[string]bool, len(a)+len(b))
	for _, m := range []map[string]V{a, b} {
		for key := range m {
			keys[key] = true
		}
	}
	return keys
}

func isInert(setting, property string) bool {
	return setting == wire.Connection && slices.Contains(inert, property)
}

func differs(a, b wire.Settings, setting, property string) bool {
	return !reflect.DeepEqual(a[setting][property], b[setting][property])
}

// isReapplied says whether NetworkManager applies "setting.property" while the tunnel is up.
func isReapplied(name string) bool {
	for _, setting := range whole {
		if len(name) > len(setting) && name[:len(setting)+1] == setting+"." {
			return true
		}
	}
	for setting, properties := range reapplied {
		if slices.ContainsFunc(properties, func(property string) bool { return name == setting+"."+property }) {
			return true
		}
	}
	return false
}

// Acceptable returns the settings of the profile for a device that runs with applied: with its own
// inert properties, since NetworkManager would refuse others.
func Acceptable(applied, profile wire.Settings) wire.Settings {
	s := profile.Clone()
	for _, property := range inert {
		delete(s[wire.Connection], property)
		if v, ok := applied[wire.Connection][property]; ok {
			if s[wire.Connection] == nil {
				s[wire.Connection] = make(map[string]dbus.Variant)
			}
			s[wire.Connection][property] = v
		}
	}
	return s
}
