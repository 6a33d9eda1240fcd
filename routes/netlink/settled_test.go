package netlink

import (
	"bytes"
	"testing"

	"nmgre/routes/rule"
)

// The bytes are the same as long as nothing of nmgre's changes, whatever others do, and differ
// after every change of a route, of a rule or of the link.
func TestOwn(t *testing.T) {
	a, b := newNamespace(t), newNamespace(t)
	cable(a, "one", b, "two", 1)
	a.Run("ip", "link", "set", "one", "up")
	b.Run("ip", "link", "set", "two", "up")
	read := func() Own {
		t.Helper()
		own, err := a.kernel.Own(t.Context(), []string{"one"}, 10)
		if err != nil {
			t.Fatal(err)
		}
		return own
	}
	a.syncRules([]rule.Rule{rule.MustParse("from 10.1.0.0/16 table 7 priority 77"), rule.MustParse("from 2001:db8::/64 table 7 priority 78")}, 2, 0)
	a.Run("ip", "route", "add", "10.7.0.0/16", "dev", "one", "proto", "213", "table", "7")
	a.Run("ip", "-6", "route", "add", "2001:db8:7::/64", "dev", "one", "proto", "213", "table", "7")
	before := read()
	if before.Routes != 2 || before.Rules != 2 {
		t.Errorf("%d routes, %d rules", before.Routes, before.Rules)
	}
	for _, theirs := range [][]string{{"ip", "route", "add", "10.8.0.0/16", "dev", "one", "table", "7"}, {"ip", "rule", "add", "from", "10.8.0.0/16", "table", "8"}, {"ip", "address", "add", "10.9.0.1/24", "dev", "one"}} {
		a.Run(theirs[0], theirs[1:]...)
		if now := read(); !bytes.Equal(now.Bytes, before.Bytes) {
			t.Errorf("%q makes a difference", theirs)
		}
	}
	for _, change := range [][]string{
		{"ip", "route", "replace", "10.7.0.0/16", "dev", "one", "proto", "213", "table", "7", "mtu", "1400"},
		{"ip", "route", "flush", "proto", "213", "table", "7"},
		{"ip", "rule", "delete", "priority", "77"},
		{"ip", "-6", "rule", "delete", "priority", "78"},
		{"ip", "link", "set", "one", "down"},
	} {
		a.Run(change[0], change[1:]...)
		now := read()
		if bytes.Equal(now.Bytes, before.Bytes) {
			t.Errorf("%q makes no difference", change)
		}
		before = now
	}
	if before.Routes != 0 || before.Rules != 0 {
		t.Errorf("%d routes, %d rules are left", before.Routes, before.Rules)
	}
	if _, err := a.kernel.Own(t.Context(), []string{"gone"}, 0); err == nil {
		t.Error("a device that is not there")
	}
}
