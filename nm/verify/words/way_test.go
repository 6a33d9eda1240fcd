package words

import (
	"net/netip"
	"testing"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// A route stands by where it has a metric, and a tunnel's route to the very same network has its
// packets.
func TestStandby(t *testing.T) {
	links := []kernel.Link{{Name: "gre2", GRE: &kernel.GRELink{Mode: gre.ModeGRE}}, {Name: "eth1"}}
	same, part := netip.MustParsePrefix("10.10.2.0/24"), netip.MustParsePrefix("10.10.2.0/28")
	for _, c := range []struct {
		route, dev string
		match      netip.Prefix
		want       string
	}{
		{"10.10.2.0/24 metric 60", "gre2", same, "it stands by: packets to 10.10.2.0/24 go into the tunnel gre2, by a lower metric"},
		{"10.10.2.0/24", "gre2", same, ""}, {"10.10.2.0/24 metric 60", "eth1", same, ""}, {"10.10.2.0/24 metric 60", "gre2", part, ""}, {"10.10.2.0/24 metric 60", "gone", same, ""},
	} {
		if got := Standby(links, routes.MustParse(c.route), kernel.Hop{Dev: c.dev, Match: c.match}); got != c.want {
			t.Errorf("%s, by %s: %q", c.route, c.dev, got)
		}
	}
}
