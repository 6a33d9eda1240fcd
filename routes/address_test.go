package routes

import (
	"strconv"
	"testing"

	"nmgre/testdata/want"
)

func TestLastAddr(t *testing.T) {
	for prefix, expected := range map[string]string{
		"172.16.0.1/30": "172.16.0.3", "10.0.0.0/8": "10.255.255.255", "10.1.2.3/32": "10.1.2.3", "10.1.2.3/31": "10.1.2.3",
		"192.168.4.0/22": "192.168.7.255", "0.0.0.0/0": "255.255.255.255", "2001:db8::/64": "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/127": "2001:db8::1",
	} {
		if got := LastAddr(want.CIDR(prefix)); got != want.Addr(expected) {
			t.Errorf("lastAddr(%s) = %s, want %s", prefix, got, expected)
		}
	}
}

func TestMiddleAddr(t *testing.T) {
	for prefix, expected := range map[string]string{
		"10.10.2.0/24": "10.10.2.128", "10.0.0.0/8": "10.128.0.0", "10.10.2.0/29": "10.10.2.4", "10.10.0.0/16": "10.10.128.0", "10.10.2.8/30": "10.10.2.9",
		"10.10.2.8/31": "10.10.2.9", "10.10.2.8/32": "10.10.2.8", "10.10.2.0/23": "10.10.3.0", "fd00:2::/64": "fd00:2::8000:0:0:0", "fd00::/8": "fd80::",
	} {
		if got := MiddleAddr(want.CIDR(prefix)); got != want.Addr(expected) || !want.CIDR(prefix).Contains(got) {
			t.Errorf("middleAddr(%s) = %s, want %s", prefix, got, expected)
		}
	}
}

func TestCountText(t *testing.T) {
	for n, want := range []string{"no routes", "1 route", "2 routes"} {
		if got := CountText(n); got != want {
			t.Errorf("countRoutes(%s) = %q", strconv.Itoa(n), got)
		}
	}
}
