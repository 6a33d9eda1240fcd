package dbus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// up starts a bus with one active profile on disk, and connects to it.
func up(t *testing.T) (*dbustest.Bus, *Client) {
	t.Helper()
	bus, c := start(t)
	add(t, c)
	ctx := soon(t, time.Minute)
	if err := errors.Join(saving(c)(ctx, dbustest.UUID), c.Activate(ctx, dbustest.UUID)); err != nil {
		t.Fatal(err)
	}
	return bus, c
}

// others are routes that the plain tunnel does not have.
func others() []routes.Route {
	return []routes.Route{{Dst: dbustest.Net4, MTU: 1300}, {Dst: want.CIDR("10.9.0.0/16"), Type: routes.TypeBlackhole}, {Dst: dbustest.Net6}}
}

func setRoutes(t *testing.T, c *Client, wanted []routes.Route) {
	t.Helper()
	if err := c.SetRoutes(soon(t, time.Minute), dbustest.UUID, nil, wanted); err != nil {
		t.Fatal(err)
	}
}

// routesOf returns the routes of settings as text.
func routesOf(s wire.Settings) string {
	return dbustest.PrintValue(s[wire.IPv4]["route-data"]) + dbustest.PrintValue(s[wire.IPv6]["route-data"])
}

// everywhere fails unless the profile, its device and the kernel have the routes.
func everywhere(t *testing.T, bus *dbustest.Bus, wanted []routes.Route) {
	t.Helper()
	tunnel := dbustest.Tunnels["plain"].Clone()
	tunnel.Routes = wanted
	want := routesOf(wire.Encode(tunnel, nil))
	p := bus.Profiles()[0]
	for where, s := range map[string]dbustest.Settings{"profile": p.Settings, "device": p.Applied, "kernel": p.Kernel} {
		if got := routesOf(wire.Settings(s)); s != nil && got != want {
			t.Errorf("the %s has\n%s\nwant\n%s", where, got, want)
		}
	}
}

// lastCall returns the last call of a method.
func lastCall(t *testing.T, bus *dbustest.Bus, member string) dbustest.Call {
	t.Helper()
	calls := bus.Calls()
	for i := len(calls) - 1; i >= 0; i-- {
		if calls[i].Member == member {
			return calls[i]
		}
	}
	t.Fatalf("%s was not called", member)
	return dbustest.Call{}
}

// TestSetRoutes changes the routes of an active tunnel, and nothing else.
func TestSetRoutes(t *testing.T) {
	bus, c := up(t)
	before := bus.Profiles()[0]
	bus.Change(before.Path, func(s dbustest.Settings) { s["odd"] = map[string]dbus.Variant{"kept": dbus.MakeVariant(true)} })
	setRoutes(t, c, others())
	everywhere(t, bus, others())
	after := bus.Profiles()[0]
	if !after.OnDisk || after.Settings["odd"]["kept"].Value() != true {
		t.Errorf("the profile is %+v", after)
	}
	rest := func(s wire.Settings) string {
		s = s.Clone()
		delete(s, "odd")
		delete(s["ipv4"], "route-data")
		delete(s["ipv6"], "route-data")
		return dbustest.Print(s)
	}
	if got, want := rest(after.Settings), rest(before.Settings); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if flags := lastCall(t, bus, "Update2").Args[1]; flags != uint32(0x40) {
		t.Errorf("Update2's flags are %#x", flags)
	}
	if flags := lastCall(t, bus, "Reapply").Args[2]; flags != uint32(0x1) {
		t.Errorf("Reapply's flags are %#x", flags)
	}
	if n := bus.Count("DeactivateConnection") + bus.Count("ActivateConnection"); n != 1 {
		t.Errorf("activated and deactivated %d times", n)
	}
	if got := only(t, c).Tunnel.Routes; len(got) != 3 {
		t.Errorf("listed are %+v", got)
	}
	setRoutes(t, c, nil)
	everywhere(t, bus, nil)
	noRules(t, bus)
}

// TestSetRoutesEvery has every attribute, and a tunnel with IPv6 addresses. Without care
// NetworkManager before 1.44 would lose the addresses, and before 1.46 it would keep the routes
// with a weight.
func TestSetRoutesEvery(t *testing.T) {
	for _, version := range []string{"1.42.4", "1.44.0", "1.46.0"} {
		t.Run(version, func(t *testing.T) { setEveryRoute(t, version) })
	}
}

