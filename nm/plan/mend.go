package plan

import (
	"nmgre/nm"
	"nmgre/routes/keep"
)

// Mend returns the plan that makes the kernel have a tunnel as its profile and root's part want it.
// It is an edit without changes. drift names the differences in words. A tunnel that is down comes
// up. With anew the link is made anew, with reapply NetworkManager applies the profile again while
// the tunnel is up. Root's part is set again in any case.
func Mend(p nm.Profile, kept keep.Kept, drift []string, anew, reapply bool) EditPlan {
	whole := p.Tunnel.WithKept(kept)
	e := EditPlan{Profile: p, Before: whole, After: whole, KeptBefore: kept, Kept: kept, Drift: drift, Why: "the kernel differs from the profile"}
	if e.Raises, e.Flaps = !e.Up(), anew && e.Up(); e.Raises || anew || reapply {
		e.Steps = e.applySteps()
	}
	if !kept.Empty() {
		e.Steps = append(e.Steps, Step{ID: StepRoute, What: "set again what root keeps for the tunnel: " + kept.Summary(), Why: "the kernel may lack it"})
	}
	e.Steps = append(e.Steps, checkStep(whole))
	return e
}

// Raised returns the plan of an edit with the tunnel, which is down, brought up.
func (p EditPlan) Raised() EditPlan {
	p.Raises = true
	p.Steps = p.steps()
	return p
}

// Mends says whether the plan mends the kernel, and changes no setting.
func (p EditPlan) Mends() bool { return len(p.Drift) > 0 }
