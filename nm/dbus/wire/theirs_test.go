package wire

import (
	"reflect"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes"
	"nmgre/testdata/want"
)

// theirs is a profile with an IPv4 gateway, as somebody else made it.
func theirs(change func(Settings)) Settings {
	s := Encode(dbustest.Tunnels["plain"], Settings{Connection: {"uuid": dbus.MakeVariant(dbustest.UUID)}})
	s.Set(IPv4, "gateway", "172.16.0.2")
	if change != nil {
		change(s)
	}
	return s
}

// The gateway of a profile is a default route of the tunnel, by which it is checked like any other.
func TestGatewayIsARoute(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(Settings)
		want   string // the first route
		n      int
	}{
		{"a gateway", nil, "default via 172.16.0.2", 2},
		{"in a table", func(s Settings) { s.Set(IPv4, "route-table", uint32(7)) }, "default via 172.16.0.2 table 7", 2},
		{"never the default", func(s Settings) { s.Set(IPv4, "never-default", true) }, "10.10.2.0/24", 1},
		{"the same in the list", func(s Settings) {
			s.SetEntries(IPv4, "route-data", []Entry{{"dest": dbus.MakeVariant("0.0.0.0"), "prefix": dbus.MakeVariant(uint32(0)), "next-hop": dbus.MakeVariant("172.16.0.2")}})
		}, "default via 172.16.0.2", 1},
		{"nonsense", func(s Settings) { s.Set(IPv4, "gateway", "here") }, "10.10.2.0/24", 1},
	} {
		s := theirs(c.change)
		tunnel, err := Decode(s)
		if err != nil || len(tunnel.Routes) != c.n || tunnel.Routes[0].String() != c.want {
			t.Errorf("%s: %v, %v", c.name, tunnel.Routes, err)
		}
		tunnel.MTU = 1300
		again := Encode(tunnel, s)
		s.Set(IPTunnel, "mtu", uint32(1300))
		if !reflect.DeepEqual(again, s) {
			t.Errorf("%s: written back\n%s\nwant\n%s", c.name, dbustest.Print(again), dbustest.Print(s))
		}
	}
}

// A gateway goes with its route, and never stays without an address.
func TestGatewayGoes(t *testing.T) {
	tunnel, err := Decode(theirs(nil))
	if err != nil {
		t.Fatal(err)
	}
	moved := tunnel.Clone()
	moved.Routes[0].Via = want.Addr("172.16.0.9")
	bare := tunnel.Clone()
	bare.Addresses, bare.Routes = nil, bare.Routes[1:]
	for name, changed := range map[string]nm.Tunnel{"moved": moved, "no address": bare} {
		s := Encode(changed, theirs(nil))
		if got := s.Text(IPv4, "gateway"); got != "" {
			t.Errorf("%s: the gateway is %s", name, got)
		}
		if now, err := Decode(s); err != nil || !SameRoutes(now.Routes, changed.Routes) {
			t.Errorf("%s: %v, %v", name, now.Routes, err)
		}
	}
	s := theirs(nil)
	if err := s.SetRoutes([]routes.Route{tunnel.Routes[1]}); err != nil || s.Text(IPv4, "gateway") != "" {
		t.Errorf("route deleted: %s, %v", dbustest.Print(s), err)
	}
	device := theirs(nil)
	device.CopyRoutes(s)
	if device.Text(IPv4, "gateway") != "" {
		t.Error("the device keeps the gateway")
	}
}

// Outer addresses stay as somebody wrote them, down to one that stands for no far end.
func TestOuterAddressesStay(t *testing.T) {
	for _, c := range []struct {
		tunnel   string
		property string
		value    string
	}{
		{"plain", "remote", "0.0.0.0"}, {"plain", "local", "0.0.0.0"}, {"ip6gre", "remote", "::"}, {"ip6gre", "local", "2001:DB8:0::1"},
	} {
		s := Encode(dbustest.Tunnels[c.tunnel], nil)
		s.Set(IPTunnel, c.property, c.value)
		tunnel, err := Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		tunnel.MTU = 1300
		if got := Encode(tunnel, s).Text(IPTunnel, c.property); got != c.value {
			t.Errorf("%s %s: %q", c.property, c.value, got)
		}
	}
}

// Settings that nmgre does not know are the same after an edit, value by value.
func TestForeignSettingsStay(t *testing.T) {
	s := theirs(func(s Settings) {
		s.Set(Connection, "zone", "work")
		s.Set(Connection, "multi-connect", int32(3))
		s.Set("802-3-ethernet", "assigned-mac-address", "02:00:00:00:00:01")
		s.Set("802-3-ethernet", "cloned-mac-address", []byte{2, 0, 0, 0, 0, 1})
		s.Set(IPv4, "dns", []uint32{16843009})
		s.Set(IPv4, "dns-search", []string{"example.org"})
		s.Set(IPv4, "routing-rules", []Entry{{"family": dbus.MakeVariant(int32(2)), "priority": dbus.MakeVariant(uint32(5)), "table": dbus.MakeVariant(uint32(7))}})
		s.SetEntries(IPv4, "route-data", append(s.Entries(IPv4, "route-data"),
			Entry{"dest": dbus.MakeVariant("10.9.0.0"), "prefix": dbus.MakeVariant(uint32(16)), "later": dbus.MakeVariant("x")}))
		s.Set(IPv6, "dns", [][]byte{make([]byte, 16)})
		s.Set("later", "thing", uint64(1<<40))
	})
	tunnel, err := Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*nm.Tunnel){
		"mtu": func(t *nm.Tunnel) { t.MTU = 1300 }, "key": func(t *nm.Tunnel) { t.InputKey = dbustest.Tunnels["keys"].InputKey },
		"route":   func(t *nm.Tunnel) { t.Routes = append(t.Routes, routes.Route{Dst: want.CIDR("10.7.0.0/16")}) },
		"address": func(t *nm.Tunnel) { t.Addresses = append(t.Addresses, want.CIDR("172.17.0.1/24")) },
	} {
		changed := tunnel.Clone()
		change(&changed)
		again := Encode(changed, s)
		for setting, properties := range s {
			for property, value := range properties {
				ours := setting == IPTunnel || property == "address-data" || property == "route-data"
				if !ours && !reflect.DeepEqual(again[setting][property], value) {
					t.Errorf("%s: %s.%s is %v, was %v", name, setting, property, again[setting][property], value)
				}
			}
		}
		list := again.Entries(IPv4, "route-data")
		if len(list) < 2 || list[len(list)-1]["later"].Value() != "x" {
			t.Errorf("%s: the routes are %v", name, list)
		}
		if _, err := again.Values(); err != nil {
			t.Errorf("%s: cannot be sent: %v", name, err)
		}
	}
}
