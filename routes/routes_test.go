package routes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre"
)

func metric(n uint32) *uint32 { return &n }

// routeCases are routes that can be added in a namespace of [twoWires], with the words that make `ip route` add the same.
var routeCases = []struct {
	route nmgre.Route
	words string
}{
	{nmgre.Route{Dst: prefix("10.20.0.0/16")}, "10.20.0.0/16 dev v0"},
	{nmgre.Route{Dst: prefix("10.20.0.0/16"), Via: addr("10.9.0.2")}, "10.20.0.0/16 via 10.9.0.2 dev v0"},
	{nmgre.Route{Dst: prefix("10.20.0.0/16"), Metric: metric(50)}, "10.20.0.0/16 dev v0 metric 50"},
	{nmgre.Route{Dst: prefix("0.0.0.0/0"), Via: addr("10.9.0.2")}, "default via 10.9.0.2 dev v0"},
	{nmgre.Route{Dst: prefix("10.20.1.1/32"), Table: 100}, "10.20.1.1 dev v0 table 100"},
	{nmgre.Route{Dst: prefix("10.20.1.1/32"), Table: 4294967295}, "10.20.1.1 dev v0 table 4294967295"},
	{nmgre.Route{Dst: prefix("10.20.0.0/16"), Src: addr("10.9.0.1"), MTU: 1300}, "10.20.0.0/16 dev v0 src 10.9.0.1 mtu 1300"},
	{nmgre.Route{Dst: prefix("10.20.0.0/16"), MTU: 1300, MTULock: true}, "10.20.0.0/16 dev v0 mtu lock 1300"},
	{nmgre.Route{Dst: prefix("10.20.0.0/16"), Via: addr("192.0.2.9"), OnLink: true}, "10.20.0.0/16 via 192.0.2.9 dev v0 onlink"},
	{
		nmgre.Route{Dst: prefix("10.20.0.0/16"), Nexthops: []nmgre.Nexthop{{Via: addr("10.9.0.2")}, {Via: addr("10.9.1.2"), Dev: "w0", Weight: 256}}},
		"10.20.0.0/16 nexthop via 10.9.0.2 dev v0 nexthop via 10.9.1.2 dev w0 weight 256",
	},
	{
		nmgre.Route{Dst: prefix("10.20.0.0/16"), Metric: metric(7), Nexthops: []nmgre.Nexthop{{}, {Via: addr("192.0.2.9"), Dev: "w0", Weight: 2, OnLink: true}}},
		"10.20.0.0/16 metric 7 nexthop dev v0 nexthop via 192.0.2.9 dev w0 weight 2 onlink",
	},
	{nmgre.Route{Dst: prefix("fd20::/32")}, "fd20::/32 dev v0"},
	{nmgre.Route{Dst: prefix("::/0"), Via: addr("fd00:0::2")}, "default via fd00::2 dev v0"},
	{nmgre.Route{Dst: prefix("fd20::/32"), Via: addr("fe80::2"), Metric: metric(50), Table: 1000}, "fd20::/32 via fe80::2 dev v0 metric 50 table 1000"},
	{
		nmgre.Route{Dst: prefix("fd20::1/128"), Src: addr("fd00:0::1"), MTU: 1300, MTULock: true},
		"fd20::1 dev v0 src fd00::1 mtu lock 1300",
	},
	{nmgre.Route{Dst: prefix("fd20::/32"), Via: addr("fd99::9"), OnLink: true}, "fd20::/32 via fd99::9 dev v0 onlink"},
	{
		nmgre.Route{Dst: prefix("fd20::/32"), Nexthops: []nmgre.Nexthop{{Via: addr("fd00:0::2")}, {Via: addr("fd00:1::2"), Dev: "w0", Weight: 3}}},
		"fd20::/32 nexthop via fd00::2 dev v0 nexthop via fd00:1::2 dev w0 weight 3",
	},
}

// twoWires makes a namespace with devices v0 and w0 to a second one.
func twoWires(t *testing.T) *namespace {
	ns, far := newNamespace(t), newNamespace(t)
	wire(ns, "v0", far, "v1", 0)
	wire(ns, "w0", far, "w1", 1)
	return ns
}

