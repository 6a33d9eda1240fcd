package pathmtu

import (
	"context"
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
}

// Found is what was measured. The zero Found says that nothing was.
type Found struct {
	Whole int // the size that was tried first, in bytes; 0 if nothing was measured
	Fits  int // the largest size that was answered; 0 if none was
	// Fails is the smallest size above Fits that nothing has answered, though it was sent twice. It
	// is 0 if the whole was answered.
	Fails int
	// Sure says that Fails was sent twice more at the end, and that nothing answered it again.
	Sure bool
}

// Through reports whether a packet of the whole size got through.
func (f Found) Through() bool { return f.Whole > 0 && f.Fails == 0 }

// Missing reports whether the whole size did not get through.
func (f Found) Missing() bool { return f.Fails > 0 }

// BlackHole reports whether it is sure that packets get lost for their size: some above 1280 bytes
// get through, and larger ones do not. A far end that does not answer long echo requests at all has
// its limit lower, as a rule.
func (f Found) BlackHole() bool { return f.Sure && f.Fits > Modest }

// Beside sends small packets as p says, and measures beside them from the first answer on. It
// returns their answers, and what was measured. The end of measuring ends that alone. p.Enough does
// not count: two answers are enough.
func (s Search) Beside(ctx, measuring context.Context, p kernel.Probe) (result kernel.ProbeResult, found Found, err error) {
	count := p.Count
	p.Enough = 1
	if result, err = s.Probe(ctx, p); err != nil || result.Received == 0 {
		return result, found, err
	}
	p.Knock = false // somebody answers
	s.Like = p
	if len(result.RTT) > 0 {
		s.RTT = result.RTT[0]
	}
	var measured sync.WaitGroup
	measured.Go(func() { found, _ = s.Run(measuring) }) // what cannot be measured is not known
	if p.Count = count - result.Sent; p.Count > 0 {
		var more kernel.ProbeResult
		more, err = s.Probe(ctx, p)
		result = result.And(more)
	}
	measured.Wait()
	return result, found, err
}

// Run measures. Whoever has one answer to a small packet already may call it. The whole size costs
// a round trip; a search takes about two seconds at most, and gives what it has found by then. Run
// fails if packets cannot be sent, and when ctx ends.
func (s Search) Run(ctx context.Context) (Found, error) {
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	found := Found{Whole: s.Whole, Fails: s.Whole}
	answered, err := s.ask(limited, []int{s.Whole})
	if err != nil {
		return Found{}, err
	}
	if answered[0] {
		return Found{Whole: s.Whole, Fits: s.Whole}, nil
	}
	sizes := found.first(s.Told(ctx))
	for range maxRounds {
		if len(sizes) == 0 {
			break
		}
		answered, err = s.ask(limited, sizes)
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

// take notes the answers. What was not answered counts only if there was time for it.
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

// first returns the sizes of the first round: what this host was told, and one byte more; without
// that, some from 1280 up.
func (f *Found) first(told int) []int {
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

// next returns the sizes of the next round, in ascending order: they divide what is not known yet
// into equal parts. There are none when all is known.
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
