package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/shells"
	"nmgre/nm"
	"nmgre/nm/dbus/keyfiles"
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
	profiles, err := a.listForNames(ctx, host.Profiles)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return shells.Tunnels(profiles, toComplete), cobra.ShellCompDirectiveNoFileComp
}

// manyProfiles is the number of profiles from which on a shell would wait for NetworkManager to
// tell of each.
const manyProfiles = 50

// listForNames lists the profiles. Where there are many, it reads their files, if it may and if
// NetworkManager has as many profiles: the states are not known then.
func (a *app) listForNames(ctx context.Context, profiles nm.Profiles) ([]nm.Profile, error) {
	serials, err := profiles.Serials(ctx)
	if err != nil {
		return nil, err
	}
	if len(serials) >= manyProfiles {
		if tunnels, all := keyfiles.Tunnels(ctx, a.root); all == len(serials) {
			return tunnels, nil
		}
	}
	return profiles.List(ctx)
}
