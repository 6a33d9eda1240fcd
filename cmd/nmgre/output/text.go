package output

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// Plan writes every step with its reason and the commands that would do the same.
func Plan(w io.Writer, p plan.Plan, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		return JSON(w, map[string]planForm{"plan": newPlan(p, far)})
	}
	var b strings.Builder
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", OneLine(note))
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. %s\n   # %s\n", i+1, OneLine(step.What), OneLine(step.Why))
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "   %s\n", command)
		}
	}
	for _, r := range newOwned(p.Routes) {
		fmt.Fprintf(&b, "# route %s: %s (%s)\n", fault.Escaped(r.Route), r.Owner, OneLine(r.Why))
	}
	fmt.Fprintf(&b, "# the same link made with ip alone, until the next reboot:\n")
	for _, command := range p.Tunnel.IPCommands() {
		fmt.Fprintf(&b, "   %s\n", command)
	}
	if command := far.CreateCommand(); command != "" {
		fmt.Fprintf(&b, "# the far end:\n   %s\n", command)
	}
	_, err := fmt.Fprint(w, b.String())
	return err
}

// Created writes the new tunnel, the report, and the command for the far end.
func Created(w io.Writer, c nmgre.Created, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		return JSON(w, createdForm{Tunnel: newDetail(c.Status, far), Verify: c.Report})
	}
	if _, err := fmt.Fprintf(w, "%s is up: %s\n", fault.Printable(c.Status.Tunnel.Name), summary(c.Status)); err != nil {
		return err
	}
	if err := Report(w, c.Report, false, false); err != nil {
		return err
	}
	return farEnd(w, far)
}

// farEnd writes the command that makes the far end, if there is one.
func farEnd(w io.Writer, far nm.FarEnd) error {
	command := far.CreateCommand()
	if command == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "far end: %s\n", command)
	return err
}

// Report writes the checks that do not pass, and those of addresses that were asked for by --to,
// with their evidence and hints; then how many others pass, and the verdict. It writes all checks
// if all is true or one fails: then the checks that pass say where the fault is not. As JSON a
// report is always whole.
func Report(w io.Writer, r verify.Report, all, asJSON bool) error {
	if asJSON {
		return JSON(w, r)
	}
	all = all || r.Verdict == verify.Fail
	err := table(w, func(w io.Writer) {
		for _, c := range r.Checks {
			if all || inShort(c) {
				writeCheck(w, c)
			}
		}
		if passed := passedText(r.Checks); !all && passed != "" {
			fmt.Fprintf(w, "%s\t%s\tall of them: nmgre verify %s --all-checks\n", verify.Pass, passed, fault.Operand(r.Tunnel))
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "verdict: %s\n", r.Verdict)
	return err
}

// writeCheck writes a row of the table of checks, and its evidence and hint below it.
func writeCheck(w io.Writer, c verify.Check) {
	summary := c.Summary
	if c.Certainty == verify.Likely {
		summary += " (likely)"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, fault.Printable(checkName(c.ID)), fault.Printable(summary))
	if c.Evidence != "" && c.Status != verify.Skip {
		fmt.Fprintf(w, "\t\t  %s\n", fault.Printable(c.Evidence))
	}
	if c.Hint != "" {
		fmt.Fprintf(w, "\t\t  hint: %s\n", fault.Printable(c.Hint))
	}
}

// checkName is the name of a check for people: a default route is called so, as in the lists of
// routes. The ID has its network.
func checkName(id string) string {
	for _, all := range []string{"route 0.0.0.0/0", "route ::/0"} {
		if rest, is := strings.CutPrefix(id, all); is && (rest == "" || rest[0] == ' ') {
			return "route default" + rest
		}
	}
	return id
}

// inShort reports whether the check is in the short form of a report.
func inShort(c verify.Check) bool { return c.Status != verify.Pass || strings.HasPrefix(c.ID, "to ") }

// passedText says how many checks pass that the short form leaves out, and how many of these are
// likely only. It is empty if none passes.
func passedText(checks []verify.Check) string {
	passed, likely := 0, 0
	for _, c := range checks {
		if !inShort(c) {
			passed++
			if c.Certainty == verify.Likely {
				likely++
			}
		}
	}
	text := fmt.Sprintf("%d checks", passed)
	switch {
	case passed == 0:
		return ""
	case passed == 1:
		text = "1 check"
	}
	if likely > 0 {
		text += fmt.Sprintf(" (%d likely)", likely)
	}
	return text
}

// OneLine makes foreign text safe to show on a single line.
func OneLine(text string) string { return fault.OneLine(text) }

func joined(list []netip.Prefix) string { return strings.Join(texts(list), ", ") }
