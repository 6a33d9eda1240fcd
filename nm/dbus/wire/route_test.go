package wire

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// TestRouteAttributes writes and reads each attribute, with the type that NetworkManager's own
// table has.
func TestRouteAttributes(t *testing.T) {
	used := make(map[string]bool)
	for _, c := range dbustest.AttributeCases {
		family := familyOf(c.Route.Dst.Addr())
		tunnel := nm.Tunnel{Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr("198.51.100.2"), Name: "gre1", Autoconnect: true, Routes: []routes.Route{c.Route}}
		s := Encode(tunnel, nil)
		got := dbustest.PrintValue(s[family]["route-data"])
		if expected := complete(c.Route, c.Want); got != expected {
			t.Errorf("%+v\ngot  %s\nwant %s", c.Route, got, expected)
		}
		if back, err := Decode(s); err != nil || !reflect.DeepEqual(back, tunnel) {
			t.Errorf("%s\ngot  %+v, %v\nwant %+v", got, back.Routes, err, tunnel.Routes)
		}
		for name := range s.Entries(family, "route-data")[0] {
			used[name] = true
		}
	}
	if got, expected := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(routeAttributes())); !slices.Equal(got, expected) {
		t.Errorf("tested are %v\nof       %v", got, expected)
	}
}

// complete adds the fields that every route has to those of a case.
func complete(r routes.Route, want string) string {
	fields := strings.Split(want, ", ")
	for _, every := range []string{"dest s " + r.Dst.Addr().String(), fmt.Sprint("prefix u ", r.Dst.Bits())} {
		if !slices.Contains(fields, every) {
			fields = append(fields, every)
		}
	}
	slices.Sort(fields)
	return "[{" + strings.Join(fields, ", ") + "}]"
}

// TestForeignRoutes has routes that a later NetworkManager may hold. nmgre does not show them, but
// keeps them.
func TestForeignRoutes(t *testing.T) {
	v := dbus.MakeVariant
	for _, foreign := range []Entry{
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "later": v(uint32(1))},
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("multicast")},
		{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("1")},
		{"dest": v("no address"), "prefix": v("no number"), "later": v(true)},
	} {
		s := Settings(dbustest.Rich())
		s.Set(IPv4, "route-data", []Entry{foreign, {"dest": v("10.8.0.0"), "prefix": v(uint32(16))}})
		tunnel, err := Decode(s)
		if err != nil || len(tunnel.Routes) != 1 {
			t.Errorf("%v: got %+v, %v", foreign, tunnel.Routes, err)
		}
		tunnel.Routes = nil
		if got := Encode(tunnel, s).Entries(IPv4, "route-data"); !reflect.DeepEqual(got, []Entry{foreign}) {
			t.Errorf("got %v, want %v", got, foreign)
		}
	}
}

