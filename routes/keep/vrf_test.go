package keep

import (
	"testing"

	"nmgre/routes"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// The kept routes of a tunnel in a VRF are in the VRF's table, as those of its profile are, unless
// they name another one. What the file says stays.
func TestKeptRoutesInAVRF(t *testing.T) {
	for spec, expected := range map[string]string{
		"10.20.0.0/16 nexthop via 172.16.0.2 nexthop dev gre1": "10.20.0.0/16 table 100 nexthop via 172.16.0.2 nexthop dev gre1",
		"10.21.0.0/16 via 172.16.0.2":                          "10.21.0.0/16 via 172.16.0.2 table 100",
		"10.22.0.0/16 table 7":                                 "10.22.0.0/16 table 7",
		"blackhole 10.23.0.0/16":                               "blackhole 10.23.0.0/16 table 100",
	} {
		kept := []Kept{{UUID: "00000000-0000-4000-8000-00000000000a", Name: "gre1", Routes: []routes.Route{routes.MustParse(spec)}}}
		red := kernel.Link{Index: 5, Name: "red", Kind: "vrf", Up: true, Table: 100}
		gre1 := kernel.Link{Index: 6, Name: "gre1", Up: true, GRE: &kernel.GRELink{Mode: gre.ModeGRE}}
		running := []Running{{UUID: kept[0].UUID, Name: "gre1", Device: "gre1", GRE: true, Active: true}}
		for controller, expected := range map[int]string{0: spec, red.Index: expected} {
			gre1.Controller = controller
			got := WantOf([]kernel.Link{red, gre1}, kept, running)
			if len(got.Routes) != 1 {
				t.Fatalf("%s: %d routes", spec, len(got.Routes))
			}
			want.Same(t, spec, got.Routes[0].Route.String(), routes.MustParse(expected).String())
			want.Same(t, spec+" in the file", kept[0].Routes[0].String(), routes.MustParse(spec).String())
		}
	}
}
