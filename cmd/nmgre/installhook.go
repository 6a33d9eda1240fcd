package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nmgre/routes/store"
)

func (a *app) installHookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "install-hook",
		Short: "have NetworkManager put back what it cannot hold itself",
		Long: `install-hook adds a script to NetworkManager's dispatcher. Whenever a tunnel comes up, the script has
nmgre put back the routes, SNAT and forwarding that NetworkManager cannot hold, and take them away
when the tunnel goes down. Since it runs as root, nmgre must be installed where only root can write.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			exe, err := os.Executable()
			if err == nil {
				exe, err = filepath.EvalSymlinks(exe)
			}
			if err != nil {
				return fmt.Errorf("find out where nmgre is: %w", err)
			}
			if err := a.files().InstallHook(exe); err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "nmgre: the hook is installed")
			return nil
		},
	}
}

func (a *app) removeHookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove-hook",
		Short: "remove what install-hook made",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if err := a.files().RemoveHook(); err != nil {
				return err
			}
			fmt.Fprintln(a.stderr, "nmgre: the hook is removed")
			return nil
		},
	}
}

// files are root's own.
func (a *app) files() *store.Store { return store.New(a.root, a.owner) }
