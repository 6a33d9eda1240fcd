package dbus

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	gnm "github.com/Wifx/gonetworkmanager/v2"
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/gre"
)

// forger is another process on the bus. It sends signals in NetworkManager's words to everybody.
const forger = ":1.666"

// forge sends everything that could move an activation, a deactivation or a watch: a connection
// that is up, one that has failed, objects that are gone, and a NetworkManager that has left the
// bus.
func forge(bus *dbustest.Bus, up bool) {
	state, reason := gnm.NmActiveConnectionStateDeactivated, uint32(6)
	if up {
		state, reason = gnm.NmActiveConnectionStateActivated, 0
	}
	flags := uint32(gnm.NmActivationStateFlagIp4Ready | gnm.NmActivationStateFlagIp6Ready)
	for i := range 12 {
		connection := dbus.ObjectPath(fmt.Sprintf("%s/ActiveConnection/%d", manager, i))
		device := dbus.ObjectPath(fmt.Sprintf("%s/Devices/%d", manager, i))
		bus.Forge(forger, connection, propertiesInterface, "PropertiesChanged", gnm.ActiveConnectionInterface,
			map[string]dbus.Variant{"State": dbus.MakeVariant(uint32(state)), "StateFlags": dbus.MakeVariant(flags)}, []string{})
		bus.Forge(forger, connection, gnm.ActiveConnectionInterface, gnm.ActiveConnectionSignalStateChanged, uint32(state), reason)
		if !up {
			bus.Forge(forger, device, gnm.DeviceInterface, gnm.DeviceSignalStateChanged, uint32(120), uint32(30), uint32(1))
			for _, gone := range []dbus.ObjectPath{connection, device} {
				bus.Forge(forger, "/org/freedesktop", "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", gone, []string{gnm.DeviceInterface})
			}
		}
	}
	if !up {
		bus.Forge(forger, busPath, busName, "NameOwnerChanged", service, ":1.0", "")
		bus.Forge(forger, busPath, busName, "NameOwnerChanged", service, "", forger)
	}
}

// forgeFor sends forged signals again and again for that time.
func forgeFor(bus *dbustest.Bus, up bool, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		forge(bus, up)
	}
}

// TestForgedSignals has another process that forges signals while a tunnel comes up and goes down.
// Both end when NetworkManager says so, and not before.
func TestForgedSignals(t *testing.T) {
	for _, up := range []bool{true, false} {
		t.Run(fmt.Sprint(up), func(t *testing.T) {
			t.Parallel()
			bus, c := start(t)
			add(t, c)
			const delay = 300 * time.Millisecond
			bus.SetActivation(dbustest.Activation{Delay: delay, Lingering: true})
			go forgeFor(bus, up, delay)
			began := time.Now()
			if err := c.Activate(soon(t, time.Minute), dbustest.UUID); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < delay {
				t.Errorf("the activation ended after %v", took)
			}
			go forgeFor(bus, up, lingerTime)
			began = time.Now()
			if err := c.Deactivate(soon(t, time.Minute), dbustest.UUID); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < lingerTime {
				t.Errorf("the deactivation ended after %v", took)
			}
		})
	}
}

// TestWatchIgnoresForgedSignals has a watch that tells nothing of forged signals, and follows
// NetworkManager to its next unique name.
func TestWatchIgnoresForgedSignals(t *testing.T) {
	bus, c := start(t)
	events, _ := watchEvents(t, c)
	forge(bus, true)
	forge(bus, false)
	quiet(t, events)
	bus.Vanish()
	expectEvent(t, events, nm.ProfileEvent{Lost: true})
	bus.Forge(forger, busPath, busName, "NameOwnerChanged", service, "", forger)
	forge(bus, true)
	quiet(t, events)
	bus.Return()
	expectEvent(t, events, nm.ProfileEvent{Back: true})
	bus.Forge(":1.0", manager, propertiesInterface, "PropertiesChanged", gnm.NetworkManagerInterface, map[string]dbus.Variant{}, []string{})
	quiet(t, events)
	add(t, c)
	if err := c.Activate(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	expectEvent(t, events, nm.ProfileEvent{})
}

// TestTrialIgnoresForgedSignals has a forged end of the process that tries a profile.
func TestTrialIgnoresForgedSignals(t *testing.T) {
	bus, c := start(t)
	other := connect(t, bus)
	add(t, other)
	p := only(t, c)
	bus.Forge(forger, busPath, busName, "NameOwnerChanged", ":1.2", ":1.2", "")
	if q := only(t, c); !q.Trial || q.Abandoned || q.UUID != p.UUID {
		t.Errorf("%+v", q)
	}
}

// TestDeleteLeavesOthersLinks has profiles that look like those of a killed process, with the name
// of a device. Only the link that such a process can have left is deleted.
func TestDeleteLeavesOthersLinks(t *testing.T) {
	own := dbustest.Tunnels["plain"]
	elsewhere, ethernet := own, own
	elsewhere.Remote, ethernet.Mode = netip.MustParseAddr("198.51.100.3"), gre.ModeGRETAP
	for _, c := range []struct {
		name    string
		kind    uint32
		link    nm.Tunnel
		private bool // the profile is for one user
		deleted bool
	}{
		{"its own", dbustest.KindIPTunnel, own, false, true},
		{"a tunnel to elsewhere", dbustest.KindIPTunnel, elsewhere, false, false},
		{"a tunnel of another mode", dbustest.KindIPTunnel, ethernet, false, false},
		{"no tunnel", dbustest.KindBridge, own, false, false},
		{"of a user's own profile", dbustest.KindIPTunnel, own, true, false},
	} {
		bus, client := start(t)
		add(t, client)
		if c.private {
			bus.Change(bus.Profiles()[0].Path, func(s dbustest.Settings) { s["connection"]["permissions"] = dbus.MakeVariant([]string{"user:ann:"}) })
		}
		bus.AddLink("gre1", c.kind, dbustest.Settings(wire.Encode(c.link, nil)))
		if p := only(t, client); p.Trial == c.private {
			t.Errorf("%s: on trial %v", c.name, p.Trial)
		}
		if err := client.Delete(soon(t, time.Minute), dbustest.UUID); err != nil {
			t.Fatal(c.name, err)
		}
		if left := bus.HasLink("gre1"); left == c.deleted {
			t.Errorf("%s: the link is there: %v", c.name, left)
		}
	}
}
