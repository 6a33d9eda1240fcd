package dbus

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

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes/fault"
)

// start starts a bus and connects to it.
func start(t *testing.T) (*dbustest.Bus, *Client) {
	t.Helper()
	bus := dbustest.Start(t)
	return bus, connect(t, bus)
}

func connect(t *testing.T, bus *dbustest.Bus) *Client {
	t.Helper()
	c, err := Connect(t.Context(), Options{Address: bus.Address()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// soon returns a context that ends after d, or with the test.
func soon(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// add adds the plain tunnel.
func add(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Add(t.Context(), dbustest.UUID, dbustest.Tunnels["plain"]); err != nil {
		t.Fatal(err)
	}
}

// only returns the only profile, and fails if there is another number of them.
func only(t *testing.T, c *Client) nm.Profile {
	t.Helper()
	profiles, err := c.List(t.Context())
	if err != nil || len(profiles) != 1 {
		t.Fatalf("got %d profiles, %v", len(profiles), err)
	}
	return profiles[0]
}

// check fails unless err is of the kind (nil for any) and all words are in it or in its hints.
func check(t *testing.T, err, kind error, words ...string) {
	t.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) {
		t.Fatalf("got %v, want one that is %v", err, kind)
	}
	all := err.Error() + "\n" + strings.Join(fault.Hints(err), "\n")
	for _, word := range words {
		if !strings.Contains(all, word) {
			t.Errorf("%q lacks %q", all, word)
		}
	}
}

func TestConnectWithoutBus(t *testing.T) {
	_, err := Connect(t.Context(), Options{Address: "unix:path=" + filepath.Join(t.TempDir(), "none")})
	check(t, err, fault.ErrNoNetworkManager, "connect to the system bus", "no such file", "systemctl status dbus")
}

func TestConnectBySystemBusAddress(t *testing.T) {
	bus := dbustest.Start(t)
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
	check(t, err, fault.ErrNoNetworkManager, "closed")
}

func TestManager(t *testing.T) {
	bus, c := start(t)
	bus.SetPermission("settings.modify.system", "auth")
	bus.SetPermission("network-control", "")
	got, err := c.Manager(t.Context())
	want := nm.Manager{Version: nm.Version{Major: 1, Minor: 42, Micro: 4}, Modify: nm.PermissionAuth, Control: nm.PermissionNo}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// NetworkManager takes its time to say that root may do everything, so it is not asked about a
// caller whom the bus knows as root.
func TestManagerOfRoot(t *testing.T) {
	bus := dbustest.Start(t)
	bus.SetUser(0)
	bus.SetPermission("network-control", "")
	m, err := connect(t, bus).Manager(t.Context())
	if err != nil || m.Modify != nm.PermissionYes || m.Control != nm.PermissionYes || bus.Count("GetPermissions") != 0 {
		t.Errorf("%+v, %v, %d questions about permissions", m, err, bus.Count("GetPermissions"))
	}
	// Root is a caller whom the bus knows as root, and nobody else.
	bus.Break("GetConnectionUnixUser", dbustest.Fault{Error: "org.freedesktop.DBus.Error.Failed"})
	m, err = connect(t, bus).Manager(t.Context())
	if err != nil || m.Control != nm.PermissionNo {
		t.Errorf("where the bus does not know the user: %+v, %v", m, err)
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
			check(t, err, fault.ErrNoNetworkManager, "NetworkManager", fault.Printable(version))
		}
	}
}

// TestNetworkManagerAbsent has a bus without NetworkManager. Every method says so, and none starts
// it.
func TestNetworkManagerAbsent(t *testing.T) {
	bus, c := start(t)
	bus.Vanish()
	for name, method := range methods(c) {
		check(t, method(soon(t, time.Minute)), fault.ErrNoNetworkManager, "not running", "systemctl start NetworkManager")
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

// noRules fails unless the bus soon has no match rules: the client does not wait for it when it
// removes them.
func noRules(t *testing.T, bus *dbustest.Bus) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); bus.Rules() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d match rules are left", bus.Rules())
		}
	}
}

// saving is Save for those who do not ask for the file.
func saving(c *Client) func(context.Context, string) error {
	return func(ctx context.Context, uuid string) error {
		_, err := c.Save(ctx, uuid)
		return err
	}
}

// methods returns every method of the client, for the profile with the UUID [dbustest.UUID].
func methods(c *Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Manager":    func(ctx context.Context) error { _, err := c.Manager(ctx); return err },
		"List":       func(ctx context.Context) error { _, err := c.List(ctx); return err },
		"Add":        func(ctx context.Context) error { return c.Add(ctx, nm.NewUUID(), dbustest.Tunnels["plain"]) },
		"Save":       func(ctx context.Context) error { return saving(c)(ctx, dbustest.UUID) },
		"Activate":   func(ctx context.Context) error { return c.Activate(ctx, dbustest.UUID) },
		"Deactivate": func(ctx context.Context) error { return c.Deactivate(ctx, dbustest.UUID) },
		"Delete":     func(ctx context.Context) error { return c.Delete(ctx, dbustest.UUID) },
		"SetRoutes":  func(ctx context.Context) error { return c.SetRoutes(ctx, dbustest.UUID, nil, dbustest.EveryRoute()) },
	}
}

