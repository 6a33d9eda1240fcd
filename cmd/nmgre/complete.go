package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/shells"
)

// completeTimeout bounds how long a shell waits for names.
const completeTimeout = 2 * time.Second

// completeNames offers the tunnels' interface names. It only reads: pressing Tab does not clean up
// after an interrupted nmgre.
func (a *app) completeNames(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	defer cancel()
	host, closeHost, err := a.host(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	defer closeHost()
	profiles, err := host.Profiles.List(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return shells.Tunnels(profiles, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// completeFlag offers a flag's fixed values.
func completeFlag(cmd *cobra.Command, name string, values []string) {
	// It fails only for a flag that does not exist, and the tests would show that.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
