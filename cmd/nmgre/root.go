package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre/routes/fault"
)

// errShown ends a command whose message has been shown already.
var errShown = &fault.Error{Kind: fault.ErrInvalid, What: "no command"}

func (a *app) rootCommand() *cobra.Command {
	var flags screenFlags
	root := &cobra.Command{
		Use:   "nmgre",
		Short: "make GRE tunnels by NetworkManager, and prove that they work",
		Long: `nmgre makes GRE tunnels on hosts that NetworkManager runs. It writes the tunnel as an ordinary
NetworkManager profile, adds to the kernel what NetworkManager cannot express, and proves that
the tunnel carries traffic, or says why not.

Without a command, on a terminal, it shows every tunnel, and a wizard that makes one.`,
		Example: `  nmgre create --peer 203.0.113.2 --address 172.16.0.1/30 --route 10.10.2.0/24
  nmgre verify gre1
  nmgre list`,
		Version:       version,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true, // printed once, by run
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if shown, err := a.screens(cmd.Context(), flags); shown {
				return err
			}
			cmd.SetOut(a.stderr) // help that nobody asked for is no data
			if err := cmd.Help(); err != nil {
				return err
			}
			return errShown
		},
	}
	root.Flags().BoolVar(&flags.plain, "plain", false, "no screens: the same questions, line by line")
	root.Flags().BoolVar(&flags.ascii, "ascii", false, "no characters on the screens but ASCII")
	root.Flags().BoolVar(&flags.mouse, "mouse", false, "the mouse chooses rows; text is then selected with shift")
	root.Flags().DurationVar(&flags.confirm, "confirm", 30*time.Second, "how long a change that may cut your own connection waits to be confirmed")
	root.PersistentFlags().BoolVar(&a.verbose, "verbose", false, "tell every step, and the commands that do the same")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true // ours takes one word, and refuses others
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate("nmgre {{.Version}}\n")
	root.AddCommand(a.createCommand(), a.editCommand(), a.listCommand(), a.showCommand(), a.upCommand(), a.downCommand(),
		a.deleteCommand(), a.verifyCommand(), a.routeCommand(),
		a.installHookCommand(), a.removeHookCommand(), a.hookCommand(), a.helperCommand(), a.completionCommand(), a.versionCommand(), a.manCommand())
	return root
}

// unknownCommand proposes what may have been meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	hint := "nmgre --help lists the commands"
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ")
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: "there is no command " + fault.Printable(word), Hint: hint}
}

// flagError makes cobra's complaint about a flag one of ours.
func flagError(cmd *cobra.Command, err error) error {
	return &fault.Error{Kind: fault.ErrInvalid, What: fault.Printable(err.Error()), Hint: cmd.CommandPath() + " --help lists the flags"}
}

// oneName says what is missing when a command that takes a tunnel's name gets none or several.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	what := "the tunnel's name is missing"
	if len(args) > 1 {
		what = "one tunnel at a time"
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: what, Hint: "write it as: " + cmd.CommandPath() + " NAME, where NAME is a profile's name, interface or UUID"}
}

// noArguments refuses words that a command has no use for.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: "what is " + fault.Printable(args[0]) + " for?", Hint: cmd.CommandPath() + " takes flags only"}
}

const defaultWait = 30 * time.Second

// waitFlag adds --wait to a command that waits for NetworkManager.
func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", defaultWait, "how long it may take, such as 10s or 1m")
}

// checkWait refuses a time in which nothing can be done.
func checkWait(wait time.Duration) error {
	if wait > 0 {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, Field: "wait", What: wait.String() + " is no time", Hint: "give a duration such as 10s or 1m"}
}

// jsonFlag adds --json to a command.
func jsonFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "json", false, "print JSON")
}

// begun marks err as having come after something was begun.
func begun(err error) error {
	var already failed
	if err == nil || errors.As(err, &already) {
		return err
	}
	return failed{err}
}
