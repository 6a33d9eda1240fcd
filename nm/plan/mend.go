package plan

import (
	"nmgre/nm"
	"nmgre/routes/keep"
)

// Mend returns the plan that makes the kernel have a tunnel that is up as its profile and root's
// part want it. It is an edit without changes. drift names the differences in words. With anew the
// link is made anew, with reapply NetworkManager applies the profile again while the tunnel is up.
// Root's part is set again in any case.
func Mend(p nm.Profile, kept keep.Kept, drift []string, anew, reapply bool) EditPlan {
	whole := p.Tunnel.WithKept(kept)
	e := EditPlan{Profile: p, Before: whole, After: whole, KeptBefore: kept, Kept: kept, Drift: drift, Flaps: anew, Why: "the kernel differs from the profile"}
	if anew || reapply {
		e.Steps = e.applySteps()
	}
	if !kept.Empty() {
		e.Steps = append(e.Steps, Step{ID: StepRoute, What: "set again what root keeps for the tunnel: " + kept.Summary(), Why: "the kernel may lack it"})
	}
	e.Steps = append(e.Steps, checkStep(whole))
	return e
}

// Mends says whether the plan mends the kernel, and changes no setting.
func (p EditPlan) Mends() bool { return len(p.Drift) > 0 }
