package keep

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// LocalKeeper is the [Keeper] of a process that is root. Each time it compares the files with the
// kernel, and makes up the difference: an event that comes late, twice or not at all does no harm.
type LocalKeeper struct {
	Tunnels Tunnels
	Kernel  kernel.Kernel
	Gateway Gateway
	Store   Store
	// Vet, which may be nil, checks the k that a caller without root wants to keep. An empty k is
	// one to forget. Keep keeps the k that Vet returns. Vet is called under the lock: the files
	// that it has read cannot change before the new one is written.
	Vet func(ctx context.Context, k Kept) (Kept, error)
	// Patience is how long to wait for the lock at most, and how long for NetworkManager's
	// answers. It is 0 where the context alone bounds them.
	//
	// A keeper without the lock asks its holder to converge once more, and gives up. A keeper
	// without NetworkManager's answers takes a tunnel to be up if the kernel has its device.
	Patience time.Duration
	// Leaving says that a tunnel has just gone down. Nothing is set for tunnels whose links are
	// down, so the keeper does not read their routes and rules then, and asks for nothing but
	// whether their profiles still exist.
	Leaving bool
	// Settling, which may be nil, notes that nothing is left to do.
	Settling Settling
}

var _ Keeper = (*LocalKeeper)(nil)

// MayKeep returns nil where this process may change the kernel.
func (l *LocalKeeper) MayKeep() error {
	if l.Kernel.CanChange() {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: "this is not root", Hint: fault.HintRoot}
}

// Keep writes k and converges, all of it or nothing: if the kernel refuses one of k's routes, or
// ctx ends, it undoes the change of the file and of the kernel, and the error says so. Failures of
// other tunnels are no error.
func (l *LocalKeeper) Keep(ctx context.Context, k Kept, progress func(done, total int)) (c Converged, err error) {
	err = l.locked(ctx, func() error {
		c, err = l.keep(ctx, &k, progress, l.Store.Put)
		return err
	})
	return c, err
}

// keep does the work of [LocalKeeper.Keep] under the lock. put writes k, and returns the undo of
// that. Where it undoes, it forgets k's routes first: the old ones may be very many as well.
func (l *LocalKeeper) keep(ctx context.Context, k *Kept, progress func(done, total int), put func(context.Context, Kept) (func(context.Context) error, error)) (Converged, error) {
	_, found := l.endTrials(ctx)
	if _, err := found.split(k.UUID, nil); err != nil {
		return Converged{}, err
	}
	if l.Vet != nil {
		vetted, err := l.Vet(ctx, *k)
		if err != nil {
			return Converged{}, err
		}
		*k = vetted
	}
	undo, err := put(ctx, *k)
	if err != nil && undo != nil {
		err = errors.Join(fault.Ended(ctx, err), l.undo(ctx, k, undo))
	}
	if err != nil {
		return Converged{}, err
	}
	c, err := l.converge(ctx, k.UUID, k, progress)
	if err == nil && len(c.Refused) == 0 {
		return c, nil
	}
	if err == nil {
		err = refusedError(*k, c.Refused)
	}
	return c, errors.Join(fault.Ended(ctx, err), l.undo(ctx, k, undo))
}

// undo makes the file and the kernel as they were before a Keep that failed.
func (l *LocalKeeper) undo(ctx context.Context, k *Kept, undoPut func(context.Context) error) error {
	k.Routes = nil
	debug.FreeOSMemory()
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), UndoTimeout)
	defer cancel()
	err := undoPut(undoing)
	if err == nil {
		_, err = l.converge(undoing, k.UUID, nil, nil)
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrLeftBehind, What: "could not undo what was done so far", Hint: "see what is there with: nmgre verify " + fault.Operand(k.Name), Err: err}
}

// refusedError names the routes that the kernel did not take, the first ten of them.
func refusedError(k Kept, refused []kernel.Refusal) error {
	const most = 10
	var problems fault.List
	for _, r := range refused[:min(len(refused), most)] {
		problems.Add(&fault.Error{Field: "route", Item: r.Index + 1, What: k.Routes[r.Index].String(), Err: r.Err})
	}
	if len(refused) > most {
		problems.Add(&fault.Error{What: fmt.Sprintf("and %d more", len(refused)-most)})
	}
	return problems.Err()
}

// Forget removes the kept part of a tunnel, from the files and from the kernel.
func (l *LocalKeeper) Forget(ctx context.Context, uuid string) error {
	_, err := l.Keep(ctx, Kept{UUID: uuid}, nil)
	return err
}
