package dbustest

import (
	"time"

	"github.com/godbus/dbus/v5"
)

// NetworkManager's numbers: states of a connection (NMActiveConnectionState), states of a device
// (NMDeviceState), and state flags of a connection (NMActivationStateFlags).
const (
	activating, activated, deactivating, deactivated = 1, 2, 3, 4

	devicePrepare, deviceIPConfig, deviceActivated, deviceDeactivating, deviceDisconnected, deviceFailed = 40, 70, 100, 110, 30, 120

	layer2Ready, ip4Ready, ip6Ready = 0x4, 0x8, 0x10
)

// activate starts an activation and returns the path of the connection. The signals come in the
// order of NetworkManager 1.42.
func (m *manager) activate(profile dbus.ObjectPath) dbus.ObjectPath {
	name, _ := m.profiles[profile].settings["connection"]["interface-name"].Value().(string)
	a := &active{path: m.path("ActiveConnection"), profile: profile, device: m.path("Devices"), state: activating}
	m.actives[a.path] = a
	m.devices[a.device] = &device{name: name, kind: KindIPTunnel, real: true, state: deviceDisconnected, running: running{applied: held(clone(m.profiles[profile].settings)), version: 1}}
	script := m.script
	m.later = append(m.later, func() {
		if script.Queued > 0 {
			time.AfterFunc(script.Queued, func() { m.bus.with(func(*manager) { m.begin(a, script) }) })
			return
		}
		m.begin(a, script)
	})
	return a.path
}

// begin does the first part of an activation.
func (m *manager) begin(a *active, script Activation) {
	if m.actives[a.path] != a || m.bus.nm != m {
		return // deleted, or NetworkManager is gone
	}
	m.setActive(a, activating, a.flags|layer2Ready, 0)
	m.setDevice(a.device, devicePrepare, 0)
	m.setDevice(a.device, deviceIPConfig, 0)
	switch {
	case script.Stuck:
	case script.Delay > 0:
		time.AfterFunc(script.Delay, func() { m.bus.with(func(*manager) { m.finish(a, script) }) })
	default:
		m.finish(a, script)
	}
}

// finish ends an activation in the way of the script.
func (m *manager) finish(a *active, script Activation) {
	if m.actives[a.path] != a || m.bus.nm != m {
		return // deleted, or NetworkManager is gone
	}
	if script.ActiveReason != 0 {
		m.setDevice(a.device, deviceFailed, script.DeviceReason)
		m.setDevice(a.device, deviceDisconnected, 0)
		m.remove(a, script.ActiveReason)
		return
	}
	m.commit(m.devices[a.device], false)
	m.setDevice(a.device, deviceActivated, 0)
	m.setActive(a, activated, a.flags, 1) // the flags of the addresses come later
	if !script.NeverReady {
		m.setActive(a, activated, a.flags|ip4Ready|ip6Ready, 1)
	}
}

// downProfile takes the profile's active connections down.
func (m *manager) downProfile(profile dbus.ObjectPath) {
	for _, path := range sortedPaths(m.actives) {
		if m.actives[path].profile == profile {
			m.down(m.actives[path], 11)
		}
	}
}

// down takes a connection down. Its device goes after the answer to the present call.
func (m *manager) down(a *active, reason uint32) {
	m.setActive(a, deactivating, a.flags, reason)
	m.setDevice(a.device, deviceDeactivating, 39)
	m.later = append(m.later, func() {
		m.setDevice(a.device, deviceDisconnected, 39)
		m.remove(a, reason)
		if m.script.Lingering {
			return
		}
		m.devices[a.device].real = false
		m.bus.emit(a.device, properties, "PropertiesChanged", service+".Device",
			map[string]dbus.Variant{"Real": dbus.MakeVariant(false)}, []string{})
	})
}

// remove ends a connection.
func (m *manager) remove(a *active, reason uint32) {
	m.setActive(a, deactivated, 0, reason)
	delete(m.actives, a.path)
	m.bus.emit("/org/freedesktop", busName+".ObjectManager", "InterfacesRemoved", a.path, []string{service + ".Connection.Active"})
}

// setActive changes the state of a connection and sends the signals. With reason 0 it leaves
// StateChanged out.
func (m *manager) setActive(a *active, state, flags, reason uint32) {
	changedState := a.state != state
	a.state, a.flags = state, flags
	m.bus.emit(a.path, properties, "PropertiesChanged", service+".Connection.Active",
		map[string]dbus.Variant{"State": dbus.MakeVariant(state), "StateFlags": dbus.MakeVariant(flags)}, []string{})
	if changedState && reason != 0 {
		m.bus.emit(a.path, service+".Connection.Active", "StateChanged", state, reason)
	}
}

// setDevice changes the state of a device and sends the signal.
func (m *manager) setDevice(path dbus.ObjectPath, state, reason uint32) {
	d := m.devices[path]
	if d == nil {
		return
	}
	d.previous, d.state, d.why = d.state, state, reason
	m.bus.emit(path, service+".Device", "StateChanged", d.state, d.previous, reason)
}
