package netlink

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
	"nmgre/testdata/want"
)

func metric(n uint32) *uint32 { return &n }

func pointer[T any](v T) *T { return &v }

// metrics makes the metrics of a route from pairs of a metric and its value.
func metrics(lock uint32, pairs ...uint32) *routes.Metrics {
	m := &routes.Metrics{Lock: lock}
	for i := 0; i < len(pairs); i += 2 {
		m.Put(routes.Metric(pairs[i]), pairs[i+1])
	}
	return m
}

func congestion(name string, lock uint32) *routes.Metrics {
	return &routes.Metrics{Lock: lock, CongCtl: name}
}

// routeCase is a route that can be added in a namespace of [twoWires] with the words that make `ip
// route` add the same.
type routeCase struct {
	words string
	route routes.Route
	reads func(r *routes.Route) // how it is read back, if not as it is
	mpls  bool                  // needs a kernel with MPLS
}

func (c routeCase) family() string {
	if c.route.Dst.Addr().Is6() {
		return "-6"
	}
	return "-4"
}

// removal makes `ip route` remove the route of protocol 77. It cannot flush routes by nexthop
// objects, nor delete routes of which the kernel has limited a metric.
func (c routeCase) removal() string {
	if c.route.NexthopID != 0 {
		return "del proto 77 " + c.words
	}
	return "flush table all proto 77"
}

func (c routeCase) dev() string {
	if !c.route.Type.HasDevice() || c.route.NexthopID != 0 {
		return ""
	}
	return "v0"
}

// back returns the route as it is read back.
func (c routeCase) back() routes.Route {
	r := c.route.Clone()
	if c.reads != nil {
		c.reads(&r)
	}
	return r
}

const everyLock = 1<<routes.MetricMTU | 1<<routes.MetricWindow | 1<<routes.MetricRTT | 1<<routes.MetricRTTVar | 1<<routes.MetricSSThresh |
	1<<routes.MetricCwnd | 1<<routes.MetricAdvMSS | 1<<routes.MetricReordering | 1<<routes.MetricHopLimit | 1<<routes.MetricInitCwnd |
	1<<routes.MetricRTOMin | 1<<routes.MetricInitRwnd

// nexthopObjects are the objects that the cases' nhid names.
var nexthopObjects = []string{
	"nexthop add id 1 via 10.9.0.2 dev v0", "nexthop add id 2 dev w0", "nexthop add id 3 group 1/2,3", "nexthop add id 4 blackhole",
	"nexthop add id 11 via fd00::2 dev v0", "nexthop add id 12 via fd00:1::2 dev w0", "nexthop add id 13 group 11/12",
}

