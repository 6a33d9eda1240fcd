package dbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/lab"
	"nmgre/testdata/want"
)

// labLimit bounds a step. In a lab whose processor is emulated every step takes less.
const labLimit = time.Minute

// labClient connects to the NetworkManager of the lab's host linux1.
func labClient(t *testing.T) *Client {
	t.Helper()
	lab.Need(t)
	c, err := Connect(t.Context(), Options{Address: lab.Linux1.BusAddress()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// labTunnel returns a tunnel that uses every field of the mode gre.
func labTunnel() nm.Tunnel {
	t := nm.NewTunnel()
	t.Name, t.Local, t.Remote = "gre1", want.Addr(lab.Linux1WAN), want.Addr(lab.Linux2WAN)
	t.Addresses, t.PeerAddress = want.CIDRs("172.16.0.1/24"), want.Addr("172.16.0.2")
	t.InputKey, t.OutputKey, t.MTU, t.TOS, t.Parent = want.Ptr[gre.Key](42), want.Ptr[gre.Key](0), 1400, 16, "eth0"
	t.Routes = []routes.Route{
		{Dst: want.CIDR("0.0.0.0/0"), Metric: want.Ptr[uint32](4242), Table: 100},
		{Dst: want.CIDR(lab.LAN2Net), Metric: want.Ptr[uint32](500), MTU: 1300, MTULock: true, Src: want.Addr(lab.Linux1LAN)},
		{Dst: want.CIDR("10.99.0.0/16"), Via: want.Addr("172.16.0.9"), OnLink: true},
	}
	return t
}

// step calls do, which has labLimit for it, and logs how long it took.
func step(t *testing.T, name string, do func(context.Context) error) {
	t.Helper()
	ctx := soon(t, labLimit)
	began := time.Now()
	err := do(ctx)
	t.Logf("%-10s %7.1f ms", name, float64(time.Since(began).Microseconds())/1000)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, strings.Join(fault.Hints(err), "\n"))
	}
}

// on returns a function that calls the method with the UUID [dbustest.UUID].
func on(method func(context.Context, string) error) func(context.Context) error {
	return func(ctx context.Context) error { return method(ctx, dbustest.UUID) }
}

func adding(c *Client, tunnel nm.Tunnel) func(context.Context) error {
	return func(ctx context.Context) error { return c.Add(ctx, dbustest.UUID, tunnel) }
}

// listed returns the profile with the UUID [dbustest.UUID], or fails.
func listed(t *testing.T, c *Client) nm.Profile {
	t.Helper()
	profiles, err := c.List(soon(t, labLimit))
	for _, p := range profiles {
		if p.UUID == dbustest.UUID {
			return p
		}
	}
	t.Fatalf("%s is not among %d profiles, %v", dbustest.UUID, len(profiles), err)
	return nm.Profile{}
}

// show runs a command on linux1 and returns its output, whether it succeeds or not.
func show(command ...string) string {
	r := lab.Linux1.Try(command[0], command[1:]...)
	return r.Stdout + r.Stderr
}

func hasLink(name string) bool { return lab.Linux1.Try("ip", "link", "show", name).Code == 0 }

// wants fails unless text has all of the words.
func wants(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q is not in:\n%s", word, text)
		}
	}
}

const (
	etcFile = "/etc/NetworkManager/system-connections/gre1.nmconnection"
	runFile = "/run/NetworkManager/system-connections/gre1.nmconnection"
)

// TestLabLifecycle makes a tunnel, keeps it over a restart of NetworkManager, and deletes it. nmcli
// and ip are the witnesses.
//
//lab:every
func TestLabLifecycle(t *testing.T) {
	c := labClient(t)
	before := lab.Linux1.Snapshot(t)
	step(t, "Add", adding(c, labTunnel()))
	if p := listed(t, c); !p.Trial || p.Abandoned || !p.Unsaved || p.Path != runFile || p.State != nm.StateInactive || !reflect.DeepEqual(p.Tunnel, labTunnel()) {
		t.Errorf("on trial, listed as %+v", p)
	}
	step(t, "Activate", on(c.Activate))
	if p := listed(t, c); !p.Trial || p.State != nm.StateActive || p.Device != "gre1" || p.DeviceState != "activated" {
		t.Errorf("active, listed as %+v", p)
	}
	wants(t, show("ip", "-d", "link", "show", "gre1"), "gre1@eth0", "mtu 1400", "remote 100.0.2.100 local 100.0.1.100", "ttl 64 tos 0x10", "ikey 0.0.0.42 okey 0.0.0.0")
	wants(t, show("ip", "route", "show", "table", "all", "dev", "gre1"), "10.10.2.0/24 proto static scope link src 10.10.1.1 metric 500 mtu lock 1300",
		"default table 100 proto static scope link metric 4242", "10.99.0.0/16 via 172.16.0.9 proto static metric 675 onlink")

	steady := steady(t)
	step(t, "Save", on(saving(c)))
	if after := steady(); after != "" {
		t.Errorf("Save disturbed the tunnel:\n%s", after)
	}
	checkSaved(t, c)
	step(t, "Deactivate", on(c.Deactivate))
	if hasLink("gre1") {
		t.Error("the link is there after Deactivate")
	}
	step(t, "Deactivate", on(c.Deactivate))
	step(t, "Activate", on(c.Activate))
	lab.Linux1.RestartNM(t)
	if p := listed(t, c); p.State != nm.StateActive || p.Trial {
		t.Errorf("after a restart, listed as %+v", p)
	}
	step(t, "Delete", on(c.Delete))
	if hasLink("gre1") {
		t.Error("the link is there after Delete")
	}
	step(t, "Delete", on(c.Delete))
	if after := lab.Linux1.Snapshot(t); after != before {
		t.Errorf("something is left:\n%s\nbefore:\n%s", after, before)
	}
}

// steady notes the state of link, routes and connection. The function that it returns says how they
// have changed since, or returns the empty string.
func steady(t *testing.T) func() string {
	t.Helper()
	state := func() string {
		return show("ip", "-o", "link", "show", "gre1") + show("ip", "route", "show", "table", "all", "dev", "gre1") +
			show("nmcli", "-t", "-f", "GENERAL.DBUS-PATH,GENERAL.STATE", "connection", "show", "gre1")
	}
	before, log := state(), len(lab.Linux1.NMLog(t))
	return func() string {
		time.Sleep(time.Second)
		after, news := state(), lab.Linux1.NMLog(t)[log:]
		if after != before || strings.Contains(news, "state change") {
			return before + after + news
		}
		return ""
	}
}

// checkSaved checks that the profile is an ordinary one: on disk only, and as nmcli shows one.
func checkSaved(t *testing.T, c *Client) {
	t.Helper()
	if p := listed(t, c); p.Trial || p.Unsaved || p.Path != etcFile || p.State != nm.StateActive {
		t.Errorf("saved, listed as %+v", p)
	}
	wants(t, show("stat", "-c", "%a %U %F", etcFile), "600 root regular file")
	if r := lab.Linux1.Try("ls", runFile); r.Code == 0 {
		t.Errorf("%s is there", runFile)
	}
	file := show("cat", etcFile)
	wants(t, file, "id=gre1", "type=ip-tunnel", "[user]\nnmgre.peer-address=172.16.0.2\n")
	for _, word := range []string{"autoconnect", "nmgre.trial"} {
		if strings.Contains(file, word) {
			t.Errorf("%q is in:\n%s", word, file)
		}
	}
	wants(t, show("nmcli", "-f", "connection,ip-tunnel,ipv4,ipv6", "connection", "show", "gre1"), "connection.autoconnect:                 yes",
		"ip-tunnel.output-key:                   0", "{ ip = 10.10.2.0/24, mt = 500 lock-mtu=true mtu=1300 src=10.10.1.1 }", "ipv6.method:                            disabled")
}

