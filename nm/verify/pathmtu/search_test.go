package pathmtu

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nmgre/routes/kernel"
)

// way is a way through which packets get that are not too large.
type way struct {
	sync.Mutex

	fits  int
	holes []int // sizes that do not get through nevertheless
	lost  int   // how many echoes get lost at first, of whatever size
	rtt   time.Duration
	// longest is the size of the largest echo that the far end answers; 0 for any.
	longest int
	deaf    bool // the far end answers no datagrams
	spent   bool // it does not answer the first pair of datagrams: it has said so too often
	sent    []int
	// the most that were in flight together
	flying, most int
}

func (w *way) probe(ctx context.Context, p kernel.Probe) (result kernel.ProbeResult, err error) {
	w.Lock()
	w.flying++
	w.most = max(w.most, w.flying)
	w.Unlock()
	defer func() {
		w.Lock()
		w.flying--
		w.Unlock()
	}()
	for range p.Count {
		if ctx.Err() != nil {
			return result, ctx.Err()
		}
		result.Sent++
		through, small := w.answers(p)
		wait := p.Interval
		if through {
			wait = w.rtt
		}
		select {
		case <-ctx.Done():
			return result, ctx.Err()
		case <-time.After(wait):
		}
		if through {
			result.Received++
			return result, nil
		}
		if small {
			result.Small++
		}
	}
	return result, nil
}

// answers reports whether a packet is answered, and whether the small datagram behind it is.
func (w *way) answers(p kernel.Probe) (whole, small bool) {
	w.Lock()
	defer w.Unlock()
	w.sent = append(w.sent, p.Size)
	through := p.Size <= w.fits && !slices.Contains(w.holes, p.Size)
	if p.UDP {
		silent := w.deaf || w.spent
		w.spent = false
		return through && !silent, !silent
	}
	through = through && w.lost == 0 && (w.longest == 0 || p.Size <= w.longest)
	w.lost = max(0, w.lost-1)
	return through, false
}

func TestSearch(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name        string
		way         *way
		whole, told int
		want        Found
		sent        int // at most
		took        time.Duration
	}{
		{"the whole", &way{fits: 1500, deaf: true, rtt: 10 * ms}, 1476, 0, Found{Whole: 1476, Fits: 1476}, 1, 10 * ms},
		{"the whole at the second try", &way{fits: 1500, lost: 1, deaf: true, rtt: 10 * ms}, 1476, 0, Found{Whole: 1476, Fits: 1476}, 2, 110 * ms},
		{"1372 of 1472", &way{fits: 1372, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, 30, 1200 * ms},
		{"1471 of 1472", &way{fits: 1471, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1471, Fails: 1472, Sure: true, Datagrams: Lost}, 30, 1200 * ms},
		{"1280 of 1472", &way{fits: 1280, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1280, Fails: 1281, Sure: true, Datagrams: Lost}, 30, 1200 * ms},
		{"1279 of 1472", &way{fits: 1279, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1279, Fails: 1280, Sure: true, Datagrams: Lost}, 40, 1600 * ms},
		{"576 of 1472", &way{fits: 576, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 576, Fails: 577, Sure: true, Datagrams: Lost}, 44, 1600 * ms},
		{"less than 576", &way{fits: 575, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 0, Fails: 576, Sure: true, Datagrams: Lost}, 40, 1600 * ms},
		{"of 1280", &way{fits: 1000, rtt: 10 * ms}, 1280, 0, Found{Whole: 1280, Fits: 1000, Fails: 1001, Sure: true, Datagrams: Lost}, 40, 1600 * ms},
		{"of 500", &way{fits: 100, rtt: 10 * ms}, 500, 0, Found{Whole: 500, Fits: 0, Fails: 500, Sure: true, Datagrams: Lost}, 4, 400 * ms},
		{"told, and so it is", &way{fits: 1372, rtt: 10 * ms}, 1472, 1372, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, 8, 600 * ms},
		{"told too much", &way{fits: 1300, rtt: 10 * ms}, 1472, 1372, Found{Whole: 1472, Fits: 1300, Fails: 1301, Sure: true, Datagrams: Lost}, 30, 1400 * ms},
		{"told too little", &way{fits: 1400, rtt: 10 * ms}, 1472, 1372, Found{Whole: 1472, Fits: 1400, Fails: 1401, Sure: true, Datagrams: Lost}, 30, 1400 * ms},
		{"told less than 1280", &way{fits: 976, rtt: 10 * ms}, 1472, 976, Found{Whole: 1472, Fits: 976, Fails: 977, Sure: true, Datagrams: Lost}, 8, 600 * ms},
		{"told nonsense", &way{fits: 1372, rtt: 10 * ms}, 1472, 9000, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, 30, 1200 * ms},
		{"a large frame of 1500", &way{fits: 1476, rtt: 10 * ms}, 8976, 0, Found{Whole: 8976, Fits: 1476, Fails: 1477, Sure: true, Datagrams: Lost}, 60, 1800 * ms},
		{"by chance", &way{fits: 1500, lost: 2, deaf: true, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1472}, 30, 700 * ms},
		{"a filter of long echoes", &way{fits: 1500, longest: 1400, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fails: 1472, Datagrams: Carried}, 1, 10 * ms},
		{"a filter of long echoes, and of datagrams", &way{fits: 1500, longest: 1400, deaf: true, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1400, Fails: 1401, Sure: true}, 30, 1200 * ms},
		{"a far end that has said too often", &way{fits: 1372, spent: true, rtt: 10 * ms}, 1472, 0, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, 30, 1300 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s := Search{Probe: c.way.probe, Whole: c.whole, RTT: c.way.rtt, Told: func(context.Context) int { return c.told }}
			got, err := s.Run(t.Context())
			if err != nil || got != c.want {
				t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
			}
			if len(c.way.sent) > c.sent+datagramTries || time.Since(begin) > c.took || c.way.most > perRound+1 {
				t.Errorf("%s: %v sent, %d together, in %s", c.name, c.way.sent, c.way.most, time.Since(begin))
			}
		})
	}
}

