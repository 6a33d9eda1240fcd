package policy_test

import (
	"testing"

	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/testdata/want"
)

// In a VRF, the routes of a profile that name no table are in the VRF's.
func TestInVRF(t *testing.T) {
	for spec, expected := range map[string]string{
		"10.20.0.0/24":                "10.20.0.0/24 table 100",
		"10.20.0.0/24 table 7":        "10.20.0.0/24 table 7",
		"local 10.20.0.0/24":          "local 10.20.0.0/24",
		"10.20.0.0/24 via 172.16.0.2": "10.20.0.0/24 via 172.16.0.2 table 100",
	} {
		in := policy.InVRF([]routes.Route{routes.MustParse(spec)}, &kernel.Link{Name: "red", Kind: "vrf", Table: 100})
		want.Same(t, spec, in[0].String(), routes.MustParse(expected).String())
		out := policy.InVRF([]routes.Route{routes.MustParse(spec)}, nil)
		want.Same(t, spec+", in no VRF", out[0].String(), routes.MustParse(spec).String())
	}
}
