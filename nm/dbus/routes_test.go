package dbus

import (
	"reflect"
	"testing"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// TestRoutesTaken has NetworkManager take every route, and return it by both ways of reading.
func TestRoutesTaken(t *testing.T) {
	bus, c := start(t)
	tunnel := dbustest.Tunnels["plain"].Clone()
	tunnel.Routes = dbustest.EveryRoute()
	if err := c.Add(t.Context(), dbustest.UUID, tunnel); err != nil {
		t.Fatal(err)
	}
	if got := only(t, c).Tunnel; !reflect.DeepEqual(got, tunnel) {
		t.Errorf("got  %+v\nwant %+v", got, tunnel)
	}
	for range bulkFrom {
		bus.AddProfile(profile(nm.NewUUID(), "gre2", dbustest.Tunnels["plain"]))
	}
	profiles, err := c.List(t.Context())
	if err != nil || !reflect.DeepEqual(profiles[0].Tunnel, tunnel) {
		t.Errorf("in bulk: got  %+v, %v\nwant %+v", profiles[0].Tunnel, err, tunnel)
	}
	if n := bus.Count("GetSettings"); n != 1+len(profiles) {
		t.Errorf("%d settings were asked for: some were not readable in bulk", n)
	}
	if got, err := c.Get(t.Context(), dbustest.UUID); err != nil || !reflect.DeepEqual(got.Tunnel, tunnel) {
		t.Errorf("Get: got  %+v, %v\nwant %+v", got.Tunnel, err, tunnel)
	}
}

// TestForwardingTaken has NetworkManagers with and without ipv4.forwarding.
func TestForwardingTaken(t *testing.T) {
	bus, c := start(t)
	tunnel := dbustest.Tunnels["plain"].Clone()
	tunnel.Forward = true
	check(t, c.Add(t.Context(), dbustest.UUID, tunnel), fault.ErrInvalid, "forward: NetworkManager refuses ipv4.forwarding: unknown property")
	bus.SetVersion("1.54.0")
	if err := c.Add(t.Context(), dbustest.UUID, tunnel); err != nil {
		t.Fatal(err)
	}
	if got := only(t, c).Tunnel; !reflect.DeepEqual(got, tunnel) {
		t.Errorf("got %+v", got)
	}
	if _, ok := bus.Profiles()[0].Settings[wire.IPv6]["forwarding"]; ok {
		t.Error("IPv6 has it too")
	}
}
