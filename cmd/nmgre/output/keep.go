package output

import (
	"fmt"
	"io"

	"nmgre"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// keepForm is the output of route keep --json, and with --dry-run the "plan" of it.
type keepForm struct {
	// the one that was named first, if it changes
	Tunnels []keptTunnelForm `json:"tunnels"`
	Verify  *verify.Report   `json:"verify,omitempty"` // of the first; absent while it is down
}

// keptTunnelForm is the edit of one tunnel.
type keptTunnelForm struct {
	Tunnel string `json:"tunnel"` // the interface's name
	UUID   string `json:"uuid"`
	editPlanForm
}

func newKeep(plans []plan.EditPlan) keepForm {
	out := keepForm{Tunnels: make([]keptTunnelForm, len(plans))}
	for i, p := range plans {
		out.Tunnels[i] = keptTunnelForm{p.Before.Name, p.Profile.UUID, newEditPlan(p)}
	}
	return out
}

// KeepPlan writes the plan of each tunnel, as [EditPlan] does.
func KeepPlan(w io.Writer, name string, plans []plan.EditPlan, asJSON bool) error {
	if asJSON {
		return JSON(w, map[string]keepForm{"plan": newKeep(plans)})
	}
	if len(plans) == 0 {
		_, err := fmt.Fprintf(w, "# %s: nothing to move\n", fault.Printable(name))
		return err
	}
	for _, p := range plans {
		if _, err := fmt.Fprintf(w, "# %s:\n", fault.Printable(p.Before.Name)); err != nil {
			return err
		}
		if err := EditPlan(w, p, false); err != nil {
			return err
		}
	}
	return nil
}

// RoutesKept writes the report on the first tunnel, as JSON with the changes.
func RoutesKept(w io.Writer, plans []plan.EditPlan, done []nmgre.Edited, asJSON bool) error {
	out := newKeep(plans)
	if len(done) > 0 && len(done[0].Report.Checks) > 0 {
		out.Verify = &done[0].Report
	}
	switch {
	case asJSON:
		return JSON(w, out)
	case out.Verify == nil:
		return nil
	}
	return Report(w, *out.Verify, false, false)
}
