package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/output"
	"nmgre/cmd/nmgre/progress"
	"nmgre/cmd/nmgre/term"
	"nmgre/nm/verify"
	"nmgre/nm/verify/fleet"
	"nmgre/routes/fault"
)

// allRun holds the flags of verify that choose many tunnels.
type allRun struct {
	all, active bool
}

func (r allRun) many() bool { return r.all || r.active }

func (r *allRun) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.all, "all", false, "verify all tunnels together; one that is down and not to come up by itself is no fault")
	cmd.Flags().BoolVar(&r.active, "active", false, "verify all tunnels that are up, or on their way up")
}

// longest is a time that nobody waits for: the verification of many tunnels has a bound of its own.
const longest = 24 * time.Hour

// complete offers names only where one is wanted.
func (r *allRun) complete(names cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		if r.many() {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return names(cmd, args, toComplete)
	}
}

// check refuses flags that do not go together: one tunnel and many, and a flag about one tunnel
// only.
func (r allRun) check(cmd *cobra.Command, args []string) error {
	if !r.many() {
		return oneName(cmd, args)
	}
	flag := "--all"
	if r.active {
		flag = "--active"
	}
	switch {
	case r.all && r.active:
		return &fault.Error{Kind: fault.ErrInvalid, What: "--all and --active are two different choices", Hint: "give one of them: --active leaves out the tunnels that are down"}
	case len(args) > 0:
		return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("both a tunnel, %s, and %s are given", fault.Printable(strings.Join(args, " ")), flag), Hint: "give a NAME, or " + flag}
	}
	if cmd.Flags().Changed("peer-address") {
		return &fault.Error{Kind: fault.ErrInvalid, Field: "peer-address", What: "it is the inner address of one far end, and " + flag + " verifies many tunnels", Hint: "verify that tunnel alone, by its NAME"}
	}
	return nil
}

// verifyAll verifies many tunnels and prints a table, or JSON.
func (a *app) verifyAll(ctx context.Context, host *nmgre.Host, run allRun, opts verify.Options, asJSON bool) error {
	bar, clearBar := progress.Tunnels(a.stderr)
	results, err := host.VerifyAll(ctx, fleet.Options{Active: run.active, NoProbe: opts.NoProbe, To: opts.To, Done: bar})
	clearBar()
	if err != nil {
		return err
	}
	switch {
	case asJSON:
		err = output.AllJSON(a.stdout, results)
	case len(results) == 0:
		fmt.Fprintln(a.stderr, "nmgre: there are no tunnels to verify")
	default:
		err = output.All(a.stdout, results, a.width())
	}
	if err == nil && fleet.Worst(results) == verify.Fail {
		return errFault
	}
	return err
}

// width returns how many columns the terminal has that the data goes to; 0 if that is no terminal.
func (a *app) width() int { return term.Columns(a.tty) }
