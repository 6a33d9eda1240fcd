package fault

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"testing"
)

// The end of a context is told in words for a person, by itself and behind what was tried, also
// when it was a signal.
func TestEnded(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{Interrupted(context.Canceled), "interrupted"},
		{Interrupted(context.DeadlineExceeded), "it took too long"},
		{&Error{What: "list the profiles", Err: context.Canceled}, "list the profiles: interrupted"},
		{&Error{What: "list the profiles", Err: context.DeadlineExceeded}, "list the profiles: it took too long"},
		{&Error{What: "list the profiles", Err: errors.New("no bus")}, "list the profiles: no bus"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	if err := Interrupted(context.Canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("%v is no end of a context", err)
	}
}

func TestCause(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGUSR2)
	defer stop()
	if err := Cause(ctx); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if err := Cause(ctx); err != context.Canceled { //nolint:errorlint // the bare error has the words
		t.Errorf("%v", err)
	}
	own := errors.New("the bus is silent")
	late, cancel := context.WithCancelCause(t.Context())
	cancel(own)
	if err := Cause(late); err != own { //nolint:errorlint // that very error
		t.Errorf("%v", err)
	}
}