// firstCalls are the calls that each method makes first, and those that it cannot do without.
var firstCalls = map[string][]string{
	"Manager": {"Get", "GetPermissions"}, "List": {"ListConnections", "GetSettings"}, "Add": {"AddConnection2"},
	"Save": {"GetSettings", "Update2", "GetAll"}, "Activate": {"GetConnectionByUuid", "GetSettings", "ActivateConnection", "GetAll", "AddMatch"},
	"Deactivate": {"Get", "AddMatch"}, "Delete": {"Get", "Delete"},
	"SetRoutes": {"GetConnectionByUuid", "GetSettings", "Update2", "Get", "AddMatch"},
}

// promptly is how long a call may take that waits for nobody, on a machine that is very busy.
const promptly = 10 * time.Second

// TestHanging has a NetworkManager that does not answer. The method ends at the caller's deadline,
// and the client works again afterwards.
func TestHanging(t *testing.T) {
	for name, calls := range firstCalls {
		for _, call := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				t.Parallel()
				bus, c := start(t)
				add(t, c)
				bus.Break(call, dbustest.Fault{Silent: true})
				began := time.Now()
				err := methods(c)[name](soon(t, 50*time.Millisecond))
				check(t, err, fault.ErrTimeout, "time allowed", "journalctl")
				if took := time.Since(began); took > promptly {
					t.Errorf("took %v", took)
				}
				bus.Break(call, dbustest.Fault{})
				if err := methods(c)[name](soon(t, time.Minute)); err != nil {
					t.Errorf("the second time: %v", err)
				}
				if call != "AddMatch" { // the bus may have taken a rule without an answer
					noRules(t, bus)
				}
			})
		}
	}
}

func TestCancelled(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.Break("ActivateConnection", dbustest.Fault{Silent: true})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	check(t, c.Activate(ctx, dbustest.UUID), context.Canceled, "bring the tunnel up")
}

