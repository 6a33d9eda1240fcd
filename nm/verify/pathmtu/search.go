package pathmtu

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"nmgre/routes/kernel"
)

// Sizes of IP packets in bytes that are tried first: RFC 7676 (section 3.2) asks every GRE tunnel
// for 1280, and RFC 791 every host for 576.
const (
	Modest = 1280
	Least  = 576
)

// Limits of a search. Sizes of one round are in flight together. Few of them do not fill a slow
// link's queue, which would look like a size that does not fit.
const (
	tries     = 2
	perRound  = 4
	maxRounds = 6
	budget    = 1800 * time.Millisecond
	minWait   = 100 * time.Millisecond
	maxWait   = 400 * time.Millisecond
)

// Search measures one tunnel.
type Search struct {
	// Probe sends echo requests, as [kernel.Kernel] does. It is called by several goroutines.
	Probe func(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error)
	Whole int // the tunnel's MTU in bytes: more is not tried
	// Like has the device and the addresses of the requests, and RTT is the round trip of a small
	// packet. [Search.Beside] sets both.
	Like kernel.Probe
	RTT  time.Duration
	// Told is called when the whole MTU did not get through. It returns how many bytes this host
	// has been told to fit, or 0.
	Told func(ctx context.Context) int

	refused bool // somebody has refused a packet of the whole size already
}

// Found is the result of a measurement. The zero Found says that nothing was measured.
type Found struct {
	Whole int // the size that was tried first, in bytes; 0 if nothing was measured
	Fits  int // the largest size that was answered; 0 if none was
	// Fails is the smallest size above Fits that nothing has answered, though it was sent twice. It
	// is 0 if the whole was answered.
	Fails int
	// Sure says that Fails was sent twice more at the end, and that nothing answered it again.
	Sure bool
	// Datagrams is the fate of UDP datagrams of the whole size, where its echoes were lost.
	Datagrams Datagrams
}

// Through reports whether a packet of the whole size got through.
func (f Found) Through() bool { return f.Whole > 0 && (f.Fails == 0 || f.Datagrams == Carried) }

// Missing reports whether the whole size did not get through.
func (f Found) Missing() bool { return f.Fails > 0 && f.Datagrams != Carried }

// Limited reports whether it is sure that there is a size above 1280 bytes from which on echoes are
// not answered. A far end that does not answer long ones at all has its limit lower, as a rule.
func (f Found) Limited() bool { return f.Sure && f.Fits > Modest && f.Missing() }

// BlackHole reports whether it is sure that packets get lost for their size, and not only echoes.
func (f Found) BlackHole() bool { return f.Sure && f.Fits > 0 && f.Datagrams == Lost }

// Text says which sizes were answered.
func (f Found) Text() string {
	if f.Fits == 0 {
		return fmt.Sprintf("none of %d bytes or more was answered", f.Fails)
	}
	return fmt.Sprintf("%d bytes were answered, %d were not", f.Fits, f.Fails)
}

// Beside sends small packets as p says until one is answered, and at the same time one of the whole
// size. If that is not answered, it measures. It returns the small packets' answers, and the result
// of measuring. The end of measuring ends that alone. p.Enough does not count: one answer is
// enough.
func (s Search) Beside(ctx, measuring context.Context, p kernel.Probe) (result kernel.ProbeResult, found Found, err error) {
	p.Enough = 1
	s.Like = p
	s.Like.Knock = false // the small ones do
	first := s.first(measuring)
	defer first.end(0)
	if result, err = s.Probe(ctx, p); err != nil || result.Received == 0 {
		return result, found, err
	}
	if len(result.RTT) > 0 {
		s.RTT = result.RTT[0]
	}
	switch first.end(s.wait()); {
	case first.result.Received > 0:
		found = Found{Whole: s.Whole, Fits: s.Whole}
	case first.err == nil || errors.Is(first.err, context.Canceled): // else it cannot be sent
		s.refused = len(first.result.Refusals) > 0
		found, _ = s.Run(measuring) // after an error the zero Found says that nothing is known
	}
	return result, found, nil
}

// first is the first packet of the whole size, which is sent before it is known how long a round
// trip takes.
type first struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when result and err are there
	result kernel.ProbeResult
	err    error
}

func (s Search) first(ctx context.Context) *first {
	f := &first{done: make(chan struct{})}
	ctx, f.cancel = context.WithCancel(ctx)
	p := s.Like
	p.Count, p.Size, p.Interval = 1, s.Whole, time.Duration(p.Count)*p.Interval+maxWait
	go func() {
		defer close(f.done)
		f.result, f.err = s.Probe(ctx, p)
	}()
	return f
}

