package netlink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

// own makes a list of wanted routes into dev, or into the device that a route has before a colon.
func own(t testing.TB, dev string, specs ...string) []kernel.OwnRoute {
	t.Helper()
	var list []kernel.OwnRoute
	for _, spec := range specs {
		r, err := routes.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, kernel.OwnRoute{Dev: dev, Route: &r})
	}
	return list
}

// into makes wanted routes of routes into a device.
func into(dev string, list ...routes.Route) []kernel.OwnRoute {
	var want []kernel.OwnRoute
	for _, r := range list {
		want = append(want, kernel.OwnRoute{Dev: dev, Route: &r})
	}
	return want
}

func (ns *namespace) sync(t *testing.T, want []kernel.OwnRoute, opts kernel.SyncOptions) kernel.SyncResult {
	t.Helper()
	result, err := ns.kernel.SyncRoutes(t.Context(), want, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func counts(r kernel.SyncResult) string {
	return fmt.Sprintf("added %v replaced %v unchanged %d removed %d refused %d", r.Added, r.Replaced, r.Unchanged, r.Removed, len(r.Refused))
}

func TestSyncRoutes(t *testing.T) {
	ns := twoWires(t)
	want := own(t, "v0", "10.1.0.0/16", "10.2.0.0/16 metric 50 table 1000", "10.3.0.0/16 nexthop dev v0 weight 3 nexthop dev w0", "10.4.0.0/16 mtu lock 1400",
		"2001:db8:1::/48", "2001:db8:2::/48 metric 7 mtu 1300")
	ns.IP("route add 10.9.0.0/16 dev v0 proto static")
	others := ns.ipRoutes(4)
	for i, step := range []struct {
		want []kernel.OwnRoute
		dry  bool
		says string
	}{
		{want, true, "added [0 1 2 3 4 5] replaced [] unchanged 0 removed 0 refused 0"},
		{want, false, "added [0 1 2 3 4 5] replaced [] unchanged 0 removed 0 refused 0"},
		{want, false, "added [] replaced [] unchanged 6 removed 0 refused 0"},
		{own(t, "v0", "10.1.0.0/16 mtu 1400", "10.2.0.0/16 metric 50 table 1000", "10.5.0.0/16", "2001:db8:1::/48 mtu 1400"), false,
			"added [2] replaced [0 3] unchanged 1 removed 3 refused 0"},
		{own(t, "v0", "10.1.0.0/16", "10.9.0.0/16", "10.1.0.0/16 mtu 1300", "10.6.0.0/16 via 192.0.2.1", "10.7.0.0/16"), false,
			"added [4] replaced [0] unchanged 0 removed 3 refused 3"},
		{own(t, "v0", "10.1.0.0/16", "10.7.0.0/16"), true, "added [] replaced [] unchanged 2 removed 0 refused 0"},
		{nil, false, "added [] replaced [] unchanged 0 removed 2 refused 0"},
	} {
		before := ns.ipRoutes(kernel.RouteProtocol)
		result := ns.sync(t, step.want, kernel.SyncOptions{DryRun: step.dry})
		if got := counts(result); got != step.says {
			t.Errorf("step %d: %s, want %s: %v", i, got, step.says, result.Refused)
		}
		if step.dry && ns.ipRoutes(kernel.RouteProtocol) != before {
			t.Errorf("step %d: a dry run has changed the routes", i)
		}
	}
	if got := ns.ipRoutes(kernel.RouteProtocol); got != "" {
		t.Errorf("left over: %s", got)
	}
	if got := ns.ipRoutes(4); got != others {
		t.Errorf("somebody else's routes: %s, were %s", got, others)
	}
}

// Each refused route has the kernel's reason. The others are set, in any number.
func TestSyncRefuses(t *testing.T) {
	ns := twoWires(t)
	ns.IP("route add 10.9.0.0/16 dev v0 proto static")
	want := own(t, "v0")
	for i := range 1000 {
		want = append(want, own(t, "v0", fmt.Sprintf("10.%d.%d.0/24", 10+i/256, i%256))...)
	}
	want[300] = own(t, "v0", "10.9.0.0/16")[0]
	want[600] = own(t, "v0", "10.8.0.0/16 via 192.0.2.1")[0]
	want[999] = own(t, "gone0", "10.7.0.0/16")[0]
	result := ns.sync(t, want, kernel.SyncOptions{})
	slices.SortFunc(result.Refused, func(a, b kernel.Refusal) int { return a.Index - b.Index })
	var got []string
	for _, r := range result.Refused {
		got = append(got, fmt.Sprintf("%d: %v", r.Index, r.Err))
	}
	for i, part := range []string{"300: add route 10.9.0.0/16 into v0: ", "600: add route 10.8.0.0/16 via 192.0.2.1 into v0: Nexthop has invalid gateway", "999: "} {
		if i >= len(got) || !strings.HasPrefix(got[i], part) {
			t.Fatalf("%q, want %q", got, part)
		}
	}
	if !errors.Is(result.Refused[0].Err, fault.ErrExists) || !errors.Is(result.Refused[1].Err, fault.ErrInvalid) || !errors.Is(result.Refused[2].Err, fault.ErrInvalid) {
		t.Errorf("%v", got)
	}
	if n := strings.Count(ns.ipRoutes(kernel.RouteProtocol), "\n") + 1; n != 997 {
		t.Errorf("%d routes are set", n)
	}
}

// When the kernel refuses thousands of routes at once, each has its refusal.
func TestSyncRefusesAll(t *testing.T) {
	ns := twoWires(t)
	var wanted []kernel.OwnRoute
	for i := range 3000 {
		wanted = append(wanted, into("v0", routes.Route{Dst: benchRoute(i), Via: want.Addr("192.0.2.1")})...)
	}
	wanted = append(wanted, into("v0", routes.Route{Dst: want.CIDR("10.1.0.0/16")})...)
	r := ns.sync(t, wanted, kernel.SyncOptions{})
	if len(r.Refused) != 3000 || len(r.Added) != 1 {
		t.Errorf("%d refused, %d added", len(r.Refused), len(r.Added))
	}
	for i, refusal := range r.Refused {
		if refusal.Index != i || !strings.HasSuffix(refusal.Err.Error(), "Nexthop has invalid gateway") {
			t.Fatalf("%d: %+v", i, refusal)
		}
	}
}

// A refused route is tried again when all others are set.
func TestSyncTriesAgain(t *testing.T) {
	ns := twoWires(t)
	// The gateway is on the link by a route that comes later, and is in the way of nobody when an
	// old one is gone.
	later := into("v0", routes.Route{Dst: want.CIDR("10.1.0.0/16"), Via: want.Addr("192.0.2.1")}, routes.Route{Dst: want.CIDR("192.0.2.0/24")})
	for i, wanted := range [][]kernel.OwnRoute{
		later,
		into("v0", routes.Route{Dst: want.CIDR("192.0.2.0/24"), Via: want.Addr("10.9.0.2")}),
		later,
	} {
		if r := ns.sync(t, wanted, kernel.SyncOptions{}); len(r.Refused) != 0 {
			t.Errorf("step %d: %+v", i, r)
		}
	}
	if n := strings.Count(ns.ipRoutes(kernel.RouteProtocol), "\n") + 1; n != 2 {
		t.Errorf("%d routes", n)
	}
}

// When a context ends, the rest is not done. The next call does it.
func TestSyncInterrupted(t *testing.T) {
	ns := twoWires(t)
	var plain, changed []kernel.OwnRoute
	for i := range 2000 {
		plain = append(plain, into("v0", routes.Route{Dst: benchRoute(i)})...)
		changed = append(changed, into("v0", routes.Route{Dst: benchRoute(i), MTU: 1400})...)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ns.kernel.SyncRoutes(ended, plain, kernel.SyncOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	told := 0
	result := ns.sync(t, plain, kernel.SyncOptions{Progress: func(done, total int) { told = total*10 + done }})
	if len(result.Added) != 2000 || told != 22000 {
		t.Errorf("%d added, %d told", len(result.Added), told)
	}
	// In the middle of a replacement some slots have two routes.
	after := errors.New("enough")
	for _, calls := range []int{1, 3, 9, 13} {
		_, err := ns.kernel.SyncRoutes(&endsAfter{Context: t.Context(), calls: calls, err: after}, changed, kernel.SyncOptions{})
		if !errors.Is(err, after) {
			t.Errorf("after %d: %v", calls, err)
		}
		ns.sync(t, plain, kernel.SyncOptions{})
		if n := strings.Count(ns.ipRoutes(kernel.RouteProtocol), "\n") + 1; n != 2000 {
			t.Errorf("after %d: %d routes", calls, n)
		}
		if r := ns.sync(t, plain, kernel.SyncOptions{}); r.Unchanged != 2000 {
			t.Errorf("after %d: %s", calls, counts(r))
		}
	}
}

// A route that looked different, but that is the same to the kernel, is not deleted.
func TestSyncWhatLooksOther(t *testing.T) {
	ns := twoWires(t)
	for i, wanted := range [][]kernel.OwnRoute{into("v0", routes.Route{Dst: want.CIDR("10.20.0.0/16")}), into("v0", routes.Route{Dst: want.CIDR("fd20::/32")})} {
		ns.sync(t, wanted, kernel.SyncOptions{})
		s := newComparison(wanted, map[string]int{"v0": ns.deviceIndex("v0")})
		var held wire.Route
		if err := s.encode(0, &held); err != nil {
			t.Fatal(err)
		}
		held.Foreign = true
		s.settle(0, &held)
		if err := newChanges(s, ns.kernel, nil).send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := counts(ns.sync(t, wanted, kernel.SyncOptions{})); got != "added [] replaced [] unchanged 1 removed 0 refused 0" {
			t.Errorf("%d: %s", i, got)
		}
	}
}

// endsAfter is a context that ends when the kernel's tables have been read and a number of batches
// have been sent.
type endsAfter struct {
	context.Context
	calls int
	err   error
	sent  int
}

func (c *endsAfter) Err() error {
	callers := make([]uintptr, 2)
	runtime.Callers(2, callers)
	if frame, _ := runtime.CallersFrames(callers).Next(); !strings.HasSuffix(frame.Function, ".take") {
		return nil
	}
	if c.sent++; c.sent > c.calls {
		return c.err
	}
	return nil
}

// Only our routes are removed, also when others have routes in the same slot, before or behind
// ours.
func TestSyncLeavesOthers(t *testing.T) {
	ns := twoWires(t)
	plain, plain6 := routes.Route{Dst: want.CIDR("10.20.0.0/16")}, routes.Route{Dst: want.CIDR("fd20::/32")}
	at50, via, at50v6, via6 := plain, plain, plain6, plain6
	at50.Metric, at50v6.Metric = metric(50), metric(50)
	via.Via, via6.Via = want.Addr("10.9.0.2"), want.Addr("fd00::2")
	mtu, mtu6 := plain, plain6
	mtu.MTU, mtu6.MTU = 1400, 1400
	ns.IP("route add 10.20.0.0/16 dev w0 proto static metric 7", "route add fd20::/32 dev w0 proto static metric 7")
	ns.sync(t, into("v0", plain, at50, plain6, at50v6), kernel.SyncOptions{})
	ns.IP(
		"route append 10.20.0.0/16 dev w0 proto static", "route prepend 10.20.0.0/16 via 10.9.1.2 dev w0 proto static",
		"route append 10.20.0.0/16 dev w0 proto static metric 50", "route append fd20::/32 dev w0 proto static",
		"route append fd20::/32 via fd00:1::2 dev w0 proto static", "route append fd20::/32 via fd00:1::2 dev w0 proto static metric 50",
	)
	others := ns.ipRoutes(unix.RTPROT_STATIC)
	for i, step := range []struct {
		want []kernel.OwnRoute
		says string
	}{
		{into("v0", plain, at50, plain6, at50v6), "added [] replaced [] unchanged 4 removed 0 refused 0"},
		{into("v0", mtu, at50, mtu6), "added [] replaced [0 2] unchanged 1 removed 1 refused 0"},
		{into("v0", via, at50, plain6), "added [] replaced [0 2] unchanged 1 removed 0 refused 0"},
		// An IPv6 route must be deleted before it can get a gateway, and then the slot belongs to
		// the other route.
		{into("v0", plain, via6), "added [] replaced [0] unchanged 0 removed 2 refused 1"},
		{nil, "added [] replaced [] unchanged 0 removed 1 refused 0"},
	} {
		if got := counts(ns.sync(t, step.want, kernel.SyncOptions{})); got != step.says {
			t.Errorf("step %d: %s, want %s", i, got, step.says)
		}
		if now := ns.ipRoutes(unix.RTPROT_STATIC); now != others {
			t.Errorf("step %d: others' routes: %s\nwere %s", i, now, others)
		}
	}
	if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
		t.Errorf("left: %s", left)
	}
}

// Paths that somebody else has added to our route stay when our paths go.
func TestSyncLeavesOthersPaths(t *testing.T) {
	for _, single := range []bool{true, false} {
		ns := twoWires(t)
		r := routes.Route{Dst: want.CIDR("fd20::/32"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00::2")}, {Via: want.Addr("fd00::3")}}}
		if single {
			r = routes.Route{Dst: want.CIDR("fd20::/32"), Via: want.Addr("fd00::2")}
		}
		ns.sync(t, into("v0", r), kernel.SyncOptions{})
		ns.IP("route append fd20::/32 via fd00:1::2 dev w0 proto static")
		ns.sync(t, nil, kernel.SyncOptions{})
		if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
			t.Errorf("left: %s", left)
		}
		if theirs := ns.ipRoutes(unix.RTPROT_STATIC); !strings.Contains(theirs, "fd00:1::2") {
			t.Errorf("theirs: %q", theirs)
		}
	}
}

// A multipath route that has lost one of its devices is found and removed.
func TestSyncWhenDeviceIsGone(t *testing.T) {
	for _, c := range []struct{ network, one, two string }{{"10.20.0.0/16", "10.9.0.2", "10.9.1.2"}, {"fd20::/32", "fd00:0::2", "fd00:1::2"}} {
		for _, gone := range []string{"v0", "w0"} {
			ns := twoWires(t)
			r := routes.Route{Dst: want.CIDR(c.network), Nexthops: []routes.Nexthop{{Via: want.Addr(c.one)}, {Via: want.Addr(c.two), Dev: "w0"}}}
			ns.sync(t, into("v0", r), kernel.SyncOptions{})
			ns.IP("link del dev " + gone)
			t.Logf("%s without %s: %s", c.network, gone, ns.ipRoutes(kernel.RouteProtocol))
			if result := ns.sync(t, into("v0", r), kernel.SyncOptions{}); len(result.Refused) != 1 {
				t.Errorf("%+v", result)
			}
			if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
				t.Errorf("left: %s", left)
			}
		}
	}
}

// A device that is down makes a path dead, but the route counts as the same.
func TestSyncWhenDeviceIsDown(t *testing.T) {
	ns := twoWires(t)
	wanted := into("v0",
		routes.Route{Dst: want.CIDR("10.20.0.0/16"), Nexthops: []routes.Nexthop{{Via: want.Addr("10.9.0.2")}, {Via: want.Addr("10.9.1.2"), Dev: "w0"}}},
		routes.Route{Dst: want.CIDR("10.21.0.0/16"), Nexthops: []routes.Nexthop{{Via: want.Addr("10.9.0.2")}, {Via: want.Addr("10.9.1.2"), Dev: "w0"}}},
	)
	ns.sync(t, wanted, kernel.SyncOptions{})
	ns.IP("link set dev w0 down")
	if said := ns.IP("route show proto 213"); !strings.Contains(said, "dead") {
		t.Errorf("no path is dead: %s", said)
	}
	if got := counts(ns.sync(t, wanted, kernel.SyncOptions{})); got != "added [] replaced [] unchanged 2 removed 0 refused 0" {
		t.Error(got)
	}
}

// While a route is replaced, its slot has a route at every moment.
func TestSyncWithoutGap(t *testing.T) {
	ns := twoWires(t)
	one := into("v0", routes.Route{Dst: want.CIDR("10.20.0.0/16")}, routes.Route{Dst: want.CIDR("10.21.0.0/16"), Via: want.Addr("10.9.0.2")},
		routes.Route{Dst: want.CIDR("fd20::/32")}, routes.Route{Dst: want.CIDR("fd21::/32"), Via: want.Addr("fd00::2")},
		routes.Route{Dst: want.CIDR("10.22.0.0/16"), Metric: metric(5)})
	two := into("w0", routes.Route{Dst: want.CIDR("10.20.0.0/16"), MTU: 1400}, routes.Route{Dst: want.CIDR("10.21.0.0/16"), Metric: metric(9)},
		routes.Route{Dst: want.CIDR("fd20::/32"), MTU: 1400},
		routes.Route{Dst: want.CIDR("fd21::/32"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00:1::2")}, {Via: want.Addr("fd00:1::3")}}},
		routes.Route{Dst: want.CIDR("10.22.0.0/16"), Metric: metric(6)})
	three := into("w0", routes.Route{Dst: want.CIDR("10.20.0.0/16"), Type: routes.TypeBlackhole}, routes.Route{Dst: want.CIDR("10.21.0.0/16"), Via: want.Addr("10.9.1.2")},
		routes.Route{Dst: want.CIDR("fd20::/32"), Type: routes.TypeBlackhole}, routes.Route{Dst: want.CIDR("10.22.0.0/16"), Metric: metric(5)})
	monitor := ns.monitor(t)
	present := make(map[netip.Prefix]int)
	for i, wanted := range [][]kernel.OwnRoute{one, two, three, one, two} {
		ns.sync(t, wanted, kernel.SyncOptions{})
		for _, change := range monitor() {
			dst := change.route.Dst
			switch {
			case change.kind == unix.RTM_DELROUTE:
				present[dst]--
			case change.flags&unix.NLM_F_REPLACE == 0:
				present[dst]++
			}
			if kept := !(i == 2 && dst == want.CIDR("fd21::/32")); kept && present[dst] == 0 {
				t.Errorf("step %d: there is no route to %s for a moment", i, dst)
			}
		}
		if i == 2 { // this removed a route with two paths, which the kernel reports one by one
			delete(present, want.CIDR("fd21::/32"))
		}
	}
	if present[want.CIDR("10.20.0.0/16")] != 1 || present[want.CIDR("10.22.0.0/16")] != 1 || present[want.CIDR("fd21::/32")] != 1 {
		t.Errorf("at the end: %v", present)
	}
}

// routeChange is the kernel's notification about a route.
type routeChange struct {
	kind, flags uint16
	route       wire.Route
}

// monitor returns a function that returns the changes of routes of ours since its last call.
func (ns *namespace) monitor(t *testing.T) func() []routeChange {
	var fd int
	err := ns.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		return err
	})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() (changes []routeChange) {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) {
				return changes
			}
			if err != nil {
				t.Fatal(err)
			}
			w, err := wire.ParseRoute(buf[unix.SizeofNlMsghdr:n])
			if err != nil {
				t.Fatal(err)
			}
			if w.Ours() {
				changes = append(changes, routeChange{wire.Native.Uint16(buf[4:]), wire.Native.Uint16(buf[6:]), w})
			}
		}
	}
}

// The paths of an IPv6 route may come in one message or one by one.
func TestSyncSiblings(t *testing.T) {
	devices := map[string]int{"v0": 7, "w0": 8}
	wanted := into("v0", routes.Route{Dst: want.CIDR("fd20::/32"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00::2")}, {Via: want.Addr("fd00:1::2"), Dev: "w0"}}})
	path := func(device int, via string) *wire.Route {
		return &wire.Route{Family: unix.AF_INET6, Dst: want.CIDR("fd20::/32"), Table: routes.MainTable, Protocol: kernel.RouteProtocol,
			Type: unix.RTN_UNICAST, Priority: 1024, Device: device, Via: want.Addr(via), Pref: routes.PrefMedium}
	}
	for name, c := range map[string]struct {
		held []*wire.Route
		says string
	}{
		"both":             {[]*wire.Route{path(8, "fd00:1::2"), path(7, "fd00::2")}, "added [] replaced [] unchanged 1 removed 0 refused 0"},
		"one":              {[]*wire.Route{path(8, "fd00:1::2")}, "added [] replaced [0] unchanged 0 removed 0 refused 0"},
		"three":            {[]*wire.Route{path(8, "fd00:1::2"), path(7, "fd00::2"), path(7, "fd00::3")}, "added [] replaced [0] unchanged 0 removed 0 refused 0"},
		"another's device": {[]*wire.Route{path(8, "fd00:1::2"), path(8, "fd00::2")}, "added [] replaced [0] unchanged 0 removed 0 refused 0"},
		"none":             {nil, "added [0] replaced [] unchanged 0 removed 0 refused 0"},
	} {
		s := newComparison(wanted, devices)
		for _, w := range c.held {
			s.compare(w)
		}
		s.joinSiblings()
		if got := counts(s.result()); got != c.says {
			t.Errorf("%s: %s, want %s", name, got, c.says)
		}
	}
}

// When the kernel's table changes during a read, the comparison forgets its findings and begins
// again.
func TestSyncReadsAgain(t *testing.T) {
	devices := map[string]int{"v0": 7}
	route := func(dst string) *wire.Route {
		return &wire.Route{Family: unix.AF_INET, Dst: want.CIDR(dst), Table: routes.MainTable, Protocol: kernel.RouteProtocol,
			Type: unix.RTN_UNICAST, Scope: unix.RT_SCOPE_LINK, Device: 7}
	}
	s := newComparison(into("v0", routes.Route{Dst: want.CIDR("10.1.0.0/16")}, routes.Route{Dst: want.CIDR("10.2.0.0/16"), MTU: 1400},
		routes.Route{Dst: want.CIDR("fd20::/32")}), devices)
	before := s.mark()
	for _, begin := range []bool{true, true, true} {
		if begin {
			s.reset(unix.AF_INET, before)
		}
		for _, dst := range []string{"10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"} {
			s.compare(route(dst))
		}
	}
	if got := counts(s.result()); got != "added [2] replaced [1] unchanged 1 removed 1 refused 0" || len(s.rivals) != 1 {
		t.Errorf("%s, %d rivals", got, len(s.rivals))
	}
}

// Routes that differ in one value are different. The kernel's own form of a route is the same
// route.
func TestSameRoute(t *testing.T) {
	base := routes.Route{Dst: want.CIDR("10.64.1.0/24"), Via: want.Addr("10.9.0.2")}
	base6 := routes.Route{Dst: want.CIDR("fd64::/32"), Via: want.Addr("fd00::2")}
	encode := func(r routes.Route) *wire.Route {
		s := newComparison(into("v0", r), map[string]int{"v0": 7, "w0": 8})
		var w wire.Route
		if err := s.encode(0, &w); err != nil {
			t.Fatal(err)
		}
		w.Normalise()
		return &w
	}
	for name, change := range map[string]func(r *routes.Route){
		"via": func(r *routes.Route) { r.Via = r.Via.Next() }, "src": func(r *routes.Route) { r.Src = r.Via },
		"onlink": func(r *routes.Route) { r.OnLink = true }, "mtu": func(r *routes.Route) { r.MTU = 1400 },
		"lock": func(r *routes.Route) { r.Metrics = metrics(1<<7, 7, 4) }, "metrics": func(r *routes.Route) { r.Metrics = metrics(0, 7, 4) },
		"congctl": func(r *routes.Route) { r.Metrics = congestion("reno", 0) }, "type": func(r *routes.Route) { r.Type = routes.TypeUnreachable },
		"nhid": func(r *routes.Route) { r.NexthopID = 5 }, "encap": func(r *routes.Route) { r.Encap = &routes.Encap{Type: routes.EncapIP, ID: pointer[uint64](5)} },
		"hops": func(r *routes.Route) {
			r.Nexthops, r.Via = []routes.Nexthop{{Via: r.Via}, {Via: r.Via, Dev: "w0"}}, netip.Addr{}
		},
	} {
		for _, r := range []routes.Route{base, base6} {
			other := r.Clone()
			change(&other)
			if encode(r).Same(encode(other)) {
				t.Errorf("%s makes no difference to %s", name, r)
			}
			if !encode(other).Same(encode(other.Clone())) {
				t.Errorf("with %s, %s is not the same as itself", name, r)
			}
		}
	}
}

func TestRoutesTo(t *testing.T) {
	ns := twoWires(t)
	ns.IP("route add 10.9.0.0/16 dev v0 metric 5")
	ns.IP("route add 10.0.0.0/8 nexthop dev w0 nexthop dev v0")
	ns.IP("route add 10.9.0.0/16 dev v0 table 99")
	held, err := ns.kernel.RoutesTo(t.Context(), netip.MustParseAddr("10.9.1.1"))
	if err != nil || len(held) != 2 {
		t.Fatalf("%v, %v", held, err)
	}
	for _, r := range held {
		if r.Dst.Bits() == 16 && r.Dev != "v0" || r.Dst.Bits() == 8 && r.Dev != "w0" {
			t.Errorf("%+v", r)
		}
	}
}

// A route by a nexthop object counts by the object's gateway. Types that lead nowhere do not count.
func TestRoutesToByObject(t *testing.T) {
	ns := twoWires(t)
	ns.IP("nexthop add id 1 via 10.9.0.2 dev v0", "route add 10.40.0.0/16 nhid 1", "route add blackhole 10.0.0.0/8", "route add throw 10.40.1.0/24",
		"nexthop add id 11 via fd00::2 dev v0", "route add fd40::/16 nhid 11")
	for to, via := range map[string]string{"10.40.1.1": "10.9.0.2", "fd40::1": "fd00::2"} {
		set, err := ns.kernel.RoutesTo(t.Context(), want.Addr(to))
		if err != nil || len(set) != 1 || set[0].Dev != "v0" || set[0].Via != want.Addr(via) || set[0].NexthopID != 0 {
			t.Errorf("%s: %+v, %v", to, set, err)
		}
	}
}
