package main

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/far"
	"nmgre/cmd/nmgre/watchdog"
)

// watch starts the process that undoes the command's work if the command is killed. The function
// that it returns ends the process.
func (a *app) watch() func() {
	a.dog = watchdog.Start(a.exe)
	return a.dog.Done
}

// changing calls do with a host, for as long as --wait and --confirm allow. With --confirm a
// process is ready that undoes the change if this one is killed.
func (a *app) changing(cmd *cobra.Command, wait time.Duration, do func(context.Context, *nmgre.Host) error) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), wait+a.confirm)
	defer cancel()
	return a.withHost(ctx, func(host *nmgre.Host) error {
		if a.confirm > 0 {
			defer a.watch()()
		}
		return do(ctx, host)
	})
}

// killedCommand makes the command of that process. It reads the undo from standard input.
func (a *app) killedCommand() *cobra.Command {
	return &cobra.Command{
		Use:    watchdog.Command,
		Short:  "undo what a killed nmgre has left (called by nmgre itself)",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.ignore != nil { // its last work must not end with the session
				a.ignore(os.Interrupt, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGPIPE)
			}
			what, ended := watchdog.Wait(a.stdin)
			if ended {
				return nil
			}
			err := watchdog.Undo(cmd.Context(), a.host, what)
			far.DoubtsOf(a.root).Await(cmd.Context(), a.host)
			return err
		},
	}
}
