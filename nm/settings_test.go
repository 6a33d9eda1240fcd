package nm

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre"
)

var update = flag.Bool("update", false, "write the golden files anew")

const testUUID = "6f6e6d67-7265-4000-8000-000000000001"

// print writes settings as one line a property, sorted, with the D-Bus type of each value, inner ones included.
func (s Settings) print() string {
	var b strings.Builder
	for _, setting := range slices.Sorted(maps.Keys(s)) {
		for _, property := range slices.Sorted(maps.Keys(s[setting])) {
			v := s[setting][property]
			fmt.Fprintf(&b, "%s.%s %s %s\n", setting, property, v.Signature(), printValue(v))
		}
	}
	return b.String()
}

func printValue(v dbus.Variant) string {
	switch x := v.Value().(type) {
	case []map[string]dbus.Variant:
		var entries []string
		for _, entry := range x {
			var fields []string
			for _, name := range slices.Sorted(maps.Keys(entry)) {
				fields = append(fields, fmt.Sprintf("%s %s %v", name, entry[name].Signature(), entry[name].Value()))
			}
			entries = append(entries, "{"+strings.Join(fields, ", ")+"}")
		}
		return "[" + strings.Join(entries, " ") + "]"
	case string:
		return fmt.Sprintf("%q", x)
	default:
		return fmt.Sprint(x)
	}
}

func key(k nmgre.Key) *nmgre.Key { return &k }

func number(n uint32) *uint32 { return &n }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// tunnels are written as they are and must come back as they are.
var tunnels = map[string]nmgre.Tunnel{
	"plain": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 64, MTU: 1476,
		Addresses: prefixes("172.16.0.1/30"), PeerAddress: addr("172.16.0.2"), Autoconnect: true,
		Routes: []nmgre.Route{{Dst: netip.MustParsePrefix("10.10.2.0/24")}},
	},
	"any-local": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("0.0.0.0"), Remote: addr("198.51.100.2"), Autoconnect: true,
	},
	"keys": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 64,
		InputKey: key(0), OutputKey: key(4294967295), Addresses: prefixes("172.16.0.1/31"), PeerAddress: addr("172.16.0.0"),
	},
	"no-pmtud": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TOS: 1, NoPMTUD: true, Parent: "eth0",
		Addresses: prefixes("172.16.0.1/24"), Autoconnect: true,
	},
	"gretap": {
		Name: "tap1", Mode: nmgre.ModeGRETAP, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 255,
		Addresses: prefixes("172.16.0.1/24", "172.17.0.1/24"), PeerAddress: addr("172.16.0.9"), Autoconnect: true,
	},
	"ip6gre": {
		Name: "gre6", Mode: nmgre.ModeIP6GRE, Local: addr("2001:db8::1"), Remote: addr("2001:db8::2"), TTL: 64,
		EncapLimit: 4, FlowLabel: 0xfffff, Flags: nmgre.FlagIgnEncapLimit | nmgre.FlagUseOrigFwmark,
		Addresses: prefixes("172.16.0.1/30", "fd00::1/64"), PeerAddress: addr("fd00::2"), Autoconnect: true,
		Routes: []nmgre.Route{{Dst: netip.MustParsePrefix("10.10.2.0/24")}, {Dst: netip.MustParsePrefix("fd00:2::/64"), Via: addr("fd00::2")}},
	},
	"ip6gretap": {
		Name: "tap6", Mode: nmgre.ModeIP6GRETAP, Local: addr("::"), Remote: addr("2001:db8::2"), Autoconnect: true,
	},
	"routes": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: prefixes("172.16.0.1/30", "fd00::1/126"), PeerAddress: addr("172.16.0.2"),
		Routes: []nmgre.Route{
			{Dst: netip.MustParsePrefix("0.0.0.0/0"), Metric: number(500), Table: 100},
			{Dst: netip.MustParsePrefix("10.10.2.0/24"), Via: addr("172.16.0.2"), Src: addr("10.10.1.1"), Metric: number(0), MTU: 1400, MTULock: true, OnLink: true},
			{Dst: netip.MustParsePrefix("10.10.3.0/24"), Table: 254},
			{Dst: netip.MustParsePrefix("::/0"), Via: addr("fd00::2"), Metric: number(4294967295)},
		},
	},
	"attributes": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: prefixes("172.16.0.1/30", "fd00::1/126"), PeerAddress: addr("172.16.0.2"),
		Routes: everyRoute(),
	},
	"forward": {
		Name: "gre1", Mode: nmgre.ModeGRE, Local: addr("192.0.2.1"), Remote: addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: prefixes("172.16.0.1/30"), PeerAddress: addr("172.16.0.2"), Forward: true,
	},
}

