package main

import (
	"nmgre"

	"github.com/spf13/cobra"
)

func (a *app) downCommand() *cobra.Command {
	return a.changeCommand("down NAME", "take a tunnel down; its profile stays", "is down", (*nmgre.Host).Down)
}
