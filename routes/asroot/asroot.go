package asroot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Keeper has the helper set and keep root's part of tunnels. It implements [keep.Keeper].
//
// The person who is asked for a password has as long as the context. When the context ends, a
// pkexec that still asks is ended. A helper that already works undoes its changes, and the call
// waits for that. A call that polkit refused fails with ErrNotPermitted.
type Keeper struct {
	// Exe is this program, as polkit's policy names it: an absolute path without symbolic links.
	Exe    string
	Pkexec string // the path of pkexec
	Agent  string // the path of polkit's agent for terminals
	Policy string // the path of nmgre's polkit policy
	Files  Files  // tell polkit's question the name of a tunnel to forget; nil for none
	// NoTerminal forbids asking on the terminal, because a screen is drawn there. Only an agent of
	// the person's session may ask.
	NoTerminal bool

	// grace is how long a working helper may take to undo everything. It is longer than
	// keep.UndoTimeout.
	grace time.Duration
}

var _ keep.Keeper = (*Keeper)(nil)

// New returns the Keeper for this program, with pkexec and the policy in the places that all
// distributions use. files are those of root.
func New(files Files) *Keeper {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		exe = "" // MayKeep reports it
	}
	return &Keeper{Exe: exe, Pkexec: pkexecFile, Agent: agentFile, Policy: policyFile, Files: files, grace: 40 * time.Second}
}

// Keep has the helper write kept to root's file, or remove the file if kept is empty. In the
// result, Added and Replaced have the right lengths, but -1 for every index.
func (k *Keeper) Keep(ctx context.Context, kept keep.Kept, progress func(done, total int)) (keep.Converged, error) {
	if kept.Empty() {
		return keep.Converged{}, k.Forget(ctx, kept.UUID)
	}
	return k.run(ctx, Request{Verb: VerbKeep, Kept: kept}, progress)
}

// Forget has the helper remove the kept part of a tunnel. It is no error when there is none.
func (k *Keeper) Forget(ctx context.Context, uuid string) error {
	_, err := k.run(ctx, Request{Verb: VerbForget, UUID: uuid}, nil)
	if errors.Is(err, fault.ErrNotFound) {
		return nil // it is already gone
	}
	return err
}

// Converge has the helper bring the kernel in line with root's files. All tunnels matter to it.
func (k *Keeper) Converge(ctx context.Context, _ string) (keep.Converged, error) {
	return k.run(ctx, Request{Verb: VerbConverge}, nil)
}

// run has the helper carry out one request.
func (k *Keeper) run(ctx context.Context, r Request, progress func(done, total int)) (keep.Converged, error) {
	c, result, err := k.begin(ctx, r, progress)
	if c != nil {
		c.release()
	}
	return result, err
}

// begin has the helper carry out one request. The helper is nil if it was not started. One that has
// begun a trial goes on after its result.
func (k *Keeper) begin(ctx context.Context, r Request, progress func(done, total int)) (*child, keep.Converged, error) {
	for _, check := range []func() error{k.MayKeep, r.fits} {
		if err := check(); err != nil {
			return nil, keep.Converged{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, keep.Converged{}, err
	}
	t := k.terminal()
	defer t.close()
	var a *agent
	if t != nil {
		a = k.startAgent(ctx)
	}
	defer a.stop()
	c, err := k.start(r, r.question(ctx, k.Files), t != nil && a == nil)
	if err != nil {
		return nil, keep.Converged{}, err
	}
	c.follow(ctx, progress)
	result, err := c.outcome(ctx)
	return c, result, err
}

// terminal returns the terminal to ask on, or nil.
func (k *Keeper) terminal() *terminal {
	if k.NoTerminal {
		return nil
	}
	return openTerminal()
}
