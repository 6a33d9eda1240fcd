package main

import (
	"os"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/helper"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
)

// helperCommand makes the command that pkexec runs as root for other users: see package asroot.
// Everybody whom polkit lets run it may write anything to its standard input, so it takes nothing
// else: no flag, no path, nothing from the environment. Its arguments are polkit's question, and it
// does nothing else.
func (a *app) helperCommand() *cobra.Command {
	return &cobra.Command{
		Use:                asroot.Command,
		Short:              "carry out one request of nmgre's own as root (called by pkexec)",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if os.Geteuid() != a.owner {
				return &fault.Error{Kind: fault.ErrNotPermitted, What: "the helper must run as root", Hint: "nmgre runs it by itself where it is needed"}
			}
			question, err := asroot.ParseQuestion(args)
			if err != nil {
				return err
			}
			if a.settle != nil {
				a.settle()
			}
			a.stderr = asroot.Impatient(a.stderr) // it tells the error at the end
			work := helper.Work{Root: a.root, Open: a.system}
			return work.Serve(cmd.Context(), asroot.Helper{In: a.stdin, Out: a.stdout, Question: question, Files: a.files()})
		},
	}
}
