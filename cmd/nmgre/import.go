package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/apply"
	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/foreign"
)

// around is this program for the commands in rooms of their own.
func (a *app) around() around.Program {
	return around.Program{In: a.stdin, Out: a.stdout, Err: a.stderr, WithHost: a.withHost, Check: checkWait, Begun: begun, Complete: a.completeNames, Watch: a.watch, Names: a.names,
		Flags: func(cmd *cobra.Command, wait *time.Duration, asJSON *bool) {
			waitFlag(cmd, wait)
			jsonFlag(cmd, asJSON)
			a.confirmFlag(cmd)
		},
		Confirm: func() time.Duration { return a.confirm },
	}
}

// foreign is the program around the commands import and adopt.
func (a *app) foreign() foreign.App { return foreign.App{Program: a.around()} }

// documents is the program around the commands about documents.
func (a *app) documents() apply.App {
	return apply.App{Program: a.around(), Own: a.ownAddresses, Verbose: func() bool { return a.verbose }, Hostname: os.Hostname}
}
