// Package helper carries out the requests that package asroot reads, as root, on this host. It vets
// them, and writes a line to the journal about each. It wires the adapters together, as cmd/nmgre
// does. Begin at [Work].
package helper

import (
	"context"
	"os"
	"time"

	"nmgre/nm"
	"nmgre/nm/vet"
	"nmgre/routes/asroot"
	"nmgre/routes/fault"
	"nmgre/routes/journal"
	"nmgre/routes/keep"
)

// timeout bounds how long one request may take, however large it is.
const timeout = 10 * time.Minute

// Work is the work for one caller.
type Work struct {
	// Open opens the doors of this host. The function that it returns closes them.
	Open func(ctx context.Context) (nm.System, func(), error)
	Root string // the folder of the host's log; "/" outside tests
}

// Serve has h carry out its request, and writes a line about it: who asked, polkit's question, and
// the outcome, that of a refused request as well. It sets h.Carry.
func (w Work) Serve(ctx context.Context, h asroot.Helper) error {
	entry := journal.Entry{Who: journal.Caller(w.Root, os.Getenv)}
	carried := false
	h.Carry = func(ctx context.Context, r asroot.Request, progress func(done, total int)) (keep.Converged, error) {
		carried, entry.What, entry.Tunnel = true, h.Question.String()+stages[r.Verb], r.Tunnel()
		c, err := w.carryOut(ctx, r, progress)
		entry.Trouble, entry.Err = c.Trouble, err
		_ = journal.Write(w.Root, entry) // a host without a log is no reason to fail
		return c, err
	}
	err := h.Serve(ctx)
	if !carried {
		entry.What, entry.Err = h.Question.String(), err
		_ = journal.Write(w.Root, entry) // as above
	}
	return err
}

// stages say how far a trial is.
var stages = map[asroot.Verb]string{asroot.VerbTry: ", on trial", asroot.VerbTryByProfile: ", on trial", asroot.VerbSave: ", saved", asroot.VerbDrop: ", dropped", asroot.VerbAbandon: ", abandoned"}

// carryOut carries out one request.
func (w Work) carryOut(ctx context.Context, r asroot.Request, progress func(done, total int)) (keep.Converged, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sys, closeAll, err := w.Open(ctx)
	if err != nil {
		return keep.Converged{}, err
	}
	defer closeAll()
	local := &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: sys.Profiles}, Kernel: sys.Kernel, Gateway: sys.Gateway, Store: sys.Store}
	user, verb := journal.Asking(w.Root, os.Getenv), r.Verb
	local.Vet = func(ctx context.Context, k keep.Kept) (keep.Kept, error) {
		if k.Empty() && verb != asroot.VerbKeep {
			return k, vet.Forget(ctx, sys, user, k.UUID)
		}
		return vet.Keep(ctx, sys, user, k)
	}
	if err := local.MayKeep(); err != nil {
		return keep.Converged{}, err
	}
	switch verb {
	case asroot.VerbKeep:
		return local.Keep(ctx, r.Kept, progress)
	case asroot.VerbForget:
		return keep.Converged{}, local.Forget(ctx, r.UUID)
	case asroot.VerbConverge:
		return local.Converge(ctx, "")
	case asroot.VerbTry, asroot.VerbTryByProfile:
		c, _, err := local.Try(ctx, r.Kept, verb == asroot.VerbTryByProfile, progress)
		return c, err
	case asroot.VerbSave:
		return keep.Converged{}, local.Trial(r.UUID).Save(ctx)
	case asroot.VerbDrop:
		return keep.Converged{}, local.Trial(r.UUID).Drop(ctx)
	case asroot.VerbAbandon:
		return keep.Converged{}, local.Abandon(ctx, r.UUID)
	}
	return keep.Converged{}, &fault.Error{Kind: fault.ErrInvalid, What: "the request is unknown"}
}
