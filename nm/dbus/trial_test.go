package dbus

import (
	"testing"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
)

// TestTrialMark has the mark of a connection lead back to its name, and no other text.
func TestTrialMark(t *testing.T) {
	l := &link{name: ":1.7", bus: "0123456789abcdef"}
	s := wire.Encode(dbustest.Tunnels["plain"], nil)
	s.StartTrial(l.mark())
	if name, ok := l.tester(s.TrialMark()); !ok || name != ":1.7" {
		t.Errorf("the mark %q names %q", s.TrialMark(), name)
	}
	for _, mark := range []string{"", ":1.7", "org.example.name@0123456789abcdef", ":1.7@another"} {
		if name, ok := l.tester(mark); ok {
			t.Errorf("the mark %q names %q", mark, name)
		}
	}
}