// TestEncodeGolden pins every property and its type: an int where NetworkManager wants a uint32 is dropped without a word.
func TestEncodeGolden(t *testing.T) {
	for name, tunnel := range tunnels {
		t.Run(name, func(t *testing.T) {
			got := Encode(tunnel, Settings{setConnection: {"uuid": dbus.MakeVariant(testUUID)}}).print()
			golden(t, filepath.Join("testdata", "settings", name+".txt"), got)
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n--- got\n%s--- want\n%s", file, got, want)
	}
}

func TestDecodeReadsWhatEncodeWrote(t *testing.T) {
	for name, tunnel := range tunnels {
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

// rich is a profile with all that nmgre does not know, and the properties that it must not send.
func rich() Settings {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	legacy := dbus.MakeVariantWithSignature([][]any{}, dbus.ParseSignatureMust("a(ayuay)"))
	return Settings{
		setConnection: {"id": v("Büro"), "uuid": v(testUUID), "type": v("ip-tunnel"), "interface-name": v("gre1"), "timestamp": v(uint64(1)),
			"permissions": v([]string{"user:ann"}), "zone": v("trusted")},
		setTunnel: {"mode": v(uint32(2)), "remote": v("198.51.100.2"), "fwmark": v(uint32(7)), "later": v("kept")},
		setIPv4: {"method": v("manual"), "addresses": v([][]uint32{}), "routes": v([][]uint32{}), "dns": v([]uint32{1}), "may-fail": v(false),
			"address-data": v([]entry{{"address": v("172.16.0.1"), "prefix": v(uint32(30)), "label": v("gre1:a")}}),
			"route-data": v([]entry{
				{"dest": v("10.10.2.0"), "prefix": v(uint32(24)), "metric": v(uint32(50)), "initcwnd": v(uint32(10))},
				{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("blackhole"), "later": v(true)},
			})},
		setIPv6:   {"method": v("link-local"), "addresses": legacy, "routes": v([]uint32{}), "addr-gen-mode": v(int32(0))},
		"proxy":   {},
		"bridge1": {"vlans": v([]entry{})},
		setUser:   {"data": v(map[string]string{"org.example.note": "mine"})},
	}
}

// TestEncodeKeepsTheRest changes nothing, and then everything that nmgre knows.
func TestEncodeKeepsTheRest(t *testing.T) {
	tunnel, err := Decode(rich())
	if err != nil {
		t.Fatal(err)
	}
	want := rich()
	want.stripLegacy()
	if got := Encode(tunnel, rich()).print(); got != want.print() {
		t.Errorf("got\n%s\nwant\n%s", got, want.print())
	}
	golden(t, filepath.Join("testdata", "settings", "changed.base.txt"), Encode(tunnels["keys"], rich()).print())
}

func TestEncodeLeavesBaseAlone(t *testing.T) {
	base := rich()
	Encode(tunnels["routes"], base)
	if got, want := base.print(), rich().print(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEncodeMakesUUIDs(t *testing.T) {
	one, two := Encode(tunnels["plain"], nil), Encode(tunnels["plain"], nil)
	a, b := one.text(setConnection, "uuid"), two.text(setConnection, "uuid")
	if len(a) != 36 || a == b || a[14] != '4' || !strings.Contains("89ab", a[19:20]) {
		t.Errorf("%q and %q are not two random UUIDs", a, b)
	}
}

// TestEncodeLeavesKernelRoutesOut has a multipath route, which a profile cannot hold.
func TestEncodeLeavesKernelRoutesOut(t *testing.T) {
	tunnel := tunnels["plain"].Clone()
	tunnel.Routes = []nmgre.Route{{Dst: netip.MustParsePrefix("10.0.0.0/8"), Nexthops: []nmgre.Nexthop{{}, {Dev: "eth0"}}}}
	if entries := Encode(tunnel, nil).entries(setIPv4, "route-data"); len(entries) != 0 {
		t.Errorf("got %v", entries)
	}
}

// TestRouteTable has a profile that puts its routes into a table of its own.
func TestRouteTable(t *testing.T) {
	base := rich()
	base.set(setIPv4, "route-table", uint32(100))
	tunnel, err := Decode(base)
	if err != nil || tunnel.Routes[0].Table != 100 {
		t.Fatalf("got %+v, %v", tunnel.Routes, err)
	}
	tunnel.Routes = append(tunnel.Routes, nmgre.Route{Dst: netip.MustParsePrefix("10.11.0.0/16")})
	got := printValue(Encode(tunnel, base)[setIPv4]["route-data"])
	want := "[{dest s 10.10.2.0, initcwnd u 10, metric u 50, prefix u 24} {dest s 10.11.0.0, prefix u 16, table u 254}" +
		" {dest s 10.9.0.0, later b true, prefix u 16, type s blackhole}]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMethod(t *testing.T) {
	for _, c := range []struct {
		old       string
		addresses int
		want      string
	}{
		{"", 0, "disabled"}, {"manual", 0, "disabled"}, {"auto", 0, "auto"}, {"link-local", 0, "link-local"}, {"disabled", 0, "disabled"},
		{"", 1, "manual"}, {"disabled", 1, "manual"}, {"link-local", 1, "manual"}, {"auto", 1, "auto"}, {"shared", 2, "shared"}, {"ignore", 1, "manual"},
	} {
		if got := method(c.old, c.addresses); got != c.want {
			t.Errorf("method(%q, %d) = %q, want %q", c.old, c.addresses, got, c.want)
		}
	}
}

// TestDecodeRefuses has values that no NetworkManager lets pass, but a hostile one could.
func TestDecodeRefuses(t *testing.T) {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	many := make([]entry, maxRoutes+1)
	for _, c := range []struct {
		setting, property string
		value             any
		want              string
	}{
		{setConnection, "type", "ethernet", "ip-tunnel.mode: is no GRE mode"},
		{setTunnel, "mode", uint32(1), "ip-tunnel.mode: is no GRE mode"},
		{setTunnel, "mode", int32(2), "ip-tunnel.mode: is no GRE mode"},
		{setTunnel, "remote", "nonsense\x1b[2J", `ip-tunnel.remote: "nonsense\x1b[2J" is no IPv4 address`},
		{setTunnel, "remote", "2001:db8::1", `ip-tunnel.remote: "2001:db8::1" is no IPv4 address`},
		{setTunnel, "local", "fe80::1%eth0", `ip-tunnel.local: "fe80::1%eth0" is no IPv4 address`},
		{setTunnel, "ttl", uint32(256), "ip-tunnel.ttl: 256 is above 255"},
		{setTunnel, "tos", "1", `ip-tunnel.tos: has the type "s" instead of "u"`},
		{setTunnel, "flow-label", uint32(1 << 20), "ip-tunnel.flow-label: 1048576 has more than 20 bits"},
		{setTunnel, "input-key", "0x2a", `ip-tunnel.input-key: "0x2a" is no decimal number of 32 bits`},
		{setTunnel, "output-key", "4294967296", `ip-tunnel.output-key: "4294967296" is no decimal number of 32 bits`},
		{setTunnel, "parent", "a/b", `ip-tunnel.parent: "a/b" is no device name`},
		{setConnection, "interface-name", "a name of more than 15 bytes", `connection.interface-name: "a name of more than 15 bytes" is no device name`},
		{setConnection, "autoconnect", uint32(1), `connection.autoconnect: has the type "u" instead of "b"`},
		{setIPv4, "address-data", []entry{{"address": v("1.2.3.4")}}, "ipv4.address-data: 1.2.3.4 has no prefix length of 0 to 32"},
		{setIPv4, "address-data", []entry{{"address": v("1.2.3.4"), "prefix": v(uint32(33))}}, "ipv4.address-data: 1.2.3.4 has no prefix length of 0 to 32"},
		{setIPv4, "address-data", []entry{{"address": v("1.2.3.4"), "prefix": v(int32(24))}}, "ipv4.address-data: 1.2.3.4 has no prefix length of 0 to 32"},
		{setIPv6, "address-data", []entry{nil}, `ipv6.address-data: "" is no IPv6 address`},
		{setIPv4, "route-data", []entry{{"dest": v("1.2.3.0"), "prefix": v(uint32(24)), "metric": v("5")}}, `ipv4.route-data: route 1.2.3.0/24: metric has the type "s"`},
		{setIPv4, "route-data", []entry{{"dest": v("1.2.3.0"), "prefix": v(uint32(24)), "next-hop": v("fe80::1")}}, `ipv4.route-data: route 1.2.3.0/24: next-hop: "fe80::1" is no IPv4 address`},
		{setIPv4, "route-data", many, "ipv4.route-data: 200001 entries are more than 200000"},
		{setUser, "data", map[string]string{keyPeer: "172.16.0.02"}, `user.data.nmgre.peer-address: "172.16.0.02" is no IP address`},
	} {
		s := rich()
		s.set(c.setting, c.property, c.value)
		_, err := Decode(s)
		if !errors.Is(err, nmgre.ErrInvalid) || err.Error() != c.want {
			t.Errorf("%s.%s:\ngot  %v\nwant %s", c.setting, c.property, err, c.want)
		}
	}
}

func TestDecodeDefaults(t *testing.T) {
	got, err := Decode(Settings{setConnection: {"type": dbus.MakeVariant("ip-tunnel")}, setTunnel: {"mode": dbus.MakeVariant(uint32(8))}})
	want := nmgre.Tunnel{Mode: nmgre.ModeIP6GRE, Local: addr("::"), Remote: addr("::"), Autoconnect: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTrialMark(t *testing.T) {
	l := &link{name: ":1.7", bus: "0123456789abcdef"}
	for _, autoconnect := range []bool{true, false} {
		tunnel := tunnels["plain"].Clone()
		tunnel.Autoconnect = autoconnect
		s := Encode(tunnel, nil)
		before := s.clone()
		s.markTrial(l, autoconnect)
		if s[setConnection]["autoconnect"].Value() != false {
			t.Error("a profile on trial connects by itself")
		}
		if name, ok := l.tester(s.user(keyTrial)); !ok || name != ":1.7" {
			t.Errorf("the mark %q names %q", s.user(keyTrial), name)
		}
		if got, err := Decode(s); err != nil || got.Autoconnect != autoconnect {
			t.Errorf("autoconnect %v is read as %v, %v", autoconnect, got.Autoconnect, err)
		}
		s.endTrial()
		if got, want := s.print(), before.print(); got != want {
			t.Errorf("after the trial:\n%s\nwant\n%s", got, want)
		}
	}
	for _, mark := range []string{"", ":1.7", "org.example.name@0123456789abcdef", ":1.7@another"} {
		if name, ok := l.tester(mark); ok {
			t.Errorf("the mark %q names %q", mark, name)
		}
	}
}

// TestEndTrialKeepsUserData has an entry of somebody else's.
func TestEndTrialKeepsUserData(t *testing.T) {
	s := rich()
	s.markTrial(&link{name: ":1.7", bus: "b"}, true)
	s.endTrial()
	if got := s.print(); got != rich().print() {
		t.Errorf("got\n%s", got)
	}
}

func TestWireRefusesStructures(t *testing.T) {
	for _, v := range []dbus.Variant{
		dbus.MakeVariantWithSignature([][]any{{[]byte{1}, uint32(2)}}, dbus.ParseSignatureMust("a(ayu)")),
		{},
	} {
		s := Settings{"odd": {"one\x1b": v}}
		if _, err := s.wire(); err == nil || !strings.Contains(err.Error(), `odd.one\x1b: `) {
			t.Errorf("%v: got %v", v, err)
		}
	}
	stripped := rich()
	stripped.stripLegacy()
	if _, err := stripped.wire(); err != nil {
		t.Error(err)
	}
}
