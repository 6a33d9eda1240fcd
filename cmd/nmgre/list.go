package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
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
					return output.List(a.stdout, list, true)
				}
				links, _ := host.Kernel.Links(cmd.Context()) // they only add to what is told
				return a.printList(list, links)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) printList(list []nmgre.Status, links []kernel.Link) error {
	if len(list) == 0 {
		output.ByHand(a.stderr, list, links)
		return nil
	}
	if err := output.List(a.stdout, list, false); err != nil {
		return err
	}
	a.warnKept(list)
	output.ByHand(a.stderr, list, links)
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
		fmt.Fprintf(a.stderr, "nmgre: warning: what NetworkManager cannot hold, such as SNAT and forwarding, does not return by itself: %s\n", output.OneLine(s.KeptErr.Error()))
		for _, hint := range fault.Hints(s.KeptErr) {
			fmt.Fprintf(a.stderr, "hint: %s\n", output.OneLine(hint))
		}
	}
}
