package netlink

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// twoWires makes a namespace with devices v0 and w0 to a second one.
func twoWires(t *testing.T) *namespace {
	ns, far := newNamespace(t), newNamespace(t)
	cable(ns, "v0", far, "v1", 0)
	cable(ns, "w0", far, "w1", 1)
	return ns
}

// expect compares our routes that lead into a device with a list, by both ways to read them.
func (ns *namespace) expect(t *testing.T, dev string, want ...routes.Route) {
	t.Helper()
	own, err := ns.kernel.OwnRoutes(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	into, err := ns.kernel.Routes(context.Background(), dev, nil)
	if err != nil {
		t.Fatal(err)
	}
	into = slices.DeleteFunc(into, func(r kernel.HeldRoute) bool { return r.Protocol != kernel.RouteProtocol })
	var wantAll []kernel.HeldRoute
	for _, r := range want {
		wantAll = append(wantAll, kernel.HeldRoute{Route: r, Protocol: kernel.RouteProtocol})
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
	ns.IP(
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
	got, err := ns.kernel.Routes(ctx, "v0", nil)
	if err != nil {
		t.Fatal(err)
	}
	expected := []kernel.HeldRoute{
		{Route: routes.Route{Dst: want.CIDR("10.30.0.0/16"), Via: want.Addr("10.9.0.2"), Metric: metric(20)}, Protocol: unix.RTPROT_STATIC},
		{Route: routes.Route{Dst: want.CIDR("10.31.0.0/16")}, Protocol: unix.RTPROT_BOOT},
		{Route: routes.Route{Dst: want.CIDR("10.33.0.0/16"), Nexthops: []routes.Nexthop{
			{Via: want.Addr("10.9.1.2"), Dev: "w0"}, {}, {Via: want.Addr("10.9.1.2"), Dev: "w0", Weight: 5},
		}}, Protocol: unix.RTPROT_BOOT},
		{Route: routes.Route{Dst: want.CIDR("10.35.0.0/16"), Via: want.Addr("fe80::9")}, Protocol: unix.RTPROT_BOOT},
		{Route: routes.Route{Dst: want.CIDR("10.37.0.0/16"), NexthopID: 2}, Protocol: unix.RTPROT_BOOT},
	}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got  %+v\nwant %+v", got, expected)
	}
	few, err := ns.kernel.Routes(ctx, "v0", func(dst netip.Prefix) bool { return dst == expected[1].Dst || dst == expected[4].Dst })
	if err != nil || !reflect.DeepEqual(few, []kernel.HeldRoute{expected[1], expected[4]}) {
		t.Errorf("some of them: %+v, %v", few, err)
	}
	if own, err := ns.kernel.OwnRoutes(ctx); err != nil || own == nil || len(own) != 0 {
		t.Errorf("OwnRoutes: %+v, %v", own, err)
	}
}

// TestMultipathOfBothDevices lists a multipath route from each end.
func TestMultipathOfBothDevices(t *testing.T) {
	ns := twoWires(t)
	r := routes.Route{Dst: want.CIDR("10.20.0.0/16"), Nexthops: []routes.Nexthop{{}, {Dev: "w0", Weight: 2}}}
	ns.sync(t, into("v0", r), kernel.SyncOptions{})
	ns.expect(t, "v0", r)
	r.Nexthops = []routes.Nexthop{{Dev: "v0"}, {Weight: 2}}
	ns.expect(t, "w0", r)
}

// TestRefusals checks the kernel's own words, the kinds and the hints.
func TestRefusals(t *testing.T) {
	ns := twoWires(t)
	ns.IP("link add br0 type bridge") // a device that is down
	to, to6, mpls := want.CIDR("10.20.0.0/16"), want.CIDR("fd20::/32"), routes.EncapMPLS
	for name, c := range map[string]struct {
		dev   string
		route routes.Route
		kind  error
		text  string
	}{
		"gateway off the link": {"v0", routes.Route{Dst: to, Via: want.Addr("192.0.2.9")}, fault.ErrInvalid,
			"add route 10.20.0.0/16 via 192.0.2.9 into v0: Nexthop has invalid gateway"},
		"source of another host": {"v0", routes.Route{Dst: to, Src: want.Addr("192.0.2.9")}, fault.ErrInvalid,
			"add route 10.20.0.0/16 src 192.0.2.9 into v0: Invalid prefsrc address"},
		"device down": {"br0", routes.Route{Dst: to}, nil, "add route 10.20.0.0/16 into br0: Device for nexthop is not up"},
		"no device":   {"no\x1bne", routes.Route{Dst: to}, fault.ErrInvalid, `there is no network device "no\x1bne"`},
		"no device of a nexthop": {"v0", routes.Route{Dst: to, Nexthops: []routes.Nexthop{{}, {Dev: "none"}}}, fault.ErrInvalid,
			`there is no network device "none"`},
		"no device at all": {"", routes.Route{Dst: to}, fault.ErrInvalid, `there is no network device ""`},
		"no destination":   {"v0", routes.Route{}, fault.ErrInvalid, "the route has no destination"},
		"IPv4 for IPv6":    {"v0", routes.Route{Dst: to6, Via: want.Addr("10.9.0.2")}, fault.ErrInvalid, "10.9.0.2 is not of the destination's address family"},
		"source of another family": {"v0", routes.Route{Dst: to, Src: want.Addr("fd00::1")}, fault.ErrInvalid,
			"fd00::1 is not of the destination's address family"},
		"mapped":        {"v0", routes.Route{Dst: to6, Via: want.Addr("::ffff:10.9.0.2")}, fault.ErrInvalid, "is not of the destination's address family"},
		"heavy nexthop": {"v0", routes.Route{Dst: to, Nexthops: []routes.Nexthop{{}, {Weight: 257}}}, fault.ErrInvalid, "weight is 257"},
		"both": {"v0", routes.Route{Dst: to, Via: want.Addr("10.9.0.2"), Nexthops: []routes.Nexthop{{}, {}}}, fault.ErrInvalid,
			"either nexthops or a gateway"},
		"encap beside nexthops": {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: routes.EncapIP}, Nexthops: []routes.Nexthop{{}, {}}}, fault.ErrInvalid,
			"stands at each of them"},
		"too many nexthops": {"v0", routes.Route{Dst: to, Nexthops: make([]routes.Nexthop, 5000)}, fault.ErrInvalid, "too many nexthops"},
		"from":              {"v0", routes.Route{Dst: to, From: want.CIDR("10.0.0.0/8")}, fault.ErrInvalid, "cannot have a source prefix"},
		"expires":           {"v0", routes.Route{Dst: to, Expires: 5}, fault.ErrInvalid, "cannot expire"},
		"tos":               {"v0", routes.Route{Dst: to6, TOS: 4}, fault.ErrInvalid, "cannot have a tos"},
		"no labels":         {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: mpls}}, fault.ErrInvalid, "0 labels"},
		"label":             {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: mpls, Labels: []uint32{1 << 20}}}, fault.ErrInvalid, "the label 1048576"},
		"no segments":       {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: routes.EncapSEG6}}, fault.ErrInvalid, "0 segments"},
		"IPv4 segment": {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: routes.EncapSEG6, Segments: []netip.Addr{want.Addr("10.0.0.1")}}}, fault.ErrInvalid,
			"10.0.0.1 is not an IPv6 address"},
		"encap of another family": {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: routes.EncapIP6, Dst: want.Addr("10.0.0.1")}}, fault.ErrInvalid,
			"10.0.0.1 is not of the encap's address family"},
		"encap of a nexthop":        {"v0", routes.Route{Dst: to, Nexthops: []routes.Nexthop{{}, {Encap: &routes.Encap{Type: mpls}}}}, fault.ErrInvalid, "0 labels"},
		"unknown encap":             {"v0", routes.Route{Dst: to, Encap: &routes.Encap{Type: 99}}, fault.ErrInvalid, "type 99"},
		"long congctl":              {"v0", routes.Route{Dst: to, Metrics: congestion("sixteen-letters-", 0)}, fault.ErrInvalid, "more than 15"},
		"congctl":                   {"v0", routes.Route{Dst: to, Metrics: congestion("nobodys", 0)}, fault.ErrInvalid, "congestion"},
		"nexthop object":            {"", routes.Route{Dst: to, NexthopID: 99}, fault.ErrInvalid, "Nexthop id does not exist"},
		"type nat":                  {"v0", routes.Route{Dst: to, Type: routes.TypeNAT}, fault.ErrInvalid, "nvalid"},
		"IPv6 gateway off the link": {"v0", routes.Route{Dst: to6, Via: want.Addr("fd99::9")}, fault.ErrInvalid, "via fd99::9"},
	} {
		t.Run(name, func(t *testing.T) {
			r := ns.sync(t, into(c.dev, c.route), kernel.SyncOptions{})
			if len(r.Refused) != 1 || len(r.Added) != 0 {
				t.Fatalf("%+v", r)
			}
			err := r.Refused[0].Err
			if !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "add route ") || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("got %v", err)
			}
			if c.kind != nil && !errors.Is(err, c.kind) {
				t.Errorf("kind of %v", err)
			}
			t.Log(err, fault.Hints(err))
		})
	}
	if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
		t.Errorf("left: %s", left)
	}
	if _, err := ns.kernel.Routes(context.Background(), "none", nil); !errors.Is(err, fault.ErrInvalid) {
		t.Errorf("Routes of no device: %v", err)
	}
}

