package fake

import (
	"context"

	"nmgre/routes/kernel"
)

// Kernel is a process as a [kernel.Kernel]. It is a type of its own since its Watch is not that of
// the profiles.
type Kernel struct{ *Process }

// Watch implements [kernel.Kernel]: it relays the events that a test sends.
func (k Kernel) Watch(ctx context.Context) (<-chan kernel.Event, error) {
	if k.KernelWatchErr != nil {
		return nil, k.KernelWatchErr
	}
	return relay(ctx, k.KernelEvents), nil
}

// relay copies events until ctx ends or the channel from is closed.
func relay[E any](ctx context.Context, from <-chan E) <-chan E {
	to := make(chan E)
	go func() {
		defer close(to)
		for {
			select {
			case e, open := <-from:
				if !open {
					return
				}
				select {
				case to <- e:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}
