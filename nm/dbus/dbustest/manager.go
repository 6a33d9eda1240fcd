package dbustest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Settings are a profile in NetworkManager's own form: setting, property, value.
type Settings = map[string]map[string]dbus.Variant

// Activation says how profiles come up. The zero value is a success without delay.
type Activation struct {
	Queued time.Duration // how long the device is not ready before anything else
	Delay  time.Duration // between "activating" and the end
	Stuck  bool          // the activation never ends
	// the activation fails for this reason of the connection (NMActiveConnectionStateReason)
	ActiveReason uint32
	DeviceReason uint32 // and for this one of the device (NMDeviceStateReason)
	NeverReady   bool   // "activated" comes, but the addresses are never set
	Lingering    bool   // the link stays when the connection goes down
}

// Profile is a profile of the NetworkManager, with the state of its device.
type Profile struct {
	Path     dbus.ObjectPath
	Settings Settings
	OnDisk   bool
	Volatile bool
	Active   bool
	Applied  Settings // those that its device runs with; nil if it is not active
	Kernel   Settings // those of Applied that the kernel has; nil if it is not active
}

// manager is the NetworkManager. The lock of its bus guards it.
type manager struct {
	bus         *Bus
	version     string
	permissions map[string]string
	script      Activation
	starting    bool
	serial      int
	profiles    map[dbus.ObjectPath]*profile
	actives     map[dbus.ObjectPath]*active
	devices     map[dbus.ObjectPath]*device
	later       []func() // work to do after the answer to the present call
	idle        []func() // work that is put off until there is nothing else to do
}

type profile struct {
	settings Settings
	onDisk   bool
	volatile bool
	made     bool
	version  uint64 // the number of its changes
}

type active struct {
	path, profile, device dbus.ObjectPath
	state, flags          uint32
}

type device struct {
	name                 string
	kind                 uint32 // NMDeviceType
	real                 bool
	state, previous, why uint32
	running
}

func newManager(b *Bus) *manager {
	m := &manager{bus: b, version: "1.42.4", permissions: map[string]string{service + ".settings.modify.system": "yes", service + ".network-control": "yes"}}
	m.profiles = make(map[dbus.ObjectPath]*profile)
	m.restart()
	return m
}

// restart forgets all active connections and gives every profile another path.
func (m *manager) restart() {
	m.actives, m.devices = make(map[dbus.ObjectPath]*active), make(map[dbus.ObjectPath]*device)
	old := m.profiles
	m.profiles = make(map[dbus.ObjectPath]*profile)
	for _, path := range sortedPaths(old) {
		m.profiles[m.path("Settings")] = old[path]
	}
}

func (m *manager) path(kind string) dbus.ObjectPath {
	m.serial++
	return dbus.ObjectPath(fmt.Sprintf("/org/freedesktop/NetworkManager/%s/%d", kind, m.serial))
}

func sortedPaths[T any](objects map[dbus.ObjectPath]T) []dbus.ObjectPath {
	return slices.SortedFunc(maps.Keys(objects), func(a, b dbus.ObjectPath) int {
		return strings.Compare(fmt.Sprintf("%80s", a), fmt.Sprintf("%80s", b)) // by number
	})
}

// with calls change with the NetworkManager, whether it is on the bus or not.
func (b *Bus) with(change func(*manager)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.nm != nil {
		change(b.nm)
		b.nm.after()
		return
	}
	change(b.asleep)
}

// SetVersion sets the version that NetworkManager tells and behaves like, such as "1.46.0".
func (b *Bus) SetVersion(version string) { b.with(func(m *manager) { m.version = version }) }

// SetStarting sets whether NetworkManager says that it is still starting.
func (b *Bus) SetStarting(starting bool) { b.with(func(m *manager) { m.starting = starting }) }

// SetPermission sets polkit's answer ("yes", "auth" or "no") to an action, such as
// "network-control".
func (b *Bus) SetPermission(action, answer string) {
	b.with(func(m *manager) { m.permissions[service+"."+action] = answer })
}

// SetActivation sets how profiles come up from now on.
func (b *Bus) SetActivation(a Activation) { b.with(func(m *manager) { m.script = a }) }

// AddProfile adds a profile that is on disk, as if it had always been there.
func (b *Bus) AddProfile(s Settings) (path dbus.ObjectPath) {
	b.with(func(m *manager) {
		path = m.path("Settings")
		m.profiles[path] = &profile{settings: s, onDisk: true}
	})
	return path
}

// Kinds of devices (NMDeviceType).
const (
	KindBridge   uint32 = 13
	KindIPTunnel uint32 = 17
)

