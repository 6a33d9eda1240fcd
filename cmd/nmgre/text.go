package main

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// printPlan writes every step with its reason and the commands that would do the same.
func (a *app) printPlan(p plan.Plan, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		return a.printJSON(map[string]planJSON{"plan": newPlanJSON(p, far)})
	}
	var b strings.Builder
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", oneLine(note))
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. %s\n   # %s\n", i+1, oneLine(step.What), oneLine(step.Why))
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "   %s\n", command)
		}
	}
	for _, r := range newOwnedJSON(p.Routes) {
		fmt.Fprintf(&b, "# route %s: %s (%s)\n", fault.Escaped(r.Route), r.Owner, oneLine(r.Why))
	}
	fmt.Fprintf(&b, "# the same link made with ip alone, until the next reboot:\n")
	for _, command := range p.Tunnel.IPCommands() {
		fmt.Fprintf(&b, "   %s\n", command)
	}
	if command := far.CreateCommand(); command != "" {
		fmt.Fprintf(&b, "# the far end:\n   %s\n", command)
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// printCreated writes the new tunnel, the report, and the command for the far end.
func (a *app) printCreated(c nmgre.Created, far nm.FarEnd, asJSON bool) error {
	if asJSON {
		return a.printJSON(createdJSON{Tunnel: newDetailJSON(c.Status, far), Verify: c.Report})
	}
	t := c.Status.Tunnel
	if _, err := fmt.Fprintf(a.stdout, "%s is up: %s %s -> %s, inner %s, mtu %d\n", fault.Printable(t.Name), t.Mode, gre.OuterText(t.Local), t.Remote, joined(t.Addresses), t.MTU); err != nil {
		return err
	}
	if err := a.printReport(c.Report); err != nil {
		return err
	}
	return a.printFarEnd(far)
}

// printFarEnd writes the command that makes the far end, if there is one.
func (a *app) printFarEnd(far nm.FarEnd) error {
	command := far.CreateCommand()
	if command == "" {
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "far end: %s\n", command)
	return err
}

// printReport writes a line for each check, its evidence and hint below it, and the verdict last.
func (a *app) printReport(r verify.Report) error {
	err := a.table(func(w io.Writer) {
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
	_, err = fmt.Fprintf(a.stdout, "verdict: %s\n", r.Verdict)
	return err
}

func joined(list []netip.Prefix) string { return strings.Join(texts(list), ", ") }

// keyForms writes a key in each form that tools at the far end may show.
func keyForms(k *gre.Key) string {
	if k == nil {
		return ""
	}
	return fmt.Sprintf("%s (%s, %s)", k, k.Hex(), k.Dotted())
}

// mtuText writes the profile's MTU, and the device's where it differs.
func mtuText(s nmgre.Status) string {
	text := "the kernel's own"
	if s.Tunnel.MTU != 0 {
		text = number(s.Tunnel.MTU)
	}
	if s.Link != nil && s.Link.MTU != int(s.Tunnel.MTU) {
		text += fmt.Sprintf(", the device has %d", s.Link.MTU)
	}
	return text
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func onOff(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// roundTime rounds a duration to at most four or five digits.
func roundTime(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
