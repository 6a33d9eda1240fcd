package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
)

func (a *app) routeKeep() *cobra.Command {
	var run editRun
	cmd := &cobra.Command{
		Use:   "keep NAME",
		Short: "move the routes with a weight out of the tunnels' profiles",
		Long: `keep moves the routes with a weight out of the tunnel's profile, as nmcli or an old nmgre may have
written them. NetworkManager joins such routes of several tunnels to one multipath route, and loses
all of them when one tunnel goes down. nmgre keeps the joined route itself instead, and sets it
again by the tunnels that are left. The other tunnels' routes that are joined with it leave their
profiles, too. A route that stands alone stays in its profile without the weight, which means
nothing there. All of it happens or none of it, and the tunnels stay up.`,
		Example: `  nmgre route keep gre1 --dry-run
  nmgre route keep gre1`,
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkWait(run.wait); err != nil {
				return err
			}
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error { return a.keepRoutes(cmd.Context(), host, args[0], run) })
		},
	}
	waitFlag(cmd, &run.wait)
	jsonFlag(cmd, &run.json)
	cmd.Flags().BoolVar(&run.dryRun, "dry-run", false, "print the differences and every step, and change nothing")
	cmd.Flags().BoolVar(&run.noProbe, "no-probe", false, "do not probe the far end")
	a.confirmFlag(cmd)
	return cmd
}

func (a *app) keepRoutes(ctx context.Context, host *nmgre.Host, name string, run editRun) error {
	ctx, cancel := context.WithTimeout(ctx, run.wait+a.confirm)
	defer cancel()
	plans, err := host.PlanKeepRoutes(ctx, name)
	if err != nil {
		return err
	}
	if run.dryRun {
		return output.KeepPlan(a.stdout, name, plans, run.json)
	}
	if len(plans) == 0 {
		return a.nothingToKeep(name, run.json)
	}
	for _, planned := range plans {
		fmt.Fprintf(a.stderr, "nmgre: %s:\n", fault.Printable(planned.Before.Name))
		a.tellEdit(planned)
	}
	defer a.watch()()
	done, err := host.EditTogether(ctx, plans, nmgre.EditOptions{NoProbe: run.noProbe})
	if errors.Is(err, fault.ErrChanged) {
		return err
	}
	if err != nil {
		return begun(err)
	}
	fmt.Fprintf(a.stderr, "nmgre: moved: %s\n", fault.Printable(strings.Join(changedNames(plans), ", ")))
	return output.RoutesKept(a.stdout, plans, done, run.json)
}

// nothingToKeep says that no profile has a route to move.
func (a *app) nothingToKeep(name string, asJSON bool) error {
	fmt.Fprintf(a.stderr, "nmgre: %s: its profile has no route with a weight\n", fault.Printable(name))
	if !asJSON {
		return nil
	}
	return output.RoutesKept(a.stdout, nil, nil, true)
}

// changedNames are the interfaces of the edits' tunnels.
func changedNames(plans []plan.EditPlan) []string {
	var names []string
	for _, planned := range plans {
		names = append(names, planned.Before.Name)
	}
	return names
}
