package netlink

import (
	"context"
	"errors"
	"strings"
	"testing"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

func TestLookup(t *testing.T) {
	ns := twoWires(t)
	ns.IP(
		"route add 10.40.0.0/16 via 10.9.0.2 mtu 1300 src 10.9.0.1",
		"route add fd40::/16 via fd00::2",
		"route add unreachable 10.41.0.0/16", "route add prohibit 10.42.0.0/16", "route add blackhole 10.43.0.0/16",
		"route add throw 10.44.0.0/16",
		"route add unreachable fd41::/16", "route add prohibit fd42::/16", "route add blackhole fd43::/16",
		"link set dev w0 mtu 1400",
		"rule add from 10.9.1.1 lookup 100", "route add default via 10.9.1.2 table 100",
	)
	for name, c := range map[string]struct {
		query kernel.Query
		want  kernel.Hop
	}{
		"on the link":     {kernel.Query{To: want.Addr("10.9.0.77")}, kernel.Hop{Dev: "v0", Src: want.Addr("10.9.0.1"), Match: want.CIDR("10.9.0.0/24"), Table: 254, MTU: 1500}},
		"by a gateway":    {kernel.Query{To: want.Addr("10.40.0.1")}, kernel.Hop{Dev: "v0", Via: want.Addr("10.9.0.2"), Src: want.Addr("10.9.0.1"), Match: want.CIDR("10.40.0.0/16"), Table: 254, MTU: 1300}},
		"out of a device": {kernel.Query{To: want.Addr("10.9.0.77"), Dev: "w0"}, kernel.Hop{Dev: "w0", Src: want.Addr("10.9.1.1"), MTU: 1400}},
		"from an address with a rule": {kernel.Query{To: want.Addr("10.9.0.77"), From: want.Addr("10.9.1.1")},
			kernel.Hop{Dev: "w0", Via: want.Addr("10.9.1.2"), Src: want.Addr("10.9.1.1"), Match: want.CIDR("0.0.0.0/0"), Table: 100, MTU: 1400}},
		"of this host": {kernel.Query{To: want.Addr("10.9.0.1")}, kernel.Hop{Dev: "lo", Src: want.Addr("10.9.0.1"), Match: want.CIDR("10.9.0.1/32"), Table: 255, MTU: 65536}},
		"IPv6":         {kernel.Query{To: want.Addr("fd40::1")}, kernel.Hop{Dev: "v0", Via: want.Addr("fd00:0::2"), Src: want.Addr("fd00:0::1"), Match: want.CIDR("fd40::/16"), Table: 254, MTU: 1500}},
		"IPv6 from": {kernel.Query{To: want.Addr("fd40::1"), From: want.Addr("fd00:1::1")},
			kernel.Hop{Dev: "v0", Via: want.Addr("fd00:0::2"), Src: want.Addr("fd00:1::1"), Match: want.CIDR("fd40::/16"), Table: 254, MTU: 1500}},
		"IPv6 of this host": {kernel.Query{To: want.Addr("fd00:0::1")}, kernel.Hop{Dev: "lo", Src: want.Addr("fd00:0::1"), Match: want.CIDR("fd00:0::1/128"), Table: 255, MTU: 65536}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ns.kernel.Lookup(context.Background(), c.query)
			c.want.RouteMTU = c.want.MTU
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	hop, err := ns.kernel.Lookup(context.Background(), kernel.Query{To: want.Addr("fe80::1%w0")})
	if err != nil || hop.Dev != "w0" || hop.Via.IsValid() {
		t.Errorf("link-local: %+v, %v", hop, err)
	}
}

func TestLookupNowhere(t *testing.T) {
	ns := twoWires(t)
	ns.IP(
		"route add unreachable 10.41.0.0/16", "route add prohibit 10.42.0.0/16", "route add blackhole 10.43.0.0/16",
		"route add unreachable fd41::/16", "route add prohibit fd42::/16", "route add blackhole fd43::/16",
		"link set dev w0 down",
	)
	for name, c := range map[string]struct {
		query kernel.Query
		kind  error
		text  string
	}{
		"no route":         {kernel.Query{To: want.Addr("10.99.0.1")}, fault.ErrUnreachable, "look up the route to 10.99.0.1: network is unreachable"},
		"unreachable":      {kernel.Query{To: want.Addr("10.41.0.1")}, fault.ErrUnreachable, "to 10.41.0.1: unreachable"},
		"prohibit":         {kernel.Query{To: want.Addr("10.42.0.1")}, fault.ErrUnreachable, "prohibit"},
		"blackhole":        {kernel.Query{To: want.Addr("10.43.0.1")}, fault.ErrUnreachable, "blackhole"},
		"blackhole, from":  {kernel.Query{To: want.Addr("10.43.0.1"), From: want.Addr("10.9.0.1")}, fault.ErrUnreachable, "blackhole"},
		"broadcast":        {kernel.Query{To: want.Addr("10.9.0.255")}, fault.ErrUnreachable, "not a unicast address"},
		"IPv6 no route":    {kernel.Query{To: want.Addr("fd99::1")}, fault.ErrUnreachable, "network is unreachable"},
		"IPv6 unreachable": {kernel.Query{To: want.Addr("fd41::1")}, fault.ErrUnreachable, "unreachable"},
		"IPv6 prohibit":    {kernel.Query{To: want.Addr("fd42::1")}, fault.ErrUnreachable, "prohibit"},
		"IPv6 blackhole":   {kernel.Query{To: want.Addr("fd43::1")}, fault.ErrUnreachable, "blackhole"},
		"device down":      {kernel.Query{To: want.Addr("10.9.1.2"), Dev: "w0"}, fault.ErrUnreachable, ""},
		"no device":        {kernel.Query{To: want.Addr("10.9.1.2"), Dev: "none"}, fault.ErrInvalid, `there is no network device "none"`},
		"foreign source":   {kernel.Query{To: want.Addr("10.9.0.2"), From: want.Addr("192.0.2.9")}, fault.ErrInvalid, "192.0.2.9 is not on this host"},
		"two families":     {kernel.Query{To: want.Addr("10.9.0.2"), From: want.Addr("fd00::1")}, fault.ErrInvalid, "same address family"},
		"nothing":          {kernel.Query{}, fault.ErrInvalid, "needs a destination"},
	} {
		t.Run(name, func(t *testing.T) {
			hop, err := ns.kernel.Lookup(context.Background(), c.query)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %+v, %v", hop, err)
			}
			t.Log(err)
		})
	}
}
