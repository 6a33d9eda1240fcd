package dbustest

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// Metrics makes a route's metrics of pairs, with locks.
func Metrics(values map[routes.Metric]uint32, locks ...routes.Metric) *routes.Metrics {
	var m routes.Metrics
	for metric, value := range values {
		m.Put(metric, value)
	}
	for _, metric := range locks {
		m.Lock |= 1 << metric
	}
	return &m
}

func Scope(s routes.Scope) *routes.Scope { return &s }

func Prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

var (
	Net4, Net6 = Prefix("10.10.2.0/24"), Prefix("2001:db8:2::/48")
	Hop4, Hop6 = want.Addr("172.16.0.2"), want.Addr("fd00::2")
)

// AttributeCases are routes with each of the attributes that a profile can hold, and how they stand
// there.
var AttributeCases = []struct {
	Route routes.Route
	Want  string
}{
	{routes.Route{Dst: Net4}, "dest s 10.10.2.0, prefix u 24"},
	{routes.Route{Dst: Prefix("::/0")}, "dest s ::, prefix u 0"},
	{routes.Route{Dst: Net4, Type: routes.TypeLocal}, "type s local"},
	{routes.Route{Dst: Net4, Type: routes.TypeLocal, Table: 255, Scope: Scope(routes.ScopeHost)}, "scope y 254, table u 255, type s local"},
	{routes.Route{Dst: Net4, Type: routes.TypeBlackhole}, "type s blackhole"},
	{routes.Route{Dst: Net6, Type: routes.TypeUnreachable, Metric: want.Ptr[uint32](7)}, "metric u 7, type s unreachable"},
	{routes.Route{Dst: Net6, Type: routes.TypeProhibit}, "type s prohibit"},
	{routes.Route{Dst: Net4, Type: routes.TypeThrow, Table: 7}, "table u 7, type s throw"},
	{routes.Route{Dst: Net4, TOS: 0xfc}, "tos y 252"},
	{routes.Route{Dst: Net6, From: Prefix("2001:db8:1::/48")}, "from s 2001:db8:1::/48"},
	{routes.Route{Dst: Net6, From: Prefix("2001:db8:1::1/128")}, "from s 2001:db8:1::1/128"},
	{routes.Route{Dst: Net4, Scope: Scope(routes.ScopeGlobal)}, "scope y 0"},
	{routes.Route{Dst: Net4, Scope: Scope(routes.ScopeLink)}, "scope y 253"},
	{routes.Route{Dst: Net4, Via: Hop4}, "next-hop s 172.16.0.2"},
	{routes.Route{Dst: Net6, Via: Hop6, OnLink: true}, "next-hop s fd00::2, onlink b true"},
	{routes.Route{Dst: Net4, Src: want.Addr("10.10.1.1")}, "src s 10.10.1.1"},
	{routes.Route{Dst: Net6, Src: want.Addr("2001:db8:1::1")}, "src s 2001:db8:1::1"},
	{routes.Route{Dst: Net4, Metric: want.Ptr[uint32](0)}, "metric u 0"},
	{routes.Route{Dst: Net6, Metric: want.Ptr[uint32](4294967295)}, "metric u 4294967295"},
	{routes.Route{Dst: Net4, Table: 254}, "table u 254"},
	{routes.Route{Dst: Net6, Table: 4294967295}, "table u 4294967295"},
	{routes.Route{Dst: Net4, MTU: 1400}, "mtu u 1400"},
	{routes.Route{Dst: Net6, MTU: 1400, MTULock: true}, "lock-mtu b true, mtu u 1400"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricWindow: 30000})}, "window u 30000"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricWindow: 30000}, routes.MetricWindow)}, "lock-window b true, window u 30000"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricCwnd: 12})}, "cwnd u 12"},
	{routes.Route{Dst: Net6, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricCwnd: 12}, routes.MetricCwnd)}, "cwnd u 12, lock-cwnd b true"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricInitCwnd: 13})}, "initcwnd u 13"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricInitCwnd: 13}, routes.MetricInitCwnd)}, "initcwnd u 13, lock-initcwnd b true"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricInitRwnd: 14})}, "initrwnd u 14"},
	{routes.Route{Dst: Net6, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricInitRwnd: 14}, routes.MetricInitRwnd)}, "initrwnd u 14, lock-initrwnd b true"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricAdvMSS: 1300})}, "advmss u 1300"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricAdvMSS: 1300}, routes.MetricAdvMSS)}, "advmss u 1300, lock-advmss b true"},
	{routes.Route{Dst: Net4, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricQuickACK: 1})}, "quickack b true"},
	{routes.Route{Dst: Net6, Metrics: Metrics(map[routes.Metric]uint32{routes.MetricRTOMin: 300}, routes.MetricRTOMin)}, "rto_min u 300"},
	{routes.Route{Dst: Net4, Nexthops: []routes.Nexthop{{Weight: 1}}}, "weight u 1"},
	{routes.Route{Dst: Net4, Metric: want.Ptr[uint32](500), Nexthops: []routes.Nexthop{{Via: Hop4, Weight: 256, OnLink: true}}},
		"metric u 500, next-hop s 172.16.0.2, onlink b true, weight u 256"},
	{routes.Route{Dst: Net4, Via: Hop4, Src: want.Addr("10.10.1.1"), Metric: want.Ptr[uint32](50), Table: 100, TOS: 16, Scope: Scope(200), OnLink: true, MTU: 1300, MTULock: true,
		Metrics: Metrics(map[routes.Metric]uint32{routes.MetricWindow: 1, routes.MetricCwnd: 2, routes.MetricInitCwnd: 3, routes.MetricInitRwnd: 4, routes.MetricAdvMSS: 5,
			routes.MetricQuickACK: 1, routes.MetricRTOMin: 6}, routes.MetricWindow, routes.MetricCwnd, routes.MetricInitCwnd, routes.MetricInitRwnd, routes.MetricAdvMSS, routes.MetricRTOMin)},
		"advmss u 5, cwnd u 2, initcwnd u 3, initrwnd u 4, lock-advmss b true, lock-cwnd b true, lock-initcwnd b true, lock-initrwnd b true, " +
			"lock-mtu b true, lock-window b true, metric u 50, mtu u 1300, next-hop s 172.16.0.2, onlink b true, quickack b true, rto_min u 6, " +
			"scope y 200, src s 10.10.1.1, table u 100, tos y 16, window u 1"},
}

