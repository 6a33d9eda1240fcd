package main

import (
	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/far"
	"nmgre/cmd/nmgre/release"
	"nmgre/cmd/nmgre/watchdog"
	"nmgre/nm"
	"nmgre/routes"
)

// farApp is this program for the commands that call another host.
func (a *app) farApp() far.App {
	return far.App{Program: a.around(), Version: release.Version, Exe: a.exe, Gone: func() { a.exe = watchdog.Self }, Open: a.host, Session: a.session,
		Doubts: far.DoubtsOf(a.root), Route: func(spec string) (routes.Route, error) { return a.names().Parse(spec) },
		Tunnel: a.pairTunnel,
		Filled: func(cmd *cobra.Command) error { return refuseEmpty(cmd.Flags()) },
		Ask:    a.confirmWithin,
	}
}

// pairTunnel adds create's flags, none of which is required: pair finds the missing values.
func (a *app) pairTunnel(cmd *cobra.Command) func() (nm.Tunnel, error) {
	var flags createFlags
	flags.register(cmd, a)
	cmd.Flags().Lookup("peer").Usage = "the far end's outer address (default: the one that ssh reaches)"
	cmd.Flags().Lookup("address").Usage = "this end's inner address with its prefix length (default: a network that is free at both ends; may be repeated)"
	return func() (nm.Tunnel, error) {
		a.warnOctal(flags)
		t := nm.NewTunnel()
		return t, flags.into(&t, flags.forNew(cmd.Flags().Changed), a)
	}
}
