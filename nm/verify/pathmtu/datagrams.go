package pathmtu

import (
	"context"
	"time"
)

// Datagrams is the fate of UDP datagrams of the whole size to a port at which nobody listens. A
// filter of long echoes looks like a black hole, and lets these through.
type Datagrams int

const (
	// Unknown says that nothing is known: none were sent, or small ones are not answered either.
	Unknown Datagrams = iota
	// Carried says that one was answered.
	Carried
	// Lost says that none was answered, while the small ones behind two of them were.
	Lost
)

// How often datagrams are sent, how many have to be lost, and how long to wait where not even the
// small one is answered. A Linux host says of one a second, after a few, that its port is
// unreachable (icmp_ratelimit in icmp(7)).
const (
	datagramTries  = 3
	datagramLosses = 2
	datagramPause  = 1100 * time.Millisecond
)

// asking are datagrams on their way.
type asking struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when found is there
	found  Datagrams
}

// askByUDP begins to send datagrams, unless somebody has refused the size. It calls stop when one
// has got through.
func (s Search) askByUDP(ctx context.Context, stop func()) *asking {
	a := &asking{done: make(chan struct{})}
	ctx, a.cancel = context.WithCancel(ctx)
	go func() {
		defer close(a.done)
		if s.refused {
			return
		}
		if a.found = s.datagrams(ctx); a.found == Carried {
			stop()
		}
	}()
	return a
}

// end returns the fate of the datagrams. Without wait it is the one that is known already.
func (a *asking) end(wait bool) Datagrams {
	if !wait {
		a.cancel()
	}
	<-a.done
	a.cancel()
	return a.found
}

// datagrams sends a few, with a pause between them if the far end says nothing.
func (s Search) datagrams(ctx context.Context) Datagrams {
	p := s.Like
	p.UDP, p.Count, p.Enough, p.Size, p.Interval = true, 1, 1, s.Whole, s.wait()
	losses, pause := 0, time.Duration(0)
	for left := datagramTries; losses+left >= datagramLosses && sleep(ctx, pause); left-- {
		result, err := s.Probe(ctx, p)
		pause = datagramPause - s.wait()
		switch {
		case result.Received > 0:
			return Carried
		case err != nil || len(result.Refusals) > 0: // who refuses it is no black hole
			return Unknown
		case result.Small > 0:
			losses, pause = losses+1, 0
		}
		if losses == datagramLosses {
			return Lost
		}
	}
	return Unknown
}

// sleep reports whether the time is over before ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
