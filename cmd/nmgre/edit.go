package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"nmgre"
	"nmgre/cmd/nmgre/lists"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
)

// editRun holds the flags of edit that are not about the tunnel itself.
type editRun struct {
	dryRun, noProbe, json bool
	wait                  time.Duration
}

func (a *app) editCommand() *cobra.Command {
	var flags createFlags
	var run editRun
	cmd := &cobra.Command{
		Use:   "edit NAME",
		Short: "change a tunnel, and prove that it still works",
		Long: `edit changes what the flags name and leaves the rest as it is. A list, such as --route, replaces the
whole list; nmgre route add adds a single route. The word none removes a value, as in --key none or
--route none.

Addresses, routes, the MTU and whatever NetworkManager cannot hold change while the tunnel stays up.
Anything else needs a new link, and the tunnel is down for a moment. All of it happens or none of
it: a change that does not come up right is undone.

With --confirm the change is applied, but not yet saved. Press Enter to keep it; otherwise it is
undone when the time is over. An edit that may cut off your own ssh session needs --confirm.`,
		Example: `  nmgre edit gre1 --mtu 1400
  nmgre edit gre1 --key 42 --confirm 60s
  nmgre edit gre1 --route 10.10.2.0/24 --route 10.10.3.0/24 --dry-run`,
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(checkWait(run.wait), refuseEmpty(cmd.Flags())); err != nil {
				return err
			}
			if !changesAnything(cmd.Flags()) {
				return a.withHost(cmd.Context(), func(host *nmgre.Host) error { return nothingToChange(cmd.Context(), host, args[0]) })
			}
			run.noProbe = flags.probeOnce
			a.warnOctal(flags)
			lists.ExpectKept() // root may keep very many routes for the tunnel
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				return a.edit(cmd.Context(), host, args[0], func(t *nm.Tunnel) error { return flags.into(t, cmd.Flags().Changed, a) }, run)
			})
		},
	}
	flags.registerForEdit(cmd, a)
	waitFlag(cmd, &run.wait)
	jsonFlag(cmd, &run.json)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print the differences and every step, and change nothing")
	a.confirmFlag(cmd)
	return cmd
}

// registerForEdit adds create's flags without their defaults: a flag that is not given changes
// nothing.
func (f *createFlags) registerForEdit(cmd *cobra.Command, a *app) {
	f.register(cmd, a)
	for flag, usage := range map[string]string{
		"peer": "the far end's outer address, or its name, or auto to look that name up again; --remote is the same", "zone": "firewalld's zone for the tunnel, or none for the default one", "address": "this end's inner address with its prefix length; replaces all of them (may be repeated)",
		"local":        "this end's outer address, any, or auto for the source address that the kernel would use",
		"peer-address": "the far end's inner address; replaces all of them (may be repeated, and each is probed)", "name": "the interface's name, 1 to 15 bytes",
		"key":       "the key of both directions, a 32-bit number, equal at both ends, or none",
		"input-key": "the key that received packets must carry, or none", "output-key": "the key that sent packets carry, or none",
		"mtu":        "the device's MTU in bytes, or auto to compute it from the route to the far end",
		"parent":     "the device that the tunnel is bound to, or none",
		"controller": "the bridge whose port the tunnel is: its interface, the name of its profile, or none", "mac": "the device's Ethernet address, or none for the kernel's choice",
		"route": "a ROUTE into the tunnel; replaces all of them (may be repeated), or none",
		"rule":  "a RULE as for ip rule, such as 'from 10.0.0.2 table 100'; replaces all of them (may be repeated), or none",
		"snat":  "DEST=SOURCE: give packets from the inner network to DEST the source address SOURCE, or masquerade; replaces all of them (may be repeated), or none",
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

// nothingToChange refuses an edit without a change. That there is no such tunnel comes first.
func nothingToChange(ctx context.Context, host *nmgre.Host, name string) error {
	if _, err := host.Find(ctx, name); err != nil {
		return err
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: "there is nothing to change", Hint: "give at least one flag; nmgre edit --help lists them"}
}

// changesAnything reports whether one of the given flags is about the tunnel itself.
func changesAnything(flags *pflag.FlagSet) bool {
	changes := false
	flags.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "wait", "json", "dry-run", "confirm", "verbose":
		case "no-probe":
			changes = changes || changesProbe(flag)
		default:
			changes = true
		}
	})
	return changes
}

func (a *app) edit(ctx context.Context, host *nmgre.Host, name string, change func(*nm.Tunnel) error, run editRun) error {
	ctx, cancel := context.WithTimeout(ctx, run.wait+a.confirm)
	defer cancel()
	planned, err := host.PlanEdit(ctx, name, change)
	if err != nil {
		return err
	}
	if run.noProbe {
		planned.Steps = plan.Unprobed(planned.Steps)
	}
	if run.dryRun {
		return output.EditPlan(a.stdout, planned, run.json)
	}
	a.tellEdit(planned)
	if len(planned.Changes) == 0 && !run.json {
		fmt.Fprintf(a.stderr, "nmgre: %s: nothing to change\n", fault.Printable(planned.Before.Name))
		return nil
	}
	defer a.watch()()
	done, err := host.Edit(ctx, planned, nmgre.EditOptions{NoProbe: run.noProbe})
	if errors.Is(err, fault.ErrChanged) {
		return err
	}
	if err != nil {
		return begun(err)
	}
	// The change is saved, and an interrupt no longer undoes it.
	far, err := host.FarEnd(context.WithoutCancel(ctx), planned.After)
	if err != nil {
		return begun(err)
	}
	return output.Edited(a.stdout, planned, done, far, run.json)
}

// tellEdit shows the differences before they are made.
func (a *app) tellEdit(planned plan.EditPlan) {
	for _, line := range planned.Diff() {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(line))
	}
	if len(planned.Changes) > 0 {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(output.FlapText(planned)))
	}
	for _, note := range planned.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(note))
	}
}