func setEveryRoute(t *testing.T, version string) {
	bus, c := start(t)
	bus.SetVersion(version)
	ctx := soon(t, time.Minute)
	if err := errors.Join(c.Add(ctx, dbustest.UUID, dbustest.Tunnels["routes"]), c.Activate(ctx, dbustest.UUID)); err != nil {
		t.Fatal(err)
	}
	addresses := func() string { return dbustest.PrintValue(bus.Profiles()[0].Kernel["ipv6"]["address-data"]) }
	before := addresses()
	for i, wanted := range [][]routes.Route{dbustest.EveryRoute(), nil, dbustest.EveryRoute()} {
		setRoutes(t, c, wanted)
		everywhere(t, bus, wanted)
		if got := addresses(); got != before {
			t.Errorf("after %d changes the kernel has the addresses %s, it had %s", i+1, got, before)
		}
	}
	if got, want := bus.Count("Reapply"), map[string]int{"1.42.4": 6, "1.44.0": 4, "1.46.0": 3}[version]; got != want {
		t.Errorf("applied %d times, want %d", got, want)
	}
	if got := only(t, c).Tunnel.Routes; !reflect.DeepEqual(got, dbustest.EveryRoute()) {
		t.Errorf("got  %+v\nwant %+v", got, dbustest.EveryRoute())
	}
}

// TestSetRoutesCutShort cancels a change in two steps between them, or has the bus hang up there.
// The cancelled change is completed first. The other one has lost the addresses, and the next
// change brings them back.
func TestSetRoutesCutShort(t *testing.T) {
	for name, interrupt := range map[string]func(*dbustest.Bus, context.CancelFunc){
		"cancelled": func(_ *dbustest.Bus, cancel context.CancelFunc) { cancel() },
		"hangup":    func(bus *dbustest.Bus, _ context.CancelFunc) { bus.Hangup() },
	} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := errors.Join(c.Add(ctx, dbustest.UUID, dbustest.Tunnels["routes"]), c.Activate(ctx, dbustest.UUID)); err != nil {
				t.Fatal(err)
			}
			addresses := func() string { return dbustest.PrintValue(bus.Profiles()[0].Applied["ipv6"]["address-data"]) }
			before := addresses()
			bus.Break("GetPermissions", dbustest.Fault{After: 1, Meanwhile: func() { bus.Break("GetPermissions", dbustest.Fault{}); interrupt(bus, cancel) }})
			if err := c.SetRoutes(ctx, dbustest.UUID, nil, dbustest.EveryRoute()); err == nil {
				t.Error("no error")
			}
			if got := addresses(); (got == before) != (name == "cancelled") {
				t.Errorf("%s: the device has the addresses %s, it had %s", name, got, before)
			}
			setRoutes(t, c, dbustest.EveryRoute())
			everywhere(t, bus, dbustest.EveryRoute())
			if got := addresses(); got != before || dbustest.PrintValue(bus.Profiles()[0].Kernel["ipv6"]["address-data"]) != before {
				t.Errorf("the device has the addresses %s, it had %s", got, before)
			}
		})
	}
}

// TestSetRoutesAgain sets the same routes twice. The second time the profile is not written, but
// the routes are applied to the device.
func TestSetRoutesAgain(t *testing.T) {
	bus, c := up(t)
	setRoutes(t, c, others())
	writes, applies := bus.Count("Update2"), bus.Count("Reapply")
	setRoutes(t, c, others())
	if bus.Count("Update2") != writes || bus.Count("Reapply") != applies+1 {
		t.Errorf("written %d times, applied %d times", bus.Count("Update2")-writes, bus.Count("Reapply")-applies)
	}
}

