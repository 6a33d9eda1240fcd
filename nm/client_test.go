package nm

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre"
	"nmgre/nm/nmtest"
)

// start starts a bus and connects to it.
func start(t *testing.T) (*nmtest.Bus, *Client) {
	t.Helper()
	bus := nmtest.Start(t)
	return bus, connect(t, bus)
}

func connect(t *testing.T, bus *nmtest.Bus) *Client {
	t.Helper()
	c, err := Connect(t.Context(), Options{Address: bus.Address()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// soon returns a context that ends before a test is given up.
func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// add adds the plain tunnel.
func add(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Add(t.Context(), testUUID, tunnels["plain"]); err != nil {
		t.Fatal(err)
	}
}

// only returns the one profile that there is.
func only(t *testing.T, c *Client) nmgre.Profile {
	t.Helper()
	profiles, err := c.List(t.Context())
	if err != nil || len(profiles) != 1 {
		t.Fatalf("got %d profiles, %v", len(profiles), err)
	}
	return profiles[0]
}

// check fails unless err is of the kind and says all of the words.
func check(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		t.Fatalf("got %v, want one that is %v", err, kind)
	}
	all := err.Error() + "\n" + strings.Join(nmgre.Hints(err), "\n")
	for _, word := range words {
		if !strings.Contains(all, word) {
			t.Errorf("%q lacks %q", all, word)
		}
	}
}

func TestConnectWithoutBus(t *testing.T) {
	_, err := Connect(t.Context(), Options{Address: "unix:path=" + filepath.Join(t.TempDir(), "none")})
	check(t, err, nmgre.ErrNoNetworkManager, "connect to the system bus", "no such file", "systemctl status dbus")
}

func TestConnectBySystemBusAddress(t *testing.T) {
	bus := nmtest.Start(t)
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.Address())
	c, err := Connect(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error("the second Close:", err)
	}
	_, err = c.List(t.Context())
	check(t, err, nmgre.ErrNoNetworkManager, "closed")
}

func TestManager(t *testing.T) {
	bus, c := start(t)
	bus.SetPermission("settings.modify.system", "auth")
	bus.SetPermission("network-control", "")
	got, err := c.Manager(t.Context())
	want := nmgre.Manager{Version: nmgre.Version{Major: 1, Minor: 42, Micro: 4}, Modify: nmgre.PermissionAuth, Control: nmgre.PermissionNo}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestManagerVersions(t *testing.T) {
	bus, c := start(t)
	for version, good := range map[string]bool{"1.42.0": true, "1.59.2-dev": true, "2.0": true, "1.41.99": false, "0.9.8.10": false, "": false, "new\x1b": false} {
		bus.SetVersion(version)
		_, err := c.Manager(t.Context())
		switch {
		case good && err != nil:
			t.Errorf("%q: %v", version, err)
		case !good:
			check(t, err, nmgre.ErrNoNetworkManager, "NetworkManager", nmgre.Printable(version))
		}
	}
}

// TestNetworkManagerAbsent has a bus without NetworkManager: every method says so, and none starts it.
func TestNetworkManagerAbsent(t *testing.T) {
	bus, c := start(t)
	bus.Vanish()
	for name, method := range methods(c) {
		check(t, method(soon(t, 5*time.Second)), nmgre.ErrNoNetworkManager, "not running", "systemctl start NetworkManager")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	for _, call := range bus.Calls() {
		if ours := call.Path != "/org/freedesktop/DBus"; ours && call.Flags&dbus.FlagNoAutoStart == 0 {
			t.Errorf("%s would start NetworkManager", call.Member)
		}
	}
	bus.Return()
	if _, err := c.Manager(t.Context()); err != nil {
		t.Errorf("after its return: %v", err)
	}
}

// noRules fails unless the bus forgets all match rules soon: it is not waited for when they are taken back.
func noRules(t *testing.T, bus *nmtest.Bus) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); bus.Rules() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d match rules are left", bus.Rules())
		}
	}
}

