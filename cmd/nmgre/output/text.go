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
	"nmgre/routes/gre"
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
	t := c.Status.Tunnel
	if _, err := fmt.Fprintf(w, "%s is up: %s %s -> %s, inner %s, mtu %d\n", fault.Printable(t.Name), t.Mode, gre.OuterText(t.Local), t.Remote, joined(t.Addresses), t.MTU); err != nil {
		return err
	}
	if err := Report(w, c.Report, false); err != nil {
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

// Report writes a line for each check, its evidence and hint below it, and the verdict last.
func Report(w io.Writer, r verify.Report, asJSON bool) error {
	if asJSON {
		return JSON(w, r)
	}
	err := table(w, func(w io.Writer) {
		for _, c := range r.Checks {
			summary := c.Summary
			if c.Certainty == verify.Likely {
				summary += " (likely)"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", c.Status, fault.Printable(c.ID), fault.Printable(summary))
			if c.Evidence != "" && c.Status != verify.Skip {
				fmt.Fprintf(w, "\t\t  %s\n", fault.Printable(c.Evidence))
			}
			if c.Hint != "" {
				fmt.Fprintf(w, "\t\t  hint: %s\n", fault.Printable(c.Hint))
			}
		}
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "verdict: %s\n", r.Verdict)
	return err
}

// OneLine makes foreign text safe to show on a single line.
func OneLine(text string) string { return fault.Printable(strings.TrimSpace(text)) }

func joined(list []netip.Prefix) string { return strings.Join(texts(list), ", ") }