// end waits for the answer, no longer than that.
func (f *first) end(wait time.Duration) {
	defer time.AfterFunc(wait, f.cancel).Stop()
	<-f.done
	f.cancel()
}

// Run measures. Whoever has one answer to a small packet already may call it. The whole size costs
// a round trip; a search takes about two seconds at most, and gives its result so far. A datagram
// of the whole size that gets through ends it. Run fails if packets cannot be sent, and when ctx
// ends.
func (s Search) Run(ctx context.Context) (Found, error) {
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	asking := s.askByUDP(limited, cancel)
	found, err := s.search(ctx, limited)
	got := asking.end(err == nil && found.Missing())
	switch {
	case err == nil && !found.Missing(): // the echo was answered
	case got == Carried: // that has ended the search
		return Found{Whole: s.Whole, Fits: found.Fits, Fails: s.Whole, Datagrams: Carried}, ctx.Err()
	case got == Lost && err == nil:
		found.Datagrams = Lost
	}
	return found, err
}

// search finds the size that gets through.
func (s Search) search(ctx, limited context.Context) (Found, error) {
	found := Found{Whole: s.Whole, Fails: s.Whole}
	if !s.refused {
		answered, err := s.ask(limited, []int{s.Whole})
		if err != nil {
			return Found{}, err
		}
		if answered[0] {
			return Found{Whole: s.Whole, Fits: s.Whole}, nil
		}
	}
	sizes := found.begin(s.Told(ctx))
	for range maxRounds {
		if len(sizes) == 0 {
			break
		}
		answered, err := s.ask(limited, sizes)
		found.take(sizes, answered, limited.Err() == nil)
		if limited.Err() != nil {
			return found, ctx.Err()
		}
		if err != nil {
			return Found{}, err
		}
		sizes = found.next()
	}
	return s.confirm(limited, found), ctx.Err()
}

// confirm asks for the smallest size that has failed once more. Packets can get lost by chance.
func (s Search) confirm(ctx context.Context, found Found) Found {
	answered, err := s.ask(ctx, []int{found.Fails})
	switch {
	case err != nil || ctx.Err() != nil:
	case !answered[0]:
		found.Sure = true
	case found.Fails == found.Whole:
		return Found{Whole: s.Whole, Fits: s.Whole}
	default: // the next larger size is not known to fail as well
		found.Fits, found.Fails = found.Fails, found.Whole
	}
	return found
}

// ask sends packets of these sizes, and reports which were answered.
func (s Search) ask(ctx context.Context, sizes []int) ([]bool, error) {
	answered, errs := make([]bool, len(sizes)), make([]error, len(sizes))
	var all sync.WaitGroup
	for i, size := range sizes {
		all.Go(func() {
			p := s.Like
			p.Count, p.Enough, p.Interval, p.Size = tries, 1, s.wait(), size
			result, err := s.Probe(ctx, p)
			answered[i], errs[i] = result.Received > 0, err
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return answered, err
		}
	}
	return answered, nil
}

// wait is how long to wait between two packets of one size, and after the last. The second one's
// answer comes in within twice that.
func (s Search) wait() time.Duration { return min(max(s.RTT*3/2, minWait), maxWait) }

// take notes the answers. A size that was not answered counts only if there was time for it.
func (f *Found) take(sizes []int, answered []bool, whole bool) {
	for i, size := range sizes {
		if answered[i] {
			f.Fits = max(f.Fits, size)
		}
	}
	for i, size := range sizes {
		if whole && !answered[i] && size > f.Fits {
			f.Fails = min(f.Fails, size)
		}
	}
}

// begin returns the sizes of the first round: 1280, the size that this host was told, and one byte
// more; without one that was told, some from 1280 up.
func (f *Found) begin(told int) []int {
	if told < Least || told >= f.Whole {
		return f.next()
	}
	var sizes []int
	for _, size := range []int{Modest, told, told + 1} {
		if size < f.Whole && size <= told+1 {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// next returns the sizes of the next round, in ascending order: they divide the unknown range into
// equal parts. There are none when all is known.
func (f *Found) next() (sizes []int) {
	low := f.Fits
	for _, size := range []int{Modest, Least} {
		if low == 0 && size < f.Fails {
			low, sizes = size, []int{size}
		}
	}
	if low == 0 {
		return nil
	}
	last, gap := low, f.Fails-low
	parts := perRound - len(sizes) + 1
	for i := 1; i < parts; i++ {
		if size := low + gap*i/parts; size > last {
			sizes, last = append(sizes, size), size
		}
	}
	return sizes
}
