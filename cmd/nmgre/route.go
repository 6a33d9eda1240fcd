package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/lists"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/suggest"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
)

func (a *app) routeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "add, replace, delete, keep and list the routes of a tunnel",
		Long: `route changes the routes of a tunnel while it stays up. A route that NetworkManager can hold goes
into the tunnel's profile; nmgre keeps all others and sets them in the kernel itself. All of a
change happens or none of it. A change that may cut off your own ssh session needs --confirm: unless
you press Enter within that time, it is undone.

nmgre help routes has the words of a route, and says who holds it.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return suggest.UnknownCommand(cmd, args[0])
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "add, replace, delete, keep or list is missing", Hint: "write it as: nmgre route add|replace|delete|keep|list NAME"}
		},
	}
	cmd.AddCommand(
		a.routeChange(plan.RouteAdd, "add routes to a tunnel"),
		a.routeChange(plan.RouteReplace, "add routes to a tunnel, or change those that are there"),
		a.routeChange(plan.RouteDelete, "delete routes from a tunnel"),
		a.routeKeep(),
		a.routeList())
	return cmd
}

// routeRun holds the flags of one change of routes.
type routeRun struct {
	from string
	wait time.Duration
	json bool
}

func (a *app) routeChange(op plan.RouteOp, short string) *cobra.Command {
	var run routeRun
	cmd := &cobra.Command{
		Use:   string(op) + " NAME [ROUTE]",
		Short: short,
		Long:  short + routeHelp,
		Example: "  nmgre route " + string(op) + " gre1 10.10.2.0/24\n" +
			"  nmgre route " + string(op) + " gre1 --routes-from routes.txt",
		Args:              nameAndRoute,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := a.readChange(op, args[0], args[1:], run)
			if err != nil {
				return err
			}
			return a.changing(cmd, run.wait, func(ctx context.Context, host *nmgre.Host) error {
				changed, err := host.ChangeRoutes(ctx, args[0], change)
				if err != nil {
					return err
				}
				return a.printChanged(op, changed, run.json)
			})
		},
	}
	cmd.Flags().StringVar(&run.from, "routes-from", "", "a file with one ROUTE per line, or - for standard input")
	cmd.Flags().DurationVar(&run.wait, "wait", 10*time.Minute, waitUsage)
	jsonFlag(cmd, &run.json)
	a.confirmFlag(cmd)
	return cmd
}

// routeHelp describes the words of a route.
const routeHelp = `.

Write a ROUTE as for ip route, without dev. Its words need no quotes here:
  10.10.2.0/24
  10.10.2.0/24 via 172.16.0.2 metric 50 table 100
  10.10.2.0/24 nexthop dev gre1 weight 1 nexthop dev gre2 weight 2

A route is known by its destination, table, metric and TOS: one with another metric is another route.`

// nameAndRoute wants a tunnel's name. The words after it are one route.
func nameAndRoute(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return oneName(cmd, args)
	}
	return nil
}

// readChange reads the route of the command line, or the routes of the file.
func (a *app) readChange(op plan.RouteOp, name string, words []string, run routeRun) (plan.RouteChange, error) {
	change := plan.RouteChange{Op: op}
	if err := checkWait(run.wait); err != nil {
		return change, err
	}
	if (len(words) > 0) == (run.from != "") {
		return change, &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: "give one route, or --routes-from FILE",
			Hint: "write it as: nmgre route " + string(op) + " " + fault.Operand(name) + " 10.10.2.0/24"}
	}
	if run.from != "" {
		all, err := a.lists().Routes(run.from)
		change.Routes, change.Lines = all.Routes, all.Lines
		return change, err
	}
	r, err := a.names().Parse(strings.Join(words, " "))
	change.Routes = []routes.Route{r}
	return change, err
}

// lists reads the files that the command line names, with this host's names for tables.
func (a *app) lists() *lists.Reader {
	if a.reader == nil {
		a.reader = &lists.Reader{Root: a.root, Stdin: a.stdin, Warn: func(what string) { fmt.Fprintf(a.stderr, "nmgre: warning: %s\n", output.OneLine(what)) }}
	}
	return a.reader
}

// names returns the names for tables and the like in iproute2's files on this host.
func (a *app) names() routes.Names { return a.lists().Names() }

// maxToldRoutes is how many routes are shown one by one.
const maxToldRoutes = 20

func (a *app) printChanged(op plan.RouteOp, c plan.RouteResult, asJSON bool) error {
	if asJSON {
		return output.Changed(a.stdout, c)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", output.OneLine(note))
	}
	if len(c.Routes) <= maxToldRoutes && op != plan.RouteDelete {
		for _, o := range c.Routes {
			fmt.Fprintf(a.stderr, "nmgre: %s: %s (%s)\n", output.OneLine(o.Route.String()), o.Owner, o.Why)
		}
	}
	later := ""
	if c.Inactive {
		later = "; the tunnel is down: they are set when it comes up"
	}
	fmt.Fprintf(a.stderr, "nmgre: %s: %d added, %d replaced, %d deleted, %d unchanged%s\n", fault.Printable(c.Tunnel), c.Added, c.Replaced, c.Removed, c.Unchanged, later)
	return nil
}

func (a *app) routeList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list NAME",
		Short:             "list the routes of a tunnel, with the owner and the state of each",
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				_, states, err := host.Routes(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return output.Routes(a.stdout, states, asJSON)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