// TestLabModes makes a tunnel of each mode.
//
//lab:every
func TestLabModes(t *testing.T) {
	c := labClient(t)
	for name, mode := range map[string]nm.Tunnel{
		"gretap":    {Mode: gre.ModeGRETAP, Local: want.Addr(lab.Linux1WAN), Remote: want.Addr(lab.Linux2WAN), TTL: 64, Addresses: want.CIDRs("172.16.0.1/30")},
		"no-pmtud":  {Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr(lab.Linux2WAN), NoPMTUD: true, Addresses: want.CIDRs("172.16.0.1/31", "fd00::1/127")},
		"bare":      {Mode: gre.ModeGRE, Local: want.Addr(lab.Linux1WAN), Remote: want.Addr(lab.Linux2WAN), TTL: 64},
		"ip6gre":    {Mode: gre.ModeIP6GRE, Local: want.Addr(lab.Linux1WAN6), Remote: want.Addr(lab.Linux2WAN6), TTL: 64, FlowLabel: 0x12345, InputKey: want.Ptr[gre.Key](7), OutputKey: want.Ptr[gre.Key](8), Addresses: want.CIDRs("fd00::1/126")},
		"ip6gretap": {Mode: gre.ModeIP6GRETAP, Local: want.Addr(lab.Linux1WAN6), Remote: want.Addr(lab.Linux2WAN6), TTL: 64, EncapLimit: 5, Addresses: want.CIDRs("172.16.0.1/30", "fd00::1/64")},
	} {
		t.Run(name, func(t *testing.T) {
			mode.Name = "gre1"
			mode.PeerAddress = nm.DerivePeer(mode.Addresses)
			step(t, "Add", adding(c, mode))
			step(t, "Activate", on(c.Activate))
			if p := listed(t, c); p.State != nm.StateActive || !reflect.DeepEqual(p.Tunnel, mode) {
				t.Errorf("listed as %+v\nwant %+v", p, mode)
			}
			t.Log(show("ip", "-d", "addr", "show", "gre1"))
			for _, a := range mode.Addresses {
				wants(t, show("ip", "-o", "addr", "show", "gre1"), a.String())
			}
			step(t, "Delete", on(c.Delete))
		})
	}
}

// TestLabRefused has tunnels that NetworkManager or the kernel refuse.
//
//lab:every
func TestLabRefused(t *testing.T) {
	c := labClient(t)
	ctx := soon(t, 2*labLimit)
	for field, change := range map[string]func(*nm.Tunnel){
		"ttl":    func(t *nm.Tunnel) { t.NoPMTUD = true },
		"peer":   func(t *nm.Tunnel) { t.Remote = want.Addr("2001:db8::1") },
		"local":  func(t *nm.Tunnel) { t.Local = want.Addr("2001:db8::1") },
		"mode":   func(t *nm.Tunnel) { t.Mode = 0 },
		"parent": func(t *nm.Tunnel) { t.Parent = "no device of this name" },
		"name":   func(t *nm.Tunnel) { t.Name = "no device" },
		"flags":  func(t *nm.Tunnel) { t.Flags = gre.FlagIgnEncapLimit },
		"route":  func(t *nm.Tunnel) { t.Routes[0].Src = want.Addr("::1") },
	} {
		tunnel := labTunnel()
		change(&tunnel)
		err := c.Add(ctx, dbustest.UUID, tunnel)
		t.Logf("%s: %v", field, err)
		var e *fault.Error
		if !errors.As(err, &e) || !errors.Is(err, fault.ErrInvalid) || e.Field != field {
			t.Errorf("%s: got %#v", field, err)
		}
		_ = c.Delete(ctx, dbustest.UUID)
	}
	tunnel := labTunnel()
	tunnel.Parent = "eth9"
	step(t, "Add", adding(c, tunnel))
	err := c.Activate(ctx, dbustest.UUID)
	t.Log("no parent:", err)
	check(t, err, nil, "parent device")
}

// TestLabConflicts has two tunnels with the same ends and keys, and two of the same name.
//
//lab:every
func TestLabConflicts(t *testing.T) {
	c := labClient(t)
	ctx := soon(t, 2*labLimit)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	same, name := nm.NewUUID(), nm.NewUUID()
	tunnel := labTunnel()
	tunnel.Name = "gre2"
	if err := c.Add(ctx, same, tunnel); err != nil {
		t.Fatal(err)
	}
	err := c.Activate(ctx, same)
	t.Log("same ends and keys:", err)
	check(t, err, fault.ErrExists, "File exists", "same local, remote and key")
	tunnel = labTunnel()
	tunnel.Remote = want.Addr("100.0.2.101")
	if err := c.Add(ctx, name, tunnel); err != nil {
		t.Fatal(err)
	}
	err = c.Activate(ctx, name)
	t.Log("same name:", err)
	check(t, err, nil, "another kind")
	profiles, _ := c.List(ctx)
	for _, p := range profiles {
		if p.Tunnel.Mode != 0 {
			t.Logf("%s %s %s %s", p.UUID, p.Tunnel.Name, p.State, p.Reason)
		}
	}
	for _, uuid := range []string{name, same, dbustest.UUID} {
		if err := c.Delete(ctx, uuid); err != nil {
			t.Error(err)
		}
	}
	if hasLink("gre1") || hasLink("gre2") {
		t.Error("a link is left")
	}
}

