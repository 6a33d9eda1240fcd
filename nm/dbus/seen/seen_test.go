package seen_test

import (
	"slices"
	"testing"

	"github.com/godbus/dbus/v5"

	"nmgre/nm/dbus/seen"
)

// The last path of a profile counts.
func TestProfiles(t *testing.T) {
	var o seen.Objects
	if path, ok := o.ProfileOf("u"); ok {
		t.Errorf("nothing was seen, but %s", path)
	}
	o.Profile("u", "/1")
	o.Profile("v", "/2")
	o.Profile("u", "/3")
	if path, ok := o.ProfileOf("u"); !ok || path != "/3" {
		t.Errorf("u is at %s, %t", path, ok)
	}
}

// The last names of a tunnel count.
func TestTitles(t *testing.T) {
	var o seen.Objects
	if was, ok := o.TitleOf("u"); ok {
		t.Errorf("nothing was listed, but %v", was)
	}
	o.Titled("u", seen.Title{ID: "old"})
	o.Titled("u", seen.Title{ID: "new", Alone: true})
	if was, ok := o.TitleOf("u"); !ok || was != (seen.Title{ID: "new", Alone: true}) {
		t.Errorf("u is %v, %t", was, ok)
	}
}

// Only new paths have to be asked, as long as those that were seen prove true.
func TestActives(t *testing.T) {
	var o seen.Objects
	now := []dbus.ObjectPath{"/1", "/2", "/3", "/4"}
	if left := o.Left(now, nil, false); !slices.Equal(left, now) {
		t.Errorf("nothing was seen, and %s are left", left)
	}
	for path, uuid := range map[dbus.ObjectPath]string{"/1": "u", "/3": "u", "/2": "v"} {
		o.Active(path, uuid)
	}
	own := o.ActivesOf("u")
	if !slices.Equal(own, []dbus.ObjectPath{"/1", "/3"}) {
		t.Errorf("u's are %s", own)
	}
	if left := o.Left(now, own, true); !slices.Equal(left, []dbus.ObjectPath{"/4"}) {
		t.Errorf("%s are left", left)
	}
	if left := o.Left(now, own, false); !slices.Equal(left, []dbus.ObjectPath{"/2", "/4"}) {
		t.Errorf("none proved true, and %s are left", left)
	}
	o.Active("/1", "v") // its number is another's now
	if own := o.ActivesOf("u"); !slices.Equal(own, []dbus.ObjectPath{"/3"}) {
		t.Errorf("u's are %s", own)
	}
}