// ipRoutes is what `ip -j -d route` says of our protocol, or of another, in every table.
func (ns *namespace) ipRoutes(protocol int) string {
	var all []string
	for _, family := range []string{"-4", "-6"} {
		var routes []map[string]any
		out := ns.ip(fmt.Sprintf("%s -j -d -N route show table all proto %d", family, protocol))
		if err := json.Unmarshal([]byte(cmp.Or(strings.TrimSpace(out), "[]")), &routes); err != nil {
			ns.t.Fatal(err)
		}
		for _, r := range routes {
			delete(r, "protocol")
			text, _ := json.Marshal(r) // sorts the keys
			all = append(all, string(text))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestRoutes adds each route, compares it with what `ip route` makes of its words, reads it back and deletes it.
func TestRoutes(t *testing.T) {
	ns, ctx := twoWires(t), context.Background()
	for _, c := range routeCases {
		t.Run(c.words, func(t *testing.T) {
			family := "-4"
			if c.route.Dst.Addr().Is6() {
				family = "-6" // "default" does not say it
			}
			words := strings.Replace(c.words, " ", " proto 77 ", 1)
			ns.ip(family + " route add " + words)
			want := ns.ipRoutes(77)
			ns.ip(family + " route del " + words)

			if err := ns.kernel.AddRoute(ctx, "v0", c.route); err != nil {
				t.Fatal(err)
			}
			if got := ns.ipRoutes(nmgre.RouteProtocol); got != want || got == "" {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			ns.expect(t, "v0", c.route)
			if err := ns.kernel.AddRoute(ctx, "v0", c.route); !errors.Is(err, nmgre.ErrExists) || len(nmgre.Hints(err)) == 0 {
				t.Errorf("added twice: %v", err)
			}
			if err := ns.kernel.ReplaceRoute(ctx, "v0", c.route); err != nil {
				t.Errorf("replace: %v", err)
			}
			ns.expect(t, "v0", c.route)
			for range 2 {
				if err := ns.kernel.DeleteRoute(ctx, "v0", c.route); err != nil {
					t.Errorf("delete: %v", err)
				}
				ns.expect(t, "v0")
			}
		})
	}
}

// expect compares the routes of ours that lead into a device, by both ways to list them.
func (ns *namespace) expect(t *testing.T, dev string, want ...nmgre.Route) {
	t.Helper()
	own, err := ns.kernel.OwnRoutes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	into, err := ns.kernel.Routes(context.Background(), dev)
	if err != nil {
		t.Fatal(err)
	}
	into = slices.DeleteFunc(into, func(r nmgre.KernelRoute) bool { return r.Protocol != nmgre.RouteProtocol })
	var wantAll []nmgre.KernelRoute
	for _, r := range want {
		wantAll = append(wantAll, nmgre.KernelRoute{Route: r, Protocol: nmgre.RouteProtocol})
	}
	if len(wantAll)+len(into) > 0 && !reflect.DeepEqual(into, wantAll) {
		t.Errorf("Routes: got  %+v\nwant %+v", into, wantAll)
	}
	if len(wantAll)+len(own[dev]) > 0 && !reflect.DeepEqual(own[dev], wantAll) {
		t.Errorf("OwnRoutes: got  %+v\nwant %+v", own[dev], wantAll)
	}
}

// TestRoutesOfOthers lists routes as other programs make them.
func TestRoutesOfOthers(t *testing.T) {
	ns, ctx := twoWires(t), context.Background()
	ns.ip(
		"route add 10.30.0.0/16 via 10.9.0.2 dev v0 proto static metric 20",
		"route add 10.31.0.0/16 dev v0",
		"route add 10.32.0.0/16 dev w0",
		"route add 10.33.0.0/16 nexthop via 10.9.1.2 dev w0 nexthop dev v0 nexthop via 10.9.1.2 dev w0 weight 5",
		"route add blackhole 10.34.0.0/16",
		"route add 10.35.0.0/16 via inet6 fe80::9 dev v0",
		"route add local 10.36.0.0/16 dev v0 table 50",
		"nexthop add id 1 via 10.9.0.2 dev v0",
		"nexthop add id 2 group 1",
		"route add 10.37.0.0/16 nhid 2",
		"route add unreachable fd34::/16 dev v0",
	)
	got, err := ns.kernel.Routes(ctx, "v0")
	if err != nil {
		t.Fatal(err)
	}
	want := []nmgre.KernelRoute{
		{Route: nmgre.Route{Dst: prefix("10.30.0.0/16"), Via: addr("10.9.0.2"), Metric: metric(20)}, Protocol: unix.RTPROT_STATIC},
		{Route: nmgre.Route{Dst: prefix("10.31.0.0/16")}, Protocol: unix.RTPROT_BOOT},
		{Route: nmgre.Route{Dst: prefix("10.33.0.0/16"), Nexthops: []nmgre.Nexthop{
			{Via: addr("10.9.1.2"), Dev: "w0"}, {}, {Via: addr("10.9.1.2"), Dev: "w0", Weight: 5},
		}}, Protocol: unix.RTPROT_BOOT},
		{Route: nmgre.Route{Dst: prefix("10.35.0.0/16"), Via: addr("fe80::9")}, Protocol: unix.RTPROT_BOOT},
		{Route: nmgre.Route{Dst: prefix("10.37.0.0/16"), Via: addr("10.9.0.2")}, Protocol: unix.RTPROT_BOOT},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if own, err := ns.kernel.OwnRoutes(ctx); err != nil || own == nil || len(own) != 0 {
		t.Errorf("OwnRoutes: %+v, %v", own, err)
	}
}

// TestMultipathOfBothDevices lists a multipath route from each end.
func TestMultipathOfBothDevices(t *testing.T) {
	ns := twoWires(t)
	r := nmgre.Route{Dst: prefix("10.20.0.0/16"), Nexthops: []nmgre.Nexthop{{}, {Dev: "w0", Weight: 2}}}
	if err := ns.kernel.AddRoute(context.Background(), "v0", r); err != nil {
		t.Fatal(err)
	}
	ns.expect(t, "v0", r)
	r.Nexthops = []nmgre.Nexthop{{Dev: "v0"}, {Weight: 2}}
	ns.expect(t, "w0", r)
}

// TestDeleteOnlyThat checks that a deletion takes the one route that it names, and no route of others.
func TestDeleteOnlyThat(t *testing.T) {
	for _, network := range []string{"10.20.0.0/16", "fd20::/32"} {
		t.Run(network, func(t *testing.T) {
			ns, ctx := twoWires(t), context.Background()
			plain := nmgre.Route{Dst: prefix(network)}
			at50, in100 := plain, plain
			at50.Metric, in100.Table = metric(50), 100
			for _, r := range []nmgre.Route{at50, in100} {
				if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
					t.Fatal(err)
				}
			}
			ns.ip("route add " + network + " dev v0 proto static")
			others := ns.ipRoutes(unix.RTPROT_STATIC)
			remove := func(dev string, r nmgre.Route) {
				t.Helper()
				if err := ns.kernel.DeleteRoute(ctx, dev, r); err != nil {
					t.Error(err)
				}
			}
			// There is none of ours without a metric in the main table; of the others there is one.
			remove("v0", plain)
			remove("w0", at50)
			remove("none", at50)
			remove("none", nmgre.Route{Dst: plain.Dst, Nexthops: []nmgre.Nexthop{{}, {Dev: "w0"}}})
			ns.expect(t, "v0", ns.inOrder(at50, in100)...)
			remove("v0", at50)
			ns.expect(t, "v0", in100)
			remove("v0", in100)
			ns.expect(t, "v0")
			if now := ns.ipRoutes(unix.RTPROT_STATIC); now != others || now == "" {
				t.Errorf("of others: %s\nbefore %s", now, others)
			}
		})
	}
}

// TestDeleteWhenDeviceIsGone deletes multipath routes one of whose devices is no more: nothing of ours is left.
func TestDeleteWhenDeviceIsGone(t *testing.T) {
	for _, c := range []struct{ network, one, two string }{{"10.20.0.0/16", "10.9.0.2", "10.9.1.2"}, {"fd20::/32", "fd00:0::2", "fd00:1::2"}} {
		for _, gone := range []string{"v0", "w0"} {
			ns, ctx := twoWires(t), context.Background()
			r := nmgre.Route{Dst: prefix(c.network), Nexthops: []nmgre.Nexthop{{Via: addr(c.one)}, {Via: addr(c.two), Dev: "w0"}}}
			if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
				t.Fatal(err)
			}
			ns.ip("link del dev " + gone)
			t.Logf("%s without %s: %s", c.network, gone, ns.ipRoutes(nmgre.RouteProtocol))
			if err := ns.kernel.DeleteRoute(ctx, "v0", r); err != nil {
				t.Error(err)
			}
			if left := ns.ipRoutes(nmgre.RouteProtocol); left != "" {
				t.Errorf("left: %s", left)
			}
		}
	}
}

// inOrder returns routes in the order in which the kernel lists their tables.
func (ns *namespace) inOrder(routes ...nmgre.Route) []nmgre.Route {
	all, err := ns.kernel.Routes(context.Background(), "v0")
	if err != nil {
		ns.t.Fatal(err)
	}
	at := func(r nmgre.Route) int {
		return slices.IndexFunc(all, func(k nmgre.KernelRoute) bool { return reflect.DeepEqual(k.Route, r) })
	}
	slices.SortFunc(routes, func(a, b nmgre.Route) int { return at(a) - at(b) })
	return routes
}

func TestReplace(t *testing.T) {
	ns, ctx := twoWires(t), context.Background()
	r := nmgre.Route{Dst: prefix("10.20.0.0/16"), Metric: metric(50)}
	for _, r.Via = range []netip.Addr{{}, addr("10.9.0.2"), addr("10.9.0.3")} {
		if err := ns.kernel.ReplaceRoute(ctx, "v0", r); err != nil {
			t.Fatal(err)
		}
		ns.expect(t, "v0", r)
	}
	ns.ip("route add 10.21.0.0/16 dev w0 proto static")
	r = nmgre.Route{Dst: prefix("10.21.0.0/16")}
	if err := ns.kernel.AddRoute(ctx, "v0", r); !errors.Is(err, nmgre.ErrExists) {
		t.Errorf("beside a route of others: %v", err)
	}
	if err := ns.kernel.ReplaceRoute(ctx, "v0", r); err != nil {
		t.Error(err)
	}
	if left := ns.ipRoutes(unix.RTPROT_STATIC); left != "" {
		t.Errorf("the other's route is still there: %s", left)
	}
}

// TestRefusals checks the kernel's own words, the kinds and the hints.
func TestRefusals(t *testing.T) {
	ns := twoWires(t)
	ns.ip("link add br0 type bridge") // a device that is down
	to := prefix("10.20.0.0/16")
	for name, c := range map[string]struct {
		dev   string
		route nmgre.Route
		kind  error
		text  string
	}{
		"gateway off the link": {"v0", nmgre.Route{Dst: to, Via: addr("192.0.2.9")}, nmgre.ErrInvalid,
			"add route 10.20.0.0/16 via 192.0.2.9 into v0: Nexthop has invalid gateway"},
		"source of another host": {"v0", nmgre.Route{Dst: to, Src: addr("192.0.2.9")}, nmgre.ErrInvalid,
			"add route 10.20.0.0/16 src 192.0.2.9 into v0: Invalid prefsrc address"},
		"device down": {"br0", nmgre.Route{Dst: to}, nil, "add route 10.20.0.0/16 into br0: Device for nexthop is not up"},
		"no device":   {"no\x1bne", nmgre.Route{Dst: to}, nmgre.ErrInvalid, `there is no network device "no\x1bne"`},
		"no device of a nexthop": {"v0", nmgre.Route{Dst: to, Nexthops: []nmgre.Nexthop{{}, {Dev: "none"}}}, nmgre.ErrInvalid,
			`there is no network device "none"`},
		"no destination": {"v0", nmgre.Route{}, nmgre.ErrInvalid, "the route has no destination"},
		"other family":   {"v0", nmgre.Route{Dst: to, Via: addr("fd00::2")}, nmgre.ErrInvalid, "fd00::2 is not of the destination's address family"},
		"heavy nexthop":  {"v0", nmgre.Route{Dst: to, Nexthops: []nmgre.Nexthop{{Weight: 257}}}, nmgre.ErrInvalid, "weight is 257"},
		"both": {"v0", nmgre.Route{Dst: to, Via: addr("10.9.0.2"), Nexthops: []nmgre.Nexthop{{}, {}}}, nmgre.ErrInvalid,
			"either nexthops or a gateway"},
		"IPv6 gateway off the link": {"v0", nmgre.Route{Dst: prefix("fd20::/32"), Via: addr("fd99::9")}, nmgre.ErrInvalid, "via fd99::9"},
	} {
		t.Run(name, func(t *testing.T) {
			err := ns.kernel.AddRoute(context.Background(), c.dev, c.route)
			if err == nil || !strings.Contains(err.Error(), c.text) || strings.ContainsRune(err.Error(), 0x1b) {
				t.Fatalf("got %v", err)
			}
			if c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("kind of %v", err)
			}
			t.Log(err, nmgre.Hints(err))
		})
	}
	if _, err := ns.kernel.Routes(context.Background(), "none"); !errors.Is(err, nmgre.ErrInvalid) {
		t.Errorf("Routes of no device: %v", err)
	}
}

// TestNotPermitted asks for changes on a thread that has lost its capabilities.
func TestNotPermitted(t *testing.T) {
	ns := newNamespace(t)
	if !ns.kernel.CanChange() {
		t.Error("root cannot change routes")
	}
	var can bool
	var change error
	_ = ns.do(func() error {
		dropCapabilities()
		can = ns.kernel.CanChange()
		change = ns.kernel.AddRoute(context.Background(), "lo", nmgre.Route{Dst: prefix("10.0.0.0/8")})
		return nil
	})
	if can {
		t.Error("CanChange without capabilities")
	}
	if !errors.Is(change, nmgre.ErrNotPermitted) || len(nmgre.Hints(change)) == 0 {
		t.Errorf("got %v", change)
	}
}

// dropCapabilities takes every capability from the calling thread.
func dropCapabilities() {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		panic(err)
	}
}

// TestConcurrent uses one Kernel from several goroutines.
func TestConcurrent(t *testing.T) {
	ns, ctx := twoWires(t), context.Background()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				r := nmgre.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 50, byte(i), byte(j)}), 32)}
				if err := ns.kernel.AddRoute(ctx, "v0", r); err != nil {
					t.Error(err)
				}
				if hop, err := ns.kernel.Lookup(ctx, nmgre.Query{To: r.Dst.Addr()}); err != nil || hop.Dev != "v0" {
					t.Errorf("%+v, %v", hop, err)
				}
				if _, err := ns.kernel.Links(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if own, err := ns.kernel.OwnRoutes(ctx); err != nil || len(own["v0"]) != 160 {
		t.Errorf("%d routes, %v", len(own["v0"]), err)
	}
}

