package nm

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre"
)

// metrics makes a route's metrics of pairs, with locks.
func metrics(values map[nmgre.Metric]uint32, locks ...nmgre.Metric) *nmgre.RouteMetrics {
	var m nmgre.RouteMetrics
	for metric, value := range values {
		m.Put(metric, value)
	}
	for _, metric := range locks {
		m.Lock |= 1 << metric
	}
	return &m
}

func scope(s nmgre.Scope) *nmgre.Scope { return &s }

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var (
	net4, net6 = prefix("10.10.2.0/24"), prefix("2001:db8:2::/48")
	hop4, hop6 = addr("172.16.0.2"), addr("fd00::2")
)

// attributeCases are routes with each of the attributes that a profile can hold, and how they stand there.
var attributeCases = []struct {
	route nmgre.Route
	want  string
}{
	{nmgre.Route{Dst: net4}, "dest s 10.10.2.0, prefix u 24"},
	{nmgre.Route{Dst: prefix("::/0")}, "dest s ::, prefix u 0"},
	{nmgre.Route{Dst: net4, Type: nmgre.TypeLocal}, "type s local"},
	{nmgre.Route{Dst: net4, Type: nmgre.TypeLocal, Table: 255, Scope: scope(nmgre.ScopeHost)}, "scope y 254, table u 255, type s local"},
	{nmgre.Route{Dst: net4, Type: nmgre.TypeBlackhole}, "type s blackhole"},
	{nmgre.Route{Dst: net6, Type: nmgre.TypeUnreachable, Metric: number(7)}, "metric u 7, type s unreachable"},
	{nmgre.Route{Dst: net6, Type: nmgre.TypeProhibit}, "type s prohibit"},
	{nmgre.Route{Dst: net4, Type: nmgre.TypeThrow, Table: 7}, "table u 7, type s throw"},
	{nmgre.Route{Dst: net4, TOS: 0xfc}, "tos y 252"},
	{nmgre.Route{Dst: net6, From: prefix("2001:db8:1::/48")}, "from s 2001:db8:1::/48"},
	{nmgre.Route{Dst: net6, From: prefix("2001:db8:1::1/128")}, "from s 2001:db8:1::1/128"},
	{nmgre.Route{Dst: net4, Scope: scope(nmgre.ScopeGlobal)}, "scope y 0"},
	{nmgre.Route{Dst: net4, Scope: scope(nmgre.ScopeLink)}, "scope y 253"},
	{nmgre.Route{Dst: net4, Via: hop4}, "next-hop s 172.16.0.2"},
	{nmgre.Route{Dst: net6, Via: hop6, OnLink: true}, "next-hop s fd00::2, onlink b true"},
	{nmgre.Route{Dst: net4, Src: addr("10.10.1.1")}, "src s 10.10.1.1"},
	{nmgre.Route{Dst: net6, Src: addr("2001:db8:1::1")}, "src s 2001:db8:1::1"},
	{nmgre.Route{Dst: net4, Metric: number(0)}, "metric u 0"},
	{nmgre.Route{Dst: net6, Metric: number(4294967295)}, "metric u 4294967295"},
	{nmgre.Route{Dst: net4, Table: 254}, "table u 254"},
	{nmgre.Route{Dst: net6, Table: 4294967295}, "table u 4294967295"},
	{nmgre.Route{Dst: net4, MTU: 1400}, "mtu u 1400"},
	{nmgre.Route{Dst: net6, MTU: 1400, MTULock: true}, "lock-mtu b true, mtu u 1400"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricWindow: 30000})}, "window u 30000"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricWindow: 30000}, nmgre.MetricWindow)}, "lock-window b true, window u 30000"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricCwnd: 12})}, "cwnd u 12"},
	{nmgre.Route{Dst: net6, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricCwnd: 12}, nmgre.MetricCwnd)}, "cwnd u 12, lock-cwnd b true"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricInitCwnd: 13})}, "initcwnd u 13"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricInitCwnd: 13}, nmgre.MetricInitCwnd)}, "initcwnd u 13, lock-initcwnd b true"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricInitRwnd: 14})}, "initrwnd u 14"},
	{nmgre.Route{Dst: net6, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricInitRwnd: 14}, nmgre.MetricInitRwnd)}, "initrwnd u 14, lock-initrwnd b true"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricAdvMSS: 1300})}, "advmss u 1300"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricAdvMSS: 1300}, nmgre.MetricAdvMSS)}, "advmss u 1300, lock-advmss b true"},
	{nmgre.Route{Dst: net4, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricQuickACK: 1})}, "quickack b true"},
	{nmgre.Route{Dst: net6, Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricRTOMin: 300}, nmgre.MetricRTOMin)}, "rto_min u 300"},
	{nmgre.Route{Dst: net4, Nexthops: []nmgre.Nexthop{{Weight: 1}}}, "weight u 1"},
	{nmgre.Route{Dst: net4, Metric: number(500), Nexthops: []nmgre.Nexthop{{Via: hop4, Weight: 256, OnLink: true}}},
		"metric u 500, next-hop s 172.16.0.2, onlink b true, weight u 256"},
	{nmgre.Route{Dst: net4, Via: hop4, Src: addr("10.10.1.1"), Metric: number(50), Table: 100, TOS: 16, Scope: scope(200), OnLink: true, MTU: 1300, MTULock: true,
		Metrics: metrics(map[nmgre.Metric]uint32{nmgre.MetricWindow: 1, nmgre.MetricCwnd: 2, nmgre.MetricInitCwnd: 3, nmgre.MetricInitRwnd: 4, nmgre.MetricAdvMSS: 5,
			nmgre.MetricQuickACK: 1, nmgre.MetricRTOMin: 6}, nmgre.MetricWindow, nmgre.MetricCwnd, nmgre.MetricInitCwnd, nmgre.MetricInitRwnd, nmgre.MetricAdvMSS, nmgre.MetricRTOMin)},
		"advmss u 5, cwnd u 2, initcwnd u 3, initrwnd u 4, lock-advmss b true, lock-cwnd b true, lock-initcwnd b true, lock-initrwnd b true, " +
			"lock-mtu b true, lock-window b true, metric u 50, mtu u 1300, next-hop s 172.16.0.2, onlink b true, quickack b true, rto_min u 6, " +
			"scope y 200, src s 10.10.1.1, table u 100, tos y 16, window u 1"},
}

