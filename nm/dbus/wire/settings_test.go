package wire

import (
	"errors"
	"reflect"
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

// TestEncodeGolden pins every property with its type. NetworkManager silently drops an int where it
// wants a uint32.
func TestEncodeGolden(t *testing.T) {
	for name, tunnel := range dbustest.Tunnels {
		t.Run(name, func(t *testing.T) {
			got := dbustest.Print(Encode(tunnel, Settings{Connection: {"uuid": dbus.MakeVariant(dbustest.UUID)}}))
			want.Golden(t, "settings/"+name+".txt", got)
		})
	}
}

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	for name, tunnel := range dbustest.Tunnels {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(Encode(tunnel, nil))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tunnel) {
				t.Errorf("got  %+v\nwant %+v", got, tunnel)
			}
		})
	}
}

// TestEncodeKeepsTheRest encodes an unchanged tunnel into its profile, and then another one.
func TestEncodeKeepsTheRest(t *testing.T) {
	tunnel, err := Decode(dbustest.Rich())
	if err != nil {
		t.Fatal(err)
	}
	expected := Settings(dbustest.Rich())
	expected.StripLegacy()
	if got := dbustest.Print(Encode(tunnel, dbustest.Rich())); got != dbustest.Print(expected) {
		t.Errorf("got\n%s\nwant\n%s", got, dbustest.Print(expected))
	}
	want.Golden(t, "settings/changed.base.txt", dbustest.Print(Encode(dbustest.Tunnels["keys"], dbustest.Rich())))
}