// TestLabForeign has a tunnel made with ip, and one made with nmcli.
//
//lab:every
func TestLabForeign(t *testing.T) {
	c := labClient(t)
	lab.Linux1.Run(t, "ip", "link", "add", "hand", "type", "gre", "local", lab.Linux1WAN, "remote", lab.Linux2WAN, "ttl", "64", "key", "9")
	lab.Linux1.Run(t, "ip", "addr", "add", "172.17.0.1/30", "dev", "hand")
	lab.Linux1.Run(t, "ip", "link", "set", "hand", "up")
	lab.Linux1.Run(t, "nmcli", "connection", "add", "type", "ip-tunnel", "ip-tunnel.mode", "gre", "con-name", "Büro 1", "ifname", "gre-nmcli",
		"remote", lab.Linux2WAN, "local", lab.Linux1WAN, "ip-tunnel.input-key", "5", "ipv4.method", "manual", "ipv4.addresses", "172.18.0.1/30",
		"ipv4.routes", "10.50.0.0/16 172.18.0.2 77 table=50 initcwnd=7", "ipv6.method", "ignore", "autoconnect", "no")
	deadline := time.Now().Add(labLimit)
	for {
		profiles, err := c.List(soon(t, labLimit))
		if err != nil {
			t.Fatal(err)
		}
		var hand, nmcli nm.Profile
		for _, p := range profiles {
			switch p.Tunnel.Name {
			case "hand":
				hand = p
			case "gre-nmcli":
				nmcli = p
			}
		}
		if hand.State == nm.StateExternal && nmcli.State == nm.StateInactive {
			t.Logf("%+v\n%+v", hand, nmcli)
			expected := nm.Tunnel{Name: "gre-nmcli", Mode: gre.ModeGRE, Local: want.Addr(lab.Linux1WAN), Remote: want.Addr(lab.Linux2WAN), InputKey: want.Ptr[gre.Key](5),
				Addresses: want.CIDRs("172.18.0.1/30"), PeerAddress: want.Addr("172.18.0.2"),
				Routes: []routes.Route{{Dst: want.CIDR("10.50.0.0/16"), Via: want.Addr("172.18.0.2"), Metric: want.Ptr[uint32](77), Table: 50,
					Metrics: dbustest.Metrics(map[routes.Metric]uint32{routes.MetricInitCwnd: 7})}}}
			if nmcli.ID != "Büro 1" || nmcli.Unsaved || nmcli.Trial || !reflect.DeepEqual(nmcli.Tunnel, expected) {
				t.Errorf("got %+v", nmcli)
			}
			if len(hand.Tunnel.Addresses) != 1 || hand.Device != "hand" || hand.Trial {
				t.Errorf("got %+v", hand)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %+v", profiles)
		}
		time.Sleep(100 * time.Millisecond)
	}
	lab.Linux1.Run(t, "ip", "link", "del", "hand")
}

// TestLabRewrite writes a profile that NetworkManager returned, after Decode and Encode, back to
// it. Nothing is lost on the way.
//
//lab:every
func TestLabRewrite(t *testing.T) {
	c := labClient(t)
	lab.Linux1.Run(t, "nmcli", "connection", "add", "type", "ip-tunnel", "ip-tunnel.mode", "gre", "con-name", "gre1", "ifname", "gre1",
		"connection.uuid", dbustest.UUID, "remote", lab.Linux2WAN, "ipv4.method", "manual", "ipv4.addresses", "172.18.0.1/30", "ipv4.dns", "192.0.2.53",
		"ipv4.routes", "10.50.0.0/16 172.18.0.2 77 table=50 initcwnd=7 lock-initcwnd=true, 10.60.0.0/16 type=blackhole", "ipv4.routing-rules", "priority 5 from 10.0.0.0/8 table 50",
		"ipv6.method", "link-local", "ipv6.route-metric", "5", "connection.zone", "trusted", "connection.permissions", "user:root", "autoconnect", "no")
	ctx := soon(t, labLimit)
	l, err := c.link(ctx)
	if err != nil {
		t.Fatal(err)
	}
	path, err := l.lookup(ctx, dbustest.UUID)
	if err != nil {
		t.Fatal(err)
	}
	var before, after wire.Settings
	if err := l.flight(ctx, []request{settingsRequest(path, &before)}); err != nil {
		t.Fatal(err)
	}
	tunnel, err := wire.Decode(before)
	if err != nil {
		t.Fatal(err)
	}
	values, err := wire.Encode(tunnel, before).Values()
	if err != nil {
		t.Fatal(err)
	}
	var rest map[string]dbus.Variant
	if err := l.call(ctx, path, "org.freedesktop.NetworkManager.Settings.Connection.Update2", []any{values, flagToDisk, noOptions}, &rest); err != nil {
		t.Fatal(err)
	}
	if err := l.flight(ctx, []request{settingsRequest(path, &after)}); err != nil {
		t.Fatal(err)
	}
	if got, want := dbustest.Print(after), dbustest.Print(before); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// labRoute is a route of the lab's tunnel gre1 with one of the attributes that a profile can hold,
// and its text in `ip -d route` and nmcli, with %s for its destination. To a route without a metric
// NetworkManager gives the metric of its first tunnel, 675.
type labRoute struct {
	route     routes.Route
	ip, nmcli string
}

func one(metric routes.Metric, value uint32, locks ...routes.Metric) routes.Route {
	return routes.Route{Metrics: dbustest.Metrics(map[routes.Metric]uint32{metric: value}, locks...)}
}

// labRoutes4 are IPv4 routes that together have every attribute.
var labRoutes4 = []labRoute{
	{routes.Route{}, "unicast %s dev gre1 table main proto static scope link metric 675", "{ ip = %s }"},
	{routes.Route{Type: routes.TypeLocal}, "local %s dev gre1 table local proto static scope host metric 675", "{ ip = %s type=local }"},
	{routes.Route{Type: routes.TypeBlackhole}, "blackhole %s table main proto static scope link metric 675", "{ ip = %s type=blackhole }"},
	{routes.Route{Type: routes.TypeUnreachable}, "unreachable %s table main proto static scope link metric 675", "{ ip = %s type=unreachable }"},
	{routes.Route{Type: routes.TypeProhibit}, "prohibit %s table main proto static scope link metric 675", "{ ip = %s type=prohibit }"},
	{routes.Route{Type: routes.TypeThrow, Table: 7}, "throw %s table 7 proto static scope link metric 675", "{ ip = %s table=7 type=throw }"},
	{routes.Route{TOS: 0xfc}, "unicast %s tos 0xfc dev gre1 table main proto static scope link metric 675", "{ ip = %s tos=252 }"},
	{routes.Route{Scope: want.Ptr(routes.ScopeGlobal)}, "unicast %s dev gre1 table main proto static scope global metric 675", "{ ip = %s scope=0 }"},
	{routes.Route{Scope: want.Ptr(routes.ScopeSite)}, "unicast %s dev gre1 table main proto static scope site metric 675", "{ ip = %s scope=200 }"},
	{routes.Route{Via: dbustest.Hop4}, "unicast %s via 172.16.0.2 dev gre1 table main proto static scope global metric 675", "{ ip = %s, nh = 172.16.0.2 }"},
	{routes.Route{Via: want.Addr("192.0.2.9"), OnLink: true}, "unicast %s via 192.0.2.9 dev gre1 table main proto static scope global metric 675 onlink", "{ ip = %s, nh = 192.0.2.9 onlink=true }"},
	{routes.Route{Src: want.Addr(lab.Linux1LAN)}, "unicast %s dev gre1 table main proto static scope link src 10.10.1.1 metric 675", "{ ip = %s src=10.10.1.1 }"},
	{routes.Route{Metric: want.Ptr[uint32](0)}, "unicast %s dev gre1 table main proto static scope link", "{ ip = %s, mt = 0 }"},
	{routes.Route{Metric: want.Ptr[uint32](500), Table: 100}, "unicast %s dev gre1 table 100 proto static scope link metric 500", "{ ip = %s, mt = 500 table=100 }"},
	{routes.Route{MTU: 1300}, "unicast %s dev gre1 table main proto static scope link metric 675 mtu 1300", "{ ip = %s mtu=1300 }"},
	{routes.Route{MTU: 1300, MTULock: true}, "unicast %s dev gre1 table main proto static scope link metric 675 mtu lock 1300", "{ ip = %s lock-mtu=true mtu=1300 }"},
	{one(routes.MetricWindow, 30000), "unicast %s dev gre1 table main proto static scope link metric 675 window 30000", "{ ip = %s window=30000 }"},
	{one(routes.MetricWindow, 30000, routes.MetricWindow), "unicast %s dev gre1 table main proto static scope link metric 675 window lock 30000", "{ ip = %s lock-window=true window=30000 }"},
	{one(routes.MetricCwnd, 12), "unicast %s dev gre1 table main proto static scope link metric 675 cwnd 12", "{ ip = %s cwnd=12 }"},
	{one(routes.MetricCwnd, 12, routes.MetricCwnd), "unicast %s dev gre1 table main proto static scope link metric 675 cwnd lock 12", "{ ip = %s cwnd=12 lock-cwnd=true }"},
	{one(routes.MetricInitCwnd, 13), "unicast %s dev gre1 table main proto static scope link metric 675 initcwnd 13", "{ ip = %s initcwnd=13 }"},
	{one(routes.MetricInitCwnd, 13, routes.MetricInitCwnd), "unicast %s dev gre1 table main proto static scope link metric 675 initcwnd lock 13", "{ ip = %s initcwnd=13 lock-initcwnd=true }"},
	{one(routes.MetricInitRwnd, 14), "unicast %s dev gre1 table main proto static scope link metric 675 initrwnd 14", "{ ip = %s initrwnd=14 }"},
	{one(routes.MetricInitRwnd, 14, routes.MetricInitRwnd), "unicast %s dev gre1 table main proto static scope link metric 675 initrwnd lock 14", "{ ip = %s initrwnd=14 lock-initrwnd=true }"},
	{one(routes.MetricAdvMSS, 1200), "unicast %s dev gre1 table main proto static scope link metric 675 advmss 1200", "{ ip = %s advmss=1200 }"},
	{one(routes.MetricAdvMSS, 1200, routes.MetricAdvMSS), "unicast %s dev gre1 table main proto static scope link metric 675 advmss lock 1200", "{ ip = %s advmss=1200 lock-advmss=true }"},
	{one(routes.MetricQuickACK, 1), "unicast %s dev gre1 table main proto static scope link metric 675 quickack 1", "{ ip = %s quickack=true }"},
	{one(routes.MetricRTOMin, 300, routes.MetricRTOMin), "unicast %s dev gre1 table main proto static scope link metric 675 rto_min 300ms", "{ ip = %s rto_min=300 }"},
	{routes.Route{Nexthops: []routes.Nexthop{{Weight: 3}}}, "unicast %s dev gre1 table main proto static scope link metric 675", "{ ip = %s weight=3 }"},
	{routes.Route{Metric: want.Ptr[uint32](500), Nexthops: []routes.Nexthop{{Via: dbustest.Hop4, Weight: 256}}}, "unicast %s via 172.16.0.2 dev gre1 table main proto static scope global metric 500", "{ ip = %s, nh = 172.16.0.2, mt = 500 weight=256 }"},
}

// labRoutes6 are IPv6 routes that together have every attribute.
var labRoutes6 = []labRoute{
	{routes.Route{}, "unicast %s dev gre1 table main proto static scope global metric 675 pref medium", "{ ip = %s }"},
	{routes.Route{Type: routes.TypeBlackhole}, "blackhole %s dev lo table main proto static scope global metric 675 pref medium", "{ ip = %s type=blackhole }"},
	{routes.Route{Type: routes.TypeUnreachable}, "unreachable %s dev lo table main proto static scope global metric 675 pref medium", "{ ip = %s type=unreachable }"},
	{routes.Route{Type: routes.TypeProhibit}, "prohibit %s dev lo table main proto static scope global metric 675 pref medium", "{ ip = %s type=prohibit }"},
	{routes.Route{Type: routes.TypeThrow, Table: 7}, "throw %s dev lo table 7 proto static scope global metric 675 pref medium", "{ ip = %s table=7 type=throw }"},
	{routes.Route{From: want.CIDR("2001:db8:1::/48")}, "unicast %s from 2001:db8:1::/48 dev gre1 table main proto static scope global metric 675 pref medium", "{ ip = %s from=2001:db8:1::/48 }"},
	{routes.Route{Via: dbustest.Hop6}, "unicast %s via fd00::2 dev gre1 table main proto static scope global metric 675 pref medium", "{ ip = %s, nh = fd00::2 }"},
	{routes.Route{Via: want.Addr("2001:db8:9::9"), OnLink: true}, "unicast %s via 2001:db8:9::9 dev gre1 table main proto static scope global metric 675 onlink pref medium", "{ ip = %s, nh = 2001:db8:9::9 onlink=true }"},
	{routes.Route{Src: want.Addr("fd00::1")}, "unicast %s dev gre1 table main proto static scope global src fd00::1 metric 675 pref medium", "{ ip = %s src=fd00::1 }"},
	{routes.Route{Metric: want.Ptr[uint32](4294967295), Table: 4294967295}, "unicast %s dev gre1 table 4294967295 proto static scope global metric 4294967295 pref medium", "{ ip = %s, mt = 4294967295 table=4294967295 }"},
	{routes.Route{MTU: 1300, MTULock: true}, "unicast %s dev gre1 table main proto static scope global metric 675 mtu lock 1300 pref medium", "{ ip = %s lock-mtu=true mtu=1300 }"},
	{one(routes.MetricWindow, 30000, routes.MetricWindow), "unicast %s dev gre1 table main proto static scope global metric 675 window lock 30000 pref medium", "{ ip = %s lock-window=true window=30000 }"},
	{one(routes.MetricCwnd, 12, routes.MetricCwnd), "unicast %s dev gre1 table main proto static scope global metric 675 cwnd lock 12 pref medium", "{ ip = %s cwnd=12 lock-cwnd=true }"},
	{one(routes.MetricInitCwnd, 13, routes.MetricInitCwnd), "unicast %s dev gre1 table main proto static scope global metric 675 initcwnd lock 13 pref medium", "{ ip = %s initcwnd=13 lock-initcwnd=true }"},
	{one(routes.MetricInitRwnd, 14, routes.MetricInitRwnd), "unicast %s dev gre1 table main proto static scope global metric 675 initrwnd lock 14 pref medium", "{ ip = %s initrwnd=14 lock-initrwnd=true }"},
	{one(routes.MetricAdvMSS, 1200, routes.MetricAdvMSS), "unicast %s dev gre1 table main proto static scope global metric 675 advmss lock 1200 pref medium", "{ ip = %s advmss=1200 lock-advmss=true }"},
	{one(routes.MetricQuickACK, 1), "unicast %s dev gre1 table main proto static scope global metric 675 quickack 1 pref medium", "{ ip = %s quickack=true }"},
	{one(routes.MetricRTOMin, 300, routes.MetricRTOMin), "unicast %s dev gre1 table main proto static scope global metric 675 rto_min 300ms pref medium", "{ ip = %s rto_min=300 }"},
}

// spread returns n routes of the kinds in turn, each to a network of its own: 10.NET.0.0/24,
// 10.NET.1.0/24 and so on, or fd00:NET:1::/64, fd00:NET:2::/64.
func spread(kinds []labRoute, family string, net, n int) (all []labRoute) {
	for i := range n {
		r := kinds[i%len(kinds)]
		r.route = r.route.Clone()
		r.route.Dst = want.CIDR(fmt.Sprintf("10.%d.%d.0/24", net, i))
		if family == wire.IPv6 {
			r.route.Dst = want.CIDR(fmt.Sprintf("fd00:%x:%x::/64", net, i+1))
		}
		r.ip, r.nmcli = fmt.Sprintf(r.ip, r.route.Dst), fmt.Sprintf(r.nmcli, r.route.Dst)
		all = append(all, r)
	}
	return all
}

func settingRoutes(c *Client, wanted []labRoute) func(context.Context) error {
	var plain []routes.Route
	for _, r := range wanted {
		plain = append(plain, r.route)
	}
	return func(ctx context.Context) error { return c.SetRoutes(ctx, dbustest.UUID, nil, plain) }
}

// kernelRoutes returns the lines of `ip -d route` for the routes that NetworkManager has set, in
// both families and all tables. It omits the lock of rto_min, which NetworkManager sets from 1.54
// on.
func kernelRoutes() map[string]bool {
	lines := make(map[string]bool)
	for _, family := range []string{"-4", "-6"} {
		for line := range strings.Lines(show("ip", family, "-d", "route", "show", "table", "all")) {
			if strings.Contains(line, " proto static ") {
				lines[strings.Replace(strings.TrimSpace(line), "rto_min lock", "rto_min", 1)] = true
			}
		}
	}
	return lines
}

// haveRoutes fails unless the kernel and the profile have exactly these routes of gre1.
func haveRoutes(t *testing.T, c *Client, want []labRoute) {
	t.Helper()
	lines, missing := kernelRoutes(), 0
	for _, r := range want {
		if !lines[r.ip] {
			missing++
			t.Logf("the kernel has no %s", r.ip)
		}
		delete(lines, r.ip)
	}
	for line := range lines {
		if !strings.Contains(line, "eth0") {
			missing++
			t.Logf("the kernel has %s", line)
		}
	}
	profile := show("nmcli", "-f", "ipv4.routes,ipv6.routes", "connection", "show", "gre1")
	for _, r := range want {
		if !strings.Contains(profile, r.nmcli) {
			missing++
			t.Logf("the profile has no %s", r.nmcli)
		}
	}
	if n := strings.Count(profile, "{ ip ="); n != len(want) || missing > 0 {
		t.Errorf("%d of %d routes are wrong; %d are in the profile", missing, len(want), n)
	}
	if got := listed(t, c).Tunnel.Routes; len(got) != len(want) {
		t.Errorf("%d routes are listed", len(got))
	}
}

// undisturbed notes the state of the tunnel. The function that it returns fails if the tunnel was
// taken down or changed since.
func undisturbed(t *testing.T) func() {
	t.Helper()
	state := func() string {
		return strings.Split(show("ip", "-o", "link", "show", "gre1"), "qdisc")[0] + show("nmcli", "-t", "-f", "GENERAL.DBUS-PATH,GENERAL.STATE", "connection", "show", "gre1")
	}
	before, log := state(), len(lab.Linux1.NMLog(t))
	links := lab.Linux1.Start(t, "ip", "monitor", "link")
	time.Sleep(time.Second) // until it listens
	return func() {
		t.Helper()
		after, news := state(), lab.Linux1.NMLog(t)[log:]
		if after != before || strings.Contains(news, "state change") || strings.Contains(links.Stdout(), "gre1") {
			t.Errorf("the tunnel was disturbed:\n%s%s%s%s", before, after, news, links.Stdout())
		}
	}
}

// TestLabSetRoutes changes the routes of an active tunnel: two hundred, with every attribute that
// NetworkManager can hold. Routes and addresses that others have set on the device stay, and so
// does the device.
//
//lab:every
func TestLabSetRoutes(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	step(t, "Save", on(saving(c)))
	lab.Linux1.Run(t, "ip", "addr", "add", "172.30.0.1/24", "dev", "gre1")
	for _, route := range []string{"10.201.0.0/16 proto 199", "10.202.0.0/16 proto static metric 9", "10.203.0.0/16"} {
		lab.Linux1.Run(t, "ip", append([]string{"route", "add", "dev", "gre1"}, strings.Fields(route)...)...)
	}
	theirs := labRoute{ip: "unicast 10.202.0.0/16 dev gre1 table main proto static scope link metric 9"}
	untouched := undisturbed(t)
	check := func(wanted []labRoute) {
		t.Helper()
		step(t, fmt.Sprint(len(wanted), " routes"), settingRoutes(c, wanted))
		lines := kernelRoutes() // at once
		if !lines[theirs.ip] {
			t.Errorf("%s is gone", theirs.ip)
		}
		wants(t, show("ip", "route", "show", "dev", "gre1"), "10.201.0.0/16 proto 199 scope link", "10.203.0.0/16 scope link", "172.30.0.0/24 proto kernel")
		wants(t, show("ip", "addr", "show", "gre1"), "172.30.0.1/24", "172.16.0.1/24")
		// haveRoutes allows no others
		lab.Linux1.Run(t, "ip", "route", "del", "10.202.0.0/16", "dev", "gre1", "metric", "9")
		haveRoutes(t, c, wanted)
		lab.Linux1.Run(t, "ip", "route", "add", "10.202.0.0/16", "dev", "gre1", "metric", "9", "proto", "static")
	}
	many := spread(labRoutes4, wire.IPv4, 100, 200)
	check(many)
	check(append(spread(labRoutes4, wire.IPv4, 101, 30), many[:100]...))
	check(nil)
	check(many)
	check(many)
	untouched()
	if p := listed(t, c); p.Unsaved || p.Path != etcFile {
		t.Errorf("listed as %+v", p)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "down", "gre1")
	if lines := kernelRoutes(); slices.ContainsFunc(many, func(r labRoute) bool { return lines[r.ip] }) {
		t.Errorf("the tunnel is down, and its routes are there: %v", lines)
	}
	lab.Linux1.Run(t, "nmcli", "connection", "up", "gre1")
	haveRoutes(t, c, many)
}

// TestLabSetRoutesAtOnce checks ten times that the kernel has the routes when SetRoutes returns.
func TestLabSetRoutesAtOnce(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	for i := range 10 {
		wanted := spread(labRoutes4[:1], wire.IPv4, 100+i, 200)
		step(t, "200 routes", settingRoutes(c, wanted))
		got := strings.Count(show("ip", "route", "show", "dev", "gre1", "proto", "static"), fmt.Sprintf("10.%d.", 100+i))
		if got != len(wanted) {
			t.Errorf("round %d: the kernel has %d of %d routes", i, got, len(wanted))
		}
	}
}

// TestLabSetRoutesIPv6 has IPv6 in the tunnel, which NetworkManager switches off and on at every
// change. Its addresses and routes are there again when SetRoutes returns.
//
//lab:every
func TestLabSetRoutesIPv6(t *testing.T) {
	c := labClient(t)
	tunnel := labTunnel()
	tunnel.Addresses = append(tunnel.Addresses, want.CIDRs("fd00::1/64", "2001:db8:5::1/64")...)
	step(t, "Add", adding(c, tunnel))
	step(t, "Activate", on(c.Activate))
	untouched := undisturbed(t)
	both := append(spread(labRoutes4, wire.IPv4, 100, 100), spread(labRoutes6, wire.IPv6, 100, 100)...)
	for _, wanted := range [][]labRoute{both, both[:150], both[100:], both, nil, both} {
		step(t, fmt.Sprint(len(wanted), " routes"), settingRoutes(c, wanted))
		haveRoutes(t, c, wanted)
		wants(t, show("ip", "addr", "show", "gre1"), "172.16.0.1/24", "fd00::1/64", "2001:db8:5::1/64")
	}
	untouched()
	if p := listed(t, c); !p.Trial || p.Path != runFile {
		t.Errorf("listed as %+v", p)
	}
	step(t, "Deactivate", on(c.Deactivate))
	step(t, "Activate", on(c.Activate))
	haveRoutes(t, c, both)
}

// TestLabSetRoutesWeight has two tunnels with a route of the same destination and metric, each with
// a weight. NetworkManager makes one multipath route of them. One tunnel leaves it and joins again.
// NetworkManager before 1.46 leaves the first tunnel's single route beside it whenever one joins.
//
//lab:every
func TestLabSetRoutesWeight(t *testing.T) {
	c := labClient(t)
	ctx := soon(t, 2*labLimit)
	m, err := c.Manager(ctx)
	if err != nil {
		t.Fatal(err)
	}
	beside := hasQuirk(t, m.Version, "keeps single routes")
	dst := want.CIDR("10.66.0.0/16")
	set := func(n int, weight uint16) {
		t.Helper()
		var to []routes.Route
		if weight > 0 {
			to = []routes.Route{{Dst: dst, Metric: want.Ptr[uint32](300), Nexthops: []routes.Nexthop{{Weight: weight}}}}
		}
		if err := c.SetRoutes(ctx, dbustest.UUID[:35]+fmt.Sprint(n), nil, to); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 2; n++ {
		tunnel, uuid := labTunnel(), dbustest.UUID[:35]+fmt.Sprint(n)
		tunnel.Name, tunnel.InputKey, tunnel.OutputKey, tunnel.Routes = fmt.Sprint("gre", n), want.Ptr[gre.Key](gre.Key(n)), want.Ptr[gre.Key](gre.Key(n)), nil
		tunnel.Addresses = want.CIDRs(fmt.Sprintf("172.16.%d.1/24", n))
		if err := errors.Join(c.Add(ctx, uuid, tunnel), c.Activate(ctx, uuid)); err != nil {
			t.Fatal(err)
		}
	}
	const one, two = "10.66.0.0/16 dev gre1 proto static scope link metric 300", "10.66.0.0/16 dev gre2 proto static scope link metric 300"
	both := func(a, b int) string {
		return fmt.Sprintf("10.66.0.0/16 proto static scope link metric 300 nexthop dev gre1 weight %d nexthop dev gre2 weight %d", a, b)
	}
	for _, step := range []struct {
		tunnel int
		weight uint16
		want   string
	}{{1, 1, one}, {2, 2, both(1, 2)}, {1, 0, two}, {1, 7, both(7, 2)}, {2, 3, both(7, 3)}, {2, 0, one}, {1, 0, ""}} {
		set(step.tunnel, step.weight)
		got := strings.Join(strings.Fields(show("ip", "route", "show", dst.String())), " ")
		if beside && strings.Contains(got, "nexthop") {
			got = strings.TrimPrefix(strings.TrimPrefix(got, one+" "), two+" ")
		}
		if got != step.want {
			t.Errorf("gre%d with weight %d: got  %s\nwant %s", step.tunnel, step.weight, got, step.want)
		}
	}
}

// TestLabSetRoutesPending has a change in the profile that waits for the tunnel to come up again.
// The routes do not wait for it.
//
//lab:every
func TestLabSetRoutesPending(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	step(t, "Save", on(saving(c)))
	lab.Linux1.Run(t, "nmcli", "connection", "modify", "gre1", "ip-tunnel.ttl", "99", "ipv4.dns", "192.0.2.53")
	wanted := spread(labRoutes4, wire.IPv4, 100, 20)
	untouched := undisturbed(t)
	step(t, "20 routes", settingRoutes(c, wanted))
	haveRoutes(t, c, wanted)
	untouched()
	wants(t, show("ip", "-d", "link", "show", "gre1"), "ttl 64")
	wants(t, show("nmcli", "-g", "ip-tunnel.ttl,ipv4.dns", "connection", "show", "gre1"), "99", "192.0.2.53")
}

// TestLabSetRoutesDenied has a user whom polkit lets change the network, but profiles only with a
// password that nobody can give; and then the other way round. Nothing has changed in either case.
func TestLabSetRoutesDenied(t *testing.T) {
	c := labClient(t)
	const ann = 1000
	const rules = "/etc/polkit-1/rules.d/10-nmgre-test.rules"
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	step(t, "Save", on(saving(c)))
	t.Cleanup(func() { lab.Linux1.Try("rm", "-f", rules) })
	timestamp := regexp.MustCompile(`timestamp[=:]\d+`)
	for _, may := range []struct{ network, profiles string }{{"YES", "AUTH_ADMIN"}, {"NO", "YES"}} {
		lab.Linux1.Run(t, "sh", "-c", fmt.Sprintf(`printf '[main]\nauth-polkit=true\n' > /etc/NetworkManager/conf.d/zz-polkit.conf
			echo 'polkit.addRule(function(action, subject) { if (subject.user == "ann" && action.id == "org.freedesktop.NetworkManager.network-control") return polkit.Result.%s;
				if (subject.user == "ann") return polkit.Result.%s; });' > %s`, may.network, may.profiles, rules))
		lab.Linux1.RestartNM(t)
		untilUp(t, c)
		before, log := lab.Linux1.Snapshot(t), len(lab.Linux1.NMLog(t))
		said := child(t, ann, "routes").line
		t.Log(said)
		wants(t, said, "not permitted")
		if after := lab.Linux1.Snapshot(t); timestamp.ReplaceAllString(before, "") != timestamp.ReplaceAllString(after, "") {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		changed := regexp.MustCompile(`op="device-reapply" interface="gre1".*result="success"`).MatchString(lab.Linux1.NMLog(t)[log:])
		if changed != (may.network == "YES") {
			t.Errorf("the device was changed: %v", changed)
		}
	}
}

// TestLabSetRoutesRestart kills NetworkManager at different moments of a change. The second call
// completes it, except for routes without a device: a NetworkManager that finds them in the kernel
// does not take them for its own, and leaves them there for ever.
func TestLabSetRoutesRestart(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	step(t, "Save", on(saving(c)))
	kinds := slices.DeleteFunc(slices.Clone(labRoutes4), func(r labRoute) bool { return !r.route.Type.HasDevice() })
	for i, after := range []int{0, 30, 60, 100, 150} {
		wanted := spread(kinds, wire.IPv4, 100+i, 200)
		killed := make(chan struct{})
		time.AfterFunc(milliseconds(after), func() { lab.Linux1.KillNM(t); close(killed) })
		err := settingRoutes(c, wanted)(soon(t, labLimit))
		<-killed
		t.Logf("killed after %d ms: %v", after, err)
		if err != nil && !errors.Is(err, fault.ErrNoNetworkManager) {
			t.Errorf("got %v", err)
		}
		lab.Linux1.StartNM(t)
		untilUp(t, c)
		step(t, "200 routes", settingRoutes(c, wanted))
		haveRoutes(t, c, wanted)
	}
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// untilUp waits until NetworkManager lists the tunnel as active again.
func untilUp(t *testing.T, c *Client) {
	t.Helper()
	for end := time.Now().Add(labLimit); listed(t, c).State != nm.StateActive; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("listed as %+v", listed(t, c))
		}
	}
}

// TestLabSetRoutesHanging has NetworkManager not answer for a while. The call ends at the caller's
// deadline, and the second call completes the change.
func TestLabSetRoutesHanging(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	wanted := spread(labRoutes4, wire.IPv4, 100, 100)
	for _, after := range []int{0, 40, 80, 120} {
		stopped := make(chan error, 1)
		time.AfterFunc(milliseconds(after), func() { stopped <- syscall.Kill(lab.Linux1.NMPid(), syscall.SIGSTOP) })
		began := time.Now()
		err := settingRoutes(c, wanted)(soon(t, time.Second))
		took := time.Since(began)
		if err := errors.Join(<-stopped, syscall.Kill(lab.Linux1.NMPid(), syscall.SIGCONT)); err != nil {
			t.Fatal(err)
		}
		t.Logf("stopped after %d ms: %v after %v", after, err, took)
		if err != nil && !errors.Is(err, fault.ErrTimeout) || took > 3*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
		step(t, "again", settingRoutes(c, wanted))
		haveRoutes(t, c, wanted)
		step(t, "none", settingRoutes(c, nil))
	}
}

// TestLabSetRoutesActivating changes the routes of a tunnel that is coming up, early and late.
func TestLabSetRoutesActivating(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	for i, after := range []int{0, 20, 50, 100, 200} {
		step(t, "Deactivate", on(c.Deactivate))
		activated := make(chan error)
		go func() { activated <- c.Activate(soon(t, labLimit), dbustest.UUID) }()
		time.Sleep(milliseconds(after))
		wanted := spread(labRoutes4, wire.IPv4, 100+i, 50)
		step(t, "50 routes", settingRoutes(c, wanted))
		if err := <-activated; err != nil {
			t.Fatal(err)
		}
		haveRoutes(t, c, wanted)
	}
}

// TestLabOthers has another process try a tunnel. It lives, and then it is killed, each time with a
// restart of NetworkManager.
func TestLabOthers(t *testing.T) {
	c := labClient(t)
	before := lab.Linux1.Snapshot(t)
	p := child(t, 0, "trial")
	if p := listed(t, c); !p.Trial || p.Abandoned || p.State != nm.StateActive {
		t.Errorf("while it is tried: %+v", p)
	}
	lab.Linux1.RestartNM(t)
	if p := listed(t, c); !p.Trial || p.Abandoned || p.State != nm.StateActive {
		t.Errorf("while it is tried, after a restart of NetworkManager: %+v", p)
	}
	p.kill()
	if p := listed(t, c); !p.Trial || !p.Abandoned || p.State != nm.StateActive {
		t.Errorf("abandoned: %+v", p)
	}
	lab.Linux1.RestartNM(t)
	if p := listed(t, c); !p.Trial || !p.Abandoned {
		t.Errorf("abandoned, after a restart of NetworkManager: %+v", p)
	}
	step(t, "Delete", on(c.Delete))
	if after := lab.Linux1.Snapshot(t); after != before || hasLink("gre1") {
		t.Errorf("something is left:\n%s\nbefore:\n%s", after, before)
	}
}

// TestLabTrialOverRestart restarts NetworkManager during a trial, which can still be saved.
//
//lab:every
func TestLabTrialOverRestart(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	lab.Linux1.RestartNM(t)
	if p := listed(t, c); !p.Trial || p.Abandoned || !p.Unsaved || p.State != nm.StateActive {
		t.Errorf("listed as %+v", p)
	}
	step(t, "Save", on(saving(c)))
	checkSaved(t, c)
	lab.Linux1.RestartNM(t)
	checkSaved(t, c)
}

// TestLabDevicesOfOthers has devices that somebody else made, and profiles that look like those of
// a killed process, with the devices' names. With a profile goes only the link that it can have
// made.
//
//lab:every
func TestLabDevicesOfOthers(t *testing.T) {
	c := labClient(t)
	for _, device := range []struct {
		link string
		goes bool
	}{
		{"br9 type bridge", false},
		{"far9 type gre local " + lab.Linux1WAN + " remote 100.0.2.99 ttl 64", false},
		{"tap9 type gretap local " + lab.Linux1WAN + " remote " + lab.Linux2WAN + " ttl 64", false},
		{"own9 type gre local " + lab.Linux1WAN + " remote " + lab.Linux2WAN + " ttl 64", true},
	} {
		tunnel := labTunnel()
		tunnel.Name, _, _ = strings.Cut(device.link, " ")
		lab.Linux1.Run(t, "ip", append([]string{"link", "add"}, strings.Fields(device.link)...)...)
		lab.Linux1.Run(t, "ip", "link", "set", tunnel.Name, "up")
		if !within(t, labLimit, func() bool { return strings.Contains(show("nmcli", "-t", "-f", "DEVICE", "device"), tunnel.Name+"\n") }) {
			t.Fatal("NetworkManager does not see", tunnel.Name)
		}
		uuid := nm.NewUUID()
		if err := c.Add(soon(t, labLimit), uuid, tunnel); err != nil {
			t.Fatal(err)
		}
		if err := c.Delete(soon(t, labLimit), uuid); err != nil {
			t.Error(err)
		}
		gone := within(t, moment, func() bool { return !device.goes || !hasLink(tunnel.Name) })
		if !gone || hasLink(tunnel.Name) == device.goes {
			t.Errorf("%s: it is there: %v", device.link, hasLink(tunnel.Name))
		}
		if !device.goes {
			lab.Linux1.Run(t, "ip", "link", "del", tunnel.Name)
		}
	}
}

// TestLabReboot reboots the host during a trial. Nothing is left of the trial.
//
//lab:every
func TestLabReboot(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	step(t, "Activate", on(c.Activate))
	lab.Linux1.Reboot(t)
	profiles, err := c.List(soon(t, labLimit))
	if err != nil {
		t.Fatalf("the client does not survive the loss of its bus: %v", err)
	}
	for _, p := range profiles {
		if p.UUID == dbustest.UUID {
			t.Errorf("listed as %+v", p)
		}
	}
}

// TestLabWithoutNetworkManager stops NetworkManager. No method may start it.
func TestLabWithoutNetworkManager(t *testing.T) {
	c := labClient(t)
	lab.Linux1.StopNM(t)
	for name, method := range methods(c) {
		t.Log(name)
		check(t, method(soon(t, labLimit)), fault.ErrNoNetworkManager, "systemctl start NetworkManager")
	}
	if pid := lab.Linux1.NMPid(); pid != 0 {
		t.Errorf("NetworkManager runs as process %d", pid)
	}
	lab.Linux1.StartNM(t)
	step(t, "List", func(ctx context.Context) error { _, err := c.List(ctx); return err })
}

// TestLabHanging stops NetworkManager's process during an activation until the caller's deadline,
// and kills it during another one.
func TestLabHanging(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	signal := func(sig syscall.Signal) {
		if err := syscall.Kill(lab.Linux1.NMPid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	err := c.Activate(soon(t, time.Second), dbustest.UUID)
	signal(syscall.SIGCONT)
	check(t, err, fault.ErrTimeout, "time allowed")
	step(t, "Deactivate", on(c.Deactivate))

	signal(syscall.SIGSTOP)
	killed := make(chan time.Time, 1)
	time.AfterFunc(time.Second, func() { lab.Linux1.KillNM(t); killed <- time.Now() })
	check(t, c.Activate(soon(t, labLimit), dbustest.UUID), fault.ErrNoNetworkManager)
	if since := time.Since(<-killed); since > 5*time.Second {
		t.Errorf("it took %v", since)
	}
	lab.Linux1.StartNM(t)
	step(t, "Delete", on(c.Delete))
}

// TestLabRights has a user who may only look at profiles, and not at all of them.
func TestLabRights(t *testing.T) {
	c := labClient(t)
	const ann = 1000
	step(t, "Add", adding(c, labTunnel()))
	lab.Linux1.Run(t, "nmcli", "connection", "add", "type", "ip-tunnel", "ip-tunnel.mode", "gre", "con-name", "secret", "ifname", "gre9",
		"remote", lab.Linux2WAN, "connection.permissions", "user:root", "autoconnect", "no")
	var said map[string]string
	if err := json.Unmarshal([]byte(child(t, ann, "all").line), &said); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"Add", "Save", "Activate", "Delete", "SetRoutes"} {
		wants(t, said[method], "not permitted")
	}
	wants(t, said["Manager"], "no no")
	wants(t, said["List"], "gre1")
	if strings.Contains(said["List"], "secret") {
		t.Errorf("ann sees %s", said["List"])
	}
	step(t, "Activate", on(c.Activate))
	if err := json.Unmarshal([]byte(child(t, ann, "all").line), &said); err != nil {
		t.Fatal(err)
	}
	wants(t, said["Deactivate"], "not permitted")
	wants(t, said["Delete"], "not permitted")
	if p := listed(t, c); p.State != nm.StateActive {
		t.Errorf("ann took it down: %+v", p)
	}
}

// TestLabMany lists hundreds of tunnels, and compares with nmcli. Each new profile costs
// NetworkManager more than the last one, so that a thousand would take an emulated processor
// minutes.
func TestLabMany(t *testing.T) {
	c := labClient(t)
	const many = 300
	lab.Linux1.Run(t, "sh", "-c", fmt.Sprintf(`cd /etc/NetworkManager/system-connections && umask 077 && for i in $(seq %d); do
		printf '[connection]\nid=t%%d\nuuid=6f6e6d67-7265-4000-9000-%%012d\ntype=ip-tunnel\ninterface-name=t%%d\nautoconnect=false\n[ip-tunnel]\nmode=2\nlocal=%s\nremote=%s\nttl=64\ninput-key=%%d\noutput-key=%%d\n[ipv4]\nmethod=manual\naddress1=172.16.0.1/30\nroute1=10.20.0.0/16\n[ipv6]\nmethod=disabled\n' $i $i $i $i $i > t$i.nmconnection
		done; nmcli connection reload`, many, lab.Linux1WAN, lab.Linux2WAN))
	untilIdle(t)
	step(t, "List", func(ctx context.Context) error {
		profiles, err := c.List(ctx)
		if n := len(profiles); err == nil && n < many {
			t.Errorf("got %d profiles", n)
		}
		return err
	})
	var ours, theirs cost
	for range 3 {
		ours.add(t, exec.Command(self(t)), childEnv("list"))
		theirs.add(t, lab.Linux1.Command("nmcli", "-t", "connection", "show"), nil)
	}
	t.Logf("ours %v, nmcli %v: %.2f of the time, %.2f of the memory", ours, theirs, float64(ours.wall)/float64(theirs.wall), float64(ours.memory)/float64(theirs.memory))
	// The benchmark tells how much less, with the product and a thousand tunnels. Most of the
	// memory here is the test program's own.
	if ours.wall*4 > theirs.wall*3 || ours.memory >= theirs.memory {
		t.Error("that is too much")
	}
}

// untilIdle waits until NetworkManager has nothing to do.
func untilIdle(t *testing.T) {
	t.Helper()
	ticks := func() string {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", lab.Linux1.NMPid()))
		if err != nil {
			t.Fatal(err)
		}
		// these fields are right for a process whose name has no space
		return strings.Join(strings.Fields(string(stat))[13:15], " ")
	}
	last := ""
	for end := time.Now().Add(3 * labLimit); ticks() != last; time.Sleep(time.Second) {
		last = ticks()
		if time.Now().After(end) {
			t.Fatal("NetworkManager is busy without end")
		}
	}
}

// cost is the least time and memory that a command took.
type cost struct {
	wall   time.Duration
	memory int64 // KiB
}

func (c *cost) add(t *testing.T, cmd *exec.Cmd, env []string) {
	t.Helper()
	cmd.Env = append(os.Environ(), env...)
	began := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took := time.Since(began)
	if c.wall == 0 || took < c.wall {
		c.wall = took
	}
	memory := int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) //nolint:unconvert // an int32 on 32 bits
	if c.memory == 0 || memory < c.memory {
		c.memory = memory
	}
}

// TestLabSpeed logs how much time of an activation is ours. The rest is NetworkManager's, by its
// own log.
func TestLabSpeed(t *testing.T) {
	c := labClient(t)
	step(t, "Add", adding(c, labTunnel()))
	for range 3 {
		log := len(lab.Linux1.NMLog(t))
		began := time.Now()
		if err := c.Activate(soon(t, labLimit), dbustest.UUID); err != nil {
			t.Fatal(err)
		}
		ended := time.Now()
		news := lab.Linux1.NMLog(t)[log:]
		first, last := logTime(t, news, "Activation: starting connection"), logTime(t, news, "secondaries -> activated")
		t.Logf("Activate %v; NetworkManager's part %v; before it %v, after it %v", ended.Sub(began), last.Sub(first), first.Sub(began), ended.Sub(last))
		step(t, "Deactivate", on(c.Deactivate))
	}
}

// logTime returns the time at which NetworkManager logged the text.
func logTime(t *testing.T, log, text string) time.Time {
	t.Helper()
	m := regexp.MustCompile(`\[(\d+)\.(\d+)\] .*` + regexp.QuoteMeta(text)).FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("%q is not in:\n%s", text, log)
	}
	var seconds, fraction int64
	_, _ = fmt.Sscan(m[1], &seconds)
	_, _ = fmt.Sscan((m[2] + "000000000")[:9], &fraction)
	return time.Unix(seconds, fraction)
}

// The test binary is also the child of a test: another process, perhaps of another user, with a
// client of its own.
const childVariable = "NMGRE_DBUS_CHILD"

// self returns the file of the test binary, which every host of the lab sees.
func self(t *testing.T) string {
	t.Helper()
	file, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func childEnv(task string) []string {
	return []string{childVariable + "=" + task, "DBUS_SYSTEM_BUS_ADDRESS=" + lab.Linux1.BusAddress()}
}

type process struct {
	*exec.Cmd
	line string // its output when it was ready
}

func (p *process) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
}

// child starts a child of the user uid for a task, and returns when it is ready.
func child(t *testing.T, uid int, task string) *process {
	t.Helper()
	p := &process{Cmd: lab.Linux1.CommandAs(uid, self(t))}
	p.Env = append(os.Environ(), childVariable+"="+task)
	if uid == 0 {
		p.Cmd = lab.Linux1.Command(self(t))
		p.Env = append(os.Environ(), childVariable+"="+task)
	}
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	var line json.RawMessage
	if err := json.NewDecoder(out).Decode(&line); err != nil {
		t.Fatalf("the child said nothing: %v", err)
	}
	p.line = string(line)
	return p
}

func TestMain(m *testing.M) {
	if task := os.Getenv(childVariable); task != "" {
		os.Exit(runChild(task))
	}
	os.Exit(m.Run())
}

// runChild does the task of a child, and returns its exit status.
func runChild(task string) int {
	ctx := context.Background()
	c, err := Connect(ctx, Options{})
	if err == nil && task == "list" {
		_, err = c.List(ctx)
	}
	if err == nil && task == "trial" {
		err = errors.Join(c.Add(ctx, dbustest.UUID, labTunnel()), c.Activate(ctx, dbustest.UUID))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch task {
	case "trial":
		fmt.Println(`"ready"`)
		select {}
	case "routes":
		err := c.SetRoutes(ctx, dbustest.UUID, nil, dbustest.EveryRoute())
		_ = json.NewEncoder(os.Stdout).Encode(fmt.Sprint(err, strings.Join(fault.Hints(err), "; "), map[bool]string{true: "not permitted"}[errors.Is(err, fault.ErrNotPermitted)]))
	case "all":
		_ = json.NewEncoder(os.Stdout).Encode(tryAll(ctx, c))
	}
	return 0
}

// tryAll calls every method, and returns the error of each as text.
func tryAll(ctx context.Context, c *Client) map[string]string {
	said := make(map[string]string)
	for name, method := range methods(c) {
		err := method(ctx)
		said[name] = fmt.Sprint(err)
		if errors.Is(err, fault.ErrNotPermitted) {
			said[name] = "not permitted: " + said[name]
		}
	}
	m, err := c.Manager(ctx)
	said["Manager"] = fmt.Sprint(m.Modify, " ", m.Control, " ", err)
	profiles, err := c.List(ctx)
	var names []string
	for _, p := range profiles {
		names = append(names, p.ID)
	}
	slices.Sort(names)
	said["List"] = fmt.Sprint(names, err)
	return said
}
