package main

import (
	"github.com/spf13/cobra"

	"nmgre"
)

func (a *app) downCommand() *cobra.Command {
	return a.changeCommand("down NAME", "take a tunnel down; its profile stays", "is down", (*nmgre.Host).Down)
}