// methods are all that a client can do to the profile testUUID.
func methods(c *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Manager":    func(ctx context.Context) error { _, err := c.Manager(ctx); return err },
		"List":       func(ctx context.Context) error { _, err := c.List(ctx); return err },
		"Add":        func(ctx context.Context) error { return c.Add(ctx, newUUID(), tunnels["plain"]) },
		"Save":       func(ctx context.Context) error { return c.Save(ctx, testUUID) },
		"Activate":   func(ctx context.Context) error { return c.Activate(ctx, testUUID) },
		"Deactivate": func(ctx context.Context) error { return c.Deactivate(ctx, testUUID) },
		"Delete":     func(ctx context.Context) error { return c.Delete(ctx, testUUID) },
		"SetRoutes":  func(ctx context.Context) error { return c.SetRoutes(ctx, testUUID, nil, everyRoute()) },
	}
}

// firstCalls are what each method asks NetworkManager first, and what it cannot do without.
var firstCalls = map[string][]string{
	"Manager": {"Get", "GetPermissions"}, "List": {"ListConnections", "GetSettings"}, "Add": {"AddConnection2"},
	"Save": {"GetConnectionByUuid", "GetSettings", "Update2"}, "Activate": {"GetConnectionByUuid", "GetSettings", "ActivateConnection", "GetAll", "AddMatch"},
	"Deactivate": {"Get", "AddMatch"}, "Delete": {"Get", "Delete"},
	"SetRoutes": {"GetConnectionByUuid", "GetSettings", "Update2", "Get", "AddMatch"},
}

// TestHanging has a NetworkManager that does not answer: the caller's deadline counts, and the client is as good as before.
func TestHanging(t *testing.T) {
	for name, calls := range firstCalls {
		for _, call := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				bus, c := start(t)
				add(t, c)
				bus.Break(call, nmtest.Fault{Silent: true})
				began := time.Now()
				err := methods(c)[name](soon(t, 50*time.Millisecond))
				check(t, err, nmgre.ErrTimeout, "time allowed", "journalctl")
				if took := time.Since(began); took > time.Second {
					t.Errorf("took %v", took)
				}
				bus.Break(call, nmtest.Fault{})
				if err := methods(c)[name](soon(t, 5*time.Second)); err != nil {
					t.Errorf("the second time: %v", err)
				}
				if call != "AddMatch" { // the bus may have done what it did not confirm
					noRules(t, bus)
				}
			})
		}
	}
}

