package keep

import (
	"context"
	"errors"

	"nmgre/routes/fault"
)

// Tried is a kept part on trial: it counts in place of the tunnel's own file as long as the process
// that tries it lives. It stands where a boot removes it.
type Tried struct {
	UUID string
	Dead bool // the process is gone
	New  bool // the tunnel has no file of its own yet
	// ByProfile says that the profile of the tunnel is on trial, too. A profile whose trial has
	// ended well then proves that the kept part was to stay.
	ByProfile bool
}

// Trial is a kept part on trial that this process has begun. One of its methods ends it.
type Trial interface {
	// Save makes the content of the trial the tunnel's file.
	Save(ctx context.Context) error
	// Drop ends the trial, and makes the kernel agree with the tunnel's old file.
	Drop(ctx context.Context) error
}

// Try is Keep for a kept part on trial. After an error there is nothing to end.
func (l *LocalKeeper) Try(ctx context.Context, k Kept, byProfile bool, progress func(done, total int)) (c Converged, t Trial, err error) {
	err = l.locked(ctx, func() error {
		c, err = l.keep(ctx, &k, progress, func(ctx context.Context, k Kept) (func(context.Context) error, error) {
			return l.Store.Try(ctx, k, byProfile)
		})
		return err
	})
	return c, l.Trial(k.UUID), err
}

// Trial returns this process's trial for a tunnel.
func (l *LocalKeeper) Trial(uuid string) Trial { return localTrial{l, uuid} }

// localTrial is a trial of this process.
type localTrial struct {
	keeper *LocalKeeper
	uuid   string
}

// Save makes the content of the trial the tunnel's file.
func (t localTrial) Save(ctx context.Context) error {
	l := t.keeper
	return l.locked(ctx, func() error {
		isNew, found := l.endTrials(ctx)
		if _, err := found.split(t.uuid, nil); err != nil {
			return err
		}
		if err := l.Store.EndTrial(ctx, t.uuid, true); err != nil || !isNew {
			return err
		}
		// the hook need not be called for every connection
		_, err := l.converge(ctx, t.uuid, nil, nil)
		return err
	})
}

// Drop ends the trial, and makes the kernel agree with the tunnel's old file.
func (t localTrial) Drop(ctx context.Context) error {
	return t.keeper.locked(ctx, func() error {
		if err := t.keeper.Store.EndTrial(ctx, t.uuid, false); err != nil {
			return err
		}
		_, err := t.keeper.converge(ctx, t.uuid, nil, nil)
		return err
	})
}

// endTrials ends the trials of processes that are gone. Such a trial is saved if the tunnel's
// profile was saved with it; a process can be killed between the two. Where NetworkManager cannot
// say that, the trial waits, without an effect. isNew reports whether a living process tries a
// tunnel that has no file yet: the hook must be called for that one too.
func (l *LocalKeeper) endTrials(ctx context.Context) (isNew bool, found problems) {
	tried, err := l.Store.Tried(ctx)
	found.add(err)
	if l.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Patience)
		defer cancel()
	}
	for _, t := range tried {
		if !t.Dead {
			isNew = isNew || t.New
			continue
		}
		if save, known := l.stays(ctx, t); known {
			found.add(l.Store.EndTrial(ctx, t.UUID, save), t.UUID)
		}
	}
	return isNew, found
}

// stays says whether a trial that nobody has ended is to be saved. It is if the tunnel's profile,
// which was on trial with it, has been saved. It is not known where NetworkManager cannot tell of
// the profile.
func (l *LocalKeeper) stays(ctx context.Context, t Tried) (save, known bool) {
	if !t.ByProfile {
		return false, true
	}
	p, err := l.Tunnels.One(ctx, t.UUID)
	if err != nil {
		return false, errors.Is(err, fault.ErrNotFound)
	}
	return !p.Trial, true
}

// Abandon ends this process's trial for a tunnel, when the caller that it serves has gone without a
// word. The trial ends as that of a process that is gone. Where NetworkManager cannot tell how, the
// trial goes on as long as this process lives.
func (l *LocalKeeper) Abandon(ctx context.Context, uuid string) error {
	return l.locked(ctx, func() error {
		tried, err := l.Store.Tried(ctx)
		errs := []error{err}
		for _, t := range tried {
			if save, known := l.stays(ctx, t); t.UUID == uuid && known {
				errs = append(errs, l.Store.EndTrial(ctx, uuid, save))
			}
		}
		_, err = l.converge(ctx, uuid, nil, nil)
		return errors.Join(append(errs, err)...)
	})
}
