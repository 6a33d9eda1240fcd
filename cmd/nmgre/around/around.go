// Package around has the program around the commands in the rooms of the command line. Package main
// gives it to all of them; a room whose commands need more of the program has it beside.
package around

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/routes"
)

// Program is the program around a command.
type Program struct {
	In       io.Reader
	Out, Err io.Writer
	WithHost func(context.Context, func(*nmgre.Host) error) error
	// Flags adds the flags that other commands have as well: --wait, --json and --confirm.
	Flags func(cmd *cobra.Command, wait *time.Duration, asJSON *bool)
	// Check refuses a wrong --wait.
	Check func(wait time.Duration) error
	// Confirm returns how long a change waits to be confirmed; 0 if nobody is asked.
	Confirm func() time.Duration
	// Watch starts the process that undoes the work of a killed command, and returns the function
	// that ends it.
	Watch func() func()
	Begun func(error) error   // marks the error of a change that had begun
	Names func() routes.Names // iproute2's names on this host
	// Complete offers the interfaces of tunnels, each with its state behind a tab.
	Complete cobra.CompletionFunc
}
