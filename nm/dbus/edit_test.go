package dbus

import (
	"reflect"
	"testing"
	"time"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
)

// An edit that a process leaves behind is seen by the next one, which undoes it.
func TestUpdateAbandoned(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	old := byHand(t, bus)
	for _, up := range []bool{false, true} {
		path := bus.Profiles()[0].Path
		bus.Bring(path, up, 0)
		killed, err := Connect(ctx, Options{Address: bus.Address()})
		if err != nil {
			t.Fatal(err)
		}
		changed := dbustest.Tunnels["plain"].Clone()
		for _, mtu := range []uint32{1300, 1200} { // the second is a step of the same edit
			changed.MTU, changed.Name = mtu, "gre9"
			if _, err := killed.Update(ctx, dbustest.UUID, nil, changed); err != nil {
				t.Fatal(err)
			}
		}
		p, err := c.Get(ctx, dbustest.UUID)
		if err != nil || p.Edit == nil || p.Edit.Up != up || p.Edit.Before.Name != "gre1" || p.Edit.Before.MTU == 1300 || p.Abandoned || p.Trial {
			t.Fatalf("while it is edited: %+v, %v", p, err)
		}
		if err := killed.Close(); err != nil {
			t.Fatal(err)
		}
		for begin := time.Now(); !p.Abandoned; time.Sleep(10 * time.Millisecond) {
			if p, err = c.Get(ctx, dbustest.UUID); err != nil || time.Since(begin) > promptly {
				t.Fatalf("when the process is gone: %+v, %v", p, err)
			}
		}
		if err := c.Revert(ctx, dbustest.UUID); err != nil {
			t.Fatal(err)
		}
		if p := bus.Profiles()[0]; !p.OnDisk || !reflect.DeepEqual(wire.Settings(p.Settings), old) {
			t.Errorf("up %v: on disk %v:\n%v\nwant\n%v", up, p.OnDisk, p.Settings, old)
		}
		if err := c.Revert(ctx, dbustest.UUID); err != nil {
			t.Errorf("a profile that nobody edits: %v", err)
		}
	}
}

// After an edit, nothing of it is left in the profile: on disk, or in memory where it was before.
func TestSaveEdited(t *testing.T) {
	for _, unsaved := range []bool{false, true} {
		bus, c := start(t)
		ctx := soon(t, time.Minute)
		byHand(t, bus)
		if unsaved {
			if _, err := c.Update(ctx, dbustest.UUID, nil, dbustest.Tunnels["plain"]); err != nil {
				t.Fatal(err)
			}
			bus.Change(bus.Profiles()[0].Path, func(s dbustest.Settings) { wire.Settings(s).EndEdit() })
		}
		changed := dbustest.Tunnels["plain"].Clone()
		changed.MTU = 1300
		if _, err := c.Update(ctx, dbustest.UUID, nil, changed); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Save(ctx, dbustest.UUID); err != nil {
			t.Fatal(err)
		}
		p := bus.Profiles()[0]
		if _, noted := wire.Settings(p.Settings).Edit(); noted || p.OnDisk == unsaved || p.Settings["user"] != nil || p.Settings[wire.IPTunnel]["mtu"].Value() != uint32(1300) {
			t.Errorf("unsaved %v: %+v", unsaved, p)
		}
	}
}
