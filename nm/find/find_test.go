package find

import (
	"errors"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/testdata/want"
)

func profile(id, uuid string, state nm.State) nm.Profile {
	p := nm.Profile{ID: id, UUID: uuid, State: state, Tunnel: nm.NewTunnel()}
	p.Tunnel.Name, p.Tunnel.Mode = "gre1", gre.ModeGRE
	return p
}

// Of several profiles of one name, the only active one is meant, or the only one that is called so
// itself; a question is about a saved one; a delete never guesses. Otherwise the hint says which is
// which.
func TestFind(t *testing.T) {
	off, on, twin, hand := profile("gre1", "a", nm.StateInactive), profile("gre1", "b", nm.StateActive), profile("\x1b[31m", "c", nm.StateInactive), profile("gre1", "d", nm.StateExternal)
	same := profile("gre1", "e", nm.StateInactive)
	twin.Path = "/etc/NetworkManager/system-connections/twin.nmconnection"
	for _, c := range []struct {
		name             string
		list             []nm.Profile
		one, saved, only string // the UUIDs
		hint             string // without the one
	}{
		{"one", []nm.Profile{off}, "a", "a", "a", ""},
		{"one made by hand", []nm.Profile{hand}, "d", "d", "d", ""},
		{"an inactive twin", []nm.Profile{on, twin}, "b", "b", "", ""},
		{"made by hand in its place", []nm.Profile{off, hand}, "", "a", "", "gre1 a, inactive; gre1 d, made by hand"},
		{"made by hand in the place of another name", []nm.Profile{twin, hand}, "", "c", "", `\x1b[31m c, inactive, /etc/NetworkManager/system-connections/twin.nmconnection; gre1 d, made by hand`},
		{"two that are down", []nm.Profile{off, twin}, "a", "a", "", ""},
		{"two that are down, and one made by hand", []nm.Profile{off, twin, hand}, "", "a", "", `gre1 a, inactive; \x1b[31m c, inactive, /etc/NetworkManager/system-connections/twin.nmconnection; gre1 d, made by hand`},
		{"two of one name", []nm.Profile{off, same}, "", "", "", "gre1 a, inactive; gre1 e, inactive"},
	} {
		one, err := ByName(c.list, "gre1")
		if one.UUID != c.one || (err == nil) != (c.one != "") {
			t.Errorf("%s: %q, %v", c.name, one.UUID, err)
		}
		if err != nil {
			want.Same(t, c.name, strings.Join(fault.Hints(err), ""), "give the UUID of one of them: "+c.hint)
		}
		saved, err := Saved(c.list, "gre1")
		if saved.UUID != c.saved || (err == nil) != (c.saved != "") || err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s, for a question: %q, %v", c.name, saved.UUID, err)
		}
		only, err := Only(c.list, "gre1")
		if only.UUID != c.only || (err == nil) != (c.only != "") || err != nil && !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%s, to delete it: %q, %v", c.name, only.UUID, err)
		}
	}
}

// A tunnel is found by its UUID, its interface or its name, in this order. Twins have one of the
// names.
func TestNamed(t *testing.T) {
	a, b, c := profile("gre1", "gre9", nm.StateInactive), profile("office", "b", nm.StateActive), profile("gre9", "c", nm.StateActive)
	c.Tunnel.Name = "gre2"
	other := nm.Profile{ID: "gre1", UUID: "d", Tunnel: nm.Tunnel{Name: "gre1"}} // no tunnel
	list := []nm.Profile{a, b, c, other}
	for name, found := range map[string]string{"gre9": "gre9", "gre1": "gre9 b", "office": "b", "gre2": "c", "b": "b", "none": ""} {
		want.Same(t, name, uuids(named(list, name)), found)
	}
	for uuid, found := range map[string]string{"gre9": "b", "b": "gre9", "c": ""} {
		want.Same(t, "twins of "+uuid, uuids(Twins(list, named(list, uuid)[0])), found)
	}
}

func uuids(list []nm.Profile) string {
	var words []string
	for _, p := range list {
		words = append(words, p.UUID)
	}
	return strings.Join(words, " ")
}
