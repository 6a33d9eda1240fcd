package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nmgre/cmd/nmgre/checkup"
	"nmgre/cmd/nmgre/manual"
	"nmgre/cmd/nmgre/release"
	"nmgre/cmd/nmgre/shells"
	"nmgre/cmd/nmgre/suggest"
	"nmgre/routes/fault"
)

// errShown ends a command whose message has been shown already.
var errShown = &fault.Error{Kind: fault.ErrInvalid, What: "no command"}

// rootCommand makes the root and the commands that a command line needs.
func (a *app) rootCommand(line []string) *cobra.Command {
	var flags screenFlags
	root := &cobra.Command{
		Use:   "nmgre",
		Short: "make GRE tunnels with NetworkManager, and prove that they work",
		Long: `nmgre makes GRE tunnels on hosts that NetworkManager runs. It writes the tunnel as an ordinary
NetworkManager profile, adds to the kernel what NetworkManager cannot express, and proves that
the tunnel carries traffic, or says why not.

Without a command, on a terminal, it shows all tunnels, and a wizard that makes new ones.

nmgre help TOPIC explains a subject, such as routes, verify or recipes; nmgre help lists them.`,
		Example: `  nmgre create --peer 203.0.113.2 --address 172.16.0.1/30 --route 10.10.2.0/24
  nmgre verify gre1
  nmgre list`,
		Args:              cobra.ArbitraryArgs,
		SilenceErrors:     true, // printed once, by run
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return checkConfirm(cmd) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.version {
				_, err := fmt.Fprintf(a.stdout, "nmgre %s\n", release.Version)
				return err
			}
			if len(args) > 0 {
				return suggest.UnknownCommand(cmd, args[0])
			}
			if shown, err := a.screens(cmd.Context(), flags); shown {
				return err
			}
			fmt.Fprint(a.stderr, checkup.NoTerminal) // nobody has asked for this help, so it is not data
			return errShown
		},
	}
	// Cobra's own --version would be printed by a template: the linker must then keep every method
	// of every type, and the program becomes a fifth larger.
	root.Flags().BoolVarP(&flags.version, "version", "v", false, "print nmgre's version")
	root.Flags().BoolVar(&flags.plain, "plain", false, "ask the same questions line by line, without screens")
	root.Flags().BoolVar(&flags.ascii, "ascii", false, "draw the screens in ASCII only")
	root.Flags().BoolVar(&flags.mouse, "mouse", false, "choose rows with the mouse; hold shift to select text")
	root.Flags().DurationVar(&flags.confirm, "confirm", 30*time.Second, "how long a change that may cut you off waits to be confirmed, at most 1h")
	root.PersistentFlags().BoolVar(&a.verbose, "verbose", false, "show every step and the commands that do the same")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(suggest.Refused)
	root.CompletionOptions.DisableDefaultCmd = true // nmgre has a completion command of its own
	root.SuggestionsMinimumDistance = 2
	a.addCommands(root, line)
	manual.Help(root, a.paper)
	shells.Flags(root, line)
	return root
}

// oneName wants exactly one argument, a tunnel's name.
func oneName(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	what := "the tunnel's name is missing"
	if len(args) > 1 {
		what = "one tunnel at a time"
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: what, Hint: form(cmd) + ", where NAME is a profile's name, interface or UUID" + forAll(cmd)}
}

// form says how a command with a tunnel's name is written.
func form(cmd *cobra.Command) string {
	_, more, _ := strings.Cut(cmd.Use, " NAME ")
	if !strings.HasPrefix(more, "[") { // other ways to write it
		more = ""
	}
	return strings.TrimSpace("write it as: " + cmd.CommandPath() + " NAME " + strings.Trim(more, "[]"))
}

// forAll names the flag that takes the place of a tunnel's name, where there is one.
func forAll(cmd *cobra.Command) string {
	if cmd.Flags().Lookup("all") == nil {
		return ""
	}
	return "; or for every tunnel: " + cmd.CommandPath() + " --all"
}

// noArguments refuses every argument. The words of a route that was not quoted are arguments too.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := cmd.CommandPath() + " takes flags only"
	if cmd.Flags().Lookup("route") != nil {
		hint += "; quote a route of several words, as in --route '10.10.2.0/24 metric 50'"
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: "unexpected argument " + fault.Printable(args[0]), Hint: hint}
}

const (
	defaultWait = 30 * time.Second
	waitUsage   = "how long the command may take, such as 10s or 1m"
)

// waitFlag adds --wait to a command that waits for NetworkManager or the far end.
func waitFlag(cmd *cobra.Command, wait *time.Duration) {
	cmd.Flags().DurationVar(wait, "wait", defaultWait, waitUsage)
}

// checkWait refuses a --wait that is not positive.
func checkWait(wait time.Duration) error {
	if wait > 0 {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, Field: "wait", What: wait.String() + " is not a positive duration", Hint: "give a duration such as 10s or 1m"}
}

// jsonFlag adds --json to a command.
func jsonFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "json", false, "print JSON")
}

// begun marks err as one of a change that had already begun.
func begun(err error) error {
	var already failed
	if err == nil || errors.As(err, &already) {
		return err
	}
	return failed{err}
}
