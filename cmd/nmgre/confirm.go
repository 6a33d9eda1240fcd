package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/cmd/nmgre/session"
	"nmgre/nm/verify"
	"nmgre/routes/fault"
)

// maxConfirm bounds how long a change may wait to be confirmed.
const maxConfirm = time.Hour

// confirmFlag adds --confirm to a command that changes something. [checkConfirm] checks it.
func (a *app) confirmFlag(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&a.confirm, "confirm", 0, "undo everything unless you press Enter within this time, such as 60s")
}

// forceFlag adds --force to a command whose purpose may be to end the connection.
func (a *app) forceFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.force, "force", false, "do it even if it may cut off your own ssh session")
}

// checkConfirm refuses a --confirm that is not possible.
func checkConfirm(cmd *cobra.Command) error {
	from := cmd.Flags().Lookup("routes-from")
	given, err := cmd.Flags().GetDuration("confirm")
	switch {
	// the command has no such flag, or it is not given
	case err != nil || !cmd.Flags().Changed("confirm"):
	case given <= 0 || given > maxConfirm:
		return &fault.Error{Kind: fault.ErrInvalid, Field: "confirm", What: given.String() + " is not possible", Hint: "give a duration such as 60s, at most 1h"}
	case from != nil && from.Value.String() == "-":
		return &fault.Error{Kind: fault.ErrInvalid, Field: "confirm", What: "standard input cannot both give the routes and confirm them",
			Hint: "give the routes in a file"}
	}
	return nil
}

// session returns the ssh session that this process belongs to.
func (a *app) session() nmgre.Session { return session.Find(a.root) }

// guarded makes the host refuse a change that may cut off the person's session, or ask.
func (a *app) guarded(host *nmgre.Host) {
	host.Session, host.Insist = a.session, a.force
	if a.confirm > 0 {
		// Neither printing after the session has died nor a key, or a shell, that stops the process
		// must stop the undo.
		signal.Ignore(syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
		host.Confirm = a.confirmWithin(a.confirm)
	}
}

// errNotConfirmed says why a change was not confirmed, and so was undone.
func errNotConfirmed(why string) error {
	return &fault.Error{What: "not confirmed: " + why, Hint: "run it again, and press Enter when it works"}
}

// confirmWithin returns a function that asks on standard error whether to keep the change, and
// reads the answer from standard input.
func (a *app) confirmWithin(d time.Duration) func(context.Context, verify.Report) error {
	return func(ctx context.Context, applied verify.Report) error {
		if len(applied.Checks) > 0 {
			fmt.Fprintf(a.stderr, "nmgre: it is applied; the verdict is %s\n", applied.Verdict)
		}
		if forget := a.forget(); forget != nil {
			_ = forget() // only a key typed after the question counts
		}
		fmt.Fprintf(a.stderr, "nmgre: press Enter within %s to keep it; otherwise everything is undone\n", d)
		a.dog.Tell(a.back)
		defer a.dog.Tell("")
		timer := time.NewTimer(d)
		defer timer.Stop()
		answer := make(chan error, 1)
		// It ends when the input or the process ends.
		go func() { answer <- readConfirmation(a.stdin) }()
		select {
		case err := <-answer:
			return err
		case <-timer.C:
			return errNotConfirmed("nobody pressed Enter within " + d.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// maxAnswer bounds how many bytes are read for an answer.
const maxAnswer = 4096

// readConfirmation returns nil for an empty line or a yes.
func readConfirmation(in io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(in, maxAnswer)).ReadString('\n')
	if err != nil {
		return errNotConfirmed("the input has ended")
	}
	switch word := strings.ToLower(strings.TrimSpace(line)); word {
	case "", "y", "yes":
		return nil
	default:
		return errNotConfirmed("the answer was " + fault.Printable(word))
	}
}
