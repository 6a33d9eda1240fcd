package routes

import (
	"context"
	"errors"
	"strings"
	"testing"

	"nmgre"
)

func TestLookup(t *testing.T) {
	ns := twoWires(t)
	ns.ip(
		"route add 10.40.0.0/16 via 10.9.0.2 mtu 1300 src 10.9.0.1",
		"route add fd40::/16 via fd00::2",
		"route add unreachable 10.41.0.0/16", "route add prohibit 10.42.0.0/16", "route add blackhole 10.43.0.0/16",
		"route add throw 10.44.0.0/16",
		"route add unreachable fd41::/16", "route add prohibit fd42::/16", "route add blackhole fd43::/16",
		"link set dev w0 mtu 1400",
		"rule add from 10.9.1.1 lookup 100", "route add default via 10.9.1.2 table 100",
	)
	for name, c := range map[string]struct {
		query nmgre.Query
		want  nmgre.Hop
	}{
		"on the link":     {nmgre.Query{To: addr("10.9.0.77")}, nmgre.Hop{Dev: "v0", Src: addr("10.9.0.1"), Match: prefix("10.9.0.0/24"), MTU: 1500}},
		"by a gateway":    {nmgre.Query{To: addr("10.40.0.1")}, nmgre.Hop{Dev: "v0", Via: addr("10.9.0.2"), Src: addr("10.9.0.1"), Match: prefix("10.40.0.0/16"), MTU: 1300}},
		"out of a device": {nmgre.Query{To: addr("10.9.0.77"), Dev: "w0"}, nmgre.Hop{Dev: "w0", Src: addr("10.9.1.1"), MTU: 1400}},
		"from an address with a rule": {nmgre.Query{To: addr("10.9.0.77"), From: addr("10.9.1.1")},
			nmgre.Hop{Dev: "w0", Via: addr("10.9.1.2"), Src: addr("10.9.1.1"), Match: prefix("0.0.0.0/0"), MTU: 1400}},
		"of this host": {nmgre.Query{To: addr("10.9.0.1")}, nmgre.Hop{Dev: "lo", Src: addr("10.9.0.1"), Match: prefix("10.9.0.1/32"), MTU: 65536}},
		"IPv6":         {nmgre.Query{To: addr("fd40::1")}, nmgre.Hop{Dev: "v0", Via: addr("fd00:0::2"), Src: addr("fd00:0::1"), Match: prefix("fd40::/16"), MTU: 1500}},
		"IPv6 from": {nmgre.Query{To: addr("fd40::1"), From: addr("fd00:1::1")},
			nmgre.Hop{Dev: "v0", Via: addr("fd00:0::2"), Src: addr("fd00:1::1"), Match: prefix("fd40::/16"), MTU: 1500}},
		"IPv6 of this host": {nmgre.Query{To: addr("fd00:0::1")}, nmgre.Hop{Dev: "lo", Src: addr("fd00:0::1"), Match: prefix("fd00:0::1/128"), MTU: 65536}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ns.kernel.Lookup(context.Background(), c.query)
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
	hop, err := ns.kernel.Lookup(context.Background(), nmgre.Query{To: addr("fe80::1%w0")})
	if err != nil || hop.Dev != "w0" || hop.Via.IsValid() {
		t.Errorf("link-local: %+v, %v", hop, err)
	}
}

func TestLookupNowhere(t *testing.T) {
	ns := twoWires(t)
	ns.ip(
		"route add unreachable 10.41.0.0/16", "route add prohibit 10.42.0.0/16", "route add blackhole 10.43.0.0/16",
		"route add unreachable fd41::/16", "route add prohibit fd42::/16", "route add blackhole fd43::/16",
		"link set dev w0 down",
	)
	for name, c := range map[string]struct {
		query nmgre.Query
		kind  error
		text  string
	}{
		"no route":         {nmgre.Query{To: addr("10.99.0.1")}, nmgre.ErrUnreachable, "look up the route to 10.99.0.1: network is unreachable"},
		"unreachable":      {nmgre.Query{To: addr("10.41.0.1")}, nmgre.ErrUnreachable, "to 10.41.0.1: unreachable"},
		"prohibit":         {nmgre.Query{To: addr("10.42.0.1")}, nmgre.ErrUnreachable, "prohibit"},
		"blackhole":        {nmgre.Query{To: addr("10.43.0.1")}, nmgre.ErrUnreachable, "blackhole"},
		"blackhole, from":  {nmgre.Query{To: addr("10.43.0.1"), From: addr("10.9.0.1")}, nmgre.ErrUnreachable, "blackhole"},
		"broadcast":        {nmgre.Query{To: addr("10.9.0.255")}, nmgre.ErrUnreachable, "not a unicast address"},
		"IPv6 no route":    {nmgre.Query{To: addr("fd99::1")}, nmgre.ErrUnreachable, "network is unreachable"},
		"IPv6 unreachable": {nmgre.Query{To: addr("fd41::1")}, nmgre.ErrUnreachable, "unreachable"},
		"IPv6 prohibit":    {nmgre.Query{To: addr("fd42::1")}, nmgre.ErrUnreachable, "prohibit"},
		"IPv6 blackhole":   {nmgre.Query{To: addr("fd43::1")}, nmgre.ErrUnreachable, "blackhole"},
		"device down":      {nmgre.Query{To: addr("10.9.1.2"), Dev: "w0"}, nmgre.ErrUnreachable, ""},
		"no device":        {nmgre.Query{To: addr("10.9.1.2"), Dev: "none"}, nmgre.ErrInvalid, `there is no network device "none"`},
		"foreign source":   {nmgre.Query{To: addr("10.9.0.2"), From: addr("192.0.2.9")}, nmgre.ErrInvalid, "192.0.2.9 is not on this host"},
		"two families":     {nmgre.Query{To: addr("10.9.0.2"), From: addr("fd00::1")}, nmgre.ErrInvalid, "same address family"},
		"nothing":          {nmgre.Query{}, nmgre.ErrInvalid, "needs a destination"},
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
