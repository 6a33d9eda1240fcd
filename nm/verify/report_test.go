package verify

import "testing"

func TestReportReplace(t *testing.T) {
	r := Report{Verdict: Pass}
	r.add(Check{ID: "profile", Status: Pass, Summary: "in memory"})
	r.add(Check{ID: "probe", Status: Warn})
	r.Replace(Check{ID: "profile", Status: Pass, Summary: "on disk"})
	if len(r.Checks) != 2 || r.Checks[0].Summary != "on disk" || r.Checks[1].Status != Warn {
		t.Errorf("%+v", r)
	}
}
