package nmgre

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ownerCases runs a file of testdata/domain/owner: lines, a rule, and what is said of each.
func ownerCases(t *testing.T, name string, say func(line string) string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "domain", "owner", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	input, _, found := strings.Cut(string(text), rule+"\n")
	if !found {
		t.Fatalf("there is no line %s", rule)
	}
	var b strings.Builder
	b.WriteString(input + rule + "\n")
	for _, line := range specsOf(input) {
		fmt.Fprintf(&b, "%s\n  %s\n", line, say(line))
	}
	golden(t, "owner/"+name+".txt", b.String())
}

// What a profile can hold is its own, and nmcli's words for it are shown.
func TestRouteOwnerProfile(t *testing.T) {
	ownerCases(t, "profile", func(spec string) string {
		r := route(t, spec)
		owner, why := RouteOwner(r, MinVersion)
		if owner != OwnerProfile {
			t.Errorf("%s is the %s's", spec, owner)
		}
		return why + ": " + r.nmcli()
	})
}

// What no profile can hold is the kernel half's, whatever NetworkManager's version.
func TestRouteOwnerKernel(t *testing.T) {
	ownerCases(t, "kernel", func(spec string) string {
		r := route(t, spec)
		owner, why := RouteOwner(r, MinVersion)
		if owner != OwnerKernel {
			t.Errorf("%s is the %s's", spec, owner)
		}
		for _, v := range []Version{{1, 8, 0}, {1, 46, 0}, {1, 58, 1}, {2, 0, 0}} {
			if owner, other := RouteOwner(r, v); owner != OwnerKernel || other != why {
				t.Errorf("%s for %v: %s, %s; want %s", spec, v, owner, other, why)
			}
		}
		if got := KeptWhy(r, MinVersion); got != why {
			t.Errorf("%s is kept since %s; want %s", spec, got, why)
		}
		return why
	})
}

func TestRouteOwnerVersions(t *testing.T) {
	ownerCases(t, "versions", func(line string) string {
		var v Version
		version, spec, _ := strings.Cut(line, " ")
		if _, err := fmt.Sscanf(version, "%d.%d.%d", &v.Major, &v.Minor, &v.Micro); err != nil {
			t.Fatal(err)
		}
		owner, why := RouteOwner(route(t, spec), v)
		return string(owner) + ": " + why
	})
}

// What no SPEC can say, and a program or the kernel can.
func TestRouteOwnerOfPrograms(t *testing.T) {
	metrics := func(set, lock Metric) *RouteMetrics {
		m := &RouteMetrics{Lock: 1 << lock}
		m.Put(set, 1)
		return m
	}
	for _, test := range []struct {
		r    Route
		want string
	}{
		{Route{Dst: cidr("10.0.0.0/8"), Metrics: metrics(MetricQuickACK, MetricQuickACK)}, "the lock of quickack"},
		{Route{Dst: cidr("10.0.0.0/8"), Metrics: metrics(MetricWindow, MetricHopLimit)}, "the lock of hoplimit"},
		{Route{Dst: cidr("10.0.0.0/8"), Metrics: &RouteMetrics{Set: 1 << 20}}, "a metric that iproute2 does not have"},
		{Route{Dst: cidr("2001:db8::/32"), Scope: ptr(ScopeLink)}, "the scope of an IPv6 route"},
		{Route{Dst: cidr("2001:db8::/32"), TOS: 0x10}, "the tos of an IPv6 route"},
		{Route{Dst: cidr("2001:db8::/32"), Nexthops: []Nexthop{{Weight: 2}}}, "the weight of an IPv6 route"},
		{Route{Dst: cidr("10.0.0.0/8"), From: cidr("10.0.0.0/8")}, "from in an IPv4 route"},
		{Route{Dst: cidr("10.0.0.0/8"), Type: 12}, "type 12"},
	} {
		if owner, why := RouteOwner(test.r, MinVersion); owner != OwnerKernel || why != "a NetworkManager profile cannot hold "+test.want {
			t.Errorf("%+v: %s, %s; want %s", test.r, owner, why, test.want)
		}
	}
	r := Route{Dst: cidr("10.0.0.0/8"), Metrics: metrics(MetricRTOMin, MetricRTOMin)}
	if owner, why := RouteOwner(r, MinVersion); owner != OwnerProfile {
		t.Errorf("rto_min, which is always locked: %s, %s", owner, why)
	}
}

