package routing

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/suggest"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Route returns the command route.
func (a App) Route() *cobra.Command {
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
		a.Keep(),
		a.routeList())
	return cmd
}

// routeRun holds the flags of one change of routes.
type routeRun struct {
	from string
	wait time.Duration
	json bool
}

func (a App) routeChange(op plan.RouteOp, short string) *cobra.Command {
	var run routeRun
	cmd := &cobra.Command{
		Use:   string(op) + " NAME [ROUTE]",
		Short: short,
		Long:  short + routeHelp,
		Example: "  nmgre route " + string(op) + " gre1 10.10.2.0/24\n" +
			"  nmgre route " + string(op) + " gre1 --routes-from routes.txt",
		Args:              a.nameAndRoute,
		ValidArgsFunction: a.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := a.readChange(op, args[0], args[1:], run)
			if err != nil {
				return err
			}
			return a.Changing(cmd, run.wait, func(ctx context.Context, host *nmgre.Host) error {
				changed, err := host.ChangeRoutes(ctx, args[0], change)
				if err != nil {
					return err
				}
				return a.printChanged(op, changed, run.json)
			})
		},
	}
	cmd.Flags().StringVar(&run.from, "routes-from", "", "a file with one ROUTE per line, or - for standard input")
	a.Flags(cmd, &run.wait, &run.json)
	run.wait = 10 * time.Minute // a file may have very many
	cmd.Flags().Lookup("wait").DefValue = run.wait.String()
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
func (a App) nameAndRoute(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return a.OneName(cmd, args)
	}
	return nil
}

// readChange reads the route of the command line, or the routes of the file.
func (a App) readChange(op plan.RouteOp, name string, words []string, run routeRun) (plan.RouteChange, error) {
	change := plan.RouteChange{Op: op}
	if err := a.Check(run.wait); err != nil {
		return change, err
	}
	if (len(words) > 0) == (run.from != "") {
		return change, &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: "give one route, or --routes-from FILE",
			Hint: "write it as: nmgre route " + string(op) + " " + fault.Operand(name) + " 10.10.2.0/24"}
	}
	if run.from != "" {
		all, err := a.Lists().Routes(run.from)
		change.Routes, change.Lines = all.Routes, all.Lines
		return change, err
	}
	r, err := a.Names().Parse(strings.Join(words, " "))
	change.Routes = []routes.Route{r}
	return change, err
}

// maxToldRoutes is how many routes are shown one by one.
const maxToldRoutes = 20

func (a App) printChanged(op plan.RouteOp, c plan.RouteResult, asJSON bool) error {
	if asJSON {
		return output.Changed(a.Out, c)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(a.Err, "nmgre: %s\n", output.OneLine(note))
	}
	if len(c.Routes) <= maxToldRoutes && op != plan.RouteDelete {
		for _, o := range c.Routes {
			fmt.Fprintf(a.Err, "nmgre: %s: %s (%s)\n", output.OneLine(o.Route.String()), o.Owner, o.Why)
		}
	}
	later := ""
	if c.Inactive {
		later = "; the tunnel is down: they are set when it comes up"
	}
	fmt.Fprintf(a.Err, "nmgre: %s: %d added, %d replaced, %d deleted, %d unchanged%s\n", fault.Printable(c.Tunnel), c.Added, c.Replaced, c.Removed, c.Unchanged, later)
	return nil
}

func (a App) routeList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list NAME",
		Short:             "list the routes of a tunnel, with the owner and the state of each",
		Args:              a.OneName,
		ValidArgsFunction: a.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error {
				_, states, err := host.Routes(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return output.Routes(a.Out, states, asJSON)
			})
		},
	}
	a.JSON(cmd, &asJSON)
	return cmd
}