// TestSetRoutesWhere checks that a profile stays where it is: in memory on trial, on disk, and in
// memory until its connection ends.
func TestSetRoutesWhere(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	mark := only(t, c).Trial
	setRoutes(t, c, others())
	everywhere(t, bus, others())
	if p := only(t, c); !mark || !p.Trial || !p.Unsaved {
		t.Errorf("on trial: %+v", p)
	}
	if n := bus.Count("Reapply"); n != 0 {
		t.Errorf("%d devices were told of it", n)
	}
	if _, err := c.Save(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	setRoutes(t, c, nil)
	if p := only(t, c); p.Trial || p.Unsaved {
		t.Errorf("saved: %+v", p)
	}
	bus.SetVolatile(bus.Profiles()[0].Path)
	setRoutes(t, c, others())
	if p := bus.Profiles()[0]; p.OnDisk || !p.Volatile {
		t.Errorf("volatile: %+v", p)
	}
}

// TestSetRoutesBesidePending has a change of the profile that its device cannot make while it is
// up, and a route that nmgre does not know.
func TestSetRoutesBesidePending(t *testing.T) {
	bus, c := up(t)
	foreign := wire.Entry{"dest": dbus.MakeVariant("10.77.0.0"), "prefix": dbus.MakeVariant(uint32(16)), "type": dbus.MakeVariant("xresolve")}
	bus.Change(bus.Profiles()[0].Path, func(s dbustest.Settings) {
		s["ip-tunnel"]["ttl"] = dbus.MakeVariant(uint32(7))
		s["ipv4"]["route-data"] = dbus.MakeVariant([]wire.Entry{foreign})
	})
	setRoutes(t, c, others())
	p := bus.Profiles()[0]
	if p.Settings["ip-tunnel"]["ttl"].Value() != uint32(7) || p.Applied["ip-tunnel"]["ttl"].Value() != uint32(64) {
		t.Errorf("the profile's ttl is %v, the device's %v", p.Settings["ip-tunnel"]["ttl"], p.Applied["ip-tunnel"]["ttl"])
	}
	for where, s := range map[string]dbustest.Settings{"profile": p.Settings, "kernel": p.Kernel} {
		if got := wire.Settings(s).Entries(wire.IPv4, "route-data"); len(got) != 3 || !reflect.DeepEqual(got[2], foreign) {
			t.Errorf("the %s has %v", where, got)
		}
	}
}

// TestSetRoutesUnfit has a route that no profile can hold.
func TestSetRoutesUnfit(t *testing.T) {
	bus, c := up(t)
	unfit := routes.Route{Dst: dbustest.Net4, Nexthops: []routes.Nexthop{{}, {Dev: "gre2"}}}
	err := c.SetRoutes(t.Context(), dbustest.UUID, nil, []routes.Route{{Dst: dbustest.Net4}, unfit})
	check(t, err, fault.ErrInvalid, "route: "+unfit.String()+": ", "nexthops")
	if n := bus.Count("Update2") + bus.Count("Reapply"); n != 1 { // Save's
		t.Errorf("%d changes", n)
	}
}

// TestSetRoutesRefused has NetworkManager refuse to apply the routes or to write the profile, while
// somebody else changes the profile. Only that change is left.
func TestSetRoutesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		call  string
		fault dbustest.Fault
		kind  error
		words string
	}{
		"refused":    {"Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.IncompatibleConnection", Text: "Can't reapply any changes"}, nil, "apply them to its device: Can't reapply any changes"},
		"denied":     {"Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.PermissionDenied", Text: "not authorized"}, fault.ErrNotPermitted, "not authorized"},
		"hidden":     {"GetAppliedConnection", dbustest.Fault{Error: "org.freedesktop.NetworkManager.PermissionDenied", Text: "not authorized"}, fault.ErrNotPermitted, "sudo"},
		"unreadable": {"Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.Failed", Text: "\x1b[2J"}, nil, `\x1b[2J`},
		"read-only":  {"Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.PermissionDenied", Text: "Insufficient privileges"}, fault.ErrNotPermitted, "Insufficient privileges"},
		"disk full":  {"Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.Failed", Text: "failed to update connection: No space left"}, nil, "No space left"},
	} {
		for _, tunnel := range []string{"plain", "routes"} {
			t.Run(name+"/"+tunnel, func(t *testing.T) {
				bus, client := start(t)
				ctx := soon(t, time.Minute)
				if err := errors.Join(client.Add(ctx, dbustest.UUID, dbustest.Tunnels[tunnel]), saving(client)(ctx, dbustest.UUID), client.Activate(ctx, dbustest.UUID)); err != nil {
					t.Fatal(err)
				}
				before := bus.Profiles()[0]
				c.fault.Meanwhile = func() {
					bus.Change(before.Path, func(s dbustest.Settings) { s["ipv4"]["dns"] = dbus.MakeVariant([]uint32{1}) })
				}
				bus.Break(c.call, c.fault)
				check(t, client.SetRoutes(ctx, dbustest.UUID, nil, others()), c.kind, c.words, "change the profile's routes")
				everywhere(t, bus, dbustest.Tunnels[tunnel].Routes)
				after := bus.Profiles()[0]
				if _, ok := after.Settings["ipv4"]["dns"]; !ok {
					t.Error("the other's change is lost")
				}
				if !reflect.DeepEqual(after.Applied, before.Applied) || !reflect.DeepEqual(after.Kernel, before.Kernel) {
					t.Errorf("the device runs with\n%s\nit ran with\n%s", dbustest.Print(wire.Settings(after.Applied)), dbustest.Print(wire.Settings(before.Applied)))
				}
				noRules(t, bus)
			})
		}
	}
}

