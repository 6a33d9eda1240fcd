//go:build man

package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"nmgre/cmd/nmgre/release"
	"nmgre/nm/verify/manual"
	"nmgre/routes/fault"
)

func init() { manCommand = (*app).writeMan }

// writeMan makes the command that writes the manual pages from the commands' own texts. It is for
// those who build and package nmgre, by `make man`, and is only in a program that was built with
// the tag "man": its libraries are a twentieth of the program, and a tenth of the time that the
// program needs to start.
func (a *app) writeMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "write the manual pages into a directory",
		Hidden: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &fault.Error{Kind: fault.ErrInvalid, What: "the directory is missing", Hint: "write it as: nmgre man DIRECTORY"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everyone
				return &fault.Error{What: "cannot write the manual pages", Err: err}
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if verifying, _, err := root.Find([]string{"verify"}); err == nil {
				verifying.Long += "\n\n" + manual.Page()
			}
			// The date is fixed so that the same source gives the same pages.
			released := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
			return doc.GenManTree(root, &doc.GenManHeader{Title: "NMGRE", Section: "8", Source: "nmgre " + release.Version, Manual: "nmgre", Date: &released}, args[0])
		},
	}
}
