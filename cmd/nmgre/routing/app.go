// Package routing has the commands route and rule, which change and list the routes of a tunnel and
// its rules of the routing policy.
package routing

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/lists"
)

// App is the program around these commands.
type App struct {
	around.Program
	Lists func() *lists.Reader // of the files that the command line names
	// Changing calls do with a host, for as long as --wait and --confirm allow.
	Changing func(cmd *cobra.Command, wait time.Duration, do func(context.Context, *nmgre.Host) error) error
	OneName  cobra.PositionalArgs // wants a tunnel's name
	JSON     func(cmd *cobra.Command, on *bool)
	Keep     func() *cobra.Command // makes the command route keep, an edit of several tunnels
}