// routeCases4 have every kind of IPv4 route. No two are in the same slot.
var routeCases4 = []routeCase{
	{words: "10.64.1.0/24 dev v0", route: routes.Route{Dst: want.CIDR("10.64.1.0/24")}},
	{words: "10.64.2.0/24 via 10.9.0.2 dev v0", route: routes.Route{Dst: want.CIDR("10.64.2.0/24"), Via: want.Addr("10.9.0.2")}},
	{words: "10.64.2.0/24 dev v0 metric 50", route: routes.Route{Dst: want.CIDR("10.64.2.0/24"), Metric: metric(50)}},
	{words: "10.64.2.0/24 dev v0 metric 4294967295", route: routes.Route{Dst: want.CIDR("10.64.2.0/24"), Metric: metric(4294967295)}},
	{
		words: "10.64.3.0/24 dev v0 metric 0", route: routes.Route{Dst: want.CIDR("10.64.3.0/24"), Metric: metric(0)},
		reads: func(r *routes.Route) { r.Metric = nil },
	},
	{words: "default via 10.9.0.2 dev v0", route: routes.Route{Dst: want.CIDR("0.0.0.0/0"), Via: want.Addr("10.9.0.2")}},
	{words: "10.64.4.4 dev v0 table 100", route: routes.Route{Dst: want.CIDR("10.64.4.4/32"), Table: 100}},
	{words: "10.64.4.4 dev v0 table 4294967295", route: routes.Route{Dst: want.CIDR("10.64.4.4/32"), Table: 4294967295}},
	{
		words: "10.64.5.0/24 dev v0 src 10.9.0.1 mtu 1300", route: routes.Route{Dst: want.CIDR("10.64.5.0/24"), Src: want.Addr("10.9.0.1"), MTU: 1300},
	},
	{words: "10.64.6.0/24 dev v0 mtu lock 1300", route: routes.Route{Dst: want.CIDR("10.64.6.0/24"), MTU: 1300, MTULock: true}},
	{words: "10.64.7.0/24 via 192.0.2.9 dev v0 onlink", route: routes.Route{Dst: want.CIDR("10.64.7.0/24"), Via: want.Addr("192.0.2.9"), OnLink: true}},
	{words: "10.64.2.0/24 dev v0 tos 0x10", route: routes.Route{Dst: want.CIDR("10.64.2.0/24"), TOS: 0x10}},
	{words: "10.64.2.0/24 via 10.9.0.3 dev v0 tos 0x08 metric 50", route: routes.Route{
		Dst: want.CIDR("10.64.2.0/24"), Via: want.Addr("10.9.0.3"), TOS: 8, Metric: metric(50),
	}},
	{words: "10.64.8.0/24 dev v0 scope global", route: routes.Route{Dst: want.CIDR("10.64.8.0/24"), Scope: pointer(routes.ScopeGlobal)}},
	{
		words: "10.64.9.0/24 dev v0 scope link", route: routes.Route{Dst: want.CIDR("10.64.9.0/24"), Scope: pointer(routes.ScopeLink)},
		reads: func(r *routes.Route) { r.Scope = nil },
	},
	{words: "10.64.10.0/24 dev v0 scope 200", route: routes.Route{Dst: want.CIDR("10.64.10.0/24"), Scope: pointer(routes.ScopeSite)}},
	{words: "blackhole 10.64.11.0/24", route: routes.Route{Type: routes.TypeBlackhole, Dst: want.CIDR("10.64.11.0/24")}},
	{words: "unreachable 10.64.12.0/24 metric 9", route: routes.Route{Type: routes.TypeUnreachable, Dst: want.CIDR("10.64.12.0/24"), Metric: metric(9)}},
	{words: "prohibit 10.64.13.0/24", route: routes.Route{Type: routes.TypeProhibit, Dst: want.CIDR("10.64.13.0/24")}},
	{words: "throw 10.64.14.0/24 table 1000", route: routes.Route{Type: routes.TypeThrow, Dst: want.CIDR("10.64.14.0/24"), Table: 1000}},
	{words: "local 10.64.15.0/24 dev v0", route: routes.Route{Type: routes.TypeLocal, Dst: want.CIDR("10.64.15.0/24")}},
	{words: "local 10.64.15.0/24 dev v0 table 50", route: routes.Route{Type: routes.TypeLocal, Dst: want.CIDR("10.64.15.0/24"), Table: 50}},
	{words: "local 10.64.15.0/24 dev v0 table main", route: routes.Route{
		Type: routes.TypeLocal, Dst: want.CIDR("10.64.15.0/24"), Table: routes.MainTable,
	}},
	{words: "broadcast 10.64.16.255 dev v0", route: routes.Route{Type: routes.TypeBroadcast, Dst: want.CIDR("10.64.16.255/32")}},
	{words: "multicast 10.64.17.0/24 dev v0", route: routes.Route{Type: routes.TypeMulticast, Dst: want.CIDR("10.64.17.0/24")}},
	{words: "anycast 10.64.18.0/24 dev v0", route: routes.Route{Type: routes.TypeAnycast, Dst: want.CIDR("10.64.18.0/24")}},
	{words: "10.64.19.0/24 via inet6 fe80::2 dev v0", route: routes.Route{Dst: want.CIDR("10.64.19.0/24"), Via: want.Addr("fe80::2")}},
	{words: "10.64.20.0/24 dev v0 realms 3/5", route: routes.Route{Dst: want.CIDR("10.64.20.0/24"), Realms: 3<<16 | 5}},
	{words: "10.64.21.0/24 dev v0 realms 7", route: routes.Route{Dst: want.CIDR("10.64.21.0/24"), Realms: 7}},
	{
		words: "10.64.22.0/24 dev v0 mtu lock 1400 window lock 10000 rtt lock 300ms rttvar lock 60ms ssthresh lock 20 cwnd lock 12 advmss lock 1360 " +
			"reordering lock 5 hoplimit lock 64 initcwnd lock 11 features ecn rto_min 250ms initrwnd lock 13 quickack 1 congctl reno fastopen_no_cookie 1",
		route: routes.Route{Dst: want.CIDR("10.64.22.0/24"), MTU: 1400, MTULock: true, Metrics: func() *routes.Metrics {
			m := metrics(everyLock&^(1<<routes.MetricMTU), 3, 10000, 4, 300*8, 5, 60*4, 6, 20, 7, 12, 8, 1360, 9, 5, 10, 64, 11, 11, 12, 1, 13, 250, 14, 13, 15, 1, 17, 1)
			m.CongCtl = "reno"
			return m
		}()},
	},
	{words: "10.64.23.0/24 dev v0 advmss 70000 hoplimit 255", route: routes.Route{Dst: want.CIDR("10.64.23.0/24"), Metrics: metrics(0, 8, 70000, 10, 255)},
		reads: func(r *routes.Route) { r.Metrics.Put(routes.MetricAdvMSS, 65495) }},
	{words: "10.64.24.0/24 dev v0 cwnd 4 quickack 0", route: routes.Route{Dst: want.CIDR("10.64.24.0/24"), Metrics: metrics(0, 15, 0, 7, 4)},
		reads: func(r *routes.Route) { r.Metrics = metrics(0, 7, 4) }},
	{words: "10.64.25.0/24 dev v0 quickack 0", route: routes.Route{Dst: want.CIDR("10.64.25.0/24"), Metrics: metrics(0, 15, 0)},
		reads: func(r *routes.Route) { r.Metrics = nil }},
	{words: "10.64.26.0/24 dev v0 rto_min 250ms", route: routes.Route{Dst: want.CIDR("10.64.26.0/24"), Metrics: metrics(0, 13, 250)},
		reads: func(r *routes.Route) { r.Metrics.Lock = 1 << routes.MetricRTOMin }},
	{words: "10.64.27.0/24 dev v0 congctl lock reno", route: routes.Route{
		Dst: want.CIDR("10.64.27.0/24"), Metrics: congestion("reno", 1<<routes.MetricCongCtl)}},
	{words: "10.64.28.0/24 encap ip id 100 dst 192.0.2.1 dev v0", route: routes.Route{
		Dst: want.CIDR("10.64.28.0/24"), Encap: &routes.Encap{Type: routes.EncapIP, ID: pointer[uint64](100), Dst: want.Addr("192.0.2.1")},
	}},
	{words: "10.64.29.0/24 via 10.9.0.2 encap ip id 18446744073709551615 dst 192.0.2.1 src 192.0.2.2 tos 0x20 ttl 64 key csum seq dev v0", route: routes.Route{
		Dst: want.CIDR("10.64.29.0/24"), Via: want.Addr("10.9.0.2"), Encap: &routes.Encap{Type: routes.EncapIP, ID: pointer[uint64](1<<64 - 1),
			Dst: want.Addr("192.0.2.1"), Src: want.Addr("192.0.2.2"), TOS: pointer[uint8](0x20), TTL: pointer[uint8](64), Key: true, Csum: true, Seq: true},
	}},
	{words: "10.64.30.0/24 encap ip id 0 dst 192.0.2.1 tos 0 ttl 0 dev v0", route: routes.Route{Dst: want.CIDR("10.64.30.0/24"), Encap: &routes.Encap{
		Type: routes.EncapIP, ID: pointer[uint64](0), Dst: want.Addr("192.0.2.1"), TOS: pointer[uint8](0), TTL: pointer[uint8](0),
	}}, reads: func(r *routes.Route) { r.Encap = &routes.Encap{Type: routes.EncapIP, Dst: want.Addr("192.0.2.1")} }},
	{words: "10.64.31.0/24 encap ip6 id 7 dst 2001:db8::1 src 2001:db8::2 tc 0x10 hoplimit 9 key dev v0", route: routes.Route{
		Dst: want.CIDR("10.64.31.0/24"), Encap: &routes.Encap{Type: routes.EncapIP6, ID: pointer[uint64](7), Dst: want.Addr("2001:db8::1"),
			Src: want.Addr("2001:db8::2"), TOS: pointer[uint8](0x10), TTL: pointer[uint8](9), Key: true},
	}},
	{words: "10.64.32.0/24 encap seg6 mode encap segs fc00::1,fc00::2,fc00::3 dev v0", route: routes.Route{
		Dst: want.CIDR("10.64.32.0/24"), Encap: &routes.Encap{Type: routes.EncapSEG6, Mode: routes.SEG6Encap,
			Segments: []netip.Addr{want.Addr("fc00::1"), want.Addr("fc00::2"), want.Addr("fc00::3")}},
	}},
	{words: "10.64.33.0/24 via 10.9.0.2 encap mpls 16/1048575/18 dev v0", mpls: true, route: routes.Route{
		Dst: want.CIDR("10.64.33.0/24"), Via: want.Addr("10.9.0.2"), Encap: &routes.Encap{Type: routes.EncapMPLS, Labels: []uint32{16, 1048575, 18}},
	}},
	{words: "10.64.34.0/24 via 10.9.0.2 encap mpls 100 ttl 9 dev v0", mpls: true, route: routes.Route{
		Dst: want.CIDR("10.64.34.0/24"), Via: want.Addr("10.9.0.2"), Encap: &routes.Encap{Type: routes.EncapMPLS, Labels: []uint32{100}, TTL: pointer[uint8](9)},
	}},
	{words: "10.64.35.0/24 via 10.9.0.2 encap mpls 100 ttl 0 dev v0", mpls: true, route: routes.Route{
		Dst: want.CIDR("10.64.35.0/24"), Via: want.Addr("10.9.0.2"), Encap: &routes.Encap{Type: routes.EncapMPLS, Labels: []uint32{100}, TTL: pointer[uint8](0)},
	}},
	{words: "10.64.36.0/24 nexthop via 10.9.0.2 dev v0 nexthop via 10.9.1.2 dev w0 weight 256", route: routes.Route{
		Dst: want.CIDR("10.64.36.0/24"), Nexthops: []routes.Nexthop{{Via: want.Addr("10.9.0.2")}, {Via: want.Addr("10.9.1.2"), Dev: "w0", Weight: 256}},
	}},
	{words: "10.64.37.0/24 metric 7 mtu 1400 nexthop dev v0 nexthop via 192.0.2.9 dev w0 weight 2 onlink", route: routes.Route{
		Dst: want.CIDR("10.64.37.0/24"), Metric: metric(7), MTU: 1400,
		Nexthops: []routes.Nexthop{{}, {Via: want.Addr("192.0.2.9"), Dev: "w0", Weight: 2, OnLink: true}},
	}},
	{words: "10.64.38.0/24 nexthop dev w0 weight 3 nexthop dev v0", route: routes.Route{
		Dst: want.CIDR("10.64.38.0/24"), Nexthops: []routes.Nexthop{{Dev: "w0", Weight: 3}, {}},
	}},
	{words: "10.64.39.0/24 nexthop via 10.9.0.2 dev v0 realms 4/2 nexthop via inet6 fe80::2 dev w0 realms 8 weight 2", route: routes.Route{
		Dst:      want.CIDR("10.64.39.0/24"),
		Nexthops: []routes.Nexthop{{Via: want.Addr("10.9.0.2"), Realms: 4<<16 | 2}, {Via: want.Addr("fe80::2"), Dev: "w0", Weight: 2, Realms: 8}},
	}},
	{words: "10.64.40.0/24 nexthop encap ip id 1 dst 192.0.2.1 dev v0 nexthop encap ip6 id 2 dst 2001:db8::1 dev w0 weight 2", route: routes.Route{
		Dst: want.CIDR("10.64.40.0/24"), Nexthops: []routes.Nexthop{
			{Encap: &routes.Encap{Type: routes.EncapIP, ID: pointer[uint64](1), Dst: want.Addr("192.0.2.1")}},
			{Dev: "w0", Weight: 2, Encap: &routes.Encap{Type: routes.EncapIP6, ID: pointer[uint64](2), Dst: want.Addr("2001:db8::1")}},
		},
	}},
	{words: "10.64.41.0/24 nexthop via 10.9.0.2 dev v0 weight 5", route: routes.Route{
		Dst: want.CIDR("10.64.41.0/24"), Nexthops: []routes.Nexthop{{Via: want.Addr("10.9.0.2"), Weight: 5}},
	}, reads: func(r *routes.Route) { r.Nexthops, r.Via = nil, want.Addr("10.9.0.2") }},
	{words: "10.64.42.0/24 nhid 1", route: routes.Route{Dst: want.CIDR("10.64.42.0/24"), NexthopID: 1}},
	{words: "10.64.43.0/24 metric 4 nhid 3", route: routes.Route{Dst: want.CIDR("10.64.43.0/24"), NexthopID: 3, Metric: metric(4)}},
	{words: "10.64.44.0/24 nhid 4", route: routes.Route{Dst: want.CIDR("10.64.44.0/24"), NexthopID: 4},
		reads: func(r *routes.Route) { r.Type = routes.TypeBlackhole }},
	{words: "10.64.45.0/24 dev v0 ttl-propagate disabled", route: routes.Route{Dst: want.CIDR("10.64.45.0/24"), TTLPropagate: pointer(false)},
		reads: func(r *routes.Route) { r.TTLPropagate = nil }},
}

