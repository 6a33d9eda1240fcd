package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/nm"
	"nmgre/routes/fault"
)

func (a *app) upCommand() *cobra.Command {
	return a.changeCommand("up NAME", "bring a tunnel up", "is up", "down", (*nmgre.Host).Up)
}

// changeCommand makes a command that calls change for one tunnel and confirms it with the words of
// done. A killed command is undone by back, up or down.
func (a *app) changeCommand(use, short, done, back string, change func(*nmgre.Host, context.Context, string) (nm.Profile, error)) *cobra.Command {
	var wait time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:               use,
		Short:             short,
		Args:              oneName,
		ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkWait(wait); err != nil {
				return err
			}
			a.back = back + " " + args[0]
			return a.changing(cmd, wait, func(ctx context.Context, host *nmgre.Host) error {
				profile, err := change(host, ctx, args[0])
				if errors.Is(err, fault.ErrCutsOff) && cmd.Flags().Lookup("force") != nil {
					return &fault.Error{Err: err, Hint: "or add --force, if you can reach this host in another way"}
				}
				if err != nil && profile.UUID != "" { // it was found, so the change had begun
					err = begun(err)
				}
				if err != nil {
					return err
				}
				if asJSON {
					return output.JSON(a.stdout, changeJSON{Name: profile.ID, UUID: profile.UUID, Interface: profile.Tunnel.Name, Done: done})
				}
				fmt.Fprintf(a.stderr, "nmgre: %s %s\n", fault.Printable(profile.Tunnel.Name), done)
				return nil
			})
		},
	}
	waitFlag(cmd, &wait)
	jsonFlag(cmd, &asJSON)
	a.confirmFlag(cmd)
	return cmd
}

// changeJSON is the output of up, down and delete with --json.
type changeJSON struct {
	Name      string `json:"name"`
	UUID      string `json:"uuid"`
	Interface string `json:"interface"`
	Done      string `json:"done"`
}
