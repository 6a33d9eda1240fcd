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

// PairedEnd is the far end of pair --json. Its texts come from another host.
type PairedEnd struct {
	Host    string       `json:"host"`
	Tunnel  string       `json:"tunnel"`
	Command string       `json:"command"` // the line of nmgre create that makes it
	Changes []string     `json:"changes"` // to an end that was there
	Verify  PairedVerify `json:"verify"`
}

// PairedVerify is the far end's verification: the checks that did not pass.
type PairedVerify struct {
	Verdict string         `json:"verdict"`
	Checks  []verify.Check `json:"checks"`
}

// PairPlanned is the far end of a plan.
type PairPlanned struct {
	Host    string   `json:"host"`
	Tunnel  string   `json:"tunnel"`
	Command string   `json:"command"`
	Steps   []string `json:"steps"`
	Changes []string `json:"changes"`
	Notes   []string `json:"notes"`
}

// pairedForm is the output of pair --json.
type pairedForm struct {
	Tunnel detailForm    `json:"tunnel"`
	Verify verify.Report `json:"verify"`
	Far    PairedEnd     `json:"far"`
}

// pairPlanForm is the output of pair --dry-run --json.
type pairPlanForm struct {
	Near  planForm    `json:"near"`
	Far   PairPlanned `json:"far"`
	Notes []string    `json:"notes"`
}

// Paired writes both ends of a tunnel, with the reports of both.
func Paired(w io.Writer, near nmgre.Created, far PairedEnd, asJSON bool) error {
	if asJSON {
		far.Changes = append([]string{}, far.Changes...)
		return JSON(w, pairedForm{newDetail(near.Status, nm.FarEnd{Missing: "it is there"}), near.Report, far})
	}
	if err := Created(w, near, nm.FarEnd{Missing: "it is there"}, false); err != nil {
		return err
	}
	host := fault.Printable(far.Host)
	if _, err := fmt.Fprintf(w, "%s is up at %s\n", fault.Printable(far.Tunnel), host); err != nil {
		return err
	}
	for _, change := range far.Changes {
		if _, err := fmt.Fprintf(w, "changed at %s: %s\n", host, fault.Printable(change)); err != nil {
			return err
		}
	}
	err := table(w, func(w io.Writer) {
		for _, c := range far.Verify.Checks {
			writeCheck(w, c)
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "verdict at %s: %s\n", host, fault.Printable(far.Verify.Verdict))
	return err
}

// PairPlan writes the plan of both ends.
func PairPlan(w io.Writer, near plan.Plan, far PairPlanned, notes []string, asJSON bool) error {
	if asJSON {
		far.Steps, far.Changes, far.Notes = append([]string{}, far.Steps...), append([]string{}, far.Changes...), append([]string{}, far.Notes...)
		return JSON(w, map[string]pairPlanForm{"plan": {newPlan(near, nm.FarEnd{Missing: "it is in far"}), far, append([]string{}, notes...)}})
	}
	var b strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&b, "# %s\n", OneLine(note))
	}
	fmt.Fprintf(&b, "# here\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if err := Plan(w, near, nm.FarEnd{Missing: "it follows"}, false); err != nil {
		return err
	}
	_, err := io.WriteString(w, far.text())
	return err
}

// MendPlan writes the plan of a far end whose near end stays as it is.
func MendPlan(w io.Writer, far PairPlanned, notes []string, asJSON bool) error {
	far.Steps, far.Changes, far.Notes = append([]string{}, far.Steps...), append([]string{}, far.Changes...), append([]string{}, far.Notes...)
	if asJSON {
		return JSON(w, map[string]any{"plan": map[string]any{"far": far, "notes": append([]string{}, notes...)}})
	}
	if len(far.Steps) == 0 && len(far.Changes) == 0 {
		_, err := fmt.Fprintf(w, "%s at %s matches: there is nothing to change\n", fault.Printable(far.Tunnel), fault.Printable(far.Host))
		return err
	}
	far.Notes = append(append([]string{}, notes...), far.Notes...)
	_, err := io.WriteString(w, far.text())
	return err
}

// text is the far end's part of a plan.
func (p PairPlanned) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# at %s\n", fault.Printable(p.Host))
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", OneLine(note))
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. %s\n", i+1, OneLine(step))
	}
	for _, change := range p.Changes {
		fmt.Fprintf(&b, "~ %s\n", OneLine(change))
	}
	if p.Command == "" && len(p.Steps) == 0 && len(p.Changes) == 0 {
		fmt.Fprintf(&b, "%s is there, and stays as it is\n", fault.Printable(p.Tunnel))
	}
	if p.Command != "" {
		fmt.Fprintf(&b, "   %s\n", fault.Escaped(p.Command))
	}
	return b.String()
}