// TestKernelsDiffer sets routes that some kernels support and others do not. A refusal has the
// kernel's own words and a hint.
func TestKernelsDiffer(t *testing.T) {
	ns := twoWires(t)
	for name, c := range map[string]struct {
		route routes.Route
		kind  error
		words string
	}{
		"mpls": {routes.Route{Dst: want.CIDR("10.20.0.0/16"), Encap: &routes.Encap{Type: routes.EncapMPLS, Labels: []uint32{16}}},
			fault.ErrUnsupported, "encapsulation type not supported"},
		"IPv6 paths straight to devices": {routes.Route{Dst: want.CIDR("fd20::/32"), Nexthops: []routes.Nexthop{{}, {Dev: "w0"}}},
			fault.ErrInvalid, "Device only routes can not be added for IPv6 using the multipath API"},
		"IPv6 paths, one straight to a device": {routes.Route{Dst: want.CIDR("fd20::/32"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00::2")}, {Dev: "w0"}}},
			fault.ErrInvalid, "Device only routes can not be added for IPv6 using the multipath API"},
	} {
		r := ns.sync(t, into("v0", c.route), kernel.SyncOptions{})
		if len(r.Refused) == 0 {
			t.Logf("%s: this kernel has it", name)
			if again := ns.sync(t, into("v0", c.route), kernel.SyncOptions{}); again.Unchanged != 1 {
				t.Errorf("%s, the second time: %s", name, counts(again))
			}
			continue
		}
		err := r.Refused[0].Err
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.words) || len(fault.Hints(err)) == 0 {
			t.Errorf("%s: %v %v", name, err, fault.Hints(err))
		}
		t.Log(err, fault.Hints(err))
	}
}

// TestNotPermitted asks for changes on a thread that has lost its capabilities.
func TestNotPermitted(t *testing.T) {
	ns := newNamespace(t)
	if !ns.kernel.CanChange() {
		t.Error("root cannot change routes")
	}
	var can bool
	var change, dry error
	ns.DropCapabilities()
	_ = ns.Do(func() error {
		can = ns.kernel.CanChange()
		_, change = ns.kernel.SyncRoutes(context.Background(), into("lo", routes.Route{Dst: want.CIDR("10.0.0.0/8")}), kernel.SyncOptions{})
		_, dry = ns.kernel.SyncRoutes(context.Background(), into("lo", routes.Route{Dst: want.CIDR("10.0.0.0/8")}), kernel.SyncOptions{DryRun: true})
		return nil
	})
	if can {
		t.Error("CanChange without capabilities")
	}
	if !errors.Is(change, fault.ErrNotPermitted) || len(fault.Hints(change)) == 0 {
		t.Errorf("got %v", change)
	}
	if dry != nil {
		t.Errorf("a dry run: %v", dry)
	}
}

// TestConcurrent uses one Kernel from several goroutines.
func TestConcurrent(t *testing.T) {
	ns, ctx := twoWires(t), context.Background()
	var wanted []kernel.OwnRoute
	for i := range 600 { // more than a batch
		wanted = append(wanted, into("v0", routes.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 50, byte(i >> 8), byte(i)}), 32)})...)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				if _, err := ns.kernel.SyncRoutes(ctx, wanted, kernel.SyncOptions{}); err != nil {
					t.Error(err)
				}
				if hop, err := ns.kernel.Lookup(ctx, kernel.Query{To: want.Addr("10.50.1.1")}); err != nil || hop.Dev != "v0" {
					t.Errorf("%+v, %v", hop, err)
				}
				if _, err := ns.kernel.Links(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if own, err := ns.kernel.OwnRoutes(ctx); err != nil || len(own["v0"]) != len(wanted) {
		t.Errorf("%d routes, %v", len(own["v0"]), err)
	}
}

// TestWhileChanging lists links and addresses while they come and go. The kernel then breaks dumps
// off, which must have no effect on the result.
func TestWhileChanging(t *testing.T) {
	ns, ctx := newNamespace(t), context.Background()
	ns.manyDevices(60) // so that a dump has several parts
	var other *Kernel
	err := ns.Do(func() (err error) {
		other, err = New()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	bridge := wire.AppendAttribute(make([]byte, unix.SizeofIfInfomsg), unix.IFLA_IFNAME, []byte("brx\x00"))
	bridge = wire.AppendAttribute(bridge, unix.IFLA_LINKINFO, wire.AppendAttribute(nil, unix.IFLA_INFO_KIND, []byte("bridge\x00")))
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
