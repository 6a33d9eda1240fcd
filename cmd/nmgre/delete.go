package main

import (
	"github.com/spf13/cobra"

	"nmgre"
)

func (a *app) deleteCommand() *cobra.Command {
	return a.changeCommand("delete NAME", "delete a tunnel: profile, link, addresses and routes", "is deleted", (*nmgre.Host).Delete)
}
