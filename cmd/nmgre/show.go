package main

import (
	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/foreign"
	"nmgre/cmd/nmgre/output"
)

func (a *app) showCommand() *cobra.Command {
	var asJSON bool
	var as foreign.As
	cmd := &cobra.Command{
		Use:               "show NAME",
		Short:             "show everything about a tunnel",
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := as.Check(cmd); err != nil {
				return err
			}
			return a.withHost(cmd.Context(), func(host *nmgre.Host) error {
				status, err := host.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				t := status.Tunnel.WithKept(status.Kept)
				far, err := host.FarEnd(cmd.Context(), t)
				if err != nil {
					return err
				}
				if as.Kind != "" {
					if as.Near() {
						output.Beyond(a.stderr, status.Profile, as.Kind)
					}
					return as.Write(a.stdout, t, far)
				}
				return output.Show(a.stdout, status, far, asJSON)
			})
		},
	}
	jsonFlag(cmd, &asJSON)
	as.Register(cmd, "")
	return cmd
}