func TestCancelled(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.Break("ActivateConnection", nmtest.Fault{Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	check(t, c.Activate(ctx, testUUID), context.Canceled, "bring the tunnel up")
}

// TestLost has a bus that closes the connection, and a NetworkManager that leaves the bus, instead of an answer. The error comes at once, and
// the next call dials again.
func TestLost(t *testing.T) {
	for fault, f := range map[string]nmtest.Fault{"hangup": {Hangup: true}, "vanish": {Vanish: true}} {
		for name, calls := range firstCalls {
			for _, call := range calls {
				if call == "AddMatch" {
					continue // the bus' own
				}
				t.Run(fault+"/"+name+"/"+call, func(t *testing.T) {
					t.Parallel()
					bus, c := start(t)
					add(t, c)
					bus.Break(call, f)
					check(t, methods(c)[name](soon(t, 5*time.Second)), nmgre.ErrNoNetworkManager)
					bus.Break(call, nmtest.Fault{})
					bus.Return()
					if err := methods(c)[name](soon(t, 5*time.Second)); err != nil {
						t.Errorf("after it: %v", err)
					}
				})
			}
		}
	}
}

func TestTrial(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	held := bus.Profiles()[0]
	if held.OnDisk || held.Settings["connection"]["autoconnect"].Value() != false {
		t.Errorf("on trial: %+v", held)
	}
	for _, call := range bus.Calls() {
		if call.Member == "AddConnection2" && call.Args[1] != uint32(0x22) {
			t.Errorf("AddConnection2's flags are %#x", call.Args[1])
		}
	}
	p := only(t, c)
	if !p.Trial || p.Abandoned || !p.Unsaved || p.State != nmgre.StateInactive || p.UUID != testUUID || p.ID != "gre1" || p.Serial == 0 {
		t.Errorf("listed as %+v", p)
	}
	if !reflect.DeepEqual(p.Tunnel, tunnels["plain"]) {
		t.Errorf("got  %+v\nwant %+v", p.Tunnel, tunnels["plain"])
	}

	if err := c.Save(t.Context(), testUUID); err != nil {
		t.Fatal(err)
	}
	for _, call := range bus.Calls() {
		if call.Member == "Update2" && call.Args[1] != uint32(0x41) {
			t.Errorf("Update2's flags are %#x", call.Args[1])
		}
	}
	want := Encode(tunnels["plain"], Settings{setConnection: {"uuid": dbus.MakeVariant(testUUID)}}).print()
	if got := Settings(bus.Profiles()[0].Settings).print(); got != want || !bus.Profiles()[0].OnDisk {
		t.Errorf("saved:\n%s\nwant\n%s", got, want)
	}
	if p := only(t, c); p.Trial || p.Unsaved || !strings.HasPrefix(p.Path, "/etc/") {
		t.Errorf("saved, listed as %+v", p)
	}
}

// TestAbandoned has a process that died with its trial unfinished, and one on a bus that has been restarted since.
func TestAbandoned(t *testing.T) {
	bus, c := start(t)
	other := connect(t, bus)
	add(t, other)
	if p := only(t, c); !p.Trial || p.Abandoned {
		t.Errorf("while it is tried: %+v", p)
	}
	_ = other.Close()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if p := only(t, c); p.Trial && p.Abandoned {
			break
		} else if time.Now().After(end) {
			t.Fatalf("abandoned: %+v", p)
		}
	}
	if err := c.Delete(t.Context(), testUUID); err != nil {
		t.Fatal(err)
	}
	add(t, c)
	bus.SetID("another")
	if p := only(t, connect(t, bus)); !p.Trial || !p.Abandoned {
		t.Errorf("on another bus: %+v", p)
	}
}

func TestSaveUnknown(t *testing.T) {
	_, c := start(t)
	check(t, c.Save(t.Context(), testUUID), nmgre.ErrNotFound, testUUID)
	check(t, c.Activate(t.Context(), "\x1b[2J"), nmgre.ErrNotFound, `\x1b[2J`)
}

func TestAddTwice(t *testing.T) {
	_, c := start(t)
	add(t, c)
	check(t, c.Add(t.Context(), testUUID, tunnels["plain"]), nmgre.ErrExists)
}

func TestAddRefused(t *testing.T) {
	_, c := start(t)
	bad := tunnels["plain"].Clone()
	bad.Remote = netip.Addr{}
	err := c.Add(t.Context(), testUUID, bad)
	check(t, err, nmgre.ErrInvalid, "peer: NetworkManager refuses ip-tunnel.remote: property is missing")
}

// profile returns settings of a profile for the fake to hold.
func profile(uuid, name string, tunnel nmgre.Tunnel) nmtest.Settings {
	tunnel.Name = name
	return nmtest.Settings(Encode(tunnel, Settings{setConnection: {"uuid": dbus.MakeVariant(uuid)}}))
}

func TestListStates(t *testing.T) {
	bus, c := start(t)
	uuid := func(n int) string { return fmt.Sprintf("6f6e6d67-7265-4000-8000-%012d", n) }
	bus.AddProfile(profile(uuid(1), "gre1", tunnels["plain"]))
	bus.Bring(bus.AddProfile(profile(uuid(2), "gre2", tunnels["plain"])), true, 0)
	bus.Bring(bus.AddProfile(profile(uuid(3), "gre3", tunnels["plain"])), true, stateFlagExternal)
	bus.SetActivation(nmtest.Activation{Stuck: true})
	bus.Bring(bus.AddProfile(profile(uuid(4), "gre4", tunnels["plain"])), true, 0)
	bus.AddProfile(nmtest.Settings{"connection": {"id": dbus.MakeVariant("Kabel\x1b"), "uuid": dbus.MakeVariant(uuid(5)),
		"type": dbus.MakeVariant("802-3-ethernet"), "interface-name": dbus.MakeVariant("eth0")}})
	broken := profile(uuid(6), "gre6", tunnels["plain"])
	broken["ip-tunnel"]["ttl"] = dbus.MakeVariant(uint32(999))
	bus.AddProfile(broken)
	profiles, err := c.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range profiles {
		got = append(got, fmt.Sprintf("%s %s %s %s dev=%s %s %s", p.ID, p.Tunnel.Name, p.Tunnel.Mode, p.State, p.Device, p.DeviceState, p.Reason))
	}
	want := []string{
		"gre1 gre1 gre inactive dev=  ",
		"gre2 gre2 gre active dev=gre2 activated ",
		"gre3 gre3 gre external dev=gre3 activated ",
		"gre4 gre4 gre activating dev=gre4 ip-config ",
		`Kabel\x1b eth0 unknown inactive dev=  `,
		"gre6 gre6 unknown inactive dev=  ",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	noRules(t, bus)
}

// TestListHidden has profiles that the caller may not see, and then that vanish while they are listed.
func TestListHidden(t *testing.T) {
	for _, name := range []string{"org.freedesktop.NetworkManager.Settings.PermissionDenied", "org.freedesktop.DBus.Error.UnknownMethod"} {
		bus, c := start(t)
		add(t, c)
		bus.Break("GetSettings", nmtest.Fault{Error: name})
		if profiles, err := c.List(t.Context()); err != nil || len(profiles) != 0 {
			t.Errorf("%s: got %v, %v", name, profiles, err)
		}
	}
}

func TestListMany(t *testing.T) {
	bus, c := start(t)
	const many = 1000
	for i := range many {
		bus.AddProfile(profile(newUUID(), fmt.Sprintf("gre%d", i), tunnels["plain"]))
	}
	add(t, c)
	profiles, err := c.List(t.Context())
	if err != nil || len(profiles) != many+1 {
		t.Fatalf("got %d profiles, %v", len(profiles), err)
	}
	for i, p := range profiles[:many] {
		if p.Tunnel.Name != fmt.Sprintf("gre%d", i) {
			t.Fatalf("profile %d is %+v", i, p)
		}
	}
	if p := profiles[many]; !p.Trial || !p.Unsaved {
		t.Errorf("the one on trial: %+v", p)
	}
}

func TestActivate(t *testing.T) {
	for name, script := range map[string]nmtest.Activation{"at once": {}, "later": {Delay: 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			add(t, c)
			bus.SetActivation(script)
			if err := c.Activate(soon(t, 5*time.Second), testUUID); err != nil {
				t.Fatal(err)
			}
			if p := only(t, c); p.State != nmgre.StateActive || p.Device != "gre1" {
				t.Errorf("listed as %+v", p)
			}
			noRules(t, bus)
		})
	}
}

func TestActivateFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		script nmtest.Activation
		kind   error
		words  []string
	}{
		{"refused link", nmtest.Activation{ActiveReason: 13}, nil, []string{"could not bring gre1 up: the kernel refused to make the device", "modprobe ip_gre"}},
		{"duplicate", nmtest.Activation{ActiveReason: 3, DeviceReason: 64}, nil, []string{"its device was disconnected; a duplicate IP address was detected", "another host has"}},
		{"later", nmtest.Activation{ActiveReason: 12, DeviceReason: 50, Delay: 20 * time.Millisecond}, nil, []string{"depends on failed", "first"}},
		{"unheard of", nmtest.Activation{ActiveReason: 77, DeviceReason: 777}, nil, []string{"reason 77; reason 777", "journalctl"}},
		{"stuck", nmtest.Activation{Stuck: true}, nmgre.ErrTimeout, []string{"gre1 did not come up", `"ip-config"`, "--wait"}},
		{"never ready", nmtest.Activation{NeverReady: true}, nmgre.ErrTimeout, []string{`"activated"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bus, client := start(t)
			add(t, client)
			bus.SetActivation(c.script)
			check(t, client.Activate(soon(t, 300*time.Millisecond), testUUID), c.kind, c.words...)
			noRules(t, bus)
		})
	}
}

// TestActivateRefused has NetworkManager refuse at once, in its own words.
func TestActivateRefused(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.Break("ActivateConnection", nmtest.Fault{Error: "org.freedesktop.NetworkManager.Device.CreationFailed",
		Text: "gre1 failed to create resources: Failed to create GRE interface 'gre1' for 'gre1': Operation not supported"})
	check(t, c.Activate(t.Context(), testUUID), nmgre.ErrUnsupported, "Operation not supported", "modprobe ip_gre")
}

// TestActivateInterrupted has NetworkManager, and then the bus, go away while an activation is waited for.
func TestActivateInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(*nmtest.Bus){"vanish": (*nmtest.Bus).Vanish, "hangup": (*nmtest.Bus).Hangup} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			add(t, c)
			bus.SetActivation(nmtest.Activation{Stuck: true})
			time.AfterFunc(50*time.Millisecond, func() { interrupt(bus) })
			began := time.Now()
			check(t, c.Activate(soon(t, 5*time.Second), testUUID), nmgre.ErrNoNetworkManager)
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
			bus.Return()
			bus.SetActivation(nmtest.Activation{})
			if err := c.Activate(soon(t, 5*time.Second), testUUID); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}

// TestActivateDeleted has somebody delete the profile meanwhile.
func TestActivateDeleted(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.SetActivation(nmtest.Activation{Stuck: true})
	other := connect(t, bus)
	time.AfterFunc(50*time.Millisecond, func() { _ = other.Delete(context.Background(), testUUID) })
	check(t, c.Activate(soon(t, 5*time.Second), testUUID), nil, "could not bring gre1 up")
}

func TestDeactivateAndDelete(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, 10*time.Second)
	for _, step := range []func(context.Context, string) error{
		c.Deactivate, c.Delete, // nothing there
		func(context.Context, string) error { add(t, c); return nil },
		c.Deactivate, // down already
		c.Activate, c.Deactivate, c.Activate, c.Delete, c.Delete,
	} {
		if err := step(ctx, testUUID); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(bus.Profiles()); n != 0 {
		t.Errorf("%d profiles are left", n)
	}
	noRules(t, bus)
	if n := bus.Count("DeactivateConnection"); n != 1 {
		t.Errorf("asked to deactivate %d times", n)
	}
}

// TestDeactivateLingering has a link that stays, as one does that was there before NetworkManager.
func TestDeactivateLingering(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.SetActivation(nmtest.Activation{Lingering: true})
	if err := c.Activate(t.Context(), testUUID); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Deactivate(soon(t, 10*time.Second), testUUID); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < lingerTime || took > 2*lingerTime {
		t.Errorf("took %v", took)
	}
}

// TestNoGoroutinesLeft opens a client, uses it in every way, with timeouts and losses, and closes it.
func TestNoGoroutinesLeft(t *testing.T) {
	bus := nmtest.Start(t)
	time.Sleep(10 * time.Millisecond)
	before := runtime.NumGoroutine()
	for range 5 {
		c, err := Connect(t.Context(), Options{Address: bus.Address()})
		if err != nil {
			t.Fatal(err)
		}
		add(t, c)
		bus.SetActivation(nmtest.Activation{Stuck: true})
		_ = c.Activate(soon(t, 20*time.Millisecond), testUUID)
		bus.SetActivation(nmtest.Activation{})
		for _, step := range []func(context.Context, string) error{c.Activate, c.Save, c.Delete} {
			if err := step(soon(t, 5*time.Second), testUUID); err != nil {
				t.Fatal(err)
			}
		}
		bus.Hangup()
		_, _ = c.List(t.Context())
		_ = c.Close()
	}
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestTogether has many goroutines use one client.
func TestTogether(t *testing.T) {
	bus, c := start(t)
	errs := make(chan error)
	const many = 8
	for range many {
		uuid := newUUID()
		go func() {
			tunnel := tunnels["plain"].Clone()
			err := c.Add(t.Context(), uuid, tunnel)
			for _, step := range []func(context.Context, string) error{c.Activate, c.Save, c.Deactivate, c.Activate, c.Delete} {
				err = errors.Join(err, step(t.Context(), uuid))
			}
			_, listErr := c.List(t.Context())
			errs <- errors.Join(err, listErr)
		}()
	}
	for range many {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	noRules(t, bus)
}