// everyRoute are the routes of attributeCases, IPv4 first, each but the default one with a destination of its own.
func everyRoute() (all []nmgre.Route) {
	for i, c := range attributeCases {
		r := c.route.Clone()
		if r.Dst.Bits() > 0 {
			a := r.Dst.Addr().AsSlice()
			a[map[int]int{4: 2, 16: 5}[len(a)]] = byte(i)
			moved, _ := netip.AddrFromSlice(a)
			r.Dst = netip.PrefixFrom(moved, r.Dst.Bits())
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b nmgre.Route) int { return a.Dst.Addr().BitLen() - b.Dst.Addr().BitLen() })
	return all
}

// TestRouteAttributes has each attribute both ways, with the type that NetworkManager's own table says.
func TestRouteAttributes(t *testing.T) {
	used := make(map[string]bool)
	for _, c := range attributeCases {
		family := familyOf(c.route.Dst.Addr())
		tunnel := nmgre.Tunnel{Mode: nmgre.ModeGRE, Local: addr("0.0.0.0"), Remote: addr("198.51.100.2"), Name: "gre1", Autoconnect: true, Routes: []nmgre.Route{c.route}}
		s := Encode(tunnel, nil)
		got := printValue(s[family]["route-data"])
		if want := complete(c.route, c.want); got != want {
			t.Errorf("%+v\ngot  %s\nwant %s", c.route, got, want)
		}
		if back, err := Decode(s); err != nil || !reflect.DeepEqual(back, tunnel) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", got, back.Routes, err, tunnel.Routes)
		}
		for name := range s.entries(family, "route-data")[0] {
			used[name] = true
		}
	}
	if got, want := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(routeAttributes)); !slices.Equal(got, want) {
		t.Errorf("tested are %v\nof       %v", got, want)
	}
}

// complete adds what every route has to what a case wants.
func complete(r nmgre.Route, want string) string {
	fields := strings.Split(want, ", ")
	for _, every := range []string{"dest s " + r.Dst.Addr().String(), fmt.Sprint("prefix u ", r.Dst.Bits())} {
		if !slices.Contains(fields, every) {
			fields = append(fields, every)
		}
	}
	slices.Sort(fields)
	return "[{" + strings.Join(fields, ", ") + "}]"
}

// TestRoutesTaken has a NetworkManager take them all, and return them by both ways of reading.
func TestRoutesTaken(t *testing.T) {
	bus, c := start(t)
	tunnel := tunnels["plain"].Clone()
	tunnel.Routes = everyRoute()
	if err := c.Add(t.Context(), testUUID, tunnel); err != nil {
		t.Fatal(err)
	}
	if got := only(t, c).Tunnel; !reflect.DeepEqual(got, tunnel) {
		t.Errorf("got  %+v\nwant %+v", got, tunnel)
	}
	for range bulkFrom {
		bus.AddProfile(profile(newUUID(), "gre2", tunnels["plain"]))
	}
	profiles, err := c.List(t.Context())
	if err != nil || !reflect.DeepEqual(profiles[0].Tunnel, tunnel) {
		t.Errorf("in bulk: got  %+v, %v\nwant %+v", profiles[0].Tunnel, err, tunnel)
	}
	if n := bus.Count("GetSettings"); n != 1+len(profiles) {
		t.Errorf("%d settings were asked for: some were not readable in bulk", n)
	}
	if got, err := c.Get(t.Context(), testUUID); err != nil || !reflect.DeepEqual(got.Tunnel, tunnel) {
		t.Errorf("Get: got  %+v, %v\nwant %+v", got.Tunnel, err, tunnel)
	}
}