// AddLink adds a device that somebody else made, or that is left of a profile with these settings.
func (b *Bus) AddLink(name string, kind uint32, s Settings) {
	b.with(func(m *manager) {
		m.devices[m.path("Devices")] = &device{name: name, kind: kind, real: true, state: deviceDisconnected, running: running{applied: held(clone(s))}}
	})
}

// HasLink reports whether there is a device of that name.
func (b *Bus) HasLink(name string) (has bool) {
	b.with(func(m *manager) {
		for _, d := range m.devices {
			has = has || d.name == name && d.real
		}
	})
	return has
}

// Change changes the settings of a profile as another client would.
func (b *Bus) Change(path dbus.ObjectPath, change func(Settings)) {
	b.with(func(m *manager) {
		p := m.profiles[path]
		p.settings = clone(p.settings)
		change(p.settings)
		m.updated(path)
	})
}

// SetVolatile moves a profile to memory and marks it as one that goes away with its connection.
func (b *Bus) SetVolatile(path dbus.ObjectPath) {
	b.with(func(m *manager) { m.profiles[path].volatile, m.profiles[path].onDisk = true, false })
}

// SetGenerated marks a profile as one that NetworkManager made for a link.
func (b *Bus) SetGenerated(path dbus.ObjectPath) {
	b.with(func(m *manager) { m.profiles[path].made, m.profiles[path].onDisk = true, false })
}

// Bring activates or deactivates a profile as another client would. flags are added to the state
// flags of the active connection.
func (b *Bus) Bring(path dbus.ObjectPath, up bool, flags uint32) {
	b.with(func(m *manager) {
		if up {
			m.actives[m.activate(path)].flags |= flags
			return
		}
		m.downProfile(path)
	})
}

// Profiles returns all profiles, oldest first.
func (b *Bus) Profiles() (all []Profile) {
	b.with(func(m *manager) {
		for _, path := range sortedPaths(m.profiles) {
			held := m.profiles[path]
			p := Profile{Path: path, Settings: held.settings, OnDisk: held.onDisk, Volatile: held.volatile}
			for _, a := range m.actives {
				if a.profile == path {
					p.Active, p.Applied, p.Kernel = true, Settings(m.devices[a.device].applied), Settings(m.devices[a.device].kernel)
				}
			}
			all = append(all, p)
		}
	})
	return all
}

// after does the work that follows the answer to the present call.
func (m *manager) after() {
	for len(m.later) > 0 {
		next := m.later[0]
		m.later = m.later[1:]
		next()
	}
}

// ask answers a call to NetworkManager.
func (m *manager) ask(call Call) ([]any, *dbus.Error) {
	switch call.Member {
	case "Get", "GetAll":
		return m.get(call)
	case "ListConnections":
		return []any{sortedPaths(m.profiles)}, nil
	case "GetConnectionByUuid":
		for path, p := range m.profiles {
			if p.settings["connection"]["uuid"].Value() == call.Args[0] {
				return []any{path}, nil
			}
		}
		return nil, fail(service+".Settings.InvalidConnection", "No connection with the UUID was found.")
	case "AddConnection2":
		return m.add(call.Args[0].(Settings), call.Args[1].(uint32))
	case "GetDeviceByIpIface":
		for path, d := range m.devices {
			if d.name == call.Args[0] {
				return []any{path}, nil
			}
		}
		return nil, fail(service+".UnknownDevice", "No device found for the requested iface.")
	case "GetPermissions":
		m.rest() // NetworkManager puts the answer off, too
		return []any{m.permissions}, nil
	case "ActivateConnection":
		path, _ := call.Args[0].(dbus.ObjectPath)
		if m.profiles[path] == nil {
			return nil, fail(service+".UnknownConnection", "Connection '"+string(path)+"' does not exist.")
		}
		return []any{m.activate(path)}, nil
	case "DeactivateConnection":
		path, _ := call.Args[0].(dbus.ObjectPath)
		if m.actives[path] == nil {
			return nil, fail(service+".ConnectionNotActive", "The connection was not active.")
		}
		m.down(m.actives[path], 2)
		return nil, nil
	}
	if d := m.devices[call.Path]; d != nil {
		return m.askDevice(d, call)
	}
	return m.askProfile(call)
}

