package wire

import (
	"errors"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"nmgre/testdata/want"
)

// wireRoutes are routes with every field that is encoded.
var wireRoutes = map[string]Route{
	"device only": {
		Family: unix.AF_INET, Dst: want.CIDR("10.10.2.0/24"), Table: 254, Protocol: 213, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST, Device: 7,
	},
	"everything": {
		Family: unix.AF_INET, Dst: want.CIDR("10.0.0.0/8"), From: want.CIDR("10.1.1.1/32"), Table: 100000, Protocol: 4, Type: unix.RTN_UNICAST,
		Flags: unix.RTNH_F_ONLINK, Device: 7, Via: want.Addr("172.16.0.2"), PrefSrc: want.Addr("172.16.0.1"), Priority: 50, TOS: 8, metrics: routeMetrics{mtu: 1400, lock: 1 << 2},
	},
	"default": {Family: unix.AF_INET, Dst: want.CIDR("0.0.0.0/0"), Table: 1, Type: unix.RTN_BLACKHOLE},
	"multipath": {
		Family: unix.AF_INET6, Dst: want.CIDR("fd00::/16"), Table: 255, Type: unix.RTN_UNICAST, Hops: []Hop{
			{Device: 7, Via: want.Addr("fe80::1"), weight: 255, Flags: unix.RTNH_F_ONLINK}, {Device: 8},
		},
	},
	"IPv4 by an IPv6 router": {
		Family: unix.AF_INET, Dst: want.CIDR("10.0.0.0/8"), Table: 254, Type: unix.RTN_UNICAST, Device: 7, Via: want.Addr("fe80::1"),
	},
	"IPv6 default": {Family: unix.AF_INET6, Dst: want.CIDR("::/0"), Device: 1<<31 - 1},
}

func TestRouteMessage(t *testing.T) {
	for name, want := range wireRoutes {
		t.Run(name, func(t *testing.T) {
			got, err := ParseRoute(want.Encode())
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

func TestRouteMalformed(t *testing.T) {
	empty := Route{Family: unix.AF_INET}
	header := empty.Encode()
	with := func(kind uint16, value ...byte) []byte {
		return AppendAttribute(header[:len(header):len(header)], kind, value)
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
		"short metric":         with(unix.RTA_METRICS, raw(5, 2, 1)...),
		"short metrics":        with(unix.RTA_METRICS, raw(9, 2, 1)...),
		"nexthop of no length": with(unix.RTA_MULTIPATH, 0, 0, 0, 0, 0, 0, 0, 0),
		"nexthop too long":     with(unix.RTA_MULTIPATH, raw(9, 0, 0, 0, 0, 0)...),
		"nexthop's gateway":    with(unix.RTA_MULTIPATH, append(raw(14, 0, 0, 0, 0, 0), raw(6, unix.RTA_GATEWAY, 1, 2)...)...),
		"via of no family":     with(unix.RTA_VIA),
		"via too short":        with(unix.RTA_VIA, append(Native.AppendUint16(nil, unix.AF_INET6), 1)...),
	} {
		if _, err := ParseRoute(in); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzRoute checks that no message does harm, and that a route that was read is encoded and read
// again as the same route.
func FuzzRoute(f *testing.F) {
	for _, w := range wireRoutes {
		f.Add(w.Encode())
	}
	for _, file := range []string{"routes.txt", "iproute2.txt"} {
		for _, message := range want.Fixtures(f, "testdata/"+file) {
			f.Add(message)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := ParseRoute(body)
		if err != nil {
			return
		}
		names := map[int]string{}
		for _, device := range w.Devices() {
			names[device] = "dev"
		}
		w.Held(w.Devices()[0], names)
		copied, err := ParseRoute(body)
		if err != nil {
			t.Fatal(err)
		}
		copied.Normalise()
		copied.Held(0, names)
		copied.Deletion().Encode()
		if !copied.Same(&copied) || !copied.GivesWayTo(&copied) && len(copied.Hops) == 0 {
			t.Errorf("not the same as itself: %+v", copied)
		}
		if !encodable(w) {
			return
		}
		again, err := ParseRoute(w.Encode())
		if err != nil || !reflect.DeepEqual(again, w) {
			t.Errorf("read %+v\nthen %+v, %v", w, again, err)
		}
	})
}

// encodable reports whether a route can be encoded as it was read. Foreign parts are lost, and an
// attribute has at most 64 KiB.
func encodable(w Route) bool { return !w.Foreign && len(w.Hops) <= 1000 }
