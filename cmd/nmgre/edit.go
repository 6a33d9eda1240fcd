package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// editRun says how an edit is carried out.
type editRun struct {
	dryRun, noProbe, json bool
	wait, confirm         time.Duration
}

// maxConfirm bounds how long a change may wait for being confirmed.
const maxConfirm = time.Hour

func (a *app) editCommand() *cobra.Command {
	var flags createFlags
	var run editRun
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "change a tunnel, and prove that it still works",
		Long: `edit changes what is given by flags, and leaves the rest as it is. A list that is given, such as
--route, takes the place of the whole list (nmgre route add adds one); none takes a value away,
as in --key none or --route none.

Addresses, routes, the MTU and what NetworkManager cannot hold are changed while the tunnel is up;
for anything else the link is made anew, and the tunnel is down for a moment. All of it happens
or none of it: what does not come up right is put back as it was.

With --confirm the change waits, applied but not yet on disk, until Enter is pressed; otherwise it
is put back by itself. An edit that may cut off the ssh session that it is typed in is made with
--confirm only.`,
		Example: `  nmgre edit gre1 --mtu 1400
  nmgre edit gre1 --key 42 --confirm 60s
  nmgre edit gre1 --route 10.10.2.0/24 --route 10.10.3.0/24 --dry-run`,
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkEdit(cmd.Flags(), flags, run); err != nil {
				return err
			}
			a.warnOctal(flags)
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				change := func(t *nm.Tunnel) error { return flags.into(t, cmd.Flags().Changed, a) }
				return a.edit(cmd.Context(), host, args[0], change, run)
			})
		},
	}
	flags.registerForEdit(cmd)
	waitFlag(cmd, &run.wait)
	jsonFlag(cmd, &run.json)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print what would be changed, and every step, and change nothing")
	cmd.Flags().BoolVar(&run.noProbe, "no-probe", false, "do not probe the far end")
	cmd.Flags().DurationVar(&run.confirm, "confirm", 0, "put everything back unless Enter is pressed within that time, such as 60s")
	return cmd
}

// registerForEdit adds create's flags without their defaults: what is not given stays.
func (f *createFlags) registerForEdit(cmd *cobra.Command) {
	f.register(cmd)
	for flag, usage := range map[string]string{
		"peer": "the far end's outer address", "address": "this end's inner address with its network's length; all of them",
		"local":        "this end's outer address, any, or auto for the source address that the kernel would use",
		"peer-address": "the far end's inner address", "name": "the interface's name, 1 to 15 bytes",
		"key":       "the key of both directions, a number of 32 bits, equal at both ends, or none",
		"input-key": "the key that packets must come with, or none", "output-key": "the key that packets are sent with, or none",
		"mtu":    "the device's MTU in bytes, or auto to compute it from the way to the far end",
		"parent": "the device that the tunnel is bound to, or none",
		"route":  "a ROUTE into the tunnel; all of them (may be repeated), or none",
		"snat":   "DEST=SOURCE: packets from the inner network to DEST leave with the source SOURCE, or masquerade; all of them (may be repeated), or none",
	} {
		cmd.Flags().Lookup(flag).Usage = usage
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		switch flag.Value.Type() {
		case "string":
			flag.DefValue = ""
		case "bool":
			flag.DefValue = "false"
		}
	})
}

// checkEdit refuses what makes no sense whatever the tunnel is.
func checkEdit(flags *pflag.FlagSet, given createFlags, run editRun) error {
	if err := checkWait(run.wait); err != nil {
		return err
	}
	if !changesAnything(flags) {
		return &fault.Error{Kind: fault.ErrInvalid, What: "what shall be changed is missing", Hint: "nmgre edit --help lists the flags"}
	}
	switch {
	case !flags.Changed("confirm"):
	case run.confirm <= 0 || run.confirm > maxConfirm:
		return &fault.Error{Kind: fault.ErrInvalid, Field: "confirm", What: run.confirm.String() + " is not possible", Hint: "give a duration such as 60s, at most 1h"}
	case given.routesFrom == "-":
		return &fault.Error{Kind: fault.ErrInvalid, Field: "confirm", What: "standard input cannot both give the routes and confirm them",
			Hint: "give the routes in a file"}
	}
	return nil
}