// Each size of a common way is found to the byte.
func TestSearchIsExact(t *testing.T) {
	for fits := Least; fits < 1472; fits += 7 {
		synctest.Test(t, func(t *testing.T) {
			w := way{fits: fits, rtt: 2 * time.Millisecond}
			s := Search{Probe: w.probe, Whole: 1472, RTT: w.rtt, Told: func(context.Context) int { return 0 }}
			if got, err := s.Run(t.Context()); err != nil || got != (Found{Whole: 1472, Fits: fits, Fails: fits + 1, Sure: true, Datagrams: Lost}) {
				t.Errorf("%d: %+v, %v", fits, got, err)
			}
		})
	}
}

// A long way ends the search before it is exact. Its result is true all the same.
func TestSearchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, begin := way{fits: 1372, rtt: 350 * time.Millisecond}, time.Now()
		s := Search{Probe: w.probe, Whole: 1472, RTT: w.rtt, Told: func(context.Context) int { return 0 }}
		got, err := s.Run(t.Context())
		if err != nil || time.Since(begin) > budget || got.Sure || got.Fits > 1372 || got.Fits == 0 || got.Fails <= 1372 {
			t.Errorf("%+v, %v in %s", got, err, time.Since(begin))
		}
	})
}

// The caller's end, and a packet that cannot be sent, leave nothing measured.
func TestSearchFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := way{fits: 1500}
	s := Search{Probe: w.probe, Whole: 1472, Told: func(context.Context) int { return 0 }}
	if got, err := s.Run(ctx); !errors.Is(err, context.Canceled) || got != (Found{}) {
		t.Errorf("%+v, %v", got, err)
	}
	broken := errors.New("broken")
	var calls atomic.Int32
	s.Probe = func(context.Context, kernel.Probe) (kernel.ProbeResult, error) {
		calls.Add(1)
		return kernel.ProbeResult{}, broken
	}
	if got, err := s.Run(t.Context()); !errors.Is(err, broken) || got != (Found{}) || calls.Load() > 2 {
		t.Errorf("%+v, %v, %d calls", got, err, calls.Load())
	}
}

func TestBlackHole(t *testing.T) {
	for _, c := range []struct {
		found         Found
		missing, hole bool
	}{
		{Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true}, true, false},
		{Found{Whole: 1472, Fails: 1472, Datagrams: Carried}, false, false},
		{Found{}, false, false},
		{Found{Whole: 1472, Fits: 1472}, false, false},
		{Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, true, true},
		{Found{Whole: 1472, Fits: 1372, Fails: 1400}, true, false},
		{Found{Whole: 1472, Fits: 1280, Fails: 1281, Sure: true, Datagrams: Lost}, true, true},
		{Found{Whole: 1472, Fits: 0, Fails: 576, Sure: true, Datagrams: Lost}, true, false},
	} {
		if c.found.Missing() != c.missing || c.found.BlackHole() != c.hole {
			t.Errorf("%+v", c.found)
		}
	}
}

// A healthy way costs one round trip, in which the small packet and the large one are under way
// together. A broken one takes less than the three seconds that all of verify may take.
func TestBeside(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		way  *way
		want Found
		took time.Duration // at most
	}{
		{"the whole", &way{fits: 1500, rtt: 100 * ms}, Found{Whole: 1472, Fits: 1472}, 100 * ms},
		{"a filter of long echoes", &way{fits: 1500, longest: 1000, rtt: 100 * ms}, Found{Whole: 1472, Fails: 1472, Datagrams: Carried}, 350 * ms},
		{"a black hole", &way{fits: 1372, rtt: 20 * ms}, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true, Datagrams: Lost}, 1300 * ms},
		{"a far end that answers no datagrams", &way{fits: 1372, deaf: true, rtt: 20 * ms}, Found{Whole: 1472, Fits: 1372, Fails: 1373, Sure: true}, 1400 * ms},
		{"nothing", &way{fits: -1}, Found{}, 1200 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s := Search{Probe: c.way.probe, Whole: 1472, Told: func(context.Context) int { return 0 }}
			result, got, err := s.Beside(t.Context(), t.Context(), kernel.Probe{Count: 4, Interval: 300 * ms})
			if took := time.Since(begin); err != nil || got != c.want || took > c.took || (result.Received == 1) != (c.way.fits > 0) {
				t.Errorf("%s: %+v, %+v, %v after %s; want %+v", c.name, result, got, err, took, c.want)
			}
		})
	}
}

// Who refuses the size is asked by no datagram: that is no black hole.
func TestBesideRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := way{fits: 1372, rtt: 10 * time.Millisecond}
		s := Search{Whole: 1472, Told: func(context.Context) int { return 1372 }}
		s.Probe = func(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
			if p.UDP {
				t.Errorf("a datagram of %d bytes", p.Size)
			}
			if p.Size == s.Whole {
				return kernel.ProbeResult{Sent: 1, Refusals: []string{"fragmentation needed"}}, nil
			}
			return w.probe(ctx, p)
		}
		_, got, err := s.Beside(t.Context(), t.Context(), kernel.Probe{Count: 4, Interval: time.Second})
		if err != nil || got.Fits != 1372 || got.Datagrams != Unknown {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
