package routes

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// wireRoutes are routes with every field that is encoded.
var wireRoutes = map[string]wireRoute{
	"device only": {
		family: unix.AF_INET, dst: prefix("10.10.2.0/24"), table: 254, protocol: 213, scope: unix.RT_SCOPE_LINK, kind: unix.RTN_UNICAST, device: 7,
	},
	"everything": {
		family: unix.AF_INET, dst: prefix("10.0.0.0/8"), from: prefix("10.1.1.1/32"), table: 100000, protocol: 4, kind: unix.RTN_UNICAST,
		flags: unix.RTNH_F_ONLINK, device: 7, via: addr("172.16.0.2"), prefSrc: addr("172.16.0.1"), priority: 50, tos: 8, metrics: wireMetrics{mtu: 1400, lock: 1 << 2},
	},
	"default": {family: unix.AF_INET, dst: prefix("0.0.0.0/0"), table: 1, kind: unix.RTN_BLACKHOLE},
	"multipath": {
		family: unix.AF_INET6, dst: prefix("fd00::/16"), table: 255, kind: unix.RTN_UNICAST, hops: []wireHop{
			{device: 7, via: addr("fe80::1"), weight: 255, flags: unix.RTNH_F_ONLINK}, {device: 8},
		},
	},
	"IPv4 by an IPv6 router": {
		family: unix.AF_INET, dst: prefix("10.0.0.0/8"), table: 254, kind: unix.RTN_UNICAST, device: 7, via: addr("fe80::1"),
	},
	"IPv6 default": {family: unix.AF_INET6, dst: prefix("::/0"), device: 1<<31 - 1},
}

func TestRouteMessage(t *testing.T) {
	for name, want := range wireRoutes {
		t.Run(name, func(t *testing.T) {
			got, err := parseRoute(want.encode())
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestRouteMalformed(t *testing.T) {
	empty := wireRoute{family: unix.AF_INET}
	header := empty.encode()
	with := func(kind uint16, value ...byte) []byte {
		return appendAttribute(header[:len(header):len(header)], kind, value)
	}
	tooLong := append([]byte(nil), header...)
	tooLong[1] = 33
	family := append([]byte(nil), header...)
	family[0] = unix.AF_BRIDGE
	for name, in := range map[string][]byte{
		"empty":                nil,
		"short header":         header[:11],
		"family":               family,
		"33 bits":              tooLong,
		"short address":        with(unix.RTA_DST, 10, 0),
		"short number":         with(unix.RTA_OIF, 1),
		"short metric":         with(unix.RTA_METRICS, 5, 0, 2, 0, 1),
		"short metrics":        with(unix.RTA_METRICS, 9, 0, 2, 0, 1),
		"nexthop of no length": with(unix.RTA_MULTIPATH, 0, 0, 0, 0, 0, 0, 0, 0),
		"nexthop too long":     with(unix.RTA_MULTIPATH, 9, 0, 0, 0, 0, 0, 0, 0),
		"nexthop's gateway":    with(unix.RTA_MULTIPATH, 14, 0, 0, 0, 1, 0, 0, 0, 6, 0, unix.RTA_GATEWAY, 0, 1, 2),
		"via of no family":     with(unix.RTA_VIA),
		"via too short":        with(unix.RTA_VIA, unix.AF_INET6, 0, 1),
	} {
		if _, err := parseRoute(in); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRoute checks that no message does harm, and that what was read is encoded and read again as the same.
func FuzzRoute(f *testing.F) {
	for _, w := range wireRoutes {
		f.Add(w.encode())
	}
	for _, file := range []string{"routes.txt", "iproute2.txt"} {
		for _, message := range fixtures(f, file) {
			f.Add(message)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := parseRoute(body)
		if err != nil {
			return
		}
		names := map[int]string{}
		for _, device := range w.devices() {
			names[device] = "dev"
		}
		w.route(w.devices()[0], names)
		copied, err := parseRoute(body)
		if err != nil {
			t.Fatal(err)
		}
		copied.normalise()
		copied.route(0, names)
		copied.deletion().encode()
		if !copied.same(&copied) || !copied.givesWayTo(&copied) && len(copied.hops) == 0 {
			t.Errorf("not the same as itself: %+v", copied)
		}
		if !encodable(w) {
			return
		}
		again, err := parseRoute(w.encode())
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Errorf("read %+v\nthen %+v, %v", w, again, err)
		}
	})
}

// encodable says whether a route can be encoded as it was read: what is foreign is lost, and an attribute has at most 64 KiB.
func encodable(w wireRoute) bool { return !w.foreign && len(w.hops) <= 1000 }
