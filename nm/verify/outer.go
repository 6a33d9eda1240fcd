package verify

import (
	"context"
	"errors"
	"sync"
	"time"

	"nmgre/routes/kernel"
)

// The far end's outer address is asked outerCount times at most. While a tunnel is made, its answer
// says how long the tunnel's own may take: a few round trips, and at least leastWait. A tunnel that
// answers within outerAfter needs no such measure.
const (
	outerCount = 2
	outerAfter = 20 * time.Millisecond
	roundTrips = 3
	leastWait  = 50 * time.Millisecond
)

// errOuterAnswered ends the wait for a tunnel whose far end has answered at its outer address.
var errOuterAnswered = errors.New("the outer address has answered")

// outerProbe is a probe of the far end's outer address.
type outerProbe struct {
	probe    func() *kernel.ProbeResult // carries it out, once; nil if it cannot
	cancel   context.CancelFunc
	timer    *time.Timer   // begins it; nil if nothing is to be probed
	answered chan struct{} // closed when the address has answered
	rtt      time.Duration // of the answer; set before answered is closed
}

// startOuter probes the far end's outer address, too, if the tunnel has not answered within one
// interval, or soon while it is being made.
func (v *verifier) startOuter(ctx context.Context) *outerProbe {
	o := &outerProbe{answered: make(chan struct{}), cancel: func() {}}
	u, to := v.ev.Under, v.tunnel.Remote
	if v.wrongWay {
		return o
	}
	ctx, o.cancel = context.WithCancel(ctx)
	o.probe = sync.OnceValue(func() *kernel.ProbeResult {
		result, err := v.sys.Kernel.Probe(ctx, kernel.Probe{Dev: u.Hop.Dev, From: u.From, To: to, Count: outerCount, Enough: 1, Interval: probeInterval})
		if err != nil {
			return nil
		}
		if len(result.RTT) > 0 {
			o.rtt = result.RTT[0]
			close(o.answered)
		}
		return &result
	})
	after := probeInterval
	if v.opts.BeforeSave {
		after = outerAfter
	}
	o.timer = time.AfterFunc(after, func() { o.probe() })
	return o
}

// end ends the probe. With need it waits for the result, and begins at once if it has to; otherwise
// it returns nil. A result that cannot be had is nil.
func (o *outerProbe) end(need bool) *kernel.ProbeResult {
	defer o.cancel()
	if o.timer == nil {
		return nil
	}
	begun := !o.timer.Stop()
	if need {
		return o.probe()
	}
	if o.cancel(); begun {
		o.probe() // ends at once
	}
	return nil
}

// wait is how long an answer through the tunnel may take after one of the outer address.
func (o *outerProbe) wait() time.Duration { return max(leastWait, roundTrips*o.rtt) }

// endWait calls cancel when the outer address has answered, and the tunnel had as much time as its
// far end needs. Nobody waits longer for a far end that has most likely not been made yet.
func (o *outerProbe) endWait(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-o.answered:
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(o.wait() / 2): // an answer of the tunnel may be on its way
		cancel(errOuterAnswered)
	case <-ctx.Done():
	}
}

// askAgain asks once more through the tunnel, whose wait the outer address has ended: the first
// request may have been lost.
func (v *verifier) askAgain(ctx context.Context, p kernel.Probe, o *outerProbe, first kernel.ProbeResult) (kernel.ProbeResult, error) {
	if first.Received > 0 {
		return first, nil
	}
	p.Count, p.Enough, p.Interval = 1, 1, o.wait()
	second, err := v.sys.Kernel.Probe(ctx, p)
	return first.And(second), err
}
