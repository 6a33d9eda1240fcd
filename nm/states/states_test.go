package states_test

import (
	"testing"

	"nmgre/nm"
	"nmgre/nm/states"
	"nmgre/routes"
)

func TestOwnersTellsWhoHoldsWhichRoute(t *testing.T) {
	profile := []routes.Route{routes.MustParse("10.10.2.0/24")}
	kept := []routes.Route{routes.MustParse("10.10.3.0/24"), routes.MustParse("blackhole 10.10.4.0/24")}
	all := states.Owners("gre1", profile, kept, nm.MinVersion)
	if len(all) != 3 || all[0].Route != &profile[0] || all[1].Route != &kept[0] || all[2].Route != &kept[1] {
		t.Fatalf("%v", all)
	}
	for i, owner := range []nm.Owner{nm.OwnerProfile, nm.OwnerKernel, nm.OwnerKernel} {
		if all[i].Owner != owner || all[i].Why == "" {
			t.Errorf("%s: %+v", all[i].Route, all[i])
		}
	}
}
