package fault

import (
	"context"
	"errors"
	"time"
)

// Pause waits for the time d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Ended returns err with the end of ctx in it, where that is why the work failed. An err that says
// so already, and any err while ctx has not ended, are returned as they are.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && err == ctx.Err() { //nolint:errorlint // the bare error says nothing; a wrapped one names the step
		return Interrupted(err)
	}
	if ctx.Err() == nil || errors.Is(err, ErrTimeout) || errors.Is(err, context.Canceled) {
		return err
	}
	return errors.Join(Interrupted(ctx.Err()), err)
}

// Interrupted returns the error of a context that has ended, [context.Canceled] or
// [context.DeadlineExceeded], in words for a person. It is an [ErrTimeout] after the deadline.
func Interrupted(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return &Error{Kind: ErrTimeout, What: tooLong, Hint: "allow more with --wait", Err: err}
	}
	return &Error{What: interrupted, Err: err}
}

const (
	interrupted = "interrupted"
	tooLong     = "it took too long"
)

// Cause is why ctx has ended; nil if it has not. A signal to this process is an interruption like
// any other, whatever Go calls it.
func Cause(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.Canceled) {
		return context.Canceled
	}
	return cause
}

// words is the text of an error. The ends of a context have Go's words, which are not for a person.
func words(err error) string {
	switch err { //nolint:errorlint // the bare errors; what wraps one has words of its own
	case context.Canceled:
		return interrupted
	case context.DeadlineExceeded:
		return tooLong
	}
	return err.Error()
}