// TestLost has a bus that closes the connection instead of an answer, and a NetworkManager that
// leaves the bus. The error comes at once, and the next call dials again.
func TestLost(t *testing.T) {
	for broken, f := range map[string]dbustest.Fault{"hangup": {Hangup: true}, "vanish": {Vanish: true}} {
		for name, calls := range firstCalls {
			for _, call := range calls {
				if call == "AddMatch" {
					continue // the bus' own
				}
				t.Run(broken+"/"+name+"/"+call, func(t *testing.T) {
					t.Parallel()
					bus, c := start(t)
					add(t, c)
					bus.Break(call, f)
					check(t, methods(c)[name](soon(t, time.Minute)), fault.ErrNoNetworkManager)
					bus.Break(call, dbustest.Fault{})
					bus.Return()
					if err := methods(c)[name](soon(t, time.Minute)); err != nil {
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
	if !p.Trial || p.Abandoned || !p.Unsaved || p.State != nm.StateInactive || p.UUID != dbustest.UUID || p.ID != "gre1" || p.Serial == 0 {
		t.Errorf("listed as %+v", p)
	}
	if !reflect.DeepEqual(p.Tunnel, dbustest.Tunnels["plain"]) {
		t.Errorf("got  %+v\nwant %+v", p.Tunnel, dbustest.Tunnels["plain"])
	}

	if file, err := c.Save(t.Context(), dbustest.UUID); err != nil || !strings.HasPrefix(file, "/etc/") {
		t.Fatalf("saved in %q, %v", file, err)
	}
	for _, call := range bus.Calls() {
		if call.Member == "Update2" && call.Args[1] != uint32(0x41) {
			t.Errorf("Update2's flags are %#x", call.Args[1])
		}
	}
	want := dbustest.Print(wire.Encode(dbustest.Tunnels["plain"], wire.Settings{wire.Connection: {"uuid": dbus.MakeVariant(dbustest.UUID)}}))
	if got := dbustest.Print(bus.Profiles()[0].Settings); got != want || !bus.Profiles()[0].OnDisk {
		t.Errorf("saved:\n%s\nwant\n%s", got, want)
	}
	if p := only(t, c); p.Trial || p.Unsaved || !strings.HasPrefix(p.Path, "/etc/") {
		t.Errorf("saved, listed as %+v", p)
	}
}

// TestAbandoned has a process that died during its trial, and one whose bus was restarted since.
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
	if err := c.Delete(t.Context(), dbustest.UUID); err != nil {
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
	check(t, saving(c)(t.Context(), dbustest.UUID), fault.ErrNotFound, dbustest.UUID)
	check(t, c.Activate(t.Context(), "\x1b[2J"), fault.ErrNotFound, `\x1b[2J`)
}

func TestAddTwice(t *testing.T) {
	_, c := start(t)
	add(t, c)
	check(t, c.Add(t.Context(), dbustest.UUID, dbustest.Tunnels["plain"]), fault.ErrExists)
}

func TestAddRefused(t *testing.T) {
	_, c := start(t)
	bad := dbustest.Tunnels["plain"].Clone()
	bad.Remote = netip.Addr{}
	err := c.Add(t.Context(), dbustest.UUID, bad)
	check(t, err, fault.ErrInvalid, "peer: NetworkManager refuses ip-tunnel.remote: property is missing")
}

// profile returns the settings of a profile with that UUID and name, for [dbustest.Bus.AddProfile].
func profile(uuid, name string, tunnel nm.Tunnel) dbustest.Settings {
	tunnel.Name = name
	return dbustest.Settings(wire.Encode(tunnel, wire.Settings{wire.Connection: {"uuid": dbus.MakeVariant(uuid)}}))
}

func TestListStates(t *testing.T) {
	bus, c := start(t)
	uuid := func(n int) string { return fmt.Sprintf("6f6e6d67-7265-4000-8000-%012d", n) }
	bus.AddProfile(profile(uuid(1), "gre1", dbustest.Tunnels["plain"]))
	bus.Bring(bus.AddProfile(profile(uuid(2), "gre2", dbustest.Tunnels["plain"])), true, 0)
	bus.Bring(bus.AddProfile(profile(uuid(3), "gre3", dbustest.Tunnels["plain"])), true, stateFlagExternal)
	bus.SetGenerated(bus.Profiles()[2].Path)
	bus.SetGenerated(bus.AddProfile(profile(uuid(7), "gre1", dbustest.Tunnels["plain"]))) // its link has gone
	bus.SetActivation(dbustest.Activation{Stuck: true})
	bus.Bring(bus.AddProfile(profile(uuid(4), "gre4", dbustest.Tunnels["plain"])), true, 0)
	bus.AddProfile(dbustest.Settings{"connection": {"id": dbus.MakeVariant("Kabel\x1b"), "uuid": dbus.MakeVariant(uuid(5)),
		"type": dbus.MakeVariant("802-3-ethernet"), "interface-name": dbus.MakeVariant("eth0")}})
	broken := profile(uuid(6), "gre6", dbustest.Tunnels["plain"])
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

// TestListHidden has a profile that the caller may not see, and one that vanishes while it is
// listed, before its settings are read or after.
func TestListHidden(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.Break("GetAll", dbustest.Fault{Error: "org.freedesktop.DBus.Error.UnknownMethod"})
	if profiles, err := c.List(t.Context()); err != nil || len(profiles) != 0 {
		t.Errorf("vanished behind its settings: got %v, %v", profiles, err)
	}
	for _, name := range []string{"org.freedesktop.NetworkManager.Settings.PermissionDenied", "org.freedesktop.DBus.Error.UnknownMethod"} {
		bus, c := start(t)
		add(t, c)
		bus.Break("GetSettings", dbustest.Fault{Error: name})
		if profiles, err := c.List(t.Context()); err != nil || len(profiles) != 0 {
			t.Errorf("%s: got %v, %v", name, profiles, err)
		}
	}
}

func TestListMany(t *testing.T) {
	bus, c := start(t)
	const many = 1000
	for i := range many {
		bus.AddProfile(profile(nm.NewUUID(), fmt.Sprintf("gre%d", i), dbustest.Tunnels["plain"]))
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
	for name, script := range map[string]dbustest.Activation{"at once": {}, "later": {Delay: 20 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			add(t, c)
			bus.SetActivation(script)
			if err := c.Activate(soon(t, time.Minute), dbustest.UUID); err != nil {
				t.Fatal(err)
			}
			if p := only(t, c); p.State != nm.StateActive || p.Device != "gre1" {
				t.Errorf("listed as %+v", p)
			}
			noRules(t, bus)
		})
	}
}

func TestActivateFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		script dbustest.Activation
		kind   error
		words  []string
	}{
		{"refused link", dbustest.Activation{ActiveReason: 13}, nil, []string{"could not bring gre1 up: the kernel refused to make the device", "modprobe ip_gre"}},
		{"duplicate", dbustest.Activation{ActiveReason: 3, DeviceReason: 64}, nil, []string{"its device was disconnected; a duplicate IP address was detected", "another host has"}},
		{"later", dbustest.Activation{ActiveReason: 12, DeviceReason: 50, Delay: 20 * time.Millisecond}, nil, []string{"depends on failed", "first"}},
		{"unheard of", dbustest.Activation{ActiveReason: 77, DeviceReason: 777}, nil, []string{"reason 77; reason 777", "journalctl"}},
		{"stuck", dbustest.Activation{Stuck: true}, fault.ErrTimeout, []string{"gre1 did not come up", `"ip-config"`, "--wait"}},
		{"never ready", dbustest.Activation{NeverReady: true}, fault.ErrTimeout, []string{`"activated"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bus, client := start(t)
			add(t, client)
			bus.SetActivation(c.script)
			check(t, client.Activate(soon(t, 300*time.Millisecond), dbustest.UUID), c.kind, c.words...)
			noRules(t, bus)
		})
	}
}

// TestActivateRefused has NetworkManager refuse at once, in its own words.
func TestActivateRefused(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.Break("ActivateConnection", dbustest.Fault{Error: "org.freedesktop.NetworkManager.Device.CreationFailed",
		Text: "gre1 failed to create resources: Failed to create GRE interface 'gre1' for 'gre1': Operation not supported"})
	check(t, c.Activate(t.Context(), dbustest.UUID), fault.ErrUnsupported, "Operation not supported", "modprobe ip_gre")
}

// TestActivateInterrupted has NetworkManager, and then the bus, go away during an activation.
func TestActivateInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(*dbustest.Bus){"vanish": (*dbustest.Bus).Vanish, "hangup": (*dbustest.Bus).Hangup} {
		t.Run(name, func(t *testing.T) {
			bus, c := start(t)
			add(t, c)
			bus.SetActivation(dbustest.Activation{Stuck: true})
			time.AfterFunc(50*time.Millisecond, func() { interrupt(bus) })
			began := time.Now()
			check(t, c.Activate(soon(t, time.Minute), dbustest.UUID), fault.ErrNoNetworkManager)
			if took := time.Since(began); took > promptly {
				t.Errorf("took %v", took)
			}
			bus.Return()
			bus.SetActivation(dbustest.Activation{})
			if err := c.Activate(soon(t, time.Minute), dbustest.UUID); err != nil {
				t.Errorf("after it: %v", err)
			}
		})
	}
}

// TestActivateDeleted has somebody delete the profile during its activation.
func TestActivateDeleted(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.SetActivation(dbustest.Activation{Stuck: true})
	other := connect(t, bus)
	time.AfterFunc(50*time.Millisecond, func() { _ = other.Delete(context.Background(), dbustest.UUID) })
	check(t, c.Activate(soon(t, time.Minute), dbustest.UUID), nil, "could not bring gre1 up")
}

func TestDeactivateAndDelete(t *testing.T) {
	bus, c := start(t)
	ctx := soon(t, time.Minute)
	for _, step := range []func(context.Context, string) error{
		c.Deactivate, c.Delete, // nothing there
		func(context.Context, string) error { add(t, c); return nil },
		c.Deactivate, // down already
		c.Activate, c.Deactivate, c.Activate, c.Delete, c.Delete,
	} {
		if err := step(ctx, dbustest.UUID); err != nil {
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

// TestDeactivateLingering has a link that stays, such as one from before NetworkManager started.
func TestDeactivateLingering(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	bus.SetActivation(dbustest.Activation{Lingering: true})
	if err := c.Activate(t.Context(), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := c.Deactivate(soon(t, time.Minute), dbustest.UUID); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < lingerTime || took > lingerTime+promptly {
		t.Errorf("took %v", took)
	}
}

// TestNoGoroutinesLeft opens a client, uses it, with a timeout and a lost bus, and closes it.
func TestNoGoroutinesLeft(t *testing.T) {
	bus := dbustest.Start(t)
	time.Sleep(10 * time.Millisecond)
	before := runtime.NumGoroutine()
	for range 5 {
		c, err := Connect(t.Context(), Options{Address: bus.Address()})
		if err != nil {
			t.Fatal(err)
		}
		add(t, c)
		bus.SetActivation(dbustest.Activation{Stuck: true})
		_ = c.Activate(soon(t, 20*time.Millisecond), dbustest.UUID)
		bus.SetActivation(dbustest.Activation{})
		for _, step := range []func(context.Context, string) error{c.Activate, saving(c), c.Delete} {
			if err := step(soon(t, time.Minute), dbustest.UUID); err != nil {
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
		uuid := nm.NewUUID()
		go func() {
			tunnel := dbustest.Tunnels["plain"].Clone()
			err := c.Add(t.Context(), uuid, tunnel)
			for _, step := range []func(context.Context, string) error{c.Activate, saving(c), c.Deactivate, c.Activate, c.Delete} {
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

// A profile that has just come up is told of by few calls, however many others are up: the hook
// asks for it then. Whether there is a profile at all is one call.
func TestFewQuestions(t *testing.T) {
	bus, c := start(t)
	add(t, c)
	for i := range 4 {
		other := dbustest.Tunnels["plain"]
		other.Name = fmt.Sprintf("other%d", i)
		uuid := fmt.Sprintf("11111111-1111-4111-8111-11111111111%d", i)
		if err := errors.Join(c.Add(t.Context(), uuid, other), c.Activate(soon(t, time.Minute), uuid)); err != nil {
			t.Fatal(err)
		}
	}
	bus.SetActivation(dbustest.Activation{})
	err := c.Activate(soon(t, time.Minute), dbustest.UUID)
	if err == nil {
		_, err = c.Save(t.Context(), dbustest.UUID)
	}
	if err != nil {
		t.Fatal(err)
	}
	calls := func(do func(c *Client)) (n int) {
		other := connect(t, bus)
		before := len(bus.Calls())
		do(other)
		return len(bus.Calls()) - before
	}
	if n := calls(func(c *Client) {
		if p, err := c.Get(t.Context(), dbustest.UUID); err != nil || p.State != nm.StateActive {
			t.Errorf("%+v, %v", p, err)
		}
	}); n != 5 {
		t.Errorf("a profile takes %d calls: %v", n, bus.Calls()[len(bus.Calls())-n:])
	}
	if n := calls(func(c *Client) {
		if err := c.Exists(t.Context(), dbustest.UUID); err != nil {
			t.Error(err)
		}
	}); n != 1 {
		t.Errorf("the question whether there is a profile takes %d calls", n)
	}
	check(t, c.Exists(t.Context(), "22222222-2222-4222-8222-222222222222"), fault.ErrNotFound)
}
