package pathmtu

import (
	"context"
	"errors"
	"slices"
	"sync"
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
	lost  int   // how many packets get lost at first, of whatever size
	rtt   time.Duration
	sent  []int
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
		w.Lock()
		w.sent = append(w.sent, p.Size)
		through := p.Size <= w.fits && !slices.Contains(w.holes, p.Size) && w.lost == 0
		w.lost = max(0, w.lost-1)
		w.Unlock()
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
	}
	return result, nil
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
		{"the whole", &way{fits: 1500, rtt: 10 * ms}, 1476, 0, Found{1476, 1476, 0, false}, 1, 10 * ms},
		{"the whole at the second try", &way{fits: 1500, lost: 1, rtt: 10 * ms}, 1476, 0, Found{1476, 1476, 0, false}, 2, 110 * ms},
		{"1372 of 1472", &way{fits: 1372, rtt: 10 * ms}, 1472, 0, Found{1472, 1372, 1373, true}, 30, 1200 * ms},
		{"1471 of 1472", &way{fits: 1471, rtt: 10 * ms}, 1472, 0, Found{1472, 1471, 1472, true}, 30, 1200 * ms},
		{"1280 of 1472", &way{fits: 1280, rtt: 10 * ms}, 1472, 0, Found{1472, 1280, 1281, true}, 30, 1200 * ms},
		{"1279 of 1472", &way{fits: 1279, rtt: 10 * ms}, 1472, 0, Found{1472, 1279, 1280, true}, 40, 1600 * ms},
		{"576 of 1472", &way{fits: 576, rtt: 10 * ms}, 1472, 0, Found{1472, 576, 577, true}, 44, 1600 * ms},
		{"less than 576", &way{fits: 575, rtt: 10 * ms}, 1472, 0, Found{1472, 0, 576, true}, 40, 1600 * ms},
		{"of 1280", &way{fits: 1000, rtt: 10 * ms}, 1280, 0, Found{1280, 1000, 1001, true}, 40, 1600 * ms},
		{"of 500", &way{fits: 100, rtt: 10 * ms}, 500, 0, Found{500, 0, 500, true}, 4, 400 * ms},
		{"told, and so it is", &way{fits: 1372, rtt: 10 * ms}, 1472, 1372, Found{1472, 1372, 1373, true}, 8, 600 * ms},
		{"told too much", &way{fits: 1300, rtt: 10 * ms}, 1472, 1372, Found{1472, 1300, 1301, true}, 30, 1400 * ms},
		{"told too little", &way{fits: 1400, rtt: 10 * ms}, 1472, 1372, Found{1472, 1400, 1401, true}, 30, 1400 * ms},
		{"told less than 1280", &way{fits: 976, rtt: 10 * ms}, 1472, 976, Found{1472, 976, 977, true}, 8, 600 * ms},
		{"told nonsense", &way{fits: 1372, rtt: 10 * ms}, 1472, 9000, Found{1472, 1372, 1373, true}, 30, 1200 * ms},
		{"a large frame of 1500", &way{fits: 1476, rtt: 10 * ms}, 8976, 0, Found{8976, 1476, 1477, true}, 60, 1800 * ms},
		{"by chance", &way{fits: 1500, lost: 2, rtt: 10 * ms}, 1472, 0, Found{1472, 1472, 0, false}, 30, 700 * ms},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s := Search{Probe: c.way.probe, Whole: c.whole, RTT: c.way.rtt, Told: func(context.Context) int { return c.told }}
			got, err := s.Run(t.Context())
			if err != nil || got != c.want {
				t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
			}
			if len(c.way.sent) > c.sent || time.Since(begin) > c.took || c.way.most > perRound {
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
			if got, err := s.Run(t.Context()); err != nil || got != (Found{1472, fits, fits + 1, true}) {
				t.Errorf("%d: %+v, %v", fits, got, err)
			}
		})
	}
}

// A long way ends the search before it is exact. What is said then is true.
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
	calls := 0
	s.Probe = func(context.Context, kernel.Probe) (kernel.ProbeResult, error) {
		calls++
		return kernel.ProbeResult{}, broken
	}
	if got, err := s.Run(t.Context()); !errors.Is(err, broken) || got != (Found{}) || calls != 1 {
		t.Errorf("%+v, %v, %d calls", got, err, calls)
	}
}

func TestBlackHole(t *testing.T) {
	for _, c := range []struct {
		found         Found
		missing, hole bool
	}{
		{Found{}, false, false},
		{Found{1472, 1472, 0, false}, false, false},
		{Found{1472, 1372, 1373, true}, true, true},
		{Found{1472, 1372, 1400, false}, true, false},
		{Found{1472, 1280, 1281, true}, true, false},
		{Found{1472, 0, 576, true}, true, false},
	} {
		if c.found.Missing() != c.missing || c.found.BlackHole() != c.hole {
			t.Errorf("%+v", c.found)
		}
	}
}
