package output

import (
	"fmt"
	"io"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// EditPlan writes the differences, and every step with its reason and the commands that would
// do the same.
func EditPlan(w io.Writer, p plan.EditPlan, asJSON bool) error {
	if asJSON {
		return JSON(w, map[string]editPlanForm{"plan": newEditPlan(p)})
	}
	var b strings.Builder
	for _, line := range p.Diff() {
		fmt.Fprintln(&b, fault.Escaped(line))
	}
	if len(p.Changes) == 0 {
		fmt.Fprintf(&b, "# %s: nothing to change\n", fault.Printable(p.Before.Name))
		_, err := fmt.Fprint(w, b.String())
		return err
	}
	fmt.Fprintf(&b, "# %s\n", OneLine(FlapText(p)))
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", OneLine(note))
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. %s\n   # %s\n", i+1, OneLine(step.What), OneLine(step.Why))
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "   %s\n", command)
		}
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// Edited writes the tunnel as it is now, and the report.
func Edited(w io.Writer, planned plan.EditPlan, done nmgre.Edited, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		out := editedForm{Tunnel: newDetail(done.Status, far), Changes: newChanges(planned), Flaps: planned.Flaps}
		if len(done.Report.Checks) > 0 {
			out.Verify = &done.Report
		}
		return JSON(w, out)
	}
	if _, err := fmt.Fprintf(w, "%s is changed: %s\n", fault.Printable(done.Status.Tunnel.Name), summary(done.Status)); err != nil {
		return err
	}
	if len(done.Report.Checks) > 0 {
		if err := Report(w, done.Report, false, false); err != nil {
			return err
		}
	}
	return farEnd(w, far)
}

// fieldChange is one difference that an edit makes. A value that was not set, or is not any
// more, is absent.
type fieldChange struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

func newChanges(p plan.EditPlan) []fieldChange {
	out := make([]fieldChange, len(p.Changes))
	for i, c := range p.Changes {
		out[i] = fieldChange{c.Field, c.Old, c.New}
	}
	return out
}

// editedForm is the output of edit --json.
type editedForm struct {
	Tunnel  detailForm     `json:"tunnel"`
	Changes []fieldChange  `json:"changes"`
	Flaps   bool           `json:"flaps"`
	Verify  *verify.Report `json:"verify,omitempty"` // absent while the tunnel is down
}

// editPlanForm is the output of edit --dry-run --json.
type editPlanForm struct {
	Changes []fieldChange `json:"changes"`
	Flaps   bool          `json:"flaps"`
	Why     string        `json:"why"`
	Steps   []stepForm    `json:"steps"`
	Routes  []routeForm   `json:"routes"`
	Rules   []ruleForm    `json:"rules"`
	Notes   []string      `json:"notes"`
}

func newEditPlan(p plan.EditPlan) editPlanForm {
	out := editPlanForm{Changes: newChanges(p), Flaps: p.Flaps, Why: p.Why, Steps: []stepForm{}, Routes: newOwned(p.Routes()), Rules: newOwnedRules(p.Rules), Notes: append([]string{}, p.Notes...)}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, stepForm{s.ID, s.What, s.Why, append([]string{}, s.Commands...)})
	}
	return out
}

// FlapText says whether the tunnel stays up while it is changed, and why.
func FlapText(planned plan.EditPlan) string {
	switch {
	case planned.Flaps:
		return "it goes down and up: " + planned.Why
	case planned.Profile.State == nm.StateInactive:
		return planned.Why
	}
	return "it stays up: " + planned.Why
}
