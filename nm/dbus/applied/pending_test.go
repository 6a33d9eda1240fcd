package applied

import (
	"reflect"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
)

// running are the settings of a device with a plain tunnel.
func running() wire.Settings {
	s := wire.Encode(dbustest.Tunnels["plain"], wire.Settings{wire.Connection: {"uuid": dbus.MakeVariant(dbustest.UUID)}})
	s.Set("user", "data", map[string]string{"nmgre.trial": "x"})
	return s
}

// Each change of a profile is pending, with whether it needs a new link, unless it means nothing to
// a tunnel that is up.
func TestPending(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(wire.Settings)
		want   string
		link   string
	}{
		{"nothing", func(wire.Settings) {}, "", ""},
		{"an empty setting", func(s wire.Settings) { s["proxy"] = map[string]dbus.Variant{} }, "", ""},
		{"notes of programs", func(s wire.Settings) { delete(s, "user") }, "", ""},
		{"no autoconnect, another name and priority, for one user", func(s wire.Settings) {
			s.Set(wire.Connection, "autoconnect", false)
			s.Set(wire.Connection, "id", "x")
			s.Set(wire.Connection, "autoconnect-priority", int32(5))
			s.Set(wire.Connection, "timestamp", uint64(7))
			s.Set(wire.Connection, "permissions", []string{"user:ann:"})
		}, "", ""},
		{"a TTL", func(s wire.Settings) { s.Set(wire.IPTunnel, "ttl", uint32(9)) }, "ip-tunnel.ttl", "ip-tunnel.ttl"},
		{"no key", func(s wire.Settings) { delete(s[wire.IPTunnel], "ttl") }, "ip-tunnel.ttl", "ip-tunnel.ttl"},
		{"an MTU", func(s wire.Settings) { s.Set(wire.IPTunnel, "mtu", uint32(1300)) }, "ip-tunnel.mtu", ""},
		{"a zone and DNS", func(s wire.Settings) {
			s.Set(wire.Connection, "zone", "work")
			s.Set(wire.IPv4, "dns-search", []string{"example.org"})
		}, "connection.zone ipv4.dns-search", ""},
		{"a MAC address", func(s wire.Settings) { s.Set("802-3-ethernet", "assigned-mac-address", "02:00:00:00:00:01") }, "802-3-ethernet.assigned-mac-address",
			"802-3-ethernet.assigned-mac-address"},
		{"a setting like one that is applied", func(s wire.Settings) { s.Set("ipv4-later", "x", true) }, "ipv4-later.x", "ipv4-later.x"},
		{"a name and a remote", func(s wire.Settings) {
			s.Set(wire.Connection, "interface-name", "gre9")
			s.Set(wire.IPTunnel, "remote", "198.51.100.9")
			s.Set(wire.IPv4, "gateway", "172.16.0.2")
		}, "connection.interface-name ip-tunnel.remote ipv4.gateway", "connection.interface-name"},
		{"hostile names", func(s wire.Settings) { s.Set("a\x1b[2J", "b", true) }, `a\x1b[2J.b`, `a\x1b[2J.b`},
	} {
		profile := running().Clone()
		c.change(profile)
		got := Pending(running(), profile)
		if strings.Join(got.Settings, " ") != c.want || got.NewLink != c.link {
			t.Errorf("%s: %q, new link for %q", c.name, got.Settings, got.NewLink)
		}
		if got.None() != (c.want == "") || got.None() != (got.Running == nil) {
			t.Errorf("%s: running %v", c.name, got.Running)
		}
	}
}

// The tunnel that runs is the one from before the change; one that cannot be read is left out.
func TestPendingRunning(t *testing.T) {
	profile := running().Clone()
	profile.Set(wire.IPTunnel, "ttl", uint32(9))
	if got := Pending(running(), profile).Running; got == nil || got.TTL != 64 {
		t.Errorf("runs with %+v", got)
	}
	odd := running().Clone()
	odd.Set(wire.IPTunnel, "remote", "nowhere")
	if got := Pending(odd, profile); got.Running != nil || got.None() {
		t.Errorf("%+v", got)
	}
}

// A device is offered the profile, but with its own values of properties that it would refuse.
func TestAcceptable(t *testing.T) {
	profile := running().Clone()
	profile.Set(wire.Connection, "permissions", []string{"user:ann:"})
	profile.Set(wire.Connection, "autoconnect", false)
	profile.Set(wire.Connection, "zone", "work")
	delete(profile[wire.Connection], "id")
	got, want := Acceptable(running(), profile), running().Clone()
	want.Set(wire.Connection, "zone", "work")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", dbustest.Print(got), dbustest.Print(want))
	}
	if _, ok := Acceptable(wire.Settings{wire.Connection: {"id": dbus.MakeVariant("x")}}, wire.Settings{})[wire.Connection]["id"]; !ok {
		t.Error("a profile without a connection setting")
	}
}