// askProfile answers a call to a profile.
func (m *manager) askProfile(call Call) ([]any, *dbus.Error) {
	p := m.profiles[call.Path]
	if p == nil {
		return nil, unknown(call.Path)
	}
	switch call.Member {
	case "GetSettings":
		return []any{withLegacy(p.settings)}, nil
	case "Update2":
		if err := m.update(p, call); err != nil {
			return nil, err
		}
		m.updated(call.Path)
		return []any{map[string]dbus.Variant{}}, nil
	case "Delete":
		m.downProfile(call.Path)
		delete(m.profiles, call.Path)
		return nil, nil
	}
	return nil, fail(busName+".Error.UnknownMethod", "no method "+call.Member)
}

func unknown(path dbus.ObjectPath) *dbus.Error {
	return fail(busName+".Error.UnknownMethod", "Object does not exist at path “"+string(path)+"”")
}

func (m *manager) add(s Settings, flags uint32) ([]any, *dbus.Error) {
	if err := m.verify(s); err != nil {
		return nil, err
	}
	for _, p := range m.profiles {
		if p.settings["connection"]["uuid"] == s["connection"]["uuid"] {
			return nil, fail(service+".Settings.UuidExists", "a connection with this UUID already exists")
		}
	}
	path := m.path("Settings")
	m.profiles[path] = &profile{settings: s, onDisk: flags&0x1 != 0}
	return []any{path, map[string]dbus.Variant{}}, nil
}

// withLegacy adds the old properties, which NetworkManager returns and which must not be sent back.
func withLegacy(s Settings) Settings {
	c := maps.Clone(s)
	for _, family := range []string{"ipv4", "ipv6"} {
		c[family] = maps.Clone(s[family])
		if c[family] == nil {
			c[family] = make(map[string]dbus.Variant)
		}
		c[family]["addresses"] = dbus.MakeVariant([][]uint32{})
		c[family]["routes"] = dbus.MakeVariant([][]uint32{})
	}
	return c
}

// get answers calls of org.freedesktop.DBus.Properties.
func (m *manager) get(call Call) ([]any, *dbus.Error) {
	all, ok := m.properties(call.Path)
	if !ok {
		return nil, unknown(call.Path)
	}
	if call.Member == "GetAll" {
		return []any{all}, nil
	}
	name, _ := call.Args[1].(string)
	if v, ok := all[name]; ok {
		return []any{v}, nil
	}
	return nil, fail(busName+".Error.InvalidArgs", "No such property “"+name+"”")
}

// properties returns the properties of an object; ok is false if it is not there.
func (m *manager) properties(path dbus.ObjectPath) (all map[string]dbus.Variant, ok bool) {
	v := dbus.MakeVariant
	if p, ok := m.profiles[path]; ok {
		file := "/run/NetworkManager/system-connections/x.nmconnection"
		if p.onDisk {
			file = "/etc/NetworkManager/system-connections/x.nmconnection"
		}
		all := map[string]dbus.Variant{"Unsaved": v(!p.onDisk), "Flags": v(uint32(0)), "Filename": v(file)}
		switch {
		case p.volatile:
			all["Flags"] = v(uint32(0x4))
		case p.made:
			all["Flags"] = v(uint32(0x1 | 0x2 | 0x8)) // unsaved, made by NetworkManager, external
		}
		if m.atLeast(44) {
			all["VersionId"] = v(p.version + 1)
		}
		return all, true
	}
	if a, ok := m.actives[path]; ok {
		uuid := ""
		if p := m.profiles[a.profile]; p != nil {
			uuid, _ = p.settings["connection"]["uuid"].Value().(string)
		}
		return map[string]dbus.Variant{"Connection": v(a.profile), "Uuid": v(uuid), "State": v(a.state), "StateFlags": v(a.flags),
			"Devices": v([]dbus.ObjectPath{a.device})}, true
	}
	if d, ok := m.devices[path]; ok {
		carried := dbus.ObjectPath("/")
		for _, a := range m.actives {
			if a.device == path {
				carried = a.path
			}
		}
		all := map[string]dbus.Variant{"Interface": v(d.name), "DeviceType": v(d.kind), "Real": v(d.real), "State": v(d.state), "ActiveConnection": v(carried),
			"StateReason": v(struct{ State, Reason uint32 }{d.state, d.why})}
		for name, property := range map[string]string{"Mode": "mode", "Remote": "remote"} { // of Device.IPTunnel
			if own, ok := d.applied["ip-tunnel"][property]; ok {
				all[name] = own
			}
		}
		return all, true
	}
	return map[string]dbus.Variant{"Version": v(m.version), "Startup": v(m.starting), "ActiveConnections": v(sortedPaths(m.actives))}, path == "/org/freedesktop/NetworkManager"
}
