package keep

import (
	"context"
	"errors"
	"fmt"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Converge makes the kernel agree with the files, as far as the tunnels are up. A failure of one
// step keeps no other from being taken: the error has the failures of the tunnel with the UUID
// about, or of all tunnels if about is empty, and c.Trouble has the others.
func (l *LocalKeeper) Converge(ctx context.Context, about string) (c Converged, err error) {
	err = l.locked(ctx, func() error {
		c, err = l.converge(ctx, about, nil, nil)
		return err
	})
	return c, err
}

// converge does the work of [LocalKeeper.Converge] under the lock. written, which may be nil, has
// just been put into the store: its file is not read again, and Refused is about its routes.
func (l *LocalKeeper) converge(ctx context.Context, about string, written *Kept, progress func(done, total int)) (Converged, error) {
	waiting := l.Store.SetWaiting(ctx, false) // this run reads the files for all who wait
	tries, found := l.endTrials(ctx)
	l.begin()
	s, err := l.readState(ctx, written)
	if err != nil {
		return Converged{}, err
	}
	w := s.wanted()
	w.hookOthers = w.hookOthers || tries
	w.problems.add(waiting)
	w.problems = append(w.problems, found...)
	l.addPins(ctx, s, &w)
	var c Converged
	steps := []func(){
		func() { w.problems.add(l.Store.HookOthers(ctx, w.hookOthers)) },
		func() { c.Changed = l.setForwarding(ctx, &w) },
		func() { c.Changed = l.setRules(ctx, &w) || c.Changed },
		func() { c.Changed = l.setLinks(ctx, s, &w) || c.Changed },
		func() { l.setRoutes(ctx, &w, &c, progress) },
		func() { l.setPolicy(ctx, &w, &c) },
	}
	for _, step := range steps {
		if ctx.Err() != nil {
			break
		}
		step()
	}
	l.settle(ctx, s, &w, &c)
	return l.sum(ctx, c, w, about, written)
}

// sum tells the outcome of all steps.
func (l *LocalKeeper) sum(ctx context.Context, c Converged, w wanted, about string, written *Kept) (Converged, error) {
	ended := ctx.Err()
	others, err := w.problems.split(about, ended)
	c.Trouble = append(w.trouble, others...)
	c.addRefused(w, written)
	switch {
	case ended == nil:
		return c, err
	case err == nil:
		return c, ended
	}
	return c, errors.Join(fault.Interrupted(ended), err)
}

// setRules makes nmgre's rules those that are wanted. A kernel without nftables has none, so it
// lacks nothing where none is wanted.
func (l *LocalKeeper) setRules(ctx context.Context, w *wanted) (changed bool) {
	changed, err := l.Gateway.SetRules(ctx, w.rules)
	var refused RefusedRules
	switch {
	case errors.As(err, &refused):
		for _, r := range refused {
			rule := w.rules[r.Index]
			w.problems.add(&fault.Error{What: fmt.Sprintf("%s: %s", fault.Printable(rule.Dev), rule.Summary()), Err: r.Err}, rule.UUID)
		}
	case err != nil && (len(w.rules) > 0 || !errors.Is(err, fault.ErrUnsupported)):
		w.problems.add(err)
	}
	return changed
}

// setRoutes makes the kernel's routes those that are wanted. They stay as they are where the way to
// a far end cannot be found out: routes without their pin could lead the tunnel into itself.
func (l *LocalKeeper) setRoutes(ctx context.Context, w *wanted, c *Converged, progress func(done, total int)) {
	if w.routesStay {
		return
	}
	var err error
	c.Routes, err = l.Kernel.SyncRoutes(ctx, w.routes, kernel.SyncOptions{Progress: progress})
	w.problems.add(err)
	c.Changed = c.Changed || len(c.Routes.Added)+len(c.Routes.Replaced)+c.Routes.Removed > 0
}

// setPolicy makes nmgre's rules of the routing policy those that are wanted. They stay as they are
// where the routes do.
func (l *LocalKeeper) setPolicy(ctx context.Context, w *wanted, c *Converged) {
	if w.routesStay {
		return
	}
	result, err := l.Kernel.SyncRules(ctx, w.policy, false)
	w.problems.add(err)
	for _, refusal := range result.Refused {
		w.problems.add(refusal.Err, w.placed[refusal.Index].UUID)
	}
	c.Changed = c.Changed || result.Changed()
}

// addRefused tells of the routes that the kernel did not take: those of written by their indexes,
// the others in words.
func (c *Converged) addRefused(w wanted, written *Kept) {
	for _, refusal := range c.Routes.Refused {
		from := w.from.of(refusal.Index)
		if written != nil && from.index >= 0 && from.kept.UUID == written.UUID {
			c.Refused = append(c.Refused, kernel.Refusal{Index: from.index, Err: refusal.Err})
			continue
		}
		c.Trouble = append(c.Trouble, fmt.Sprintf("%s: %v", fault.Printable(from.name()), refusal.Err))
	}
}
