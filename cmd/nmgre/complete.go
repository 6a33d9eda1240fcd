package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre/nm"
	"nmgre/routes/fault"
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
	return namesFor(profiles, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// namesFor returns the interface names that begin with prefix, each with its state and far end.
// Names that a shell or a terminal could misread are left out.
func namesFor(profiles []nm.Profile, prefix string) []string {
	var names []string
	for _, p := range profiles {
		name := p.Tunnel.Name
		if p.Tunnel.Mode == 0 || !strings.HasPrefix(name, prefix) || strings.ContainsAny(name, " \t\n\"'`$\\&|;<>()*?[]{}!#~") || fault.Printable(name) != name {
			continue
		}
		names = append(names, name+"\t"+string(p.State)+", to "+p.Tunnel.Remote.String())
	}
	return names
}

// completeFlag offers a flag's fixed values.
func completeFlag(cmd *cobra.Command, name string, values []string) {
	// It fails only for a flag that does not exist, and the tests would show that.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
