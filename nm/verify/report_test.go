package verify

import (
	"reflect"
	"testing"

	"nmgre/nm"
)

// The check of the profile says that it is saved once it is. The other checks and the verdict stay.
func TestReportSaved(t *testing.T) {
	p := nm.Profile{ID: "gre1", UUID: "00000000-0000-4000-8000-000000000001", State: nm.StateActive, Unsaved: true, Path: "/run/gre1"}
	r := Report{Verdict: Pass}
	r.add(checkProfile(p, true))
	r.add(Check{ID: "probe", Status: Warn})
	p.Unsaved, p.Path = false, "/etc/gre1"
	r.Saved(p)
	if c := r.Checks[0]; len(r.Checks) != 2 || !reflect.DeepEqual(c, checkProfile(p, false)) || c.Status != Pass || r.Checks[1].Status != Warn || r.Verdict != Warn {
		t.Errorf("%+v", r)
	}
}
