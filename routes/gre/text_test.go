package gre

import (
	"net/netip"
	"testing"

	"nmgre/testdata/want"
)

func TestTexts(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{KeyText(nil), ""}, {KeyText(want.Ptr(Key(0))), "0"}, {KeyText(want.Ptr(Key(0xffffffff))), "4294967295"},
		{TTLText(0), "inherit"}, {TTLText(1), "1"}, {TTLText(255), "255"},
		{TOSText(0), "0"}, {TOSText(1), "inherit"}, {TOSText(2), "0x2"}, {TOSText(0x10), "0x10"}, {TOSText(255), "0xff"},
		{OuterText(netip.Addr{}), "any"}, {OuterText(netip.IPv4Unspecified()), "any"}, {OuterText(netip.IPv6Unspecified()), "any"},
		{OuterText(netip.MustParseAddr("192.0.2.1")), "192.0.2.1"}, {OuterText(netip.MustParseAddr("fe80::1%eth0")), "fe80::1%eth0"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
