package dbus

import (
	"reflect"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// byHand adds a profile that somebody else made, with properties that nmgre does not know, and
// returns its settings.
func byHand(t *testing.T, bus *dbustest.Bus) wire.Settings {
	t.Helper()
	s := wire.Encode(dbustest.Tunnels["plain"], wire.Settings{wire.Connection: {"uuid": dbus.MakeVariant(dbustest.UUID), "zone": dbus.MakeVariant("work")}})
	s.Set(wire.IPv4, "dns-search", []string{"example.org"})
	s.Entries(wire.IPv4, "address-data")[0]["label"] = dbus.MakeVariant("x")
	bus.AddProfile(s.Clone())
	return s
}

// TestUpdate changes a profile in memory and undoes that, changes it again and saves it.
func TestUpdate(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	old := byHand(t, bus)
	changed := dbustest.Tunnels["plain"].Clone()
	changed.MTU, changed.Name, changed.Zone = 1300, "gre9", "work"
	undo, err := c.Update(ctx, dbustest.UUID, nil, changed)
	if err != nil {
		t.Fatal(err)
	}
	p := bus.Profiles()[0]
	if got := wire.Settings(p.Settings); p.OnDisk || got.Text(wire.Connection, "id") != "gre9" || got.Text(wire.Connection, "zone") != "work" || got[wire.IPv4]["dns-search"].Value() == nil ||
		got.Entries(wire.IPv4, "address-data")[0]["label"].Value() != "x" || got[wire.IPTunnel]["mtu"].Value() != uint32(1300) {
		t.Errorf("on disk %v: %v", p.OnDisk, got)
	}
	if err := undo(ctx); err != nil {
		t.Fatal(err)
	}
	if p := bus.Profiles()[0]; !p.OnDisk || !reflect.DeepEqual(wire.Settings(p.Settings), old) {
		t.Errorf("undone, on disk %v:\n%v\nwant\n%v", p.OnDisk, p.Settings, old)
	}
	if _, err := c.Update(ctx, dbustest.UUID, nil, changed); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Save(ctx, dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	if p := bus.Profiles()[0]; !p.OnDisk || wire.Settings(p.Settings).Text(wire.Connection, "interface-name") != "gre9" {
		t.Errorf("saved: %v", p)
	}
	if n := bus.Count("Reapply"); n != 0 {
		t.Errorf("%d times applied", n)
	}
}

// TestUpdateMakesNoLink has a change of the name. NetworkManager would make the new link at once,
// and leave it when the change is undone. Another change lets the profile connect by itself as
// before.
func TestUpdateMakesNoLink(t *testing.T) {
	for name, blocks := range map[string]bool{"gre1": false, "gre9": true} {
		bus, c := start(t)
		byHand(t, bus)
		changed := dbustest.Tunnels["plain"].Clone()
		changed.MTU, changed.Name = 1300, name
		if _, err := c.Update(soon(t, time.Minute), dbustest.UUID, nil, changed); err != nil {
			t.Fatal(err)
		}
		calls := bus.Calls()
		if flags, _ := calls[len(calls)-1].Args[1].(uint32); calls[len(calls)-1].Member != "Update2" || flags&flagInMemory == 0 || flags&flagBlockAutoconnect != 0 != blocks {
			t.Errorf("%s: the last call is %s with the flags %#x", name, calls[len(calls)-1].Member, flags)
		}
	}
}

// TestUpdateOfAName has a profile with a name of its own, which stays. The profile is in memory
// only, also after the undo.
func TestUpdateOfAName(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	add(t, c)
	own := wire.Settings(bus.Profiles()[0].Settings)
	own.Set(wire.Connection, "id", "the office")
	changed := dbustest.Tunnels["plain"].Clone()
	changed.Name = "gre9"
	undo, err := c.Update(ctx, dbustest.UUID, nil, changed)
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.Settings(bus.Profiles()[0].Settings).Text(wire.Connection, "id"); got != "the office" {
		t.Errorf("the name is %q", got)
	}
	bus.Vanish() // undo works after a restart too, where the profile has another path
	bus.Return()
	if err := undo(ctx); err != nil || bus.Profiles()[0].OnDisk {
		t.Errorf("%v, %+v", err, bus.Profiles()[0])
	}
}

// TestUpdateFails checks that Update returns an undo in every case.
func TestUpdateFails(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	undo, err := c.Update(ctx, dbustest.UUID, nil, dbustest.Tunnels["plain"])
	check(t, err, fault.ErrNotFound)
	if err := undo(ctx); err != nil {
		t.Error(err)
	}
	old := byHand(t, bus)
	bus.Break("Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.PermissionDenied", Text: "Insufficient privileges"})
	undo, err = c.Update(ctx, dbustest.UUID, nil, dbustest.Tunnels["plain"])
	check(t, err, fault.ErrNotPermitted, "change the profile")
	check(t, undo(ctx), fault.ErrNotPermitted, "undo the change of the profile")
	bus.Break("Update2", dbustest.Fault{})
	if err := undo(ctx); err != nil || !reflect.DeepEqual(wire.Settings(bus.Profiles()[0].Settings), old) {
		t.Errorf("%v, %v", err, bus.Profiles()[0].Settings)
	}
}

// TestReapply applies the profile to its device, and the addresses and routes of others stay. An
// old NetworkManager, which would lose those of IPv6, gets Reapply twice. A device that runs with
// the profile already gets it once more only to restore what others have removed.
func TestReapply(t *testing.T) {
	for version, times := range map[string]int{"1.42.4": 2, "1.44.0": 1, "1.54.1": 1} {
		bus, c := start(t)
		bus.SetVersion(version)
		ctx := soon(t, time.Minute)
		both := dbustest.Tunnels["plain"].Clone()
		both.Addresses = append(both.Addresses, want.CIDR("fd00::1/126"))
		if err := c.Add(ctx, dbustest.UUID, both); err != nil {
			t.Fatal(err)
		}
		if err := c.Reapply(ctx, dbustest.UUID, false); err != nil || bus.Count("Reapply") != 0 {
			t.Errorf("a profile that is down: %v", err)
		}
		if err := c.Activate(ctx, dbustest.UUID); err != nil {
			t.Fatal(err)
		}
		if err := c.Reapply(ctx, dbustest.UUID, false); err != nil || bus.Count("Reapply") != 0 {
			t.Errorf("a device that runs with the profile already: %v", err)
		}
		if err := c.Reapply(ctx, dbustest.UUID, true); err != nil {
			t.Fatal(err)
		}
		restored := reapplies(bus)
		if last := restored[len(restored)-1]; len(restored) != 1 || last.Args[2] != uint32(0) {
			t.Errorf("%s: %d calls to restore, the last with flags %v", version, len(restored), last.Args[2])
		}
		changed := both.Clone()
		changed.MTU = 1300
		if _, err := c.Update(ctx, dbustest.UUID, nil, changed); err != nil {
			t.Fatal(err)
		}
		if err := c.Reapply(ctx, dbustest.UUID, false); err != nil {
			t.Fatal(err)
		}
		calls := reapplies(bus)[1:]
		if len(calls) != times {
			t.Fatalf("%s: %d calls, want %d", version, len(calls), times)
		}
		for i, call := range calls {
			s := wire.Settings(call.Args[0].(map[string]map[string]dbus.Variant))
			v6 := s.Text(wire.IPv6, "method")
			if call.Args[2] != flagPreserveExternal || (v6 == "manual") != (i == times-1) || s.Text(wire.IPv4, "method") != "manual" {
				t.Errorf("%s, call %d: flags %v, IPv6 %s", version, i, call.Args[2], v6)
			}
		}
		if _, err := c.Update(ctx, dbustest.UUID, nil, both); err != nil {
			t.Fatal(err)
		}
		bus.Break("Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.IncompatibleConnection", Text: "Can't reapply changes to 'ip-tunnel' setting"})
		check(t, c.Reapply(ctx, dbustest.UUID, false), nil, "apply the changed profile to its device", "Can't reapply")
	}
}

func reapplies(bus *dbustest.Bus) (calls []dbustest.Call) {
	for _, call := range bus.Calls() {
		if call.Member == "Reapply" {
			calls = append(calls, call)
		}
	}
	return calls
}

// TestUpdateOfAnother refuses to write over somebody else's change. Nothing changes then, and the
// undo does nothing.
func TestUpdateOfAnother(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	old := byHand(t, bus)
	from, changed := dbustest.Tunnels["plain"].Clone(), dbustest.Tunnels["plain"].Clone()
	from.MTU, changed.TTL = 1300, 9
	undo, err := c.Update(ctx, dbustest.UUID, &from, changed)
	check(t, err, fault.ErrChanged, "try again")
	if err := undo(ctx); err != nil {
		t.Error(err)
	}
	if p := bus.Profiles()[0]; !p.OnDisk || !reflect.DeepEqual(wire.Settings(p.Settings), old) || bus.Count("Update2") != 0 {
		t.Errorf("on disk %v, written %d times: %v", p.OnDisk, bus.Count("Update2"), p.Settings)
	}
	from.MTU = dbustest.Tunnels["plain"].MTU
	if _, err := c.Update(ctx, dbustest.UUID, &from, changed); err != nil {
		t.Error(err)
	}
}
