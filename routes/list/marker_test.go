package list

import (
	"slices"
	"testing"

	"nmgre/routes"
)

// The marker finds the lines that the list has, in any form, and counts all that are routes.
func TestMarker(t *testing.T) {
	parse := routes.MustParse
	m := NewMarker([]routes.Route{parse("10.0.0.0/8 via 172.16.0.2"), parse("10.1.0.0/16 metric 5"), parse("10.2.0.0/16"), parse("10.3.0.0/16")})
	for n, line := range []string{"10.1.0.0/16 table main metric 5", "10.0.0.0/8 via 172.16.0.3", "10.2.0.0/16 table 7", "10.2.0.0/16 mtu 1400", "10.2.0.0", "10.3.0.0/16", "10.3.0.0/33"} {
		m.Add(n+1, line)
	}
	rest, bad := m.Finish()
	if got := m.Marks(); !slices.Equal(got, []bool{false, true, false, true}) || m.Lines() != 6 || len(rest.Routes) > 0 {
		t.Errorf("%v of %d lines, %v", got, m.Lines(), rest)
	}
	if len(bad) != 1 || bad[0].Line != 7 || bad[0].Err == nil {
		t.Errorf("%v", bad)
	}
}
