package plan

import (
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/kernel"
)

// The plan offers to move a multipath route into profiles if all nexthops are tunnels.
func TestOffers(t *testing.T) {
	p := &preflight{t: nm.Tunnel{Name: "gre1"}, version: nm.MinVersion, links: []kernel.Link{{Name: "gre2", GRE: &kernel.GRELink{}}, {Name: "eth0"}}}
	for spec, want := range map[string]string{
		"10.0.0.0/8 nexthop nexthop dev gre2 weight 3": "nmgre route add gre1 '10.0.0.0/8 metric 50 nexthop weight 1'; nmgre route add gre2 '10.0.0.0/8 metric 50 nexthop weight 3'",
		"10.0.0.0/8 nexthop nexthop dev eth0":          "",
		"10.0.0.0/8 nexthop nexthop dev nosuch":        "",
		"10.0.0.0/8":                                   "",
	} {
		p.owned = nm.AssignRoutes([]routes.Route{routes.MustParse(spec)}, 0, nm.MinVersion)
		got := strings.Join(p.offers(), "\n")
		if want == "" && got != "" || !strings.HasSuffix(got, want) {
			t.Errorf("%s: %q, want %q", spec, got, want)
		}
	}
}
