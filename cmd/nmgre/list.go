package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

func (a *app) listCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the tunnels",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				list, err := host.List(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(newTunnelsJSON(list))
				}
				return a.printList(list)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printList(list []nmgre.Status) error {
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "nmgre: there are no tunnels yet")
		fmt.Fprintln(a.stderr, "hint: nmgre create --peer ADDR --address CIDR makes one")
		return nil
	}
	err := a.table(func(w io.Writer) {
		fmt.Fprintln(w, "NAME\tSTATE\tMODE\tLOCAL\tREMOTE\tADDRESSES\tROUTES")
		profiles := make([]nm.Profile, len(list))
		for i, s := range list {
			profiles[i] = s.Profile
		}
		labels := nm.Labels(profiles)
		for i, s := range list {
			t := s.Tunnel
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", fault.Printable(labels[i]), s.State, t.Mode, gre.OuterText(t.Local), gre.OuterText(t.Remote),
				joined(t.Addresses), strconv.Itoa(len(t.Routes)+len(s.Kept.Routes)))
		}
	})
	if err != nil {
		return err
	}
	a.warnKept(list)
	return nil
}

// warnKept warns of each reason, once, why kept settings will not return by themselves, such as a
// hook that is missing.
func (a *app) warnKept(list []nmgre.Status) {
	told := make(map[string]bool)
	for _, s := range list {
		if s.KeptErr == nil || told[s.KeptErr.Error()] {
			continue
		}
		told[s.KeptErr.Error()] = true
		fmt.Fprintf(a.stderr, "nmgre: warning: routes, SNAT and forwarding that NetworkManager cannot hold do not return by themselves: %s\n", oneLine(s.KeptErr.Error()))
		for _, hint := range fault.Hints(s.KeptErr) {
			fmt.Fprintf(a.stderr, "hint: %s\n", oneLine(hint))
		}
	}
}
