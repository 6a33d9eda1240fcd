// Package follow has the command that moves tunnels to where the names of their far ends lead now.
// It depends on the verbs alone.
package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/fault"
)

// App is the program around the command.
type App struct {
	Err      io.Writer
	WithHost func(context.Context, func(*nmgre.Host) error) error
	Watch    func() func()       // starts the process that undoes the work of a killed command
	Own      func() []netip.Addr // this host's addresses
	Begun    func(error) error   // marks an error as one of a request that was valid
	OneName  cobra.PositionalArgs
	Complete cobra.CompletionFunc
}

// Command returns the command that moves tunnels to where the names of their far ends lead now.
func Command(a App) *cobra.Command {
	var all, dryRun bool
	cmd := &cobra.Command{
		Use:   "follow NAME | --all",
		Short: "move a tunnel to where its far end's name leads now",
		Long: `follow looks the name of a far end up again, and moves the tunnel to its address, as
nmgre edit NAME --peer auto does. With --all it does so for every tunnel that was made, or edited,
with --follow. A tunnel whose name still leads to its far end stays as it is, and up.

The timer nmgre-follow.timer, which comes with nmgre, calls it every five minutes:
systemctl enable --now nmgre-follow.timer`,
		Example: `  nmgre create --peer gw.example.org --follow --address 172.16.0.1/30
  nmgre follow gre1
  nmgre follow --all`,
		Args:              func(cmd *cobra.Command, args []string) error { return a.oneOrAll(cmd, args, all) },
		ValidArgsFunction: a.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithHost(cmd.Context(), func(host *nmgre.Host) error {
				if dryRun {
					host.Progress = nil
				}
				name := ""
				if !all {
					name = args[0]
				}
				return a.follow(cmd.Context(), host, name, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "follow the names of all tunnels that were made with --follow")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be changed, and change nothing")
	return cmd
}

// oneOrAll wants a tunnel's name, or --all.
func (a App) oneOrAll(cmd *cobra.Command, args []string, all bool) error {
	if all && len(args) > 0 {
		return fault.Invalid("", "give a NAME, or --all", "both a tunnel, %s, and --all are given", fault.Printable(args[0]))
	}
	if all {
		return nil
	}
	return a.OneName(cmd, args)
}

// follow follows the name of one far end, or with an empty name those of all tunnels that ask for
// it. One that fails does not stop the others.
func (a App) follow(ctx context.Context, host *nmgre.Host, name string, dryRun bool) error {
	list, err := host.Followed(ctx, name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		fmt.Fprintln(a.Err, "nmgre: no tunnel is to follow its far end's name; nmgre edit NAME --follow has one do so")
	}
	if len(list) > 0 && !dryRun {
		defer a.Watch()() // undoes an edit of a follow that is killed
	}
	var errs []error
	for _, p := range slices.SortedFunc(slices.Values(list), nm.ByName) {
		called := fault.Printable(p.Tunnel.Name)
		moved, err := host.Follow(ctx, p, a.Own(), dryRun)
		switch {
		case err != nil:
			errs = append(errs, fault.About(p.Tunnel.Name, err))
		case moved == p.Tunnel.Remote:
			fmt.Fprintf(a.Err, "nmgre: %s: %s still leads to %s\n", called, fault.Printable(p.Tunnel.PeerName), moved)
		default:
			done := "moved from %s to %s"
			if dryRun {
				done = "would move from %s to %s"
			}
			fmt.Fprintf(a.Err, "nmgre: %s: "+done+", where %s leads now\n", called, p.Tunnel.Remote, moved, fault.Printable(p.Tunnel.PeerName))
		}
	}
	return a.Begun(errors.Join(errs...))
}
