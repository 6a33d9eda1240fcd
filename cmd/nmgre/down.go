package main

import (
	"github.com/spf13/cobra"

	"nmgre"
)

func (a *app) downCommand() *cobra.Command {
	cmd := a.changeCommand("down NAME", "take a tunnel down; its profile stays", "is down", "up", (*nmgre.Host).Down)
	cmd.Long = `down takes a tunnel down. Its profile stays, and so does what nmgre keeps for it.

With --confirm the tunnel comes up again unless you press Enter within that time. A tunnel that your
own ssh session goes through needs --confirm, or --force.`
	a.forceFlag(cmd)
	return cmd
}
