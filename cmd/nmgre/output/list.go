package output

import (
	"fmt"
	"io"
	"strconv"

	"nmgre"
	"nmgre/nm"
	"nmgre/nm/find"
	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Routes writes the routes of a tunnel with their owners and states.
func Routes(w io.Writer, states []nmgre.RouteState, asJSON bool) error {
	if asJSON {
		out := make([]routeForm, len(states))
		for i, r := range states {
			out[i] = routeForm{Route: r.Route.String(), Owner: string(r.Owner), Why: r.Why, State: r.State}
		}
		return JSON(w, out)
	}
	return table(w, func(w io.Writer) {
		fmt.Fprintln(w, "ROUTE\tOWNER\tSTATE\tWHY")
		for _, r := range states {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", fault.Escaped(r.Route.String()), r.Owner, r.State, OneLine(r.Why))
		}
	})
}

// List writes a line for each tunnel.
func List(w io.Writer, list []nmgre.Status, asJSON bool) error {
	if asJSON {
		return JSON(w, newTunnels(list))
	}
	return table(w, func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tSTATE\tMODE\tLOCAL\tREMOTE\tADDRESSES\tROUTES")
		labels := labels(list)
		for i, s := range list {
			t := s.Tunnel
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", fault.Printable(labels[i]), s.State, t.Mode, gre.OuterText(t.Local), gre.OuterText(t.Remote),
				joined(t.Addresses), strconv.Itoa(len(t.Routes)+len(s.Kept.Routes)))
		}
	})
}

// labels are the names by which a person tells the tunnels apart.
func labels(list []nmgre.Status) []string {
	profiles := make([]nm.Profile, len(list))
	for i, s := range list {
		profiles[i] = s.Profile
	}
	return find.Labels(profiles)
}

// Changed writes the outcome of a change of routes as JSON.
func Changed(w io.Writer, c plan.RouteResult) error {
	return JSON(w, changedForm{Tunnel: c.Tunnel, Added: c.Added, Replaced: c.Replaced, Removed: c.Removed, Deleted: c.Removed, Unchanged: c.Unchanged,
		Routes: newOwned(c.Routes), Notes: append([]string{}, c.Notes...)})
}