// TestSetRoutesNotUndone has a device whose change cannot be undone either. Both are in the error.
func TestSetRoutesNotUndone(t *testing.T) {
	bus, c := up(t)
	bus.Break("Update2", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Settings.Failed", Text: "disk full", Meanwhile: func() {
		bus.Break("Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.Failed", Text: "no"})
	}})
	check(t, c.SetRoutes(t.Context(), dbustest.UUID, nil, others()), nil, "disk full", "undo the change of the device's routes", "apply them to its device: no", "nmgre down gre1 && nmgre up gre1")
}

// TestSetRoutesDenied has a user who may change no profile. The device is not changed either.
func TestSetRoutesDenied(t *testing.T) {
	bus, c := up(t)
	bus.SetPermission("settings.modify.system", "no")
	check(t, c.SetRoutes(t.Context(), dbustest.UUID, nil, others()), fault.ErrNotPermitted, "polkit does not let you", "sudo")
	everywhere(t, bus, dbustest.Tunnels["plain"].Routes)
	if n := bus.Count("Reapply"); n != 0 {
		t.Errorf("applied %d times", n)
	}
	bus.SetPermission("settings.modify.own", "yes")
	setRoutes(t, c, others())
	everywhere(t, bus, others())
}

// TestSetRoutesGone has a profile that is not there, and one that vanishes in the middle.
func TestSetRoutesGone(t *testing.T) {
	bus, c := up(t)
	check(t, c.SetRoutes(t.Context(), nm.NewUUID(), nil, nil), fault.ErrNotFound)
	for _, call := range []string{"GetSettings", "Update2"} {
		bus.Break(call, dbustest.Fault{Error: "org.freedesktop.DBus.Error.UnknownMethod", Text: "Object does not exist"})
		check(t, c.SetRoutes(t.Context(), dbustest.UUID, nil, others()), fault.ErrNotFound, dbustest.UUID)
		bus.Break(call, dbustest.Fault{})
	}
}

// TestSetRoutesRace has somebody else change the profile between reading and writing, which
// NetworkManager notices from 1.44 on: once, and then again and again.
func TestSetRoutesRace(t *testing.T) {
	bus, c := up(t)
	bus.SetVersion("1.44.2")
	path := bus.Profiles()[0].Path
	var times atomic.Uint32
	change := func(limit uint32) func() {
		return func() {
			if n := times.Add(1); n <= limit {
				bus.Change(path, func(s dbustest.Settings) { s["ipv4"]["dns"] = dbus.MakeVariant([]uint32{n}) })
			}
		}
	}
	bus.Break("Update2", dbustest.Fault{Meanwhile: change(1)})
	setRoutes(t, c, others())
	everywhere(t, bus, others())
	if got := bus.Profiles()[0].Settings["ipv4"]["dns"].Value(); !reflect.DeepEqual(got, []uint32{1}) || times.Load() != 2 {
		t.Errorf("after %d attempts the other's change is %v", times.Load(), got)
	}
	times.Store(0)
	bus.Break("Update2", dbustest.Fault{Meanwhile: change(1000)})
	check(t, c.SetRoutes(t.Context(), dbustest.UUID, nil, nil), nil, "somebody else changes the profile", "try again")
	if n := times.Load(); n != maxTries {
		t.Errorf("tried %d times", n)
	}
	everywhere(t, bus, others())
}

