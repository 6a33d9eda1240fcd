package main

import (
	"github.com/spf13/cobra"

	"nmgre"
)

func (a *app) deleteCommand() *cobra.Command {
	cmd := a.changeCommand("delete NAME", "delete a tunnel: profile, link, addresses and routes", "is deleted", "up", (*nmgre.Host).Delete)
	cmd.Long = `delete removes a tunnel's profile, and with it its link, addresses and routes, and what nmgre keeps
for it.

With --confirm the tunnel is first taken down only. It is deleted when you press Enter; otherwise it
comes up again when the time is over. A tunnel that your own ssh session goes through needs
--confirm, or --force.`
	a.forceFlag(cmd)
	return cmd
}
