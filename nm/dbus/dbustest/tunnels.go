package dbustest

import (
	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// UUID is the one that tests give to a profile of their own.
const UUID = "6f6e6d67-7265-4000-8000-000000000001"

// Tunnels are tunnels that a profile holds without loss: written into one and read back, each is as
// before. Together they use every field. "plain" is the one of most tests.
var Tunnels = map[string]nm.Tunnel{
	"plain": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, MTU: 1476,
		Addresses: want.CIDRs("172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"), Autoconnect: true,
		Routes: []routes.Route{{Dst: want.CIDR("10.10.2.0/24")}},
	},
	"ends": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr("198.51.100.2"), Autoconnect: true,
		PeerName: "gw.example.org", Follow: true, Zone: "work", NoProbe: true,
	},
	"any-local": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("0.0.0.0"), Remote: want.Addr("198.51.100.2"), Autoconnect: true,
	},
	"keys": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64,
		InputKey: want.Ptr[gre.Key](0), OutputKey: want.Ptr[gre.Key](4294967295), Addresses: want.CIDRs("172.16.0.1/31"), PeerAddress: want.Addr("172.16.0.0"),
	},
	"no-pmtud": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TOS: 1, NoPMTUD: true, Parent: "eth0",
		Addresses: want.CIDRs("172.16.0.1/24"), Autoconnect: true,
	},
	"gretap": {
		Name: "tap1", Mode: gre.ModeGRETAP, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 255,
		Addresses: want.CIDRs("172.16.0.1/24", "172.17.0.1/24"), PeerAddress: want.Addr("172.16.0.9"), Autoconnect: true,
	},
	"port": {
		Name: "tap1", Mode: gre.ModeGRETAP, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, MTU: 1462,
		Controller: "br0", MAC: "02:00:5e:10:00:01", Autoconnect: true,
	},
	"ip6gre": {
		Name: "gre6", Mode: gre.ModeIP6GRE, Local: want.Addr("2001:db8::1"), Remote: want.Addr("2001:db8::2"), TTL: 64,
		EncapLimit: 4, FlowLabel: 0xfffff, Flags: gre.FlagIgnEncapLimit | gre.FlagUseOrigFwmark,
		Addresses: want.CIDRs("172.16.0.1/30", "fd00::1/64"), PeerAddress: want.Addr("fd00::2"), Autoconnect: true,
		Routes: []routes.Route{{Dst: want.CIDR("10.10.2.0/24")}, {Dst: want.CIDR("fd00:2::/64"), Via: want.Addr("fd00::2")}},
	},
	"ip6gretap": {
		Name: "tap6", Mode: gre.ModeIP6GRETAP, Local: want.Addr("::"), Remote: want.Addr("2001:db8::2"), Autoconnect: true,
	},
	"routes": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: want.CIDRs("172.16.0.1/30", "fd00::1/126"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: []routes.Route{
			{Dst: want.CIDR("0.0.0.0/0"), Metric: want.Ptr[uint32](500), Table: 100},
			{Dst: want.CIDR("10.10.2.0/24"), Via: want.Addr("172.16.0.2"), Src: want.Addr("10.10.1.1"), Metric: want.Ptr[uint32](0), MTU: 1400, MTULock: true, OnLink: true},
			{Dst: want.CIDR("10.10.3.0/24"), Table: 254},
			{Dst: want.CIDR("::/0"), Via: want.Addr("fd00::2"), Metric: want.Ptr[uint32](4294967295)},
		},
	},
	"attributes": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: want.CIDRs("172.16.0.1/30", "fd00::1/126"), PeerAddress: want.Addr("172.16.0.2"),
		Routes: EveryRoute(),
	},
	"forward": {
		Name: "gre1", Mode: gre.ModeGRE, Local: want.Addr("192.0.2.1"), Remote: want.Addr("198.51.100.2"), TTL: 64, Autoconnect: true,
		Addresses: want.CIDRs("172.16.0.1/30"), PeerAddress: want.Addr("172.16.0.2"), Forward: true,
	},
}

// Rich returns a profile that somebody else made, with the UUID [UUID]. It has settings, properties
// and attributes that nmgre does not know and must keep, and the old properties "addresses" and
// "routes", which it must not send.
func Rich() map[string]map[string]dbus.Variant {
	v := dbus.MakeVariant
	type entry = map[string]dbus.Variant
	legacy := dbus.MakeVariantWithSignature([][]any{}, dbus.ParseSignatureMust("a(ayuay)"))
	return map[string]map[string]dbus.Variant{
		"connection": {"id": v("Büro"), "uuid": v(UUID), "type": v("ip-tunnel"), "interface-name": v("gre1"), "timestamp": v(uint64(1)),
			"permissions": v([]string{"user:ann"}), "zone": v("trusted")},
		"ip-tunnel": {"mode": v(uint32(2)), "remote": v("198.51.100.2"), "fwmark": v(uint32(7)), "later": v("kept")},
		"ipv4": {"method": v("manual"), "addresses": v([][]uint32{}), "routes": v([][]uint32{}), "dns": v([]uint32{1}), "may-fail": v(false),
			"address-data": v([]entry{{"address": v("172.16.0.1"), "prefix": v(uint32(30)), "label": v("gre1:a")}}),
			"route-data": v([]entry{
				{"dest": v("10.10.2.0"), "prefix": v(uint32(24)), "metric": v(uint32(50)), "initcwnd": v(uint32(10))},
				{"dest": v("10.9.0.0"), "prefix": v(uint32(16)), "type": v("blackhole"), "later": v(true)},
			})},
		"ipv6":    {"method": v("link-local"), "addresses": legacy, "routes": v([]uint32{}), "addr-gen-mode": v(int32(0))},
		"proxy":   {},
		"bridge1": {"vlans": v([]entry{})},
		"user":    {"data": v(map[string]string{"org.example.note": "mine"})},
	}
}
