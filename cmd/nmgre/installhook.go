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
		Short: "set what NetworkManager cannot hold whenever a tunnel comes up",
		Long: `install-hook adds a script to NetworkManager's dispatcher. It lets nmgre set the routes, SNAT and
forwarding that NetworkManager cannot hold whenever a tunnel comes up, and remove them when it goes
down. The script runs as root, so nmgre must be installed where only root can write.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			exe, err := os.Executable()
			if err == nil {
				exe, err = filepath.EvalSymlinks(exe)
			}
			if err != nil {
				return fmt.Errorf("find the program file of nmgre: %w", err)
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
		Short: "remove the script of install-hook",
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

// files returns the store of root's own files.
func (a *app) files() *store.Store { return store.New(a.root, a.owner) }
