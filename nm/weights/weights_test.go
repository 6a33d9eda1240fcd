package weights_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"nmgre/nm"
	"nmgre/nm/weights"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
)

// with returns the profile of a tunnel with these routes.
func with(name string, specs ...string) nm.Profile {
	p := nm.Profile{UUID: "uuid of " + name, ID: name, State: nm.StateActive, Tunnel: nm.Tunnel{Name: name, Mode: gre.ModeGRE}}
	for _, spec := range specs {
		p.Tunnel.Routes = append(p.Tunnel.Routes, routes.MustParse(spec))
	}
	return p
}

// Each case has the profiles of a host, the first of which is asked about, the kept routes of gre1,
// and the routes of each profile that changes, or the first of them for root.
func TestChanges(t *testing.T) {
	const plain, one, two = "10.1.0.0/16", "10.50.0.0/16 metric 50 nexthop via 172.16.0.2 weight 1", "10.50.0.0/16 metric 50 nexthop via 172.16.1.2 weight 2"
	byHand := with("hand", two)
	byHand.State = nm.StateExternal
	noTunnel := with("eth0", two)
	noTunnel.Tunnel.Mode = 0
	for name, c := range map[string]struct {
		all  []nm.Profile
		kept string
		want string
	}{
		"nothing":                {[]nm.Profile{with("gre1", plain), with("gre2", two)}, "", ""},
		"alone":                  {[]nm.Profile{with("gre1", plain, one), byHand, noTunnel, with("gre3", plain)}, "", "gre1: 10.1.0.0/16, 10.50.0.0/16 via 172.16.0.2 metric 50"},
		"two":                    {[]nm.Profile{with("gre1", one, plain), with("gre2", two)}, "", "gre1: " + one + " nexthop via 172.16.1.2 dev gre2 weight 2, 10.1.0.0/16; gre2: "},
		"two gateways of one":    {[]nm.Profile{with("gre1", one, "10.50.0.0/16 metric 50 nexthop via 172.16.0.3 weight 4")}, "", "gre1: " + one + " nexthop via 172.16.0.3 weight 4"},
		"both are kept already":  {[]nm.Profile{with("gre1", plain), with("gre2", two, plain)}, one + " nexthop dev gre2 weight 9", "gre2: 10.1.0.0/16"},
		"its own is kept":        {[]nm.Profile{with("gre1", one), with("gre2", plain)}, one + " nexthop dev gre2 weight 9", "gre1: "},
		"kept with another slot": {[]nm.Profile{with("gre1", one), with("gre2", two)}, "10.50.0.0/16 metric 51 nexthop nexthop dev gre2", "gre1: " + one + " nexthop via 172.16.1.2 dev gre2 weight 2; gre2: "},
		"of one, without a metric": {[]nm.Profile{with("gre1", "10.5.0.0/16 nexthop via 172.16.0.2 weight 1", "10.5.0.0/16 nexthop via 172.16.0.3 weight 2")}, "",
			"gre1: 10.5.0.0/16 nexthop via 172.16.0.2 weight 1 nexthop via 172.16.0.3 weight 2"},
		"without a metric": {[]nm.Profile{with("gre1", "10.5.0.0/16 nexthop weight 1"), with("gre2", "10.5.0.0/16 nexthop weight 2")}, "", "gre1: 10.5.0.0/16; gre2: 10.5.0.0/16"},
	} {
		var kept []keep.Kept
		if c.kept != "" {
			kept = []keep.Kept{{UUID: "uuid of gre1", Name: "gre1", Routes: []routes.Route{routes.MustParse(c.kept)}}}
		}
		if got := changed(t, c.all, weights.Changes(c.all[0], c.all, kept)); got != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
	}
}

// changed makes the changes, and prints the routes of the changed tunnels.
func changed(t *testing.T, all []nm.Profile, changes []weights.Change) string {
	t.Helper()
	var lines []string
	for _, change := range changes {
		for _, p := range all {
			if p.UUID != change.UUID {
				continue
			}
			tunnel := p.Tunnel.Clone()
			if err := change.Make(&tunnel); err != nil {
				t.Error(err)
			}
			var texts []string
			for i := range tunnel.Routes {
				texts = append(texts, tunnel.Routes[i].String())
			}
			lines = append(lines, fmt.Sprintf("%s: %s", p.ID, strings.Join(texts, ", ")))
		}
	}
	return strings.Join(lines, "; ")
}

// A route that is gone by now is not moved: its nexthop would be lost, or come twice.
func TestChangedMeanwhile(t *testing.T) {
	p := with("gre1", "10.50.0.0/16 metric 50 nexthop weight 1")
	change := weights.Changes(p, []nm.Profile{p}, nil)[0]
	tunnel := with("gre1", "10.50.0.0/16 metric 50 nexthop weight 2").Tunnel
	if err := change.Make(&tunnel); !errors.Is(err, fault.ErrChanged) || len(tunnel.Routes) != 1 {
		t.Errorf("%v, %v", err, tunnel.Routes)
	}
}
