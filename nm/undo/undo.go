// Package undo gives an undo its time. The time in which NetworkManager is away, because it was
// started anew in the middle, does not count. It also makes sure that root's part of an undo was
// done. It is pure. Begin at [Time].
package undo

import (
	"context"
	"errors"
	"sync"
	"time"

	"nmgre/routes/fault"
)

const (
	// Retry is from one try to the next while NetworkManager is away.
	Retry = 200 * time.Millisecond
	// MostAway bounds the time that does not count. systemd gives a service as long to start.
	MostAway = 90 * time.Second
	// Told is how long NetworkManager must be away before the person is told.
	Told = 3 * time.Second
)

// Time is the time that one undo has, or that those of several tunnels have together. Its methods
// may be called by several goroutines at a time.
type Time struct {
	most time.Time // the end, however long NetworkManager is away

	mu    sync.Mutex
	until time.Time
	told  bool
}

// New returns the time of an undo that begins now and may take long, without the time in which
// NetworkManager is away.
func New(now time.Time, long time.Duration) *Time {
	return &Time{until: now.Add(long), most: now.Add(long + MostAway)}
}

// Do calls steps, which undo work, even if ctx has ended. While NetworkManager or the bus is away,
// or does not answer, it calls them again until the time is over. Steps that fail because
// NetworkManager is away get their time back. away is called once, when that takes a while.
func (t *Time) Do(ctx context.Context, steps func(context.Context) error, away func()) error {
	ctx = context.WithoutCancel(ctx)
	begin := time.Now()
	for {
		started, left := time.Now(), t.left()
		err := t.try(ctx, left, steps)
		if !IsAway(err) {
			return err
		}
		fault.Pause(ctx, Retry)
		if isGone(err) {
			t.giveBack(started, left)
			t.tell(begin, away)
		}
		if t.left() <= 0 {
			return err
		}
	}
}

// try calls steps once.
func (t *Time) try(ctx context.Context, left time.Duration, steps func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return steps(ctx)
}

func (t *Time) left() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.until)
}

// giveBack has the undo go on for as long as was left when a try started. Tries that several
// goroutines made at the same time do not add up.
func (t *Time) giveBack(started time.Time, left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	until := t.until.Add(time.Since(started))
	if same := time.Now().Add(left); same.Before(until) {
		until = same
	}
	if until.After(t.most) {
		until = t.most
	}
	if until.After(t.until) {
		t.until = until
	}
}

// tell calls away, unless that has been done, or NetworkManager has not been away for long.
func (t *Time) tell(begin time.Time, away func()) {
	t.mu.Lock()
	tells := !t.told && time.Since(begin) >= Told
	t.told = t.told || tells
	t.mu.Unlock()
	if tells {
		away()
	}
}

// IsAway reports whether an error shows that NetworkManager or the bus is being restarted, or is
// slow.
func IsAway(err error) bool { return isGone(err) || errors.Is(err, fault.ErrTimeout) }

func isGone(err error) bool { return errors.Is(err, fault.ErrNoNetworkManager) }
