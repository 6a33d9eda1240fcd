package undo

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/routes/fault"
)

var errGone = &fault.Error{Kind: fault.ErrNoNetworkManager, What: "the bus is gone"}

// An undo has its whole time, however long NetworkManager is away within the bound for that. A step
// that is slow by itself uses the time up, and an error of its own is not tried again.
func TestTime(t *testing.T) {
	const long = 30 * time.Second
	for _, c := range []struct {
		name  string
		steps func(ctx context.Context, since time.Duration) error
		took  time.Duration
		told  int
		err   error
	}{
		{"it works", func(context.Context, time.Duration) error { return nil }, 0, 0, nil},
		{"its own error", func(context.Context, time.Duration) error { return fault.ErrNotPermitted }, 0, 0, fault.ErrNotPermitted},
		{"away for a second", func(_ context.Context, since time.Duration) error {
			if since < time.Second {
				return errGone
			}
			return nil
		}, time.Second, 0, nil},
		{"away for long, and slow after that", func(ctx context.Context, since time.Duration) error {
			if since < 80*time.Second {
				return errGone
			}
			fault.Pause(ctx, long-time.Second)
			return ctx.Err()
		}, 80*time.Second + long - time.Second, 1, nil},
		{"away for ever", func(context.Context, time.Duration) error { return errGone }, long + MostAway, 1, fault.ErrNoNetworkManager},
		{"slow for ever", func(ctx context.Context, _ time.Duration) error {
			fault.Pause(ctx, time.Second)
			return fault.ErrTimeout
		}, long, 0, fault.ErrTimeout},
		{"hangs for ever", func(ctx context.Context, _ time.Duration) error { <-ctx.Done(); return ctx.Err() }, long, 0, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin, told := time.Now(), 0
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				err := New(begin, long).Do(ended, func(ctx context.Context) error { return c.steps(ctx, time.Since(begin)) }, func() { told++ })
				if took := time.Since(begin); took < c.took || took > c.took+2*time.Second {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if !errors.Is(err, c.err) || told != c.told {
					t.Errorf("%v, told %d times; want %v, %d times", err, told, c.err, c.told)
				}
			})
		})
	}
}

// Tunnels that have one time together get the time in which NetworkManager is away back once.
func TestTimeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const long, away = 30 * time.Second, 10 * time.Second
		begin := time.Now()
		shared := New(begin, long)
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				_ = shared.Do(t.Context(), func(context.Context) error {
					if time.Since(begin) < away {
						return errGone
					}
					return nil
				}, func() {})
			})
		}
		group.Wait()
		if got := shared.until.Sub(begin); got < long+away-Retry || got > long+away+2*Retry {
			t.Errorf("the time ends after %s, want %s", got, long+away)
		}
	})
}
