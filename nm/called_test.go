package nm_test

import (
	"testing"

	"nmgre/nm"
	"nmgre/testdata/want"
)

// A profile is named by its name, and with its UUID where another has that name, be it no tunnel's.
func TestCalled(t *testing.T) {
	list := nm.TellAlone([]nm.Profile{{UUID: "u1", ID: "gre1"}, {UUID: "u2", ID: "office"}, {UUID: "u3", ID: "office"}, {UUID: "u4"}, {UUID: "u5", ID: "to Berlin\x1b"}, {UUID: "u6", ID: "uuid"}})
	for i, test := range []struct{ called, nmcli string }{
		{"gre1", "gre1"}, {"office (u2)", "u2"}, {"office (u3)", "u3"}, {"u4", "u4"}, {`to Berlin\x1b`, "u5"}, {"uuid", "u6"},
	} {
		want.Same(t, "called", list[i].Called(), test.called)
		want.Same(t, "nmcli", list[i].Nmcli(), test.nmcli)
	}
	unknown := nm.Profile{UUID: "u1", ID: "gre1"}
	want.Same(t, "where nobody has looked", unknown.Called()+", "+unknown.Nmcli(), "gre1 (u1), u1")
}