// TestForeignRoutes has routes that a later NetworkManager may hold: nmgre does not show them, and keeps them.
func TestForeignRoutes(t *testing.T) {
	v := dbus.MakeVariant
	for _, foreign := range []entry{
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "later": v(uint32(1))},
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("multicast")},
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("1")},
		{"dest": v("no address"), "prefix": v("no number"), "later": v(true)},
	} {
		s := rich()
		s.set(setIPv4, "route-data", []entry{foreign, {"dest": v("10.8.0.0"), "prefix": v(uint32(16))}})
		tunnel, err := Decode(s)
		if err != nil || len(tunnel.Routes) != 1 {
			t.Errorf("%v: got %+v, %v", foreign, tunnel.Routes, err)
		}
		tunnel.Routes = nil
		if got := Encode(tunnel, s).entries(setIPv4, "route-data"); !reflect.DeepEqual(got, []entry{foreign}) {
			t.Errorf("got %v, want %v", got, foreign)
		}
	}
}

// TestRoutesStayAsWritten has routes that somebody wrote in other words than nmgre does: they stay, while another is added.
func TestRoutesStayAsWritten(t *testing.T) {
	v := dbus.MakeVariant
	theirs := []entry{
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "type": v("unicast"), "lock-mtu": v(false), "onlink": v(false), "mtu": v(uint32(0))},
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "metric": v(uint32(5)), "next-hop": v("0.0.0.0"), "weight": v(uint32(0)), "quickack": v(false)},
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "metric": v(uint32(5)), "cwnd": v(uint32(0))}, // differs from the one above in nothing that tells routes apart
		{"dest": v("10.7.0.0"), "prefix": v(uint32(16)), "scope": v(byte(255)), "table": v(uint32(254)), "tos": v(byte(0)), "lock-mtu": v(true), "lock-cwnd": v(true), "rto_min": v(uint32(0))},
	}
	s := rich()
	s.set(setIPv4, "route-data", theirs)
	s.set(setIPv6, "route-data", []entry{{"dest": v("2001:DB8::1"), "prefix": v(uint32(32)), "from": v("2001:DB8:1::1/48")}, {"dest": v("fd00::"), "prefix": v(uint32(8)), "from": v("fd00::1")}})
	six := s.entries(setIPv6, "route-data")
	tunnel, err := Decode(s)
	if err != nil || len(tunnel.Routes) != 6 || tunnel.Routes[4].From != prefix("2001:db8:1::/48") || tunnel.Routes[5].From != prefix("fd00::1/128") {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, nmgre.Route{Dst: prefix("10.6.0.0/16")})
	slices.Reverse(tunnel.Routes)
	slices.Reverse(theirs)
	slices.Reverse(six)
	now := Encode(tunnel, s)
	want := append([]entry{{"dest": v("10.6.0.0"), "prefix": v(uint32(16))}}, theirs...)
	if got := now.entries(setIPv4, "route-data"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := now.entries(setIPv6, "route-data"); !reflect.DeepEqual(got, six) {
		t.Errorf("got  %v\nwant %v", got, six)
	}
}