// TestSetRoutesDeviceRace has somebody else change the device's settings at the same moment.
func TestSetRoutesDeviceRace(t *testing.T) {
	bus, c := up(t)
	var times atomic.Int32
	bus.Break("Reapply", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.VersionIdMismatch", Meanwhile: func() {
		if times.Add(1) == 3 {
			bus.Break("Reapply", dbustest.Fault{})
		}
	}})
	setRoutes(t, c, others())
	everywhere(t, bus, others())
	// the last one is after the writing
	if n := bus.Count("GetAppliedConnection"); n != 5 {
		t.Errorf("the device's settings were read %d times", n)
	}
}

// TestSetRoutesWhileActivating has a tunnel that is coming up: before its device is ready, and
// after that.
func TestSetRoutesWhileActivating(t *testing.T) {
	for name, script := range map[string]dbustest.Activation{"queued": {Queued: 50 * time.Millisecond}, "configured": {Delay: 50 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			add(t, c)
			bus.SetActivation(script)
			bus.Bring(bus.Profiles()[0].Path, true, 0)
			setRoutes(t, c, others())
			if p := bus.Profiles()[0]; routesOf(wire.Settings(p.Applied)) != routesOf(wire.Settings(p.Settings)) {
				t.Errorf("the device has %s", routesOf(wire.Settings(p.Applied)))
			}
			for only(t, c).State != nm.StateActive {
				time.Sleep(time.Millisecond)
			}
			everywhere(t, bus, others())
			noRules(t, bus)
		})
	}
}

// TestSetRoutesActivatedMeanwhile has somebody bring the tunnel up just before its profile is
// written: with the old routes.
func TestSetRoutesActivatedMeanwhile(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	path := bus.Profiles()[0].Path
	bus.Break("Update2", dbustest.Fault{Meanwhile: func() { bus.Bring(path, true, 0) }})
	setRoutes(t, c, others())
	everywhere(t, bus, others())
	if p := bus.Profiles()[0]; !p.Active {
		t.Errorf("the profile is %+v", p)
	}
}

// TestSetRoutesNudge has tunnels that share a multipath route, and others that do not. Only those
// that share it are nudged when another one joins or leaves.
func TestSetRoutesNudge(t *testing.T) {
	bus, c := start(t)
	bus.SetVersion("1.46.0")
	ctx := soon(t, time.Minute)
	member := func(dst string, weight uint16) []routes.Route {
		return []routes.Route{{Dst: want.CIDR(dst), Metric: want.Ptr[uint32](300), Nexthops: []routes.Nexthop{{Weight: weight}}}}
	}
	for i, wanted := range [][]routes.Route{nil, member("10.6.0.0/16", 2), member("10.7.0.0/16", 2), {{Dst: want.CIDR("10.6.0.0/16"), Metric: want.Ptr[uint32](300)}}} {
		tunnel, uuid := dbustest.Tunnels["plain"].Clone(), dbustest.UUID[:35]+fmt.Sprint(i+1)
		tunnel.Name, tunnel.Routes = fmt.Sprint("gre", i), wanted
		if err := errors.Join(c.Add(ctx, uuid, tunnel), c.Activate(ctx, uuid)); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		routes []routes.Route
		want   int
	}{{member("10.6.0.0/16", 1), 2}, {member("10.6.0.0/16", 3), 2}, {member("10.6.0.0/16", 3), 1}, {nil, 2}, {others(), 1}} {
		before := bus.Count("Reapply")
		setRoutes(t, c, step.routes)
		if got := bus.Count("Reapply") - before; got != step.want {
			t.Errorf("step %d: %d devices were told, want %d", i, got, step.want)
		}
		everywhere(t, bus, step.routes)
		if other := bus.Profiles()[1]; !reflect.DeepEqual(other.Applied, other.Settings) {
			t.Errorf("step %d: the other device runs with %s", i, dbustest.Print(wire.Settings(other.Applied)))
		}
	}
	bus.Break("Reapply", dbustest.Fault{After: 1, Error: "org.freedesktop.NetworkManager.PermissionDenied"})
	setRoutes(t, c, member("10.6.0.0/16", 1))
	everywhere(t, bus, member("10.6.0.0/16", 1))
}

