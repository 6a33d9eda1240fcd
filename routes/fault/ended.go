package fault

import (
	"context"
	"errors"
	"time"
)

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Ended says in err that ctx has ended, where that is the reason.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && err == ctx.Err() { //nolint:errorlint // the bare error says nothing; a wrapped one says what was tried
		return Interrupted(err)
	}
	if ctx.Err() == nil || errors.Is(err, ErrTimeout) || errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(Interrupted(ctx.Err()), err)
}

// Interrupted puts the end of a context into the workflow's words.
func Interrupted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: ErrTimeout, What: "it took too long", Hint: "allow more with --wait", Err: err}
	}
	return &Error{What: "interrupted", Err: err}
}
