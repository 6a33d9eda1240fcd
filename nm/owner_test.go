package nm

import (
	"fmt"
	"strings"
	"testing"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/testdata/want"
)

// nmgre holds the routes that no profile can hold, with every version of NetworkManager.
func TestRouteOwnerKernel(t *testing.T) {
	want.Answers(t, "owner/kernel.txt", func(spec string) string {
		r := routes.MustParse(spec)
		owner, why := RouteOwner(r, MinVersion)
		if owner != OwnerKernel {
			t.Errorf("%s is the %s's", spec, owner)
		}
		for _, v := range []Version{{1, 8, 0}, {1, 46, 0}, {1, 58, 1}, {2, 0, 0}} {
			if owner, other := RouteOwner(r, v); owner != OwnerKernel || other != why {
				t.Errorf("%s for %v: %s, %s; want %s", spec, v, owner, other, why)
			}
		}
		if got := WhyKernel(r, MinVersion); got != why {
			t.Errorf("%s is kept since %s; want %s", spec, got, why)
		}
		return why
	})
}

// A profile could hold a route with a weight, and nmgre gives it none. For one that a profile has,
// WhyProfile names the command that moves it.
func TestRouteOwnerOfWeights(t *testing.T) {
	for _, spec := range []string{"10.0.0.0/8 metric 50 nexthop via 172.16.0.2 weight 2", "10.0.0.0/8 nexthop weight 256", "10.0.0.0/8 nexthop via 172.16.0.2 weight 1 onlink"} {
		r := routes.MustParse(spec)
		if owner, why := RouteOwner(r, MinVersion); owner != OwnerKernel || why != weightWhy {
			t.Errorf("%s: %s, %s", spec, owner, why)
		}
		if !Holds(r, MinVersion) || Holds(r, Version{1, 40, 0}) || Holds(routes.MustParse(spec+" nexthop dev gre2"), MinVersion) {
			t.Errorf("%s: who can hold it is wrong", spec)
		}
		if why := WhyProfile(r, "gre1"); why != weightWhy+"; to move it: nmgre route keep gre1" {
			t.Errorf("%s in a profile: %s", spec, why)
		}
	}
	if plain := routes.MustParse("10.0.0.0/8"); !Holds(plain, MinVersion) || WhyProfile(plain, "gre1") != profileWhy {
		t.Error("a plain route")
	}
	if why := WhyProfile(routes.MustParse("10.0.0.0/8 nexthop weight 1"), "-x; reboot"); !strings.HasSuffix(why, fault.Operand("-x; reboot")) {
		t.Error(why)
	}
}

func TestRouteOwnerVersions(t *testing.T) {
	want.Answers(t, "owner/versions.txt", func(line string) string {
		var v Version
		version, spec, _ := strings.Cut(line, " ")
		if _, err := fmt.Sscanf(version, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); err != nil {
			t.Fatal(err)
		}
		owner, why := RouteOwner(routes.MustParse(spec), v)
		return string(owner) + ": " + why
	})
}