// TestRoutesStayAsWritten has routes that somebody wrote in another form than nmgre. Their entries
// stay when another route is added.
func TestRoutesStayAsWritten(t *testing.T) {
	v := dbus.MakeVariant
	theirs := []Entry{
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "type": v("unicast"), "lock-mtu": v(false), "onlink": v(false), "mtu": v(uint32(0))},
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "metric": v(uint32(5)), "next-hop": v("0.0.0.0"), "weight": v(uint32(0)), "quickack": v(false)},
		// has the same routeKey as the one above
		{"dest": v("10.8.1.2"), "prefix": v(uint32(16)), "metric": v(uint32(5)), "cwnd": v(uint32(0))},
		{"dest": v("10.7.0.0"), "prefix": v(uint32(16)), "scope": v(byte(255)), "table": v(uint32(254)), "tos": v(byte(0)), "lock-mtu": v(true), "lock-cwnd": v(true), "rto_min": v(uint32(0))},
	}
	s := Settings(dbustest.Rich())
	s.Set(IPv4, "route-data", theirs)
	s.Set(IPv6, "route-data", []Entry{{"dest": v("2001:DB8::1"), "prefix": v(uint32(32)), "from": v("2001:DB8:1::1/48")}, {"dest": v("fd00::"), "prefix": v(uint32(8)), "from": v("fd00::1")}})
	six := s.Entries(IPv6, "route-data")
	tunnel, err := Decode(s)
	if err != nil || len(tunnel.Routes) != 6 || tunnel.Routes[4].From != want.CIDR("2001:db8:1::/48") || tunnel.Routes[5].From != want.CIDR("fd00::1/128") {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.6.0.0/16")})
	slices.Reverse(tunnel.Routes)
	slices.Reverse(theirs)
	slices.Reverse(six)
	now := Encode(tunnel, s)
	want := append([]Entry{{"dest": v("10.6.0.0"), "prefix": v(uint32(16))}}, theirs...)
	if got := now.Entries(IPv4, "route-data"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := now.Entries(IPv6, "route-data"); !reflect.DeepEqual(got, six) {
		t.Errorf("got  %v\nwant %v", got, six)
	}
}

// TestLocalRouteTable has a profile with a table of its own, which NetworkManager does not use for
// local routes.
func TestLocalRouteTable(t *testing.T) {
	v := dbus.MakeVariant
	s := Settings(dbustest.Rich())
	s.Set(IPv4, "route-table", uint32(100))
	s.Set(IPv4, "route-data", []Entry{{"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v("local")}, {"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v("throw")}})
	tunnel, err := Decode(s)
	if err != nil || tunnel.Routes[0].TableOrMain() != 255 || tunnel.Routes[1].Table != 100 {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.6.0.0/16"), Type: routes.TypeLocal}, routes.Route{Dst: want.CIDR("10.6.0.0/16"), Type: routes.TypeBlackhole})
	got := dbustest.PrintValue(Encode(tunnel, s)[IPv4]["route-data"])
	want := "[{dest s 10.8.0.0, prefix u 16, type s local} {dest s 10.8.0.0, prefix u 16, type s throw}" +
		" {dest s 10.6.0.0, prefix u 16, type s local} {dest s 10.6.0.0, prefix u 16, table u 254, type s blackhole}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestRouteRefused has routes that no NetworkManager lets pass.
func TestRouteRefused(t *testing.T) {
	v := dbus.MakeVariant
	for _, c := range []struct {
		family, name string
		value        any
		want         string
	}{
		{IPv6, "tos", byte(4), "tos is for IPv4 routes only"},
		{IPv6, "scope", byte(4), "scope is for IPv4 routes only"},
		{IPv6, "weight", uint32(4), "weight is for IPv4 routes only"},
		{IPv4, "from", "fd00::/8", "from is for IPv6 routes only"},
		{IPv6, "from", "10.0.0.0/8", `from: "10.0.0.0/8" is not an IPv6 network`},
		{IPv6, "from", "fd00::/129", `from: "fd00::/129" is not an IPv6 network`},
		{IPv6, "from", "fe80::1%eth0", `from: "fe80::1%eth0" is not an IPv6 network`},
		{IPv6, "from", "\x1b[2J", `from: "\x1b[2J" is not an IPv6 network`},
		{IPv4, "weight", uint32(257), "the weight 257 is above 256"},
		{IPv4, "weight", int32(1), `weight has the type "i"`},
		{IPv4, "tos", uint32(4), `tos has the type "u"`},
		{IPv4, "scope", "link", `scope has the type "s"`},
		{IPv4, "quickack", uint32(1), `quickack has the type "u"`},
		{IPv4, "rto_min", uint64(1), `rto_min has the type "t"`},
		{IPv4, "lock-advmss", "yes", `lock-advmss has the type "s"`},
		{IPv4, "advmss", byte(1), `advmss has the type "y"`},
		{IPv4, "type", uint32(6), `type has the type "u"`},
		{IPv4, "table", int32(6), `table has the type "i"`},
	} {
		dest := map[string]string{IPv4: "10.8.0.0", IPv6: "fd00::"}[c.family]
		s := Settings(dbustest.Rich())
		s.Set(c.family, "route-data", []Entry{{"dest": v(dest), "prefix": v(uint32(8)), c.name: v(c.value)}})
		_, err := Decode(s)
		if want := fmt.Sprintf("%s.route-data: route %s/8: %s", c.family, strings.Replace(dest, "10.8", "10.0", 1), c.want); !errors.Is(err, fault.ErrInvalid) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for kind, name := range map[string]string{"blackhole": "next-hop", "throw": "next-hop", "local": "weight", "prohibit": "weight"} {
		s := Settings(dbustest.Rich())
		value := map[string]dbus.Variant{"next-hop": v("10.0.0.1"), "weight": v(uint32(1))}[name]
		s.Set(IPv4, "route-data", []Entry{{"dest": v("10.8.0.0"), "prefix": v(uint32(16)), "type": v(kind), name: value}})
		if _, err := Decode(s); !errors.Is(err, fault.ErrInvalid) || !strings.Contains(err.Error(), "a "+kind+" route has no "+name) {
			t.Errorf("%s with %s: %v", kind, name, err)
		}
	}
}

// TestForwarding has NetworkManager's four values, an absent one, and one of a wrong type.
func TestForwarding(t *testing.T) {
	tunnel := dbustest.Tunnels["plain"].Clone()
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
		s := Settings(dbustest.Rich())
		if c.old != nil {
			s.Set(IPv4, "forwarding", c.old)
		}
		if got, err := Decode(s); (err != nil) != c.bad || got.Forward != c.decoded {
			t.Errorf("%v is read as %v, %v", c.old, got.Forward, err)
		}
		for forward, want := range map[bool]string{true: c.yes, false: c.no} {
			tunnel.Forward = forward
			got := ""
			if v, ok := Encode(tunnel, s)[IPv4]["forwarding"]; ok {
				got = fmt.Sprint(v.Signature(), " ", v.Value())
			}
			if got != want {
				t.Errorf("%v with forwarding %v becomes %q, want %q", c.old, forward, got, want)
			}
		}
	}
}
