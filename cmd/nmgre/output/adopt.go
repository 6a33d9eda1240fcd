package output

import (
	"fmt"
	"io"
	"slices"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/adopt"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// adoptForm is the output of adopt --json. The plan is there with --dry-run, the tunnel and its
// report without.
type adoptForm struct {
	Parts []partForm `json:"parts"`
	Plan  *planForm  `json:"plan,omitempty"`
	*createdForm
}

// partForm is a part of a tunnel that was made by hand.
type partForm struct {
	Part string `json:"part"`
	Fate string `json:"fate"` // taken, not needed, stays or lost
	Why  string `json:"why,omitempty"`
}

func newParts(parts []adopt.Part) []partForm {
	list := []partForm{}
	for _, p := range parts {
		list = append(list, partForm{Part: p.What, Fate: string(p.Fate), Why: p.Why})
	}
	return list
}

// AdoptParts writes the fate of each part of a tunnel that was made by hand.
func AdoptParts(w io.Writer, parts []adopt.Part) {
	for _, p := range parts {
		why := ""
		if p.Why != "" {
			why = ", " + OneLine(p.Why)
		}
		fmt.Fprintf(w, "%s: %s%s\n", OneLine(p.What), p.Fate, why)
	}
}

// AdoptPlan writes the plan of an adoption.
func AdoptPlan(w io.Writer, a adopt.Adoption, asJSON bool) error {
	if asJSON {
		planned := newPlan(a.Plan, a.FarEnd)
		return JSON(w, map[string]adoptForm{"adopt": {Parts: newParts(a.Parts), Plan: &planned}})
	}
	AdoptParts(w, a.Parts)
	return Plan(w, a.Plan, a.FarEnd, false)
}

// Adopted writes the tunnel that was taken over.
func Adopted(w io.Writer, a adopt.Adoption, made nmgre.Created, asJSON bool) error {
	if asJSON {
		return JSON(w, map[string]adoptForm{"adopt": {Parts: newParts(a.Parts),
			createdForm: &createdForm{Tunnel: newDetail(made.Status, a.FarEnd), Verify: made.Report}}})
	}
	return Created(w, made, a.FarEnd, false)
}

// ByHand tells of each tunnel that was made by hand, and names the command that makes a profile of
// it. Those of which NetworkManager knows nothing are among the links alone. Where there is no
// tunnel at all, it names the command that makes one.
func ByHand(w io.Writer, list []nmgre.Status, links []kernel.Link) {
	none := len(list) == 0
	const adopts = "nmgre adopt %s makes a profile of it, while it is up\n"
	for _, s := range list {
		if s.State == nm.StateExternal {
			fmt.Fprintf(w, "nmgre: %s was made by hand: "+adopts, fault.Printable(s.Tunnel.Name), fault.Operand(s.Tunnel.Name))
		}
	}
	for _, l := range links {
		known := func(s nmgre.Status) bool { return s.Device == l.Name || s.Tunnel.Name == l.Name }
		if l.GRE != nil && !l.GRE.External && !l.IsFallback() && !slices.ContainsFunc(list, known) {
			fmt.Fprintf(w, "nmgre: %s (%s to %s) was made by hand, and NetworkManager has no connection for it: sudo "+adopts, fault.Printable(l.Name), l.GRE.Mode, gre.OuterText(l.GRE.Remote), fault.Operand(l.Name))
			none = false
		}
	}
	if none {
		fmt.Fprintln(w, "nmgre: there are no tunnels yet\nhint: nmgre create --peer ADDR --address CIDR makes one")
	}
}
