package keep

import (
	"context"
	"errors"
	"fmt"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// LocalKeeper is the [Keeper] of a process that is root. Each time it compares the files
// with the kernel, and makes up the difference: an event that comes late, twice or not at all
// does no harm.
type LocalKeeper struct {
	Tunnels Tunnels
	Kernel  kernel.Kernel
	Gateway Gateway
	Store   Store
	// Vet, which may be nil, checks what a caller without root wants to keep, or to forget if it is
	// empty. Keep keeps what Vet returns. It is called under the lock: what it has read cannot
	// change before the file is written.
	Vet func(ctx context.Context, k Kept) (Kept, error)
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
// ctx ends, it undoes the change of the file and of the kernel, and the error says so.
func (l *LocalKeeper) Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error) {
	unlock, err := l.Store.Lock(ctx)
	if err != nil {
		return Converged{}, err
	}
	defer unlock()
	if l.Vet != nil {
		if k, err = l.Vet(ctx, k); err != nil {
			return Converged{}, err
		}
	}
	undo, err := l.Store.Put(ctx, k)
	if err != nil && undo != nil {
		err = errors.Join(fault.Ended(ctx, err), l.undo(ctx, k, undo))
	}
	if err != nil {
		return Converged{}, err
	}
	c, err := l.converge(ctx, &k, progress)
	if err == nil && len(c.Refused) == 0 {
		return c, nil
	}
	if err == nil {
		err = refusedError(k, c.Refused)
	}
	return c, errors.Join(fault.Ended(ctx, err), l.undo(ctx, k, undo))
}

// undo makes the file and the kernel as they were before a Keep that failed.
func (l *LocalKeeper) undo(ctx context.Context, k Kept, undoPut func(context.Context) error) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), UndoTimeout)
	defer cancel()
	err := undoPut(undoing)
	if err == nil {
		_, err = l.converge(undoing, nil, nil)
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrLeftBehind, What: "could not undo what was done so far", Hint: "see what is there with: nmgre verify " + fault.ShellWord(k.Name), Err: err}
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

// Converge makes the kernel agree with the files, as far as the tunnels are up.
func (l *LocalKeeper) Converge(ctx context.Context) (Converged, error) {
	unlock, err := l.Store.Lock(ctx)
	if err != nil {
		return Converged{}, err
	}
	defer unlock()
	return l.converge(ctx, nil, nil)
}

// converge does the work of [LocalKeeper.Converge] under the lock. written, which may be nil, has
// just been put into the store: its file is not read again, and Refused is about its routes.
func (l *LocalKeeper) converge(ctx context.Context, written *Kept, progress func(done, total int)) (Converged, error) {
	s, err := l.readState(ctx, written)
	if err != nil {
		return Converged{}, err
	}
	w := s.wanted()
	if err := l.addPins(ctx, s, &w); err != nil {
		return Converged{}, err
	}
	c := Converged{Trouble: w.trouble}
	if err := l.Store.HookOthers(ctx, w.hookOthers); err != nil {
		return c, err
	}
	forwarding, err := l.setForwarding(ctx, w.forward)
	if err != nil {
		return c, err
	}
	rules, err := l.Gateway.SetRules(ctx, w.rules)
	if err != nil && (len(w.rules) > 0 || !errors.Is(err, fault.ErrUnsupported)) {
		return c, err
	}
	if c.Routes, err = l.Kernel.SyncRoutes(ctx, w.routes, kernel.SyncOptions{Progress: progress}); err != nil {
		return c, err
	}
	c.Changed = forwarding || rules || len(c.Routes.Added)+len(c.Routes.Replaced)+c.Routes.Removed > 0
	c.addRefused(w, written)
	return c, nil
}

// addRefused tells of the routes that the kernel did not take: those of written by their indexes,
// the others in words.
func (c *Converged) addRefused(w wanted, written *Kept) {
	for _, refusal := range c.Routes.Refused {
		from := w.from[refusal.Index]
		if written != nil && from.index >= 0 && from.kept.UUID == written.UUID {
			c.Refused = append(c.Refused, kernel.Refusal{Index: from.index, Err: refusal.Err})
			continue
		}
		c.Trouble = append(c.Trouble, fmt.Sprintf("%s: %v", fault.Printable(from.name()), refusal.Err))
	}
}