// EveryRoute are the routes of attributeCases, IPv4 first, each but the default one with a
// destination of its own.
func EveryRoute() (all []routes.Route) {
	for i, c := range AttributeCases {
		r := c.Route.Clone()
		if r.Dst.Bits() > 0 {
			a := r.Dst.Addr().AsSlice()
			a[map[int]int{4: 2, 16: 5}[len(a)]] = byte(i)
			moved, _ := netip.AddrFromSlice(a)
			r.Dst = netip.PrefixFrom(moved, r.Dst.Bits())
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b routes.Route) int { return a.Dst.Addr().BitLen() - b.Dst.Addr().BitLen() })
	return all
}

const UUID = "6f6e6d67-7265-4000-8000-000000000001"

// Print writes settings as one line a property, sorted, with the D-Bus type of each value, inner
// ones included.
func Print(s map[string]map[string]dbus.Variant) string {
	var b strings.Builder
	for _, setting := range slices.Sorted(maps.Keys(s)) {
		for _, property := range slices.Sorted(maps.Keys(s[setting])) {
			v := s[setting][property]
			fmt.Fprintf(&b, "%s.%s %s %s\n", setting, property, v.Signature(), PrintValue(v))
		}
	}
	return b.String()
}

func PrintValue(v dbus.Variant) string {
	switch x := v.Value().(type) {
	case []map[string]dbus.Variant:
		var entries []string
		for _, entry := range x {
			var fields []string
			for _, name := range slices.Sorted(maps.Keys(entry)) {
				fields = append(fields, fmt.Sprintf("%s %s %v", name, entry[name].Signature(), entry[name].Value()))
			}
			entries = append(entries, "{"+strings.Join(fields, ", ")+"}")
		}
		return "[" + strings.Join(entries, " ") + "]"
	case string:
		return fmt.Sprintf("%q", x)
	default:
		return fmt.Sprint(x)
	}
}

func Prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Tunnels are written as they are and must come back as they are.
var Tunnels = map[string]nm.Tunnel{
	"plain": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, MTU: 1476,
		Addresses: Prefixes("172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"), Autoconnect: true,
		Routes: []routes.Route{{Dst: netip.MustParsePrefix("10.10.2.0/24")}},
	},
	"any-local": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr("198.51.100.2"), Autoconnect: true,
	},
	"keys": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64,
		InputKey: want.Ptr[gre.Key](0), OutputKey: want.Ptr[gre.Key](4294967295), Addresses: Prefixes("172.16.0.1/31"), PeerAddress: want.Addr("172.16.0.0"),
	},
	"no-pmtud": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TOS: 1, NoPMTUD: true, Parent: "eth0",
		Addresses: Prefixes("172.16.0.1/24"), Autoconnect: true,
	},
	"gretap": {
		Name: "tap1", Mode: gre.ModeGRETAP, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 255,
		Addresses: Prefixes("172.16.0.1/24", "172.17.0.1/24"), PeerAddress: want.Addr("172.16.0.9"), Autoconnect: true,
	},
	"ip6gre": {
		Name: "gre6", Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8::1"), Remote: want.Addr("2001:db8::2"), TTL: 64,
		EncapLimit: 4, FlowLabel: 0xfffff, Flags: gre.FlagIgnEncapLimit | gre.FlagUseOrigFwmark,
		Addresses: Prefixes("172.16.0.1/30", "fd00::1/64"), PeerAddress: want.Addr("fd00::2"), Autoconnect: true,
		Routes: []routes.Route{{Dst: netip.MustParsePrefix("10.10.2.0/24")}, {Dst: netip.MustParsePrefix("fd00:2::/64"), Via: want.Addr("fd00::2")}},
	},
	"ip6gretap": {
		Name: "tap6", Mode: gre.ModeIP6GRETAP, Local: want.Addr("::"), Remote: want.Addr("2001:db8::2"), Autoconnect: true,
	},
	"routes": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: Prefixes("172.16.0.1/30", "fd00::1/126"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: []routes.Route{
			{Dst: netip.MustParsePrefix("0.0.0.0/0"), Metric: want.Ptr[uint32](500), Table: 100},
			{Dst: netip.MustParsePrefix("10.10.2.0/24"), Via: want.Addr("172.16.0.2"), Src: want.Addr("10.10.1.1"), Metric: want.Ptr[uint32](0), MTU: 1400, MTULock: true, OnLink: true},
			{Dst: netip.MustParsePrefix("10.10.3.0/24"), Table: 254},
			{Dst: netip.MustParsePrefix("::/0"), Via: want.Addr("fd00::2"), Metric: want.Ptr[uint32](4294967295)},
		},
	},
	"attributes": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: Prefixes("172.16.0.1/30", "fd00::1/126"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: EveryRoute(),
	},
	"forward": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: Prefixes("172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"), Forward: true,
	},
}

// Rich is a profile with all that nmgre does not know, and the properties that it must not send.
func Rich() map[string]map[string]dbus.Variant {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	legacy := dbus.MakeVariantWithSignature([][]any{}, dbus.ParseSignatureMust("a(ayuay)"))
	return map[string]map[string]dbus.Variant{
		"connection": {"id": v("Büro"), "uuid": v(UUID), "type": v("ip-tunnel"), "interface-name": v("gre1"), "timestamp": v(uint64(1)),
			"permissions": v([]string{"user:ann"}), "zone": v("trusted")},
		"ip-tunnel": {"mode": v(uint32(2)), "remote": v("198.51.100.2"), "fwmark": v(uint32(7)), "later": v("kept")},
		"ipv4": {"method": v("manual"), "addresses": v([][]uint32{}), "routes": v([][]uint32{}), "dns": v([]uint32{1}), "may-fail": v(false),
			"address-data": v([]entry{{"address": v("172.16.0.1"), "prefix": v(uint32(30)), "label": v("gre1:a")}}),
			"route-data": v([]entry{
				{"dest": v("10.10.2.0"), "prefix": v(uint32(24)), "metric": v(uint32(50)), "initcwnd": v(uint32(10))},
				{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("blackhole"), "later": v(true)},
			})},
		"ipv6":    {"method": v("link-local"), "addresses": legacy, "routes": v([]uint32{}), "addr-gen-mode": v(int32(0))},
		"proxy":   {},
		"bridge1": {"vlans": v([]entry{})},
		"user":    {"data": v(map[string]string{"org.example.note": "mine"})},
	}
}
