package tui

import (
	"testing"

	"nmgre/routes"
	"nmgre/tui/tuitest"
)

// The host's names are read once, and not before the first frame.
func TestNamesAreReadWhenTheyAreNeeded(t *testing.T) {
	read := 0
	names := func() routes.Names {
		read++
		return routes.Names{Tables: map[string]uint32{"vpn": 100}}
	}
	d := drive(t, tuitest.New(), Options{Names: names}, 80, 24)
	if read != 0 {
		t.Errorf("they were read %d times for the list", read)
	}
	for range 2 {
		if got := d.m.host().Names.Tables["vpn"]; got != 100 {
			t.Errorf("table vpn is %d", got)
		}
	}
	if read != 1 {
		t.Errorf("they were read %d times", read)
	}
}