// Routes that no SPEC can express, but a program or the kernel can.
func TestRouteOwnerOfPrograms(t *testing.T) {
	metrics := func(set, lock routes.Metric) *routes.Metrics {
		m := &routes.Metrics{Lock: 1 << lock}
		m.Put(set, 1)
		return m
	}
	for _, test := range []struct {
		r    routes.Route
		want string
	}{
		{routes.Route{Dst: want.CIDR("10.0.0.0/8"), Metrics: metrics(routes.MetricQuickACK, routes.MetricQuickACK)}, "the lock of quickack"},
		{routes.Route{Dst: want.CIDR("10.0.0.0/8"), Metrics: metrics(routes.MetricWindow, routes.MetricHopLimit)}, "the lock of hoplimit"},
		{routes.Route{Dst: want.CIDR("10.0.0.0/8"), Metrics: &routes.Metrics{Set: 1 << 20}}, "metric number 20"},
		{routes.Route{Dst: want.CIDR("2001:db8::/32"), Scope: want.Ptr(routes.ScopeLink)}, "the scope of an IPv6 route"},
		{routes.Route{Dst: want.CIDR("2001:db8::/32"), TOS: 0x10}, "the tos of an IPv6 route"},
		{routes.Route{Dst: want.CIDR("2001:db8::/32"), Nexthops: []routes.Nexthop{{Weight: 2}}}, "the weight of an IPv6 route"},
		{routes.Route{Dst: want.CIDR("10.0.0.0/8"), From: want.CIDR("10.0.0.0/8")}, "from in an IPv4 route"},
		{routes.Route{Dst: want.CIDR("10.0.0.0/8"), Type: 12}, "type 12"},
	} {
		if owner, why := RouteOwner(test.r, MinVersion); owner != OwnerKernel || why != "a NetworkManager profile cannot hold "+test.want {
			t.Errorf("%+v: %s, %s; want %s", test.r, owner, why, test.want)
		}
	}
	r := routes.Route{Dst: want.CIDR("10.0.0.0/8"), Metrics: metrics(routes.MetricRTOMin, routes.MetricRTOMin)}
	if owner, why := RouteOwner(r, MinVersion); owner != OwnerProfile {
		t.Errorf("rto_min, which is always locked: %s, %s", owner, why)
	}
}

// The routes of a tunnel, by owner.
func TestRoutesOf(t *testing.T) {
	tunnel := Tunnel{Routes: []routes.Route{routes.MustParse("10.0.0.0/8 nexthop nexthop dev gre2"), routes.MustParse("10.1.0.0/16"), routes.MustParse("10.2.0.0/16")}}
	if got := listText(tunnel.RoutesOf(OwnerProfile, MinVersion)); got != "10.1.0.0/16, 10.2.0.0/16" {
		t.Errorf("the profile's routes: %s", got)
	}
	if got := listText(tunnel.RoutesOf(OwnerKernel, MinVersion)); got != "10.0.0.0/8 nexthop nexthop dev gre2" {
		t.Errorf("the kernel's routes: %s", got)
	}
}

// nmgre holds the whole of a list that is too long for a profile.
func TestAssignRoutes(t *testing.T) {
	set := make([]routes.Route, MaxProfileRoutes)
	for i := range set {
		set[i] = routes.MustParse(fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))
	}
	set[7].Realms = 5
	for _, test := range []struct {
		held  int
		owner Owner
		why   string
	}{{0, OwnerProfile, profileWhy}, {1, OwnerProfile, profileWhy}, {2, OwnerKernel, longListWhy}} {
		list := AssignRoutes(set, test.held, MinVersion)
		if o := list[0]; o.Owner != test.owner || o.Why != test.why || o.Route.String() != set[0].String() {
			t.Errorf("beside %d: %+v", test.held, o)
		}
		if o := list[7]; o.Owner != OwnerKernel || o.Why != "a NetworkManager profile cannot hold realms" {
			t.Errorf("beside %d: %+v", test.held, o)
		}
		if n := len(OwnedBy(list, test.owner)); test.owner == OwnerProfile && n != len(set)-1 || test.owner == OwnerKernel && n != len(set) {
			t.Errorf("beside %d: %d routes are the %s's", test.held, n, test.owner)
		}
		if got := WhyKernel(set[0], MinVersion); got != longListWhy {
			t.Errorf("kept since %s", got)
		}
	}
}

// The owner of a plain route is found without an allocation.
func TestRouteOwnerIsQuick(t *testing.T) {
	r := routes.MustParse("10.10.2.0/24 via 172.16.0.2 metric 50 table 100 mtu lock 1400")
	if n := testing.AllocsPerRun(100, func() { RouteOwner(r, MinVersion) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every route has an owner, and the reason is safe to show.
func FuzzRouteOwner(f *testing.F) {
	for _, spec := range want.Specs(f, "../routes/testdata/route") {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		r, err := routes.Parse(spec)
		if err != nil {
			return
		}
		if _, why := RouteOwner(r, MinVersion); fault.Printable(why) != why {
			t.Fatalf("%q: %q", spec, why)
		}
	})
}

func listText(list []routes.Route) string {
	var texts []string
	for _, r := range list {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ", ")
}
