// Package asroot has root do what root alone can do, for callers who are not: it is the
// [nmgre.Keeper] of those.
//
// Each call runs this program's own helper once, by pkexec, so that polkit decides, and asks a
// person for a password where the administrator wants that. The helper gets one [Request] on its
// standard input and gives one answer on its standard output; both are bounded, and each side
// believes nothing of what the other says. The helper's side is [Serve].
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

// Keeper has the helper keep what NetworkManager cannot hold. It implements [nmgre.Keeper].
//
// The person who is asked has as long as the context. When it ends, pkexec is ended if it asks
// still; a helper that is at work already takes back what it has done, and is waited for. Every
// call without an answer is an [nmgre.ErrNotPermitted] if polkit was the reason.
type Keeper struct {
	// this program, as polkit's policy names it: an absolute path without symbolic links
	Exe    string
	Pkexec string
	Agent  string // polkit's agent for terminals
	Policy string
	// NoTerminal keeps the terminal from being asked on: a screen is drawn there. Only an agent of
	// the person's session may ask.
	NoTerminal bool

	// for a helper at work to take everything back; more than the workflow allows for that
	grace time.Duration
}

var _ keep.Keeper = (*Keeper)(nil)

// New returns the Keeper of this program, with pkexec and the policy where every distribution has
// them.
func New() *Keeper {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		exe = "" // which MayKeep tells
	}
	return &Keeper{Exe: exe, Pkexec: pkexecFile, Agent: agentFile, Policy: policyFile, grace: 40 * time.Second}
}

// Keep has k kept. Of what was added and replaced the numbers are told only.
func (k *Keeper) Keep(ctx context.Context, kept keep.Kept, progress func(done, total int)) (keep.Converged, error) {
	if kept.Empty() {
		return keep.Converged{}, k.Forget(ctx, kept.UUID)
	}
	return k.run(ctx, Request{Verb: VerbKeep, Kept: kept}, progress)
}

// Forget has what is kept for a tunnel removed.
func (k *Keeper) Forget(ctx context.Context, uuid string) error {
	_, err := k.run(ctx, Request{Verb: VerbForget, UUID: uuid}, nil)
	if errors.Is(err, fault.ErrNotFound) {
		return nil // it is gone already
	}
	return err
}

// Converge has the kernel made to have what the files want.
func (k *Keeper) Converge(ctx context.Context) (keep.Converged, error) {
	return k.run(ctx, Request{Verb: VerbConverge}, nil)
}

// run has one request carried out.
func (k *Keeper) run(ctx context.Context, r Request, progress func(done, total int)) (keep.Converged, error) {
	if err := k.MayKeep(); err != nil {
		return keep.Converged{}, err
	}
	if err := ctx.Err(); err != nil {
		return keep.Converged{}, err
	}
	t := k.terminal()
	defer t.restore()
	var a *agent
	if t != nil {
		a = k.startAgent(ctx)
	}
	defer a.stop()
	c, err := k.start(r, t != nil && a == nil)
	if err != nil {
		return keep.Converged{}, err
	}
	defer c.release()
	c.follow(ctx, progress)
	return c.outcome(ctx)
}

// terminal returns where to ask, nil for nowhere.
func (k *Keeper) terminal() *terminal {
	if k.NoTerminal {
		return nil
	}
	return openTerminal()
}
