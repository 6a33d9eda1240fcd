package dbus

import (
	"testing"

	"nmgre/nm/dbus/dbustest"
	"nmgre/nm/dbus/wire"
)

func TestTrialMark(t *testing.T) {
	l := &link{name: ":1.7", bus: "0123456789abcdef"}
	for _, autoconnect := range []bool{true, false} {
		tunnel := dbustest.Tunnels["plain"].Clone()
		tunnel.Autoconnect = autoconnect
		s := wire.Encode(tunnel, nil)
		before := s.Clone()
		settingsMarkTrial(s, l, autoconnect)
		if s[wire.SetConnection]["autoconnect"].Value() != false {
			t.Error("a profile on trial connects by itself")
		}
		if name, ok := l.tester(s.User(wire.KeyTrial)); !ok || name != ":1.7" {
			t.Errorf("the mark %q names %q", s.User(wire.KeyTrial), name)
		}
		if got, err := wire.Decode(s); err != nil || got.Autoconnect != autoconnect {
			t.Errorf("autoconnect %v is read as %v, %v", autoconnect, got.Autoconnect, err)
		}
		settingsEndTrial(s)
		if got, want := dbustest.Print(s), dbustest.Print(before); got != want {
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
	s := wire.Settings(dbustest.Rich())
	settingsMarkTrial(s, &link{name: ":1.7", bus: "b"}, true)
	settingsEndTrial(s)
	if got := dbustest.Print(s); got != dbustest.Print(dbustest.Rich()) {
		t.Errorf("got\n%s", got)
	}
}
