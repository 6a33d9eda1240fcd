package reason_test

import (
	"strings"
	"testing"

	"nmgre/nm/dbus/reason"
)

// TestReasons checks that every known number has words, and that unknown ones do no harm.
func TestReasons(t *testing.T) {
	for n := range uint32(15) {
		if words := reason.Active(n); words == "" || strings.HasPrefix(words, "reason") {
			t.Errorf("reason %d of a connection has no words", n)
		}
	}
	for n := range uint32(80) {
		if words := reason.Device(n); words == "" || strings.HasPrefix(words, "reason") {
			t.Errorf("reason %d of a device has no words", n)
		}
	}
	for n := uint32(0); n <= 120; n += 10 {
		if words := reason.DeviceState(n); strings.HasPrefix(words, "state") {
			t.Errorf("state %d of a device has no words", n)
		}
	}
	if got := reason.Active(15) + reason.Device(80) + reason.DeviceState(4294967295); got != "reason 15reason 80state 4294967295" {
		t.Errorf("got %q", got)
	}
}

// A port whose bridge was made by hand is told that the bridge lacks a profile, whatever the
// version calls the bridge.
func TestHintOfForeignBridge(t *testing.T) {
	for _, name := range []string{"Master", "Controller"} {
		if got := reason.HintFor(name + " device 'br9' can't be activated: Device unmanaged or not available for activation"); !strings.Contains(got, "give the bridge a profile") {
			t.Errorf("%s: %q", name, got)
		}
	}
}
