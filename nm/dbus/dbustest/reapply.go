package dbustest

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/godbus/dbus/v5"
)

// running are the settings that a device runs with.
type running struct {
	applied   held
	committed held                      // the applied ones when the kernel was told last
	kernel    held                      // the ones that the kernel has
	left      []map[string]dbus.Variant // routes that the kernel has and should not have
	version   uint64                    // the number of changes of applied
}

// held are settings of a device.
type held Settings

// askDevice answers a call to a device.
func (m *manager) askDevice(d *device, call Call) ([]any, *dbus.Error) {
	switch call.Member {
	case "GetAppliedConnection":
		if d.state < devicePrepare && d.state != deviceDisconnected || d.state > deviceActivated {
			return nil, fail(service+".Device.NotActive", "Device is not activated")
		}
		return []any{withLegacy(Settings(d.applied)), d.version}, nil
	case "Delete":
		d.real = false
		return nil, nil
	case "Reapply":
		return nil, m.reapply(d, call.Args[0].(Settings), call.Args[1].(uint64), call.Args[2].(uint32))
	}
	return nil, fail(busName+".Error.UnknownMethod", "no method "+call.Member)
}

// reapply changes the settings that a device runs with. It checks in NetworkManager's order. The
// kernel hears of the change later.
func (m *manager) reapply(d *device, s Settings, version uint64, flags uint32) *dbus.Error {
	if flags&^0x1 != 0 {
		return fail(service+".Device.Failed", "Invalid flags specified")
	}
	if d.state < devicePrepare || d.state > deviceActivated {
		return fail(service+".Device.NotActive", "Device is not activated")
	}
	if len(s) == 0 {
		s = m.settingsOf(d)
	}
	if err := m.verify(s); err != nil {
		return err
	}
	for _, name := range []string{"ip-tunnel", "connection"} {
		if !reflect.DeepEqual(fixed(s[name]), fixed(d.applied[name])) {
			return fail(service+".Device.IncompatibleConnection", "Can't reapply any changes to '"+name+"' setting")
		}
	}
	if version != 0 && version != d.version {
		return fail(service+".Device.VersionIdMismatch", "Reapply failed because device changed in the meantime and the version-id mismatches")
	}
	changed := !reflect.DeepEqual(held(s), d.applied)
	d.applied = held(clone(s))
	d.version++
	m.idle = append(m.idle, func() { m.commit(d, changed) })
	return nil
}

// fixed returns the properties of a setting that a device cannot change while it is up.
func fixed(setting map[string]dbus.Variant) map[string]dbus.Variant {
	rest := make(map[string]dbus.Variant)
	for name, v := range setting {
		if name != "mtu" && name != "autoconnect" && name != "id" && name != "timestamp" && name != "zone" {
			rest[name] = v
		}
	}
	return rest
}

// commit tells the kernel the applied settings. Where they have changed and IPv6 is on, the kernel
// loses all of IPv6 first, and NetworkManager before 1.44 does not set those again that it has set
// before. Before 1.46 it leaves routes with a weight behind.
func (m *manager) commit(d *device, changed bool) {
	before, now := d.committed, d.applied
	d.committed, d.kernel = now, held(clone(Settings(now)))
	if !changed {
		return
	}
	if method, _ := now["ipv6"]["method"].Value().(string); !m.atLeast(44) && method != "disabled" && method != "ignore" {
		for _, name := range []string{"address-data", "route-data"} {
			d.kernel.put("ipv6", name, without(now.list("ipv6", name), before.list("ipv6", name)))
		}
	}
	if !m.atLeast(46) {
		for _, route := range without(before.list("ipv4", "route-data"), now.list("ipv4", "route-data")) {
			if _, weighted := route["weight"]; weighted {
				d.left = append(d.left, route)
			}
		}
		d.left = slices.DeleteFunc(d.left, func(route map[string]dbus.Variant) bool {
			twin := maps.Clone(route)
			delete(twin, "weight")
			return len(without([]map[string]dbus.Variant{twin}, now.list("ipv4", "route-data"))) == 0
		})
		if len(d.left) > 0 {
			d.kernel.put("ipv4", "route-data", append(slices.Clone(now.list("ipv4", "route-data")), d.left...))
		}
	}
}

// without returns the entries of list that are not in other.
func without(list, other []map[string]dbus.Variant) []map[string]dbus.Variant {
	return slices.DeleteFunc(slices.Clone(list), func(e map[string]dbus.Variant) bool {
		return slices.ContainsFunc(other, func(o map[string]dbus.Variant) bool { return reflect.DeepEqual(e, o) })
	})
}

func (s held) list(setting, property string) []map[string]dbus.Variant {
	v, _ := s[setting][property].Value().([]map[string]dbus.Variant)
	return v
}

func (s held) put(setting, property string, list []map[string]dbus.Variant) {
	if delete(s[setting], property); len(list) > 0 {
		s[setting][property] = dbus.MakeVariant(list)
	}
}

// settingsOf returns the settings of the device's profile, or nil if it has none.
func (m *manager) settingsOf(d *device) Settings {
	for _, a := range m.actives {
		if m.devices[a.device] == d {
			return m.profiles[a.profile].settings
		}
	}
	return nil
}

// rest does the work that was put off.
func (m *manager) rest() {
	for len(m.idle) > 0 {
		next := m.idle[0]
		m.idle = m.idle[1:]
		next()
	}
}

// atLeast reports whether this is NetworkManager 1.minor or later. Profiles have a version from
// 1.44 on, and forwarding from 1.54 on.
func (m *manager) atLeast(minor int) bool {
	var major, have int
	_, _ = fmt.Sscanf(m.version, "%d.%d", &major, &have)
	return major > 1 || have >= minor
}

// update answers Update2.
func (m *manager) update(p *profile, call Call) *dbus.Error {
	s, flags, args := call.Args[0].(Settings), call.Args[1].(uint32), call.Args[2].(map[string]dbus.Variant)
	for name := range args {
		if name != "plugin" && (name != "version-id" || !m.atLeast(44)) {
			return fail(service+".Settings.InvalidArguments", "Unsupported argument '"+name+"'")
		}
	}
	if version, ok := args["version-id"].Value().(uint64); ok && version != p.version+1 {
		return fail(service+".Settings.VersionIdMismatch", "Update failed because profile changed in the meantime and the version-id mismatches")
	}
	if flags&^0x7f != 0 || flags&0x10 != 0 && flags&0xe == 0 {
		return fail(service+".Settings.InvalidArguments", "Conflicting flags")
	}
	if err := m.verify(s); err != nil {
		return err
	}
	p.settings, p.volatile = s, flags&0x10 != 0
	if flags&0xf != 0 { // else it stays where it is
		p.onDisk = flags&0x1 != 0
	}
	return nil
}

// updated counts a change of a profile and sends the signal.
func (m *manager) updated(path dbus.ObjectPath) {
	m.profiles[path].version++
	m.bus.emit(path, service+".Settings.Connection", "Updated")
}

func clone(s Settings) Settings {
	c := make(Settings, len(s))
	for setting, values := range s {
		c[setting] = maps.Clone(values)
	}
	return c
}