func TestEncodeLeavesBaseAlone(t *testing.T) {
	base := Settings(dbustest.Rich())
	Encode(dbustest.Tunnels["routes"], base)
	if got, want := dbustest.Print(base), dbustest.Print(dbustest.Rich()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeMakesUUIDs(t *testing.T) {
	one, two := Encode(dbustest.Tunnels["plain"], nil), Encode(dbustest.Tunnels["plain"], nil)
	a, b := one.Text(Connection, "uuid"), two.Text(Connection, "uuid")
	if len(a) != 36 || a == b || a[14] != '4' || !strings.Contains("89ab", a[19:20]) {
		t.Errorf("%q and %q are not two random UUIDs", a, b)
	}
}

// TestEncodeLeavesKernelRoutesOut has a multipath route, which a profile cannot hold.
func TestEncodeLeavesKernelRoutesOut(t *testing.T) {
	tunnel := dbustest.Tunnels["plain"].Clone()
	tunnel.Routes = []routes.Route{{Dst: want.CIDR("10.0.0.0/8"), Nexthops: []routes.Nexthop{{}, {Dev: "eth0"}}}}
	if entries := Encode(tunnel, nil).Entries(IPv4, "route-data"); len(entries) != 0 {
		t.Errorf("got %v", entries)
	}
}

// TestRouteTable has a profile that puts its routes into a table of its own.
func TestRouteTable(t *testing.T) {
	base := Settings(dbustest.Rich())
	base.Set(IPv4, "route-table", uint32(100))
	tunnel, err := Decode(base)
	if err != nil || tunnel.Routes[0].Table != 100 {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, routes.Route{Dst: want.CIDR("10.11.0.0/16")})
	got := dbustest.PrintValue(Encode(tunnel, base)[IPv4]["route-data"])
	want := "[{dest s 10.10.2.0, initcwnd u 10, metric u 50, prefix u 24} {dest s 10.11.0.0, prefix u 16, table u 254}" +
		" {dest s 10.9.0.0, later b true, prefix u 16, type s blackhole}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMethod(t *testing.T) {
	for _, c := range []struct {
		old            string
		had, addresses int
		want           string
	}{
		{"", 0, 0, "disabled"}, {"manual", 1, 0, "disabled"}, {"auto", 0, 0, "auto"}, {"link-local", 0, 0, "link-local"}, {"disabled", 0, 0, "disabled"},
		{"", 0, 1, "manual"}, {"disabled", 0, 1, "manual"}, {"link-local", 0, 1, "manual"}, {"shared", 0, 2, "shared"}, {"ignore", 0, 1, "manual"},
		{"auto", 0, 1, "manual"}, {"auto", 1, 1, "auto"}, {"auto", 2, 1, "auto"},
	} {
		if got := method(c.old, c.had, c.addresses); got != c.want {
			t.Errorf("method(%q, %d, %d) = %q, want %q", c.old, c.had, c.addresses, got, c.want)
		}
	}
}

func TestWaits(t *testing.T) {
	v := dbus.MakeVariant
	address := []map[string]dbus.Variant{{"address": v("172.16.0.1"), "prefix": v(uint32(30))}}
	for _, c := range []struct {
		v4, v6 string
		has    string // the family that has an address
		want   string
	}{
		{"auto", "disabled", "", "its ipv4.method is auto without an address"},
		{"auto", "disabled", IPv4, ""},
		{"link-local", "disabled", "", "its ipv4.method is link-local"},
		{"disabled", "auto", "", "its ipv6.method is auto without an address"},
		{"disabled", "dhcp", "", "its ipv6.method is dhcp"},
		{"manual", "ignore", IPv4, ""},
		{"disabled", "link-local", "", ""},
	} {
		s := Settings{IPv4: {"method": v(c.v4)}, IPv6: {"method": v(c.v6)}}
		if c.has != "" {
			s[c.has]["address-data"] = v(address)
		}
		if got := s.Waits(); !strings.HasPrefix(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// TestDecodeRefuses has values that only a hostile NetworkManager lets pass.
func TestDecodeRefuses(t *testing.T) {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	many := make([]entry, maxRoutes+1)
	for _, c := range []struct {
		setting, property string
		value             any
		want              string
	}{
		{Connection, "type", "ethernet", "ip-tunnel.mode: not a GRE mode"},
		{IPTunnel, "mode", uint32(1), "ip-tunnel.mode: not a GRE mode"},
		{IPTunnel, "mode", int32(2), "ip-tunnel.mode: not a GRE mode"},
		{IPTunnel, "remote", "nonsense\x1b[2J", `ip-tunnel.remote: "nonsense\x1b[2J" is not an IPv4 address`},
		{IPTunnel, "remote", "2001:db8::1", `ip-tunnel.remote: "2001:db8::1" is not an IPv4 address`},
		{IPTunnel, "local", "fe80::1%eth0", `ip-tunnel.local: "fe80::1%eth0" is not an IPv4 address`},
		{IPTunnel, "ttl", uint32(256), "ip-tunnel.ttl: 256 is above 255"},
		{IPTunnel, "tos", "1", `ip-tunnel.tos: its type is "s" instead of "u"`},
		{IPTunnel, "flow-label", uint32(1 << 20), "ip-tunnel.flow-label: 1048576 has more than 20 bits"},
		{IPTunnel, "input-key", "0x2a", `ip-tunnel.input-key: "0x2a" is not a decimal number of at most 32 bits`},
		{IPTunnel, "output-key", "4294967296", `ip-tunnel.output-key: "4294967296" is not a decimal number of at most 32 bits`},
		{IPTunnel, "parent", "a/b", `ip-tunnel.parent: "a/b" is not a device name`},
		{Connection, "interface-name", "a name of more than 15 bytes", `connection.interface-name: "a name of more than 15 bytes" is not a device name`},
		{Connection, "autoconnect", uint32(1), `connection.autoconnect: its type is "u" instead of "b"`},
		{IPv4, "address-data", []entry{{"address": v("1.2.3.4")}}, "ipv4.address-data: 1.2.3.4 lacks a prefix length of 0 to 32"},
		{IPv4, "address-data", []entry{{"address": v("1.2.3.4"), "prefix": v(uint32(33))}}, "ipv4.address-data: 1.2.3.4 lacks a prefix length of 0 to 32"},
		{IPv4, "address-data", []entry{{"address": v("1.2.3.4"), "prefix": v(int32(24))}}, "ipv4.address-data: 1.2.3.4 lacks a prefix length of 0 to 32"},
		{IPv6, "address-data", []entry{nil}, `ipv6.address-data: "" is not an IPv6 address`},
		{IPv4, "route-data", []entry{{"dest": v("1.2.3.0"), "prefix": v(uint32(24)), "metric": v("5")}}, `ipv4.route-data: route 1.2.3.0/24: metric has the type "s"`},
		{IPv4, "route-data", []entry{{"dest": v("1.2.3.0"), "prefix": v(uint32(24)), "next-hop": v("fe80::1")}}, `ipv4.route-data: route 1.2.3.0/24: next-hop: "fe80::1" is not an IPv4 address`},
		{IPv4, "route-data", many, "ipv4.route-data: 200001 entries are more than the 200000 allowed"},
		{userData, "data", map[string]string{KeyPeer: "172.16.0.02"}, `user.data.nmgre.peer-address: "172.16.0.02" is not an IP address`},
	} {
		s := Settings(dbustest.Rich())
		s.Set(c.setting, c.property, c.value)
		_, err := Decode(s)
		if !errors.Is(err, fault.ErrInvalid) || err.Error() != c.want {
			t.Errorf("%s.%s:\ngot  %v\nwant %s", c.setting, c.property, err, c.want)
		}
	}
}

func TestDecodeDefaults(t *testing.T) {
	got, err := Decode(Settings{Connection: {"type": dbus.MakeVariant("ip-tunnel")}, IPTunnel: {"mode": dbus.MakeVariant(uint32(8))}})
	expected := nm.Tunnel{Mode: gre.ModeIP6GRE, Local: want.Addr("::"), Remote: want.Addr("::"), Autoconnect: true}
	if err != nil || !reflect.DeepEqual(got, expected) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWireRefusesStructures(t *testing.T) {
	for _, v := range []dbus.Variant{
		dbus.MakeVariantWithSignature([][]any{{[]byte{1}, uint32(2)}}, dbus.ParseSignatureMust("a(ayu)")),
		{},
	} {
		s := Settings{"odd": {"one\x1b": v}}
		if _, err := s.Values(); err == nil || !strings.Contains(err.Error(), `odd.one\x1b: `) {
			t.Errorf("%v: got %v", v, err)
		}
	}
	stripped := Settings(dbustest.Rich())
	stripped.StripLegacy()
	if _, err := stripped.Values(); err != nil {
		t.Error(err)
	}
}

// A profile is for the users in its permissions. An entry that is not understood is for nobody.
func TestUsers(t *testing.T) {
	for _, c := range []struct {
		permissions any
		users       []string
	}{
		{nil, nil}, {[]string{}, nil}, {[]string{"user:ann:"}, []string{"ann"}}, {[]string{"user:ann", "user:bob:x"}, []string{"ann", "bob"}},
		{[]string{"group:staff:"}, []string{""}}, {[]string{"user:"}, []string{""}}, {[]string{"user:a\x1b:"}, []string{`a\x1b`}}, {"user:ann:", nil},
	} {
		s := Settings{Connection: {}}
		if c.permissions != nil {
			s.Set(Connection, "permissions", c.permissions)
		}
		if got := s.Users(); !reflect.DeepEqual(got, c.users) {
			t.Errorf("%q: %q, want %q", c.permissions, got, c.users)
		}
	}
}