// TestLocalRouteTable has a profile with a table of its own, which NetworkManager does not use for local routes.
func TestLocalRouteTable(t *testing.T) {
	v := dbus.MakeVariant
	s := rich()
	s.set(setIPv4, "route-table", uint32(100))
	s.set(setIPv4, "route-data", []entry{{"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v("local")}, {"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v("throw")}})
	tunnel, err := Decode(s)
	if err != nil || tunnel.Routes[0].TableOrMain() != 255 || tunnel.Routes[1].Table != 100 {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, nmgre.Route{Dst: prefix("10.6.0.0/16"), Type: nmgre.TypeLocal}, nmgre.Route{Dst: prefix("10.6.0.0/16"), Type: nmgre.TypeBlackhole})
	got := printValue(Encode(tunnel, s)[setIPv4]["route-data"])
	want := "[{dest s 10.8.0.0, prefix u 16, type s local} {dest s 10.8.0.0, prefix u 16, type s throw}" +
		" {dest s 10.6.0.0, prefix u 16, type s local} {dest s 10.6.0.0, prefix u 16, table u 254, type s blackhole}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRouteRefused has what no NetworkManager lets pass.
func TestRouteRefused(t *testing.T) {
	v := dbus.MakeVariant
	for _, c := range []struct {
		family, name string
		value        any
		want         string
	}{
		{setIPv6, "tos", byte(4), "tos is not for this family"},
		{setIPv6, "scope", byte(4), "scope is not for this family"},
		{setIPv6, "weight", uint32(4), "weight is not for this family"},
		{setIPv4, "from", "fd00::/8", "from is not for this family"},
		{setIPv6, "from", "10.0.0.0/8", `from: "10.0.0.0/8" is no network of this family`},
		{setIPv6, "from", "fd00::/129", `from: "fd00::/129" is no network of this family`},
		{setIPv6, "from", "fe80::1%eth0", `from: "fe80::1%eth0" is no network of this family`},
		{setIPv6, "from", "\x1b[2J", `from: "\x1b[2J" is no network of this family`},
		{setIPv4, "weight", uint32(257), "the weight 257 is above 256"},
		{setIPv4, "weight", int32(1), `weight has the type "i"`},
		{setIPv4, "tos", uint32(4), `tos has the type "u"`},
		{setIPv4, "scope", "link", `scope has the type "s"`},
		{setIPv4, "quickack", uint32(1), `quickack has the type "u"`},
		{setIPv4, "rto_min", uint64(1), `rto_min has the type "t"`},
		{setIPv4, "lock-advmss", "yes", `lock-advmss has the type "s"`},
		{setIPv4, "advmss", byte(1), `advmss has the type "y"`},
		{setIPv4, "type", uint32(6), `type has the type "u"`},
		{setIPv4, "table", int32(6), `table has the type "i"`},
	} {
		dest := map[string]string{setIPv4: "10.8.0.0", setIPv6: "fd00::"}[c.family]
		s := rich()
		s.set(c.family, "route-data", []entry{{"dest": v(dest), "prefix": v(uint32(8)), c.name: v(c.value)}})
		_, err := Decode(s)
		if want := fmt.Sprintf("%s.route-data: route %s/8: %s", c.family, strings.Replace(dest, "10.8", "10.0", 1), c.want); !errors.Is(err, nmgre.ErrInvalid) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for kind, name := range map[string]string{"blackhole": "next-hop", "throw": "next-hop", "local": "weight", "prohibit": "weight"} {
		s := rich()
		value := map[string]dbus.Variant{"next-hop": v("10.0.0.1"), "weight": v(uint32(1))}[name]
		s.set(setIPv4, "route-data", []entry{{"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v(kind), name: value}})
		if _, err := Decode(s); !errors.Is(err, nmgre.ErrInvalid) || !strings.Contains(err.Error(), "a "+kind+" route has no "+name) {
			t.Errorf("%s with %s: %v", kind, name, err)
		}
	}
}

// TestForwarding has NetworkManager's four values, and none.
func TestForwarding(t *testing.T) {
	tunnel := tunnels["plain"].Clone()
	for _, c := range []struct {
		old     any
		decoded bool
		yes, no string
		bad     bool
	}{
		{old: nil, yes: "i 1", no: ""},
		{old: int32(-1), yes: "i 1", no: "i -1"},
		{old: int32(0), yes: "i 1", no: "i 0"},
		{old: int32(1), decoded: true, yes: "i 1", no: ""},
		{old: int32(2), yes: "i 1", no: "i 2"},
		{old: uint32(1), bad: true, yes: "i 1", no: "u 1"},
	} {
		s := rich()
		if c.old != nil {
			s.set(setIPv4, "forwarding", c.old)
		}
		if got, err := Decode(s); (err != nil) != c.bad || got.Forward != c.decoded {
			t.Errorf("%v is read as %v, %v", c.old, got.Forward, err)
		}
		for forward, want := range map[bool]string{true: c.yes, false: c.no} {
			tunnel.Forward = forward
			got := ""
			if v, ok := Encode(tunnel, s)[setIPv4]["forwarding"]; ok {
				got = fmt.Sprint(v.Signature(), " ", v.Value())
			}
			if got != want {
				t.Errorf("%v with forwarding %v becomes %q, want %q", c.old, forward, got, want)
			}
		}
	}
}

// TestForwardingTaken has NetworkManagers with and without it.
func TestForwardingTaken(t *testing.T) {
	bus, c := start(t)
	tunnel := tunnels["plain"].Clone()
	tunnel.Forward = true
	check(t, c.Add(t.Context(), testUUID, tunnel), nmgre.ErrInvalid, "forward: NetworkManager refuses ipv4.forwarding: unknown property")
	bus.SetVersion("1.54.0")
	if err := c.Add(t.Context(), testUUID, tunnel); err != nil {
		t.Fatal(err)
	}
	if got := only(t, c).Tunnel; !reflect.DeepEqual(got, tunnel) {
		t.Errorf("got %+v", got)
	}
	if _, ok := bus.Profiles()[0].Settings[setIPv6]["forwarding"]; ok {
		t.Error("IPv6 has it too")
	}
}
