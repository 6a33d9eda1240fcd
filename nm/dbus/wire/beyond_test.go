package wire

import (
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
	"nmgre/testdata/want"
)

// Every setting that somebody else has given to a profile is named, and none that nmgre writes.
func TestBeyond(t *testing.T) {
	tunnel, err := Decode(dbustest.Rich())
	if err != nil {
		t.Fatal(err)
	}
	want.Same(t, "a rich profile", strings.Join(Settings(dbustest.Rich()).Beyond(tunnel), "\n"), strings.Join([]string{
		"attributes in ipv4.addresses", "connection.permissions user:ann", "ip-tunnel.fwmark 7", "ip-tunnel.later kept", "ipv4.dns", "ipv4.may-fail false",
		"ipv6.method link-local", "unknown kinds in ipv4.routes", "user.data org.example.note",
	}, "\n"))
	for name, tunnel := range dbustest.Tunnels {
		if got := Encode(tunnel, nil).Beyond(tunnel); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A controller that is no bridge is one of those settings, and so is each text that acts on a
// terminal, escaped. The names are bounded.
func TestBeyondHostile(t *testing.T) {
	s := Encode(dbustest.Tunnels["keys"], nil)
	s.Set(Connection, "master", "red\x1b")
	s.Set(Connection, "controller", "red\x1b")
	s.Set(Connection, "slave-type", "vrf")
	s.Set(IPv4, "dns", []uint32{1})
	s.Set(IPv4, "dns-data", []string{"192.0.2.53"})
	s.Set("proxy", "pac-script", strings.Repeat("x", 1000))
	tunnel, err := Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Beyond(tunnel); !slices.Equal(got, []string{`connection.controller red\x1b`, "connection.port-type vrf", "ipv4.dns 192.0.2.53", "proxy.pac-script"}) {
		t.Errorf("%q", got)
	}
	for i := range 100 {
		s["proxy"]["p"+strings.Repeat("x", i)] = dbus.MakeVariant("x")
	}
	if got := s.Beyond(tunnel); len(got) != maxBeyond {
		t.Errorf("%d names", len(got))
	}
}
