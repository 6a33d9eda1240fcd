package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/output"
)

// version is the release. The linker may replace it.
var version = "0.1.0"

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "print nmgre's version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return output.JSON(a.stdout, map[string]string{"version": version, "go": runtime.Version()})
			}
			_, err := fmt.Fprintf(a.stdout, "nmgre %s (%s)\n", version, runtime.Version())
			return err
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}
