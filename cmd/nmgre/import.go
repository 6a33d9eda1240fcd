package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/apply"
	"nmgre/cmd/nmgre/foreign"
)

// foreign is what the commands import and adopt need.
func (a *app) foreign() foreign.App {
	return foreign.App{In: a.stdin, Out: a.stdout, Err: a.stderr, WithHost: a.withHost, Check: checkWait, Begun: begun, Complete: a.completeNames, Names: a.names,
		Flags: func(cmd *cobra.Command, wait *time.Duration, asJSON *bool) {
			waitFlag(cmd, wait)
			jsonFlag(cmd, asJSON)
			a.confirmFlag(cmd)
		},
		Confirm: func() (time.Duration, func() func()) { return a.confirm, a.watch },
	}
}

// documents is what the commands about documents need.
func (a *app) documents() apply.App {
	return apply.App{In: a.stdin, Out: a.stdout, Err: a.stderr, WithHost: a.withHost, Check: checkWait, Begun: begun,
		Flags: func(cmd *cobra.Command, wait *time.Duration, asJSON *bool) {
			waitFlag(cmd, wait)
			jsonFlag(cmd, asJSON)
			a.confirmFlag(cmd)
		},
		Confirm: func() (time.Duration, func() func()) { return a.confirm, a.watch },
		Names:   a.names, Own: a.ownAddresses, Verbose: func() bool { return a.verbose }, Hostname: os.Hostname,
	}
}
