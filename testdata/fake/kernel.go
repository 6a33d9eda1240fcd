package fake

import (
	"context"

	"nmgre/routes/kernel"
)

// Kernel is the process as a Kernel, whose Watch is another than the profiles'.
type Kernel struct{ *Process }

func (k Kernel) Watch(ctx context.Context) (<-chan kernel.Event, error) {
	if k.KernelWatchErr != nil {
		return nil, k.KernelWatchErr
	}
	return relay(ctx, k.KernelEvents), nil
}

// relay copies from a channel until ctx ends or the channel is closed.
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
