package dbustest

import (
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/testdata/want"
)

// Destinations and gateways of the routes here.
var (
	Net4, Net6 = want.CIDR("10.10.2.0/24"), want.CIDR("2001:db8:2::/48")
	Hop4, Hop6 = want.Addr("172.16.0.2"), want.Addr("fd00::2")
)

// AttributeCases are routes that together have every attribute that a profile can hold. Want is the
// entry of route-data, printed as [PrintValue] does; "dest" and "prefix" may be left out.
var AttributeCases = []struct {
	Route routes.Route
	Want  string
}{
	{routes.Route{Dst: Net4}, "dest s 10.10.2.0, prefix u 24"},
	{routes.Route{Dst: want.CIDR("::/0")}, "dest s ::, prefix u 0"},
	{routes.Route{Dst: Net4, Type: routes.TypeLocal}, "type s local"},
	{routes.Route{Dst: Net4, Type: routes.TypeLocal, Table: 255, Scope: want.Ptr(routes.ScopeHost)}, "scope y 254, table u 255, type s local"},
	{routes.Route{Dst: Net4, Type: routes.TypeBlackhole}, "type s blackhole"},
	{routes.Route{Dst: Net6, Type: routes.TypeUnreachable, Metric: want.Ptr[uint32](7)}, "metric u 7, type s unreachable"},
	{routes.Route{Dst: Net6, Type: routes.TypeProhibit}, "type s prohibit"},
	{routes.Route{Dst: Net4, Type: routes.TypeThrow, Table: 7}, "table u 7, type s throw"},
	{routes.Route{Dst: Net4, TOS: 0xfc}, "tos y 252"},
	{routes.Route{Dst: Net6, From: want.CIDR("2001:db8:1::/48")}, "from s 2001:db8:1::/48"},
	{routes.Route{Dst: Net6, From: want.CIDR("2001:db8:1::1/128")}, "from s 2001:db8:1::1/128"},
	{routes.Route{Dst: Net4, Scope: want.Ptr(routes.ScopeGlobal)}, "scope y 0"},
	{routes.Route{Dst: Net4, Scope: want.Ptr(routes.ScopeLink)}, "scope y 253"},
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
	{routes.Route{Dst: Net4, Via: Hop4, Src: want.Addr("10.10.1.1"), Metric: want.Ptr[uint32](50), Table: 100, TOS: 16, Scope: want.Ptr[routes.Scope](200), OnLink: true, MTU: 1300, MTULock: true,
		Metrics: Metrics(map[routes.Metric]uint32{routes.MetricWindow: 1, routes.MetricCwnd: 2, routes.MetricInitCwnd: 3, routes.MetricInitRwnd: 4, routes.MetricAdvMSS: 5,
			routes.MetricQuickACK: 1, routes.MetricRTOMin: 6}, routes.MetricWindow, routes.MetricCwnd, routes.MetricInitCwnd, routes.MetricInitRwnd, routes.MetricAdvMSS, routes.MetricRTOMin)},
		"advmss u 5, cwnd u 2, initcwnd u 3, initrwnd u 4, lock-advmss b true, lock-cwnd b true, lock-initcwnd b true, lock-initrwnd b true, " +
			"lock-mtu b true, lock-window b true, metric u 50, mtu u 1300, next-hop s 172.16.0.2, onlink b true, quickack b true, rto_min u 6, " +
			"scope y 200, src s 10.10.1.1, table u 100, tos y 16, window u 1"},
}

// EveryRoute returns the routes of [AttributeCases], IPv4 first. Each has a destination of its own,
// but for the default route.
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

// Metrics returns the metrics of a route with these values, and with locks on some of them.
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