// TestWhileChanging lists links and addresses while they come and go: the kernel then breaks dumps off, which nobody shall notice.
func TestWhileChanging(t *testing.T) {
	ns, ctx := newNamespace(t), context.Background()
	ns.manyDevices(60) // so that a dump has several parts
	var other *Kernel
	err := ns.do(func() (err error) {
		other, err = New()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	bridge := appendAttribute(make([]byte, unix.SizeofIfInfomsg), unix.IFLA_IFNAME, []byte("brx\x00"))
	bridge = appendAttribute(bridge, unix.IFLA_LINKINFO, appendAttribute(nil, unix.IFLA_INFO_KIND, []byte("bridge\x00")))
	var changing sync.WaitGroup
	stop := make(chan struct{})
	changing.Go(func() {
		for {
			for _, kind := range []int{unix.RTM_NEWLINK, unix.RTM_DELLINK} {
				r := request{kind: kind, flags: unix.NLM_F_CREATE | unix.NLM_F_ACK, body: bridge}
				if err := other.exchange(ctx, r, nothing); err != nil {
					t.Error(err)
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	broken := 0
	for range 200 {
		if links, err := ns.kernel.Links(ctx); err != nil || len(links) < 60 {
			t.Errorf("%d links, %v", len(links), err)
		}
		r := linkRequest(0, "", 0)
		r.flags = unix.NLM_F_DUMP
		if errors.Is(ns.kernel.exchange(ctx, r, nothing), nl.ErrDumpInterrupted) {
			broken++
		}
	}
	close(stop)
	changing.Wait()
	t.Logf("%d of 200 single dumps were broken off", broken)
}

func TestClosed(t *testing.T) {
	k, err := New()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	if _, err := k.Links(context.Background()); err == nil {
		t.Error("a closed Kernel answered")
	}
}
