package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/apply"
	"nmgre/cmd/nmgre/around"
	"nmgre/cmd/nmgre/foreign"
	"nmgre/cmd/nmgre/lists"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/routing"
	"nmgre/routes"
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

// routing is the program around the commands route and rule.
func (a *app) routing() routing.App {
	return routing.App{Program: a.around(), Lists: a.lists, Changing: a.changing, OneName: oneName, JSON: jsonFlag, Keep: a.routeKeep}
}

// lists reads the files that the command line names, with this host's names for tables.
func (a *app) lists() *lists.Reader {
	if a.reader == nil {
		a.reader = &lists.Reader{Root: a.root, Stdin: a.stdin, Warn: func(what string) { fmt.Fprintf(a.stderr, "nmgre: warning: %s\n", output.OneLine(what)) }}
	}
	return a.reader
}

// names returns the names for tables and the like in iproute2's files on this host.
func (a *app) names() routes.Names { return a.lists().Names() }