// changesAnything says whether one of the flags given is about the tunnel.
func changesAnything(flags *pflag.FlagSet) bool {
	changes := false
	flags.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "wait", "json", "dry-run", "no-probe", "confirm", "verbose":
		default:
			changes = true
		}
	})
	return changes
}

func (a *app) edit(ctx context.Context, host *nmgre.Host, name string, change func(*nm.Tunnel) error, run editRun) error {
	ctx, cancel := context.WithTimeout(ctx, run.wait+run.confirm)
	defer cancel()
	planned, err := host.PlanEdit(ctx, name, change)
	if err != nil {
		return err
	}
	if run.dryRun {
		return a.printEditPlan(planned, run.json)
	}
	if err := a.guardSession(ctx, planned, run.confirm); err != nil {
		return err
	}
	a.tellEdit(planned)
	opts := nmgre.EditOptions{NoProbe: run.noProbe}
	if run.confirm > 0 {
		// what is printed after the session has died must not keep the change from being put back
		signal.Ignore(syscall.SIGPIPE)
		opts.Confirm = a.confirmWithin(run.confirm)
	}
	done, err := host.Edit(ctx, planned, opts)
	if errors.Is(err, fault.ErrChanged) {
		return err
	}
	if err != nil {
		return begun(err)
	}
	// the change is there for good, whatever comes now
	far, err := host.FarEnd(context.WithoutCancel(ctx), planned.After)
	if err != nil {
		return begun(err)
	}
	return a.printEdited(planned, done, far, run.json)
}

// guardSession refuses an edit that may cut off the ssh session in which it was typed, unless it is
// put back by itself.
func (a *app) guardSession(ctx context.Context, planned plan.EditPlan, confirm time.Duration) error {
	session := a.session()
	cuts, err := planned.CutsOff(ctx, session)
	if err != nil || !cuts {
		return err
	}
	what := fmt.Sprintf("the way to your ssh session's host %s leads through what is changed: the edit may cut it off", session)
	if confirm > 0 {
		fmt.Fprintf(a.stderr, "nmgre: warning: %s\n", what)
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, Field: "confirm", What: what,
		Hint: "add --confirm 60s: unless you press Enter within that time, everything is put back as it was"}
}

// tellEdit says what is about to happen.
func (a *app) tellEdit(planned plan.EditPlan) {
	for _, line := range planned.Diff() {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", oneLine(line))
	}
	if len(planned.Changes) > 0 {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", flapText(planned))
	}
	for _, note := range planned.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", oneLine(note))
	}
}

func flapText(planned plan.EditPlan) string {
	switch {
	case planned.Flaps:
		return "it goes down and up: " + planned.Why
	case planned.Profile.State == nm.StateInactive:
		return planned.Why
	}
	return "it stays up: " + planned.Why
}

// errNotConfirmed is why an edit was put back that nobody has confirmed.
func errNotConfirmed(why string) error {
	return &fault.Error{What: "not confirmed: " + why, Hint: "run it again, and press Enter when it works"}
}

