package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/plan"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/list"
)

func (a *app) routeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "add, replace, delete and list the routes of a tunnel",
		Long: `route changes the routes of a tunnel, which stays up meanwhile. A route that NetworkManager can hold
goes into the tunnel's profile; what it cannot hold, nmgre keeps and puts into the kernel itself.
All that is asked for is done, or nothing.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return &fault.Error{Kind: fault.ErrInvalid, What: "what shall be done with the routes is missing", Hint: "nmgre route add|replace|delete|list NAME"}
		},
	}
	cmd.AddCommand(
		a.routeChange(plan.RouteAdd, "add routes to a tunnel"),
		a.routeChange(plan.RouteReplace, "add routes to a tunnel, or put them in the place of others"),
		a.routeChange(plan.RouteDelete, "delete routes of a tunnel"),
		a.routeList())
	return cmd
}

// routeRun is one change of routes as it was typed.
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
		Example: "  nmgre route " + string(op) + " gre1 10.10.2.0/24\n" +
			"  nmgre route " + string(op) + " gre1 --routes-from routes.txt",
		Args:              nameAndRoute,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := a.readChange(op, args[1:], run)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), run.wait)
			defer cancel()
			return a.withHost(ctx, func(host *nmgre.Host) error {
				changed, err := host.ChangeRoutes(ctx, args[0], change)
				if err != nil {
					return err
				}
				return a.printChanged(op, changed, run.json)
			})
		},
	}
	cmd.Flags().StringVar(&run.from, "routes-from", "", "a file with one ROUTE a line, or - for standard input")
	cmd.Flags().DurationVar(&run.wait, "wait", 10*time.Minute, "how long it may take, such as 10s or 1m")
	jsonFlag(cmd, &run.json)
	return cmd
}

// nameAndRoute wants a tunnel's name; the words behind it are a route's.
func nameAndRoute(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return oneName(cmd, args)
	}
	return nil
}

// readChange reads the routes from the command line and the file.
func (a *app) readChange(op plan.RouteOp, words []string, run routeRun) (plan.RouteChange, error) {
	change := plan.RouteChange{Op: op}
	if err := checkWait(run.wait); err != nil {
		return change, err
	}
	if (len(words) > 0) == (run.from != "") {
		return change, &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: "give one route, or --routes-from FILE",
			Hint: "write it as: nmgre route " + string(op) + " NAME 10.10.2.0/24"}
	}
	if run.from != "" {
		all, err := a.readRoutes(run.from)
		change.Routes, change.Lines = all.Routes, all.Lines
		return change, err
	}
	r, err := a.names().Parse(strings.Join(words, " "))
	change.Routes = []routes.Route{r}
	return change, err
}

// names are those that iproute2's files on this host have for tables and the like. What cannot be
// read has no names.
func (a *app) names() routes.Names {
	names, err := routes.ReadNames(os.DirFS(a.root))
	if err != nil {
		fmt.Fprintf(a.stderr, "nmgre: warning: iproute2's names are not known: %s\n", oneLine(err.Error()))
	}
	return names
}

// maxRouteBytes bounds what is read from a file of routes.
const maxRouteBytes = 256 << 20

// readRoutes reads a file of routes, or standard input.
func (a *app) readRoutes(name string) (list.List, error) {
	var in io.Reader = a.stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return list.List{}, &fault.Error{Kind: fault.ErrInvalid, Field: "routes-from", What: fault.Printable(err.Error()), Hint: "give a file with one route a line, or -"}
		}
		defer func() { _ = file.Close() }() // it was only read
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxRouteBytes))
	if err != nil {
		return list.List{}, &fault.Error{Kind: fault.ErrInvalid, Field: "routes-from", What: fault.Printable(err.Error()), Hint: "give a file with one route a line, or -"}
	}
	all, err := list.ParseList(a.names(), bytes.NewReader(text))
	if err == nil && len(all.Routes) == 0 {
		err = &fault.Error{Kind: fault.ErrInvalid, Field: "routes-from", What: fault.Printable(name) + " has no routes", Hint: "write one route a line"}
	}
	return all, err
}

// changedJSON is what a change of routes says with --json.
type changedJSON struct {
	Tunnel    string      `json:"tunnel"`
	Added     int         `json:"added"`
	Replaced  int         `json:"replaced"`
	Removed   int         `json:"removed"`
	Unchanged int         `json:"unchanged"`
	Routes    []routeJSON `json:"routes"`
	Notes     []string    `json:"notes"`
}

// maxToldRoutes is how many routes are told one by one.
const maxToldRoutes = 20

func (a *app) printChanged(op plan.RouteOp, c plan.RouteChanged, asJSON bool) error {
	if asJSON {
		out := changedJSON{Tunnel: c.Tunnel, Added: c.Added, Replaced: c.Replaced, Removed: c.Removed, Unchanged: c.Unchanged,
			Routes: ownedJSON(c.Routes), Notes: append([]string{}, c.Notes...)}
		return a.printJSON(out)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(a.stderr, "nmgre: %s\n", oneLine(note))
	}
	if len(c.Routes) <= maxToldRoutes && op != plan.RouteDelete {
		for _, o := range c.Routes {
			fmt.Fprintf(a.stderr, "nmgre: %s: %s (%s)\n", oneLine(o.Route.String()), o.Owner, o.Why)
		}
	}
	later := ""
	if c.Inactive {
		later = "; the tunnel is down, they are set when it comes up"
	}
	fmt.Fprintf(a.stderr, "nmgre: %s: %d added, %d replaced, %d deleted, %d unchanged%s\n", fault.Printable(c.Tunnel), c.Added, c.Replaced, c.Removed, c.Unchanged, later)
	return nil
}

func ownedJSON(list []nm.Owned) []routeJSON {
	out := make([]routeJSON, len(list))
	for i, o := range list {
		out[i] = routeJSON{Route: o.Route.String(), Owner: string(o.Owner), Why: o.Why}
	}
	return out
}

func (a *app) routeList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "list NAME",
		Short:             "list the routes of a tunnel, with who holds each, and whether the kernel has it",
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				_, routes, err := host.Routes(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.printRoutes(routes, asJSON)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printRoutes(set []nmgre.RouteState, asJSON bool) error {
	if asJSON {
		out := make([]routeJSON, len(set))
		for i, r := range set {
			out[i] = routeJSON{Route: r.Route.String(), Owner: string(r.Owner), Why: r.Why, State: r.State}
		}
		return a.printJSON(out)
	}
	return a.table(func(w io.Writer) {
		fmt.Fprintln(w, "ROUTE\tOWNER\tSTATE\tWHY")
		for _, r := range set {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", fault.Printable(r.Route.String()), r.Owner, r.State, r.Why)
		}
	})
}

// hookCommand is what NetworkManager's dispatcher calls. Whatever the event was, it looks at what
// is there.
func (a *app) hookCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "hook INTERFACE ACTION",
		Short:  "put back what NetworkManager cannot hold (called by its dispatcher)",
		Hidden: true,
		Args:   cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), hookTimeout)
			defer cancel()
			return a.withHost(ctx, func(host *nmgre.Host) error {
				// others have their Keeper ask a person, and here there is none
				if !host.Kernel.CanChange() {
					return &fault.Error{Kind: fault.ErrNotPermitted, What: "the hook is root's", Hint: fault.HintRoot}
				}
				c, err := host.Keeper.Converge(ctx)
				for _, trouble := range c.Trouble {
					fmt.Fprintf(a.stderr, "nmgre: %s\n", oneLine(trouble))
				}
				if err == nil && len(c.Trouble) > 0 {
					err = errTrouble
				}
				return err
			})
		},
	}
}

// hookTimeout is well below the time after which the dispatcher kills what it has called, 600
// seconds.
const hookTimeout = 5 * time.Minute

// errTrouble ends the hook when not everything could be put back.
var errTrouble = errors.New("not everything could be put back")
