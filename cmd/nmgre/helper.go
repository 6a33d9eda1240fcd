package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// helperTimeout bounds how long one request may take, however large it is.
const helperTimeout = 10 * time.Minute

// helperCommand makes the command that pkexec runs as root for other users: see package asroot.
// Everybody whom polkit lets run it may write anything to its standard input, so it takes nothing
// else: no flag, no path, nothing from the environment. Its arguments are what polkit has asked
// about, and it does nothing else.
func (a *app) helperCommand() *cobra.Command {
	return &cobra.Command{
		Use:                asroot.Command,
		Short:              "carry out one request of nmgre's own as root (called by pkexec)",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if os.Geteuid() != a.owner {
				return &fault.Error{Kind: fault.ErrNotPermitted, What: "the helper must run as root", Hint: "nmgre runs it by itself where it is needed"}
			}
			question, err := asroot.ParseQuestion(args)
			if err != nil {
				return err
			}
			if a.settle != nil {
				a.settle()
			}
			a.stderr = asroot.Impatient(a.stderr) // it tells the error at the end
			return a.serveLogged(cmd.Context(), question)
		},
	}
}

// carryOut carries out one request on this host.
func (a *app) carryOut(ctx context.Context, r asroot.Request, progress func(done, total int)) (keep.Converged, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	host, closeHost, err := a.host(ctx)
	if err != nil {
		return keep.Converged{}, err
	}
	defer closeHost()
	local := &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: host.Profiles}, Kernel: host.Kernel, Gateway: host.Gateway, Store: host.Store}
	local.Vet = func(ctx context.Context, k keep.Kept) (keep.Kept, error) {
		if k.Empty() && r.Verb != asroot.VerbKeep {
			return k, known(ctx, host.Store, k.UUID)
		}
		return nmgre.Vet(ctx, host.System, k)
	}
	if err := local.MayKeep(); err != nil {
		return keep.Converged{}, err
	}
	switch r.Verb {
	case asroot.VerbKeep:
		return local.Keep(ctx, r.Kept, progress)
	case asroot.VerbForget:
		return keep.Converged{}, local.Forget(ctx, r.UUID)
	case asroot.VerbConverge:
		return local.Converge(ctx)
	case asroot.VerbTry, asroot.VerbTryByProfile:
		c, _, err := local.Try(ctx, r.Kept, r.Verb == asroot.VerbTryByProfile, progress)
		return c, err
	case asroot.VerbSave:
		return keep.Converged{}, local.Trial(r.UUID).Save(ctx)
	case asroot.VerbDrop:
		return keep.Converged{}, local.Trial(r.UUID).Drop(ctx)
	}
	return keep.Converged{}, &fault.Error{Kind: fault.ErrInvalid, What: "the request is unknown"}
}

// known fails if nothing is kept for a tunnel, whose profile may be gone already.
func known(ctx context.Context, files keep.Store, uuid string) error {
	uuids, err := files.UUIDs(ctx)
	if err == nil && !slices.Contains(uuids, uuid) {
		err = &fault.Error{Kind: fault.ErrNotFound, What: "nothing is kept for " + uuid}
	}
	return err
}
