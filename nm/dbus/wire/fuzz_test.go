package wire

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

// source makes values of the fuzzer's bytes. When they are used up it makes zeros.
type source struct{ data []byte }

func (s *source) byte() byte {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return b
}

func (s *source) bytes(n int) []byte {
	b := make([]byte, n)
	s.data = s.data[copy(b, s.data):]
	return b
}

func (s *source) u32() uint32 { return binary.BigEndian.Uint32(s.bytes(4)) }

func (s *source) bool() bool { return s.byte()&1 == 1 }

func (s *source) addr(family string) netip.Addr {
	if family == IPv4 {
		return netip.AddrFrom4([4]byte(s.bytes(4)))
	}
	return netip.AddrFrom16([16]byte(s.bytes(16)))
}

func (s *source) prefix(family string) netip.Prefix {
	a := s.addr(family)
	return netip.PrefixFrom(a, int(s.byte())%(a.BitLen()+1))
}

// some calls make zero to three times.
func (s *source) some(make func()) {
	for range s.byte() % 4 {
		make()
	}
}

// tunnel makes a tunnel that Decode can return, so that it must not change on its way.
func (s *source) tunnel() nm.Tunnel {
	t := nm.Tunnel{Name: "gre1", Mode: gre.Modes[s.byte()%4], TTL: s.byte(), TOS: s.byte(), NoPMTUD: s.bool(), EncapLimit: s.byte(),
		FlowLabel: s.u32() >> 12, Flags: gre.Flags(s.u32()), MTU: s.u32(), Autoconnect: s.bool(), Forward: s.bool()}
	outerFamily := IPv4
	if t.Mode.IPv6Outer() {
		outerFamily = IPv6
	}
	t.Local, t.Remote = s.addr(outerFamily), s.addr(outerFamily)
	if s.bool() {
		t.InputKey = want.Ptr[gre.Key](gre.Key(s.u32()))
	}
	if s.bool() {
		t.OutputKey = want.Ptr[gre.Key](gre.Key(s.u32()))
	}
	for _, family := range []string{IPv4, IPv6} {
		s.some(func() { t.Addresses = append(t.Addresses, s.prefix(family)) })
		s.some(func() { t.Routes = append(t.Routes, s.route(family)) })
	}
	t.PeerAddress = nm.DerivePeer(t.Addresses)
	if s.bool() {
		t.PeerAddress = s.addr(IPv6)
	}
	return t
}

// route makes a route that a profile can hold.
func (s *source) route(family string) routes.Route {
	r := routes.Route{Dst: s.prefix(family).Masked(), Type: profileTypes[s.byte()%byte(len(profileTypes))], Table: s.u32(), MTU: s.u32(), OnLink: s.bool()}
	r.MTULock = s.bool() && r.MTU > 0
	if s.bool() {
		r.Metric = want.Ptr[uint32](s.u32())
	}
	if r.Src = s.addr(family); s.bool() || r.Src.IsUnspecified() {
		r.Src = netip.Addr{}
	}
	if r.Via = s.addr(family); s.bool() || r.Via.IsUnspecified() || !r.Type.HasDevice() {
		r.Via = netip.Addr{}
	}
	if family == IPv6 && s.bool() {
		r.From = s.prefix(family).Masked()
	}
	if family == IPv4 {
		s.only4(&r)
	}
	s.metrics(&r)
	return r
}

// only4 adds the attributes that only IPv4 routes have.
func (s *source) only4(r *routes.Route) {
	r.TOS = s.byte()
	if s.bool() {
		// The scope nowhere is the profile's value for none, so a profile cannot hold it.
		r.Scope = want.Ptr(min(routes.Scope(s.byte()), routes.ScopeNowhere-1))
	}
	if s.bool() && r.Type == routes.TypeUnicast {
		r.Nexthops = []routes.Nexthop{{Via: r.Via, OnLink: r.OnLink, Weight: uint16(s.byte()) + 1}}
		r.Via, r.OnLink = netip.Addr{}, false
	}
}

func (s *source) metrics(r *routes.Route) {
	var m routes.Metrics
	for _, a := range metricAttributes {
		if value := s.u32(); value > 0 && s.bool() {
			m.Put(a.metric, value)
			if s.bool() || a.lock == "" {
				m.Lock |= 1 << a.metric
			}
		}
	}
	if s.bool() {
		m.Put(routes.MetricQuickACK, 1)
	}
	if m != (routes.Metrics{}) {
		r.Metrics = &m
	}
}

// FuzzRoundTrip checks that no tunnel loses anything on its way through the settings.
func FuzzRoundTrip(f *testing.F) {
	for mode := range byte(4) {
		f.Add(append([]byte{mode}, slices.Repeat([]byte{0xa5, 3, 0x18}, 60)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tunnel := (&source{data}).tunnel()
		s := Encode(tunnel, nil)
		if _, err := s.Values(); err != nil {
			t.Fatal(err)
		}
		got, err := Decode(s)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, tunnel) {
			t.Errorf("got  %+v\nwant %+v\nby %s", got, tunnel, dbustest.Print(s))
		}
		again := Encode(got, s)
		if dbustest.Print(again) != dbustest.Print(s) {
			t.Errorf("got %s\nwant %s", dbustest.Print(again), dbustest.Print(s))
		}
	})
}

