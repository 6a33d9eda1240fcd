package dbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/firewalld"
	"nmgre/routes/fault"
)

// zoneSettings is a zone as firewalld describes it.
func zoneSettings(target string, protocols, services []string) []any {
	return []any{map[string]dbus.Variant{"target": dbus.MakeVariant(target), "protocols": dbus.MakeVariant(protocols), "services": dbus.MakeVariant(services)}}
}

// The zone is the device's, or the default one. A word that is no zone, or an answer of another
// type, counts as none; so does a firewalld that is not there, refuses, or says nothing.
func TestZoneOf(t *testing.T) {
	closed := zoneSettings("default", []string{"esp"}, []string{"ssh"})
	for _, c := range []struct {
		name    string
		answers map[string][]any
		fault   dbustest.Fault
		want    nm.Zone
		atLeast time.Duration
	}{
		{name: "its own", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}, "getZoneSettings2": closed}, want: nm.Zone{Name: "work"}},
		{name: "the default one", answers: map[string][]any{"getZoneOfInterface": {""}, "getDefaultZone": {"public"}, "getZoneSettings2": closed}, want: nm.Zone{Name: "public", Default: true}},
		{name: "the protocol", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}, "getZoneSettings2": zoneSettings("default", []string{"esp", "gre"}, nil)}, want: nm.Zone{Name: "work", LetsGRE: true}},
		{name: "the service", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}, "getZoneSettings2": zoneSettings("default", nil, []string{"gre"})}, want: nm.Zone{Name: "work", LetsGRE: true}},
		{name: "the target", answers: map[string][]any{"getZoneOfInterface": {"trusted"}, "getDefaultZone": {"public"}, "getZoneSettings2": zoneSettings("ACCEPT", nil, nil)}, want: nm.Zone{Name: "trusted", LetsGRE: true}},
		{name: "not there"},
		{name: "empty answers", answers: map[string][]any{}},
		{name: "other types", answers: map[string][]any{"getZoneOfInterface": {uint32(7)}, "getDefaultZone": {[]string{"public"}}, "getZoneSettings2": {"?"}}},
		{name: "other settings", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}, "getZoneSettings2": {map[string]dbus.Variant{"protocols": dbus.MakeVariant(7)}}}, want: nm.Zone{Name: "work"}},
		{name: "hostile", answers: map[string][]any{"getZoneOfInterface": {"a; rm -rf /"}, "getDefaultZone": {"public"}, "getZoneSettings2": closed}},
		{name: "a flag", answers: map[string][]any{"getZoneOfInterface": {"--panic-on"}, "getDefaultZone": {"public"}, "getZoneSettings2": closed}},
		{name: "long", answers: map[string][]any{"getZoneOfInterface": {strings.Repeat("z", 65)}, "getDefaultZone": {"public"}, "getZoneSettings2": closed}},
		{name: "refuses", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}}, fault: dbustest.Fault{Error: "org.fedoraproject.FirewallD1.NotAuthorizedException", Text: "no"}},
		{name: "says nothing", answers: map[string][]any{"getZoneOfInterface": {"work"}, "getDefaultZone": {"public"}}, fault: dbustest.Fault{Silent: true}, atLeast: firewalld.Patience},
	} {
		t.Run(c.name, func(t *testing.T) {
			bus := dbustest.Start(t)
			bus.SetFirewalld(c.answers)
			bus.Break("getZoneOfInterface", c.fault)
			client, err := Connect(t.Context(), Options{Address: bus.Address()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			began, rules := time.Now(), bus.Rules()
			zone, err := client.ZoneOf(t.Context(), "eth0")
			if took := time.Since(began); zone != c.want || err != nil || took < c.atLeast || took > c.atLeast+5*time.Second {
				t.Errorf("%+v after %s, %v", zone, took, err)
			}
			for _, call := range bus.Calls() {
				if call.Path == firewalld.Path && call.Flags&dbus.FlagNoAutoStart == 0 {
					t.Errorf("%s may start firewalld", call.Member)
				}
			}
			if bus.Rules() != rules {
				t.Error("it listens to signals")
			}
		})
	}
}

// There are no zones where firewalld does not run. One that refuses, or says nothing, is an error.
func TestZoneNames(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string][]any
		fault   dbustest.Fault
		want    string
		fails   bool
	}{
		{name: "all", answers: map[string][]any{"getZones": {[]string{"work", "public", "--x", "work"}}}, want: "public work"},
		{name: "not there"},
		{name: "another type", answers: map[string][]any{"getZones": {uint32(7)}}, fails: true},
		{name: "too many", answers: map[string][]any{"getZones": {strings.Fields(strings.Repeat("work ", 501))}}, fails: true},
		{name: "refuses", answers: map[string][]any{"getZones": {[]string{"work"}}}, fault: dbustest.Fault{Error: "org.fedoraproject.FirewallD1.NotAuthorizedException", Text: "no"}, fails: true},
		{name: "says nothing", answers: map[string][]any{"getZones": {[]string{"work"}}}, fault: dbustest.Fault{Silent: true}, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			bus := dbustest.Start(t)
			bus.SetFirewalld(c.answers)
			bus.Break("getZones", c.fault)
			client, err := Connect(t.Context(), Options{Address: bus.Address()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			names, err := client.ZoneNames(t.Context())
			if got := strings.Join(names, " "); got != c.want || (err != nil) != c.fails {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// A device is moved into a zone. Where firewalld does not run there is nothing to move it in; one
// that refuses is an error, with the command that does it.
func TestSetZone(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string][]any
		fault   dbustest.Fault
		fails   bool
	}{
		"done":      {answers: map[string][]any{"changeZoneOfInterface": {"work"}}},
		"not there": {},
		"refuses":   {answers: map[string][]any{"changeZoneOfInterface": {"work"}}, fault: dbustest.Fault{Error: "org.fedoraproject.FirewallD1.Exception", Text: "INVALID_ZONE: work"}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := dbustest.Start(t)
			bus.SetFirewalld(c.answers)
			bus.Break("changeZoneOfInterface", c.fault)
			client, err := Connect(t.Context(), Options{Address: bus.Address()})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = client.SetZone(t.Context(), "tun0", "work")
			if (err != nil) != c.fails || err != nil && !strings.Contains(strings.Join(fault.Hints(err), "\n"), "firewall-cmd --zone=work --change-interface=tun0") {
				t.Errorf("%v, hints %q", err, fault.Hints(err))
			}
		})
	}
}

// The end of the caller's own context is an error.
func TestZoneOfInterrupted(t *testing.T) {
	bus := dbustest.Start(t)
	bus.SetFirewalld(map[string][]any{})
	bus.Break("getZoneOfInterface", dbustest.Fault{Silent: true})
	client, err := Connect(t.Context(), Options{Address: bus.Address()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if zone, err := client.ZoneOf(ctx, "eth0"); zone != (nm.Zone{}) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v, %v", zone, err)
	}
}
