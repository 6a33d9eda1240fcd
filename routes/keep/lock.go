package keep

import (
	"context"
	"time"

	"nmgre/routes/fault"
)

const (
	// the wait for the lock of a keeper that has asked its holder for its work
	lastTry = 50 * time.Millisecond
	// how often a keeper does the work of others that could not wait for it
	maxServed = 10
)

// locked does work under the lock. After that it does the work of those who could not wait for the
// lock: it converges once more.
func (l *LocalKeeper) locked(ctx context.Context, work func() error) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	err = under(unlock, work)
	serving, cancel := context.WithTimeout(context.WithoutCancel(ctx), UndoTimeout)
	defer cancel()
	for range maxServed {
		if !l.Store.Waiting(serving) || l.serve(serving) != nil {
			break
		}
	}
	return err
}

// serve converges for others. Whoever has the lock by now does so, too.
func (l *LocalKeeper) serve(ctx context.Context) error {
	trying, cancel := context.WithTimeout(ctx, lastTry)
	defer cancel()
	unlock, err := l.Store.Lock(trying)
	if err != nil {
		return err
	}
	return under(unlock, func() error {
		_, err := l.converge(ctx, "", nil, nil)
		return err
	})
}

// under does work, and then gives the lock back.
func under(unlock func(), work func() error) error {
	defer unlock()
	return work()
}

// ErrLeft says that a keeper has run out of [LocalKeeper.Patience], and that its work is left to
// whoever has the lock.
var ErrLeft error = &fault.Error{Kind: fault.ErrTimeout, What: "another nmgre is at work, and does this one's work, too, when it is done"}

// lock takes the lock. Where its holder takes longer than Patience, it asks the holder to converge
// once more, and fails with [ErrLeft]. It tries once again after it has asked: the holder
// looks for the question when it has given the lock back.
func (l *LocalKeeper) lock(ctx context.Context) (unlock func(), err error) {
	if l.Patience == 0 {
		return l.Store.Lock(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, l.Patience)
	defer cancel()
	unlock, err = l.Store.Lock(waiting)
	if err == nil || waiting.Err() == nil || ctx.Err() != nil {
		return unlock, err
	}
	if err := l.Store.SetWaiting(ctx, true); err != nil {
		return nil, err
	}
	trying, cancel := context.WithTimeout(ctx, lastTry)
	defer cancel()
	if unlock, err = l.Store.Lock(trying); err == nil || trying.Err() == nil {
		return unlock, err
	}
	return nil, ErrLeft
}