// confirmWithin asks on standard error whether the change shall stay, and reads the answer from
// standard input.
func (a *app) confirmWithin(d time.Duration) func(context.Context, verify.Report) error {
	return func(ctx context.Context, applied verify.Report) error {
		if len(applied.Checks) > 0 {
			fmt.Fprintf(a.stderr, "nmgre: it is applied; the verdict is %s\n", applied.Verdict)
		}
		fmt.Fprintf(a.stderr, "nmgre: press Enter within %s to keep it; otherwise everything is put back\n", d)
		timer := time.NewTimer(d)
		defer timer.Stop()
		answer := make(chan error, 1)
		// it ends with the input, or the process
		go func() { answer <- readConfirmation(a.stdin) }()
		select {
		case err := <-answer:
			return err
		case <-timer.C:
			return errNotConfirmed("nobody pressed Enter within " + d.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxAnswer bounds what is read for an answer.
const maxAnswer = 4096

// readConfirmation returns nil for an empty line or a yes.
func readConfirmation(in io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(in, maxAnswer)).ReadString('\n')
	if err != nil {
		return errNotConfirmed("the input has ended")
	}
	switch word := strings.ToLower(strings.TrimSpace(line)); word {
	case "", "y", "yes":
		return nil
	default:
		return errNotConfirmed("the answer was " + fault.Printable(word))
	}
}

// printEditPlan writes what would be changed, and every step with its reason and the commands that
// would do the same.
func (a *app) printEditPlan(p plan.EditPlan, asJSON bool) error {
	if asJSON {
		return a.printJSON(map[string]editPlanJSON{"plan": editPlansJSON(p)})
	}
	var b strings.Builder
	for _, line := range p.Diff() {
		fmt.Fprintln(&b, oneLine(line))
	}
	if len(p.Changes) == 0 {
		fmt.Fprintf(&b, "# %s is so already\n", fault.Printable(p.Before.Name))
		_, err := fmt.Fprint(a.stdout, b.String())
		return err
	}
	fmt.Fprintf(&b, "# %s\n", flapText(p))
	for _, note := range p.Notes {
		fmt.Fprintf(&b, "# %s\n", oneLine(note))
	}
	for i, step := range p.Steps {
		fmt.Fprintf(&b, "%d. %s\n   # %s\n", i+1, step.What, step.Why)
		for _, command := range step.Commands {
			fmt.Fprintf(&b, "   %s\n", command)
		}
	}
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// printEdited writes what the tunnel is now, and what was proved of it.
func (a *app) printEdited(planned plan.EditPlan, done nmgre.Edited, far nm.Tunnel, asJSON bool) error {
	if asJSON {
		out := editedJSON{Tunnel: showJSON(done.Status, far), Changes: changesJSON(planned), Flaps: planned.Flaps}
		if len(done.Report.Checks) > 0 {
			out.Verify = &done.Report
		}
		return a.printJSON(out)
	}
	t := done.Status.Tunnel
	name := fault.Printable(t.Name)
	if len(planned.Changes) == 0 {
		fmt.Fprintf(a.stderr, "nmgre: %s is so already\n", name)
		return nil
	}
	if _, err := fmt.Fprintf(a.stdout, "%s is changed: %s %s -> %s, inner %s, mtu %d\n", name, t.Mode, gre.OuterText(t.Local), t.Remote, joined(t.Addresses), t.MTU); err != nil {
		return err
	}
	if len(done.Report.Checks) > 0 {
		if err := a.printReport(done.Report); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(a.stdout, "far end: %s\n", far.CreateCommand())
	return err
}

// changeOfJSON is one difference that an edit makes; old or new is absent where there is none.
type changeOfJSON struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

func changesJSON(p plan.EditPlan) []changeOfJSON {
	out := make([]changeOfJSON, len(p.Changes))
	for i, c := range p.Changes {
		out[i] = changeOfJSON{c.Field, c.Old, c.New}
	}
	return out
}

// editedJSON is what edit says.
type editedJSON struct {
	Tunnel  detailJSON     `json:"tunnel"`
	Changes []changeOfJSON `json:"changes"`
	Flaps   bool           `json:"flaps"`
	Verify  *verify.Report `json:"verify,omitempty"` // absent while the tunnel is down
}

// editPlanJSON is what edit --dry-run says.
type editPlanJSON struct {
	Changes []changeOfJSON `json:"changes"`
	Flaps   bool           `json:"flaps"`
	Why     string         `json:"why"`
	Steps   []stepJSON     `json:"steps"`
	Routes  []routeJSON    `json:"routes"`
	Notes   []string       `json:"notes"`
}

func editPlansJSON(p plan.EditPlan) editPlanJSON {
	out := editPlanJSON{Changes: changesJSON(p), Flaps: p.Flaps, Why: p.Why, Steps: []stepJSON{}, Routes: ownedJSON(p.Routes), Notes: append([]string{}, p.Notes...)}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, stepJSON{s.ID, s.What, s.Why, append([]string{}, s.Commands...)})
	}
	return out
}