// value makes a value of some type, often a wrong one.
func (s *source) value() dbus.Variant {
	switch s.byte() % 12 {
	case 0, 1:
		return dbus.MakeVariant(s.u32())
	case 2:
		return dbus.MakeVariant(string(s.bytes(int(s.byte()) % 20)))
	case 3:
		return dbus.MakeVariant(s.bool())
	case 4:
		return dbus.MakeVariant(s.addr(IPv4).String())
	case 5:
		return dbus.MakeVariant(s.addr(IPv6).String())
	case 6:
		return dbus.MakeVariant(map[string]string{KeyPeer: s.addr(IPv4).String(), keyTrial: "x", "a.b": "c"})
	case 7, 8:
		var entries []map[string]dbus.Variant
		s.some(func() {
			entry := make(map[string]dbus.Variant)
			s.some(func() { name := words[s.byte()%byte(len(words))]; entry[name] = s.valueOf(name) })
			entry["dest"], entry["address"] = dbus.MakeVariant(s.addr(IPv4).String()), dbus.MakeVariant(s.addr(IPv4).String())
			entry["prefix"] = dbus.MakeVariant(uint32(s.byte()) % 40)
			entries = append(entries, entry)
		})
		return dbus.MakeVariant(entries)
	case 9:
		return dbus.MakeVariant(s.byte())
	case 10:
		return dbus.MakeVariant(int32(s.u32()))
	default:
		return dbus.Variant{}
	}
}

// valueOf makes a value that an attribute of that name may have, or now and then any value.
func (s *source) valueOf(name string) dbus.Variant {
	switch {
	case s.byte()%4 == 0:
	case name == "type":
		return dbus.MakeVariant(routes.Type(s.byte() % 11).String())
	case name == "tos" || name == "scope":
		return dbus.MakeVariant(s.byte())
	case name == "weight":
		return dbus.MakeVariant(uint32(s.byte()))
	case name == "from":
		return dbus.MakeVariant(s.prefix(IPv6).String())
	case strings.HasPrefix(name, "lock-") || name == "onlink" || name == "quickack":
		return dbus.MakeVariant(s.bool())
	case routeAttributes()[name] == "" && name != "src" && name != "next-hop":
		return dbus.MakeVariant(s.u32())
	}
	return s.value()
}

// words are names of attributes, some of them unknown.
var words = append(slices.Sorted(maps.Keys(routeAttributes())), "address", "label", "later")

var places = [][2]string{
	{Connection, "interface-name"}, {Connection, "autoconnect"}, {Connection, "id"}, {Connection, "type"},
	{IPTunnel, "mode"}, {IPTunnel, "parent"}, {IPTunnel, "local"}, {IPTunnel, "remote"}, {IPTunnel, "ttl"}, {IPTunnel, "input-key"},
	{IPTunnel, "flow-label"}, {IPTunnel, "flags"}, {IPTunnel, "later"}, {IPv4, "address-data"}, {IPv4, "route-data"}, {IPv4, "method"},
	{IPv4, "route-table"}, {IPv4, "forwarding"}, {IPv4, "later"}, {IPv6, "address-data"}, {IPv6, "route-data"}, {userData, "data"}, {"later", "later"},
}

// FuzzDecode checks that no profile makes Decode panic, and that one that it can read is written
// back with everything that nmgre does not know.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{13, 7, 3, 1, 11, 2, 10})
	f.Add([]byte{14, 7, 3, 3, 5, 1, 10, 0, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		src := &source{data}
		s := Encode(dbustest.Tunnels["routes"], dbustest.Rich())
		for len(src.data) > 0 {
			place := places[src.byte()%byte(len(places))]
			if s[place[0]] == nil {
				s[place[0]] = make(map[string]dbus.Variant)
			}
			s[place[0]][place[1]] = src.value()
		}
		tunnel, err := Decode(s)
		if err != nil {
			return
		}
		again := Encode(tunnel, s)
		for _, place := range places {
			if place[1] == "later" && !reflect.DeepEqual(again[place[0]]["later"], s[place[0]]["later"]) {
				t.Errorf("%v is lost: %s", place, dbustest.Print(again))
			}
		}
		if got, err := Decode(again); err != nil || !reflect.DeepEqual(normal(got), normal(tunnel)) {
			t.Errorf("got  %+v, %v\nwant %+v", normal(got), err, normal(tunnel))
		}
	})
}

// normal returns t with the main table named in every route that means it.
func normal(t nm.Tunnel) nm.Tunnel {
	t = t.Clone()
	for i := range t.Routes {
		t.Routes[i].Table = t.Routes[i].TableOrMain()
	}
	return t
}