// A multipath route over several tunnels can be one route in the profile of each, where NetworkManager can put them together.
func TestECMPOffer(t *testing.T) {
	ownerCases(t, "ecmp", func(spec string) string {
		r := route(t, spec)
		before := r.String()
		if old := ECMPOffer(r, "gre1", Version{1, 40, 12}); old != nil {
			t.Errorf("%s is offered to NetworkManager 1.40: %v", spec, old)
		}
		members := ECMPOffer(r, "gre1", MinVersion)
		var said []string
		for _, m := range members {
			if again := route(t, m.Route.String()); again.String() != m.Route.String() || m.Route.problems() != nil {
				t.Errorf("%s: the member %s is no route: %v", spec, m.Route, m.Route.problems())
			}
			said = append(said, m.Dev+": "+m.Route.String())
		}
		if r.String() != before {
			t.Errorf("%s became %s", before, r)
		}
		if members == nil {
			return "nothing"
		}
		return strings.Join(said, "; ")
	})
}

// The routes of a tunnel, by owner.
func TestRoutesOf(t *testing.T) {
	tunnel := Tunnel{Routes: []Route{route(t, "10.0.0.0/8 nexthop nexthop dev gre2"), route(t, "10.1.0.0/16"), route(t, "10.2.0.0/16")}}
	if got := joinText(tunnel.RoutesOf(OwnerProfile, MinVersion)); got != "10.1.0.0/16, 10.2.0.0/16" {
		t.Errorf("the profile's routes: %s", got)
	}
	if got := joinText(tunnel.RoutesOf(OwnerKernel, MinVersion)); got != "10.0.0.0/8 nexthop nexthop dev gre2" {
		t.Errorf("the kernel's routes: %s", got)
	}
}

// A list that is too long for a profile is the kernel half's as a whole.
func TestAssignRoutes(t *testing.T) {
	routes := make([]Route, MaxProfileRoutes)
	for i := range routes {
		routes[i] = route(t, fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255))
	}
	routes[7].Realms = 5
	for _, test := range []struct {
		held  int
		owner Owner
		why   string
	}{{0, OwnerProfile, profileWhy}, {1, OwnerProfile, profileWhy}, {2, OwnerKernel, longListWhy}} {
		list := AssignRoutes(routes, test.held, MinVersion)
		if o := list[0]; o.Owner != test.owner || o.Why != test.why || o.Route.String() != routes[0].String() {
			t.Errorf("beside %d: %+v", test.held, o)
		}
		if o := list[7]; o.Owner != OwnerKernel || o.Why != "a NetworkManager profile cannot hold realms" {
			t.Errorf("beside %d: %+v", test.held, o)
		}
		if n := len(OwnedBy(list, test.owner)); test.owner == OwnerProfile && n != len(routes)-1 || test.owner == OwnerKernel && n != len(routes) {
			t.Errorf("beside %d: %d routes are the %s's", test.held, n, test.owner)
		}
		if got := KeptWhy(routes[0], MinVersion); got != longListWhy {
			t.Errorf("kept since %s", got)
		}
	}
}

// The owner of a plain route is found without a trip to the heap.
func TestRouteOwnerIsQuick(t *testing.T) {
	r := route(t, "10.10.2.0/24 via 172.16.0.2 metric 50 table 100 mtu lock 1400")
	if n := testing.AllocsPerRun(100, func() { RouteOwner(r, MinVersion) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// The offer is made where all the nexthops are tunnels whose profiles nmgre can change.
func TestOffers(t *testing.T) {
	p := &preflight{t: Tunnel{Name: "gre1"}, version: MinVersion, links: []Link{{Name: "gre2", GRE: &GRELink{}}, {Name: "eth0"}}}
	for spec, want := range map[string]string{
		"10.0.0.0/8 nexthop nexthop dev gre2 weight 3": "nmgre route add gre1 '10.0.0.0/8 metric 50 nexthop weight 1'; nmgre route add gre2 '10.0.0.0/8 metric 50 nexthop weight 3'",
		"10.0.0.0/8 nexthop nexthop dev eth0":          "",
		"10.0.0.0/8 nexthop nexthop dev nosuch":        "",
		"10.0.0.0/8":                                   "",
	} {
		p.owned = AssignRoutes([]Route{route(t, spec)}, 0, MinVersion)
		got := strings.Join(p.offers(), "\n")
		if want == "" && got != "" || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}