// TestSetRoutesWhileGoingDown has a tunnel that is taken down while it waits for its device, and
// two calls that end first, by their deadline and by Ctrl-C.
func TestSetRoutesWhileGoingDown(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.SetActivation(dbustest.Activation{Queued: time.Hour})
	path := bus.Profiles()[0].Path
	bus.Bring(path, true, 0)
	time.AfterFunc(50*time.Millisecond, func() { bus.Bring(path, false, 0) })
	setRoutes(t, c, others())
	everywhere(t, bus, others())

	bus.Bring(path, true, 0)
	began := time.Now()
	check(t, c.SetRoutes(soon(t, 50*time.Millisecond), dbustest.UUID, nil, nil), fault.ErrTimeout)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	check(t, c.SetRoutes(ctx, dbustest.UUID, nil, others()), context.Canceled)
	if took := time.Since(began); took > promptly {
		t.Errorf("took %v", took)
	}
	noRules(t, bus)
}

// TestSetRoutesInterrupted has NetworkManager not answer, the bus hang up, and NetworkManager go
// away, at every call that SetRoutes makes. A second call always completes the change.
func TestSetRoutesInterrupted(t *testing.T) {
	bus, c := up(t)
	before := len(bus.Calls())
	setRoutes(t, c, others())
	type nth struct {
		member string
		after  int
	}
	var calls []nth
	var order []string
	for _, call := range bus.Calls()[before:] {
		if call.Path != "/org/freedesktop/DBus" {
			calls = append(calls, nth{call.Member, len(slices.DeleteFunc(slices.Clone(order), func(m string) bool { return m != call.Member }))})
			order = append(order, call.Member)
		}
	}
	if want := "GetConnectionByUuid GetAll GetSettings GetPermissions Get Get GetAll GetAppliedConnection Reapply Update2 Get Get GetAll GetAppliedConnection GetPermissions"; strings.Join(order, " ") != want {
		t.Errorf("the calls are %v,\nwant %s", order, want)
	}
	for name, broken := range map[string]dbustest.Fault{"silent": {Silent: true}, "hangup": {Hangup: true}, "vanish": {Vanish: true}} {
		for _, call := range calls {
			t.Run(fmt.Sprint(name, "/", call.member, call.after), func(t *testing.T) {
				t.Parallel()
				bus, c := up(t)
				broken := broken
				broken.After = call.after
				bus.Break(call.member, broken)
				began := time.Now()
				// a silent NetworkManager is waited for until the deadline; the others fail at once
				deadline, kind := time.Minute, fault.ErrNoNetworkManager
				if broken.Silent {
					deadline, kind = 100*time.Millisecond, fault.ErrTimeout
				}
				check(t, c.SetRoutes(soon(t, deadline), dbustest.UUID, nil, others()), kind)
				if took := time.Since(began); took > promptly {
					t.Errorf("took %v", took)
				}
				bus.Break(call.member, dbustest.Fault{})
				bus.Return()
				setRoutes(t, c, others())
				everywhere(t, bus, others())
				noRules(t, bus)
			})
		}
	}
}

// TestSetRoutesOfSomebodyElse has callers that are wrong about the routes of the profile. They
// change none of them.
func TestSetRoutesOfSomebodyElse(t *testing.T) {
	_, c := up(t)
	first, second := []routes.Route{{Dst: dbustest.Net4}}, []routes.Route{{Dst: want.CIDR("10.99.0.0/16")}}
	setRoutes(t, c, first)
	check(t, c.SetRoutes(t.Context(), dbustest.UUID, second, first), fault.ErrChanged, "somebody else")
	check(t, c.SetRoutes(t.Context(), dbustest.UUID, []routes.Route{}, second), fault.ErrChanged)
	if err := c.SetRoutes(t.Context(), dbustest.UUID, first, second); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Get(t.Context(), dbustest.UUID); err != nil || len(p.Tunnel.Routes) != 1 || p.Tunnel.Routes[0].Dst != second[0].Dst {
		t.Errorf("%+v, %v", p.Tunnel.Routes, err)
	}
}
