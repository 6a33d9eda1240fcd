package census_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"nmgre/nm/dbus/census"
	"nmgre/nm/dbus/dbustest"
)

const polkit, systemd = "org.freedesktop.PolicyKit1", "org.freedesktop.systemd1"

var unitNames = []string{"NetworkManager.service", "ufw.service", "none.service"}

// The bus tells who is there and who can be started, and systemd the states of units. Only names
// that were asked for come back, and only systemd's own words.
func TestAsk(t *testing.T) {
	bus := dbustest.Start(t)
	bus.SetNames([]string{systemd, "com.example.Secret"}, []string{polkit, "com.example.Other"})
	bus.SetUnits(map[string][3]string{"NetworkManager.service": {"loaded", "active", "enabled"}, "ufw.service": {"mask\x1b[2Jed", "inactive", "\u202e"}})
	c, err := census.Ask(t.Context(), bus.Address(), []string{polkit, "org.freedesktop.NetworkManager"}, unitNames)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(maps.Keys(c.Owned)); !slices.Equal(got, []string{"org.freedesktop.NetworkManager"}) || len(c.Startable) != 1 || !c.Startable[polkit] || !c.Systemd {
		t.Errorf("%+v", c)
	}
	want := map[string]census.Unit{"NetworkManager.service": {Load: "loaded", Active: "active", File: "enabled"}, "ufw.service": {Active: "inactive"}, "none.service": {Load: "not-found", Active: "inactive"}}
	if !maps.Equal(c.Units, want) {
		t.Errorf("%+v", c.Units)
	}
}

// Without systemd there are no units, and nobody is started to ask for them.
func TestAskWithoutSystemd(t *testing.T) {
	bus := dbustest.Start(t)
	c, err := census.Ask(t.Context(), bus.Address(), []string{polkit}, unitNames)
	if err != nil || c.Systemd || len(c.Units)+len(c.Owned)+len(c.Startable) != 0 || bus.Count("ListUnitsByNames") != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	bus.SetNames([]string{systemd}, nil)
	bus.Break("ListUnitsByNames", dbustest.Fault{Error: "org.freedesktop.DBus.Error.AccessDenied"})
	if c, err := census.Ask(t.Context(), bus.Address(), nil, unitNames); err != nil || c.Systemd {
		t.Errorf("%+v, %v", c, err)
	}
}

// A bus that is not there, refuses or is silent is an error.
func TestAskNobody(t *testing.T) {
	if _, err := census.Ask(t.Context(), "unix:path="+t.TempDir()+"/none", nil, nil); err == nil {
		t.Error("there is no bus")
	}
	bus := dbustest.Start(t)
	bus.Break("ListNames", dbustest.Fault{Error: "org.freedesktop.DBus.Error.AccessDenied"})
	if _, err := census.Ask(t.Context(), bus.Address(), nil, nil); err == nil {
		t.Error("the bus refuses")
	}
	bus.Break("ListNames", dbustest.Fault{Silent: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := census.Ask(ctx, bus.Address(), nil, nil); err == nil {
		t.Error("the bus is silent")
	}
}