// routeCases6 have every kind of IPv6 route.
var routeCases6 = []routeCase{
	{words: "fd64:1::/48 dev v0", route: routes.Route{Dst: want.CIDR("fd64:1::/48")}},
	{words: "fd64:2::/48 via fd00::2 dev v0", route: routes.Route{Dst: want.CIDR("fd64:2::/48"), Via: want.Addr("fd00::2")}},
	{words: "default via fd00::2 dev v0", route: routes.Route{Dst: want.CIDR("::/0"), Via: want.Addr("fd00::2")}},
	{words: "fd64:2::/48 via fe80::2 dev v0 metric 50", route: routes.Route{Dst: want.CIDR("fd64:2::/48"), Via: want.Addr("fe80::2"), Metric: metric(50)}},
	{words: "fd64:2::/48 via fe80::2 dev v0 table 1000", route: routes.Route{Dst: want.CIDR("fd64:2::/48"), Via: want.Addr("fe80::2"), Table: 1000}},
	{words: "fd64:3::3 dev v0 src fd00::1 mtu lock 1300", route: routes.Route{Dst: want.CIDR("fd64:3::3/128"), Src: want.Addr("fd00::1"), MTU: 1300, MTULock: true}},
	{words: "fd64:4::/48 via fd99::9 dev v0 onlink", route: routes.Route{Dst: want.CIDR("fd64:4::/48"), Via: want.Addr("fd99::9"), OnLink: true}},
	{words: "fd64:5::/48 from fd00::/16 dev v0", route: routes.Route{Dst: want.CIDR("fd64:5::/48"), From: want.CIDR("fd00::/16")}},
	{words: "fd64:5::/48 from fd00:1::1 dev v0", route: routes.Route{Dst: want.CIDR("fd64:5::/48"), From: want.CIDR("fd00:1::1/128")}},
	{words: "fd64:5::/48 via fd00::2 dev v0", route: routes.Route{Dst: want.CIDR("fd64:5::/48"), Via: want.Addr("fd00::2")}},
	{words: "blackhole fd64:6::/48", route: routes.Route{Type: routes.TypeBlackhole, Dst: want.CIDR("fd64:6::/48")}},
	{words: "unreachable fd64:7::/48 metric 9", route: routes.Route{Type: routes.TypeUnreachable, Dst: want.CIDR("fd64:7::/48"), Metric: metric(9)}},
	{words: "prohibit fd64:8::/48", route: routes.Route{Type: routes.TypeProhibit, Dst: want.CIDR("fd64:8::/48")}},
	{words: "throw fd64:9::/48 table 1000", route: routes.Route{Type: routes.TypeThrow, Dst: want.CIDR("fd64:9::/48"), Table: 1000}},
	{words: "local fd64:a::/48 dev v0", route: routes.Route{Type: routes.TypeLocal, Dst: want.CIDR("fd64:a::/48")}},
	{words: "anycast fd64:b::1 dev v0", route: routes.Route{Type: routes.TypeAnycast, Dst: want.CIDR("fd64:b::1/128")}},
	{words: "multicast fd64:c::/48 dev v0", route: routes.Route{Type: routes.TypeMulticast, Dst: want.CIDR("fd64:c::/48")}},
	{words: "fd64:d::/48 dev v0 pref high", route: routes.Route{Dst: want.CIDR("fd64:d::/48"), Pref: routes.PrefHigh}},
	{words: "fd64:e::/48 dev v0 pref low", route: routes.Route{Dst: want.CIDR("fd64:e::/48"), Pref: routes.PrefLow}},
	{words: "fd64:f::/48 dev v0 pref medium", route: routes.Route{Dst: want.CIDR("fd64:f::/48"), Pref: routes.PrefMedium},
		reads: func(r *routes.Route) { r.Pref = 0 }},
	{words: "fd64:10::/48 dev v0 expires 86400", route: routes.Route{Dst: want.CIDR("fd64:10::/48"), Expires: 86400}},
	{words: "fd64:11::/48 via fd00::2 dev v0 expires 86400", route: routes.Route{Dst: want.CIDR("fd64:11::/48"), Via: want.Addr("fd00::2"), Expires: 86400}},
	{words: "fd64:12::/48 dev v0 rtt 100ms advmss 1200 hoplimit 255 rto_min 1s congctl reno",
		route: routes.Route{Dst: want.CIDR("fd64:12::/48"), Metrics: func() *routes.Metrics {
			m := metrics(1<<routes.MetricRTOMin, 10, 255, 4, 800, 8, 1200, 13, 1000)
			m.CongCtl = "reno"
			return m
		}()}},
	{words: "fd64:13::/48 encap ip6 id 7 dst 2001:db8::1 hoplimit 9 dev v0", route: routes.Route{
		Dst: want.CIDR("fd64:13::/48"), Encap: &routes.Encap{Type: routes.EncapIP6, ID: pointer[uint64](7), Dst: want.Addr("2001:db8::1"), TTL: pointer[uint8](9)},
	}},
	{words: "fd64:14::/48 via fd00::2 encap ip id 7 dst 192.0.2.1 csum dev v0", route: routes.Route{
		Dst: want.CIDR("fd64:14::/48"), Via: want.Addr("fd00::2"), Encap: &routes.Encap{Type: routes.EncapIP, ID: pointer[uint64](7), Dst: want.Addr("192.0.2.1"), Csum: true},
	}},
	{words: "fd64:15::/48 encap seg6 mode inline segs fc00::1,fc00::2 dev v0", route: routes.Route{
		Dst: want.CIDR("fd64:15::/48"), Encap: &routes.Encap{Type: routes.EncapSEG6, Segments: []netip.Addr{want.Addr("fc00::1"), want.Addr("fc00::2")}},
	}},
	{words: "fd64:16::/48 encap seg6 mode encap segs fc00::1 hmac 17 dev v0", route: routes.Route{
		Dst: want.CIDR("fd64:16::/48"), Encap: &routes.Encap{Type: routes.EncapSEG6, Mode: routes.SEG6Encap, Segments: []netip.Addr{want.Addr("fc00::1")}, HMAC: 17},
	}},
	{words: "fd64:17::/48 encap seg6 mode l2encap segs fc00::1,fc00::2 dev v0", route: routes.Route{
		Dst: want.CIDR("fd64:17::/48"), Encap: &routes.Encap{Type: routes.EncapSEG6, Mode: routes.SEG6L2Encap, Segments: []netip.Addr{want.Addr("fc00::1"), want.Addr("fc00::2")}},
	}},
	{words: "fd64:18::/48 via fd00::2 encap mpls 3000/17 dev v0", mpls: true, route: routes.Route{
		Dst: want.CIDR("fd64:18::/48"), Via: want.Addr("fd00::2"), Encap: &routes.Encap{Type: routes.EncapMPLS, Labels: []uint32{3000, 17}},
	}},
	{words: "fd64:19::/48 nexthop via fd00::2 dev v0 nexthop via fd00:1::2 dev w0 weight 3", route: routes.Route{
		Dst: want.CIDR("fd64:19::/48"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00::2")}, {Via: want.Addr("fd00:1::2"), Dev: "w0", Weight: 3}},
	}},
	{words: "fd64:1a::/48 metric 7 mtu 1300 nexthop via fd00:1::3 dev w0 nexthop via fe80::9 dev v0 nexthop via fd99::9 dev v0 weight 2 onlink", route: routes.Route{
		Dst: want.CIDR("fd64:1a::/48"), Metric: metric(7), MTU: 1300,
		Nexthops: []routes.Nexthop{{Via: want.Addr("fd00:1::3"), Dev: "w0"}, {Via: want.Addr("fe80::9")}, {Via: want.Addr("fd99::9"), Weight: 2, OnLink: true}},
	}},
	{words: "fd64:1b::/48 nexthop via fd00::2 encap ip6 id 1 dst 2001:db8::1 dev v0 nexthop via fd00:1::2 encap seg6 mode encap segs fc00::1 dev w0", route: routes.Route{
		Dst: want.CIDR("fd64:1b::/48"), Nexthops: []routes.Nexthop{
			{Via: want.Addr("fd00::2"), Encap: &routes.Encap{Type: routes.EncapIP6, ID: pointer[uint64](1), Dst: want.Addr("2001:db8::1")}},
			{Via: want.Addr("fd00:1::2"), Dev: "w0", Encap: &routes.Encap{Type: routes.EncapSEG6, Mode: routes.SEG6Encap, Segments: []netip.Addr{want.Addr("fc00::1")}}},
		},
	}},
	{words: "fd64:1c::/48 nexthop via fd00::2 dev v0 weight 5", route: routes.Route{
		Dst: want.CIDR("fd64:1c::/48"), Nexthops: []routes.Nexthop{{Via: want.Addr("fd00::2"), Weight: 5}},
	}, reads: func(r *routes.Route) { r.Nexthops, r.Via = nil, want.Addr("fd00::2") }},
	{words: "fd64:1d::/48 nhid 11", route: routes.Route{Dst: want.CIDR("fd64:1d::/48"), NexthopID: 11}},
	{words: "fd64:1e::/48 metric 4 nhid 13", route: routes.Route{Dst: want.CIDR("fd64:1e::/48"), NexthopID: 13, Metric: metric(4)}},
	{words: "fd64:1f::/48 dev v0 realms 7 metric 0", route: routes.Route{Dst: want.CIDR("fd64:1f::/48"), Realms: 7, Metric: metric(0)},
		reads: func(r *routes.Route) { r.Realms, r.Metric = 0, nil }},
}

// everyCase returns the cases that this kernel supports.
func everyCase(mpls bool) []routeCase {
	return slices.DeleteFunc(slices.Concat(routeCases4, routeCases6), func(c routeCase) bool { return c.mpls && !mpls })
}

// ownOf makes wanted routes of the cases.
func ownOf(cases ...routeCase) []kernel.OwnRoute {
	var want []kernel.OwnRoute
	for _, c := range cases {
		want = append(want, kernel.OwnRoute{Dev: c.dev(), Route: pointer(c.route)})
	}
	return want
}

// ipRoutes returns the output of `ip -j -d route` for a protocol, in every table.
func (ns *namespace) ipRoutes(protocol int) string {
	var all []string
	for _, family := range []string{"-4", "-6"} {
		var routes []map[string]any
		out := ns.IP(fmt.Sprintf("%s -j -d -N route show table all proto %d", family, protocol))
		if err := json.Unmarshal([]byte(cmp.Or(strings.TrimSpace(out), "[]")), &routes); err != nil {
			ns.T.Fatalf("%v: %s", err, out)
		}
		for _, r := range routes {
			delete(r, "protocol")
			if _, found := r["expires"]; found {
				r["expires"] = "some time"
			}
			text, _ := json.Marshal(r) // sorts the keys
			all = append(all, string(text))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// testEveryRoute sets each route, compares it with the route that `ip route` makes of its words,
// reads it back, sets it again and removes it.
func testEveryRoute(t *testing.T, ns *namespace, mpls bool) {
	ns.IP(nexthopObjects...)
	ns.IP("route add 10.64.0.0/16 dev w0 proto static", "route add fd64::/16 dev w0 proto static")
	others := ns.ipRoutes(unix.RTPROT_STATIC)
	for _, c := range everyCase(mpls) {
		t.Run(c.words, func(t *testing.T) {
			ns.IP(c.family() + " route add proto 77 " + c.words)
			want := ns.ipRoutes(77)
			ns.IP(c.family() + " route " + c.removal())
			own := ownOf(c)
			if got := counts(ns.sync(t, own, kernel.SyncOptions{})); got != "added [0] replaced [] unchanged 0 removed 0 refused 0" {
				t.Fatal(got, ns.refusals(t, own))
			}
			if got := ns.ipRoutes(kernel.RouteProtocol); got != want || got == "" {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			ns.expectOwn(t, c.dev(), c.back())
			if got := counts(ns.sync(t, own, kernel.SyncOptions{})); got != "added [] replaced [] unchanged 1 removed 0 refused 0" {
				t.Errorf("the second time: %s", got)
			}
			if got := counts(ns.sync(t, nil, kernel.SyncOptions{})); got != "added [] replaced [] unchanged 0 removed 1 refused 0" {
				t.Errorf("removed: %s", got)
			}
			if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
				t.Errorf("left: %s", left)
			}
		})
	}
	if now := ns.ipRoutes(unix.RTPROT_STATIC); now != others {
		t.Errorf("others' routes: %s\nwere %s", now, others)
	}
}

// refusals says why routes are not set.
func (ns *namespace) refusals(t *testing.T, own []kernel.OwnRoute) (words []string) {
	for _, r := range ns.sync(t, own, kernel.SyncOptions{}).Refused {
		words = append(words, r.Err.Error())
	}
	return words
}

// expectOwn compares the routes of ours under a device.
func (ns *namespace) expectOwn(t *testing.T, dev string, want ...routes.Route) {
	t.Helper()
	own, err := ns.kernel.OwnRoutes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(own[dev]) != len(want) {
		t.Fatalf("%d routes into %q: %+v", len(own[dev]), dev, own)
	}
	for i, r := range want {
		got := own[dev][i].Route
		if r.Expires-got.Expires <= 5 {
			r.Expires = got.Expires
		}
		if !reflect.DeepEqual(got, r) || own[dev][i].Protocol != kernel.RouteProtocol {
			t.Errorf("got  %s\nwant %s", asJSON(got), asJSON(r))
		}
	}
}

// asJSON shows a value with its pointers followed.
func asJSON(r routes.Route) string {
	type plain routes.Route // without the text form
	text, err := json.Marshal(plain(r))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestEveryRoute(t *testing.T) { testEveryRoute(t, twoWires(t), false) }

// testAllRoutes sets all routes at once, then changes each of them and changes it back.
func testAllRoutes(t *testing.T, ns *namespace, mpls bool) {
	ns.IP(nexthopObjects...)
	cases := everyCase(mpls)
	want := ownOf(cases...)
	changed := ownOf(cases...)
	for i := range changed {
		r := changed[i].Route.Clone()
		if r.Nexthops = nil; r.NexthopID != 0 || !r.Type.HasDevice() {
			changed[i].Dev, r.NexthopID, r.Type = "w0", 0, routes.TypeUnicast
		} else if r.MTU = 1234; i%3 == 0 && r.Type == routes.TypeUnicast {
			changed[i].Dev, r = "", routes.Route{Type: routes.TypeUnreachable, Dst: r.Dst, From: r.From, TOS: r.TOS, Metric: r.Metric, Table: r.Table}
		}
		changed[i].Route = &r
	}
	witness := make(map[*kernel.OwnRoute]string) // the output of `ip` for each list
	for i, step := range []struct {
		want []kernel.OwnRoute
		says string
	}{
		{want, fmt.Sprintf("%d added, 0 replaced, 0 unchanged, 0 removed", len(want))},
		{want, fmt.Sprintf("0 added, 0 replaced, %d unchanged, 0 removed", len(want))},
		{changed, fmt.Sprintf("0 added, %d replaced, 0 unchanged, 0 removed", len(want))},
		{changed, fmt.Sprintf("0 added, 0 replaced, %d unchanged, 0 removed", len(want))},
		{want, fmt.Sprintf("0 added, %d replaced, 0 unchanged, 0 removed", len(want))},
		{want, fmt.Sprintf("0 added, 0 replaced, %d unchanged, 0 removed", len(want))},
		{nil, fmt.Sprintf("0 added, 0 replaced, 0 unchanged, %d removed", len(want))},
	} {
		dry := ns.sync(t, step.want, kernel.SyncOptions{DryRun: true})
		r := ns.sync(t, step.want, kernel.SyncOptions{})
		if !reflect.DeepEqual(dry, r) {
			t.Errorf("step %d: dry run %+v\nthen %+v", i, dry, r)
		}
		if got := fmt.Sprintf("%d added, %d replaced, %d unchanged, %d removed", len(r.Added), len(r.Replaced), r.Unchanged, r.Removed); got != step.says {
			t.Errorf("step %d: %s, want %s: %v", i, got, step.says, r)
		}
		if len(step.want) == 0 {
			continue
		}
		list, says := &step.want[0], ns.ipRoutes(kernel.RouteProtocol)
		if lines := strings.Count(says, "\n") + 1; lines != len(step.want) || witness[list] != "" && witness[list] != says {
			t.Errorf("step %d: %d routes: %s\nbefore %s", i, lines, says, witness[list])
		}
		witness[list] = says
	}
	if left := ns.ipRoutes(kernel.RouteProtocol); left != "" {
		t.Errorf("left: %s", left)
	}
}

func TestAllRoutes(t *testing.T) { testAllRoutes(t, twoWires(t), false) }

// TestAsIproute2 compares each route's message with that of `ip route add`, byte for byte.
func TestAsIproute2(t *testing.T) {
	recorded := want.Fixtures(t, "wire/testdata/iproute2.txt")
	// Our messages leave out a metric of 0, which the kernel ignores, and the list around a single
	// nexthop.
	other := map[string]bool{
		"10.64.3.0/24 dev v0 metric 0": true, "fd64:1f::/48 dev v0 realms 7 metric 0": true,
		"10.64.41.0/24 nexthop via 10.9.0.2 dev v0 weight 5": true, "fd64:1c::/48 nexthop via fd00::2 dev v0 weight 5": true,
	}
	cases := everyCase(true)
	s := newComparison(ownOf(cases...), map[string]int{"v0": 2, "w0": 3})
	for i, c := range cases {
		var w wire.Route
		if err := s.encode(i, &w); err != nil {
			t.Errorf("%s: %v", c.words, err)
			continue
		}
		theirs, found := recorded[c.words]
		if !found {
			t.Errorf("%s: nothing is recorded", c.words)
		} else if ours := w.Encode(); !bytes.Equal(ours, theirs) != other[c.words] {
			t.Errorf("%s:\ngot  %x\nwant %x", c.words, ours, theirs)
		}
	}
}

// TestRouteRoundTrip encodes each route and reads it back, without a kernel.
func TestRouteRoundTrip(t *testing.T) {
	names := map[int]string{7: "v0", 8: "w0"}
	s := newComparison(ownOf(everyCase(true)...), map[string]int{"v0": 7, "w0": 8})
	for i, c := range everyCase(true) {
		var w wire.Route
		if err := s.encode(i, &w); err != nil {
			t.Errorf("%s: %v", c.words, err)
			continue
		}
		again, err := wire.ParseRoute(w.Encode())
		if err != nil {
			t.Errorf("%s: %v", c.words, err)
			continue
		}
		if !w.Same(&again) && c.reads == nil {
			t.Errorf("%s: got  %+v\nwant %+v", c.words, again, w)
		}
		w.Normalise()
		again.Normalise()
		if !w.Same(&again) {
			t.Errorf("%s: normalised %+v\nwant %+v", c.words, again, w)
		}
		if r, ok := again.Held(7, names); c.reads == nil && c.route.Expires == 0 && (!ok || !reflect.DeepEqual(r.Route, c.route)) {
			t.Errorf("%s: got %s\nwant %s", c.words, asJSON(r.Route), asJSON(c.route))
		}
	}
}
