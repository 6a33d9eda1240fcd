package kernel

import (
	"context"
	"time"

	"nmgre/routes/fault"
)

// Waits for a link to go.
const (
	goneTimeout = 5 * time.Second // until a link must be gone that has lost its profile
	// GonePoll is the time from one look for a device that goes to the next.
	GonePoll = 20 * time.Millisecond
)

// WaitGone returns when no device has that name any more. It returns at once for the empty name.
func WaitGone(ctx context.Context, k Kernel, dev string) error {
	if dev == "" {
		return nil
	}
	waiting, cancel := context.WithTimeout(ctx, goneTimeout)
	defer cancel()
	for {
		links, err := k.Links(ctx)
		if err != nil {
			return fault.Ended(ctx, err)
		}
		if Named(links, dev) == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fault.Interrupted(err)
		}
		if waiting.Err() != nil {
			return &fault.Error{Kind: fault.ErrTimeout, What: "the device " + fault.Printable(dev) + " is still there", Hint: "remove it: ip link delete dev " + fault.ShellWord(dev)}
		}
		fault.Pause(waiting, GonePoll)
	}
}
