package refusal_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/refusal"
)

// Errors are told apart by their names, whether godbus returns them as values or as pointers, and
// wherever they are wrapped.
func TestKinds(t *testing.T) {
	const manager, bus = "org.freedesktop.NetworkManager.", "org.freedesktop.DBus.Error."
	kinds := map[string]func(error) bool{
		"absent": refusal.IsAbsent, "gone": refusal.IsGone, "no profile": refusal.IsNoProfile, "denied": refusal.IsDenied, "wrong": refusal.IsWrongSetting,
		"timeout": refusal.IsTimeout, "taken": refusal.IsTaken, "outdated": refusal.IsOutdated, "not active": refusal.IsNotActive,
	}
	for name, want := range map[string][]string{
		bus + "ServiceUnknown":                             {"absent"},
		bus + "Spawn.ServiceNotFound":                      {"absent"},
		bus + "UnknownMethod":                              {"gone", "no profile"},
		manager + "UnknownConnection":                      {"gone", "no profile"},
		manager + "ConnectionNotActive":                    {"gone", "no profile"},
		manager + "Settings.InvalidConnection":             {"no profile", "wrong"},
		manager + "Settings.Connection.InvalidConnection":  {"wrong"},
		manager + "Settings.PermissionDenied":              {"denied"},
		bus + "AccessDenied":                               {"denied"},
		bus + "TimedOut":                                   {"timeout"},
		manager + "Settings.UuidExists":                    {"taken"},
		manager + "Device.VersionIdMismatch":               {"outdated"},
		manager + "Device.NotActive":                       {"not active"},
		"somebody.else.Error":                              nil,
		"":                                                 nil,
		"org.freedesktop.DBus.Errors.ServiceUnknownAtAll.": nil,
	} {
		for _, err := range []error{dbus.Error{Name: name}, &dbus.Error{Name: name}, fmt.Errorf("wrapped: %w", dbus.Error{Name: name})} {
			if refusal.Name(err) != name {
				t.Errorf("%q has the name %q", name, refusal.Name(err))
			}
			found := 0
			for _, kind := range want {
				if kinds[kind](err) {
					found++
				}
			}
			all := 0
			for _, is := range kinds {
				if is(err) {
					all++
				}
			}
			if found != len(want) || all != found {
				t.Errorf("%q (%T) is of %d kinds, of which %d are right, want %v", name, err, all, found, want)
			}
		}
	}
}

// Other errors have no name, and are of no kind but that of a malformed message.
func TestOthers(t *testing.T) {
	var none *dbus.Error
	for _, err := range []error{nil, errors.New("plain"), error(none)} {
		if _, ok := refusal.Of(err); ok || refusal.IsGone(err) || refusal.IsAbsent(err) || refusal.IsMalformed(err) {
			t.Errorf("%v is something", err)
		}
	}
	if !refusal.IsMalformed(fmt.Errorf("read: %w", dbus.FormatError("x"))) {
		t.Error("a malformed message is none")
	}
}
