package wire

import (
	"testing"

	"nmgre/nm/dbus/dbustest"
)

// TestTrial has a profile that does not connect by itself while it is on trial, and is as before
// afterwards.
func TestTrial(t *testing.T) {
	for _, autoconnect := range []bool{true, false} {
		tunnel := dbustest.Tunnels["plain"].Clone()
		tunnel.Autoconnect = autoconnect
		s := Encode(tunnel, nil)
		before := s.Clone()
		s.StartTrial(":1.7@0123456789abcdef")
		if s[Connection]["autoconnect"].Value() != false {
			t.Error("a profile on trial connects by itself")
		}
		if mark := s.TrialMark(); mark != ":1.7@0123456789abcdef" {
			t.Errorf("the mark is %q", mark)
		}
		if got, err := Decode(s); err != nil || got.Autoconnect != autoconnect {
			t.Errorf("autoconnect %v is read as %v, %v", autoconnect, got.Autoconnect, err)
		}
		s.EndTrial()
		if got, want := dbustest.Print(s), dbustest.Print(before); got != want {
			t.Errorf("after the trial:\n%s\nwant\n%s", got, want)
		}
	}
}

// TestEndTrialKeepsUserData has an entry of somebody else's.
func TestEndTrialKeepsUserData(t *testing.T) {
	s := Settings(dbustest.Rich())
	s.StartTrial(":1.7@b")
	s.EndTrial()
	if got := dbustest.Print(s); got != dbustest.Print(dbustest.Rich()) {
		t.Errorf("got\n%s", got)
	}
}
