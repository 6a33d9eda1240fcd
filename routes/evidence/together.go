package evidence

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Together implements [kernel.Listener]. The sockets are opened when the first of the tunnels is
// listened to, those of each IP version on their own, and in the network namespace of the thread
// that does so.
func (l *Listener) Together(all []kernel.Ends) (kernel.Listener, func()) {
	s := &shared{}
	own := sync.OnceValue(ownAddresses)
	for _, to := range all {
		e, err := checkEnds(to, own)
		if err != nil {
			continue // whoever listens to it learns why
		}
		f := &s.families[familyOf(e.Mode)]
		f.all = append(f.all, e)
	}
	return s, s.close
}

// shared implements [kernel.Listener] for many tunnels.
type shared struct {
	families [2]family // of IPv4 and of IPv6
	counting countersShared
}

// family is one IP version of a shared listener: its tunnels, and their sockets.
type family struct {
	all []ends

	once  sync.Once
	crowd *crowd
	taps  []*tap
	deaf  []kernel.Deaf
	stop  context.CancelFunc
}

func familyOf(m gre.Mode) int {
	if m.IPv6Outer() {
		return 1
	}
	return 0
}

var errStranger = errors.New("the tunnel is not one of those that are listened to together")

// Listen implements [kernel.Listener].
func (s *shared) Listen(ctx context.Context, to kernel.Ends) (kernel.Listening, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e, err := checkEnds(to, ownAddresses)
	if err != nil {
		return nil, err
	}
	f := &s.families[familyOf(e.Mode)]
	f.once.Do(f.open)
	if _, known := f.crowd.whose(true, e.Remote, e.Key); !known {
		return nil, errStranger
	}
	p := &part{shared: s, family: f, heard: newHeard(e), before: s.counting.now()}
	f.crowd.join(p.heard)
	return p, nil
}

// Together implements [kernel.Listener]: the tunnels share the sockets already.
func (s *shared) Together([]kernel.Ends) (kernel.Listener, func()) { return s, func() {} }

// close ends all listening, and closes the sockets. The kernel takes some 10 ms for a packet
// socket, which nobody waits for.
func (s *shared) close() {
	for i := range s.families {
		f := &s.families[i]
		f.once.Do(func() {}) // nothing is opened any more
		if f.stop != nil {
			f.stop()
		}
	}
	s.counting.close()
}

// open opens the sockets and begins to read from them.
func (f *family) open() {
	f.crowd = newCrowd(f.all)
	if len(f.all) == 0 {
		return
	}
	for _, source := range sources(f.all[0]) {
		source.crowd = f
		t, err := openTap(source, f.crowd)
		if err != nil {
			for _, what := range source.hears {
				if !slices.ContainsFunc(f.deaf, func(d kernel.Deaf) bool { return d.What == what }) {
					f.deaf = append(f.deaf, kernel.Deaf{What: what, Err: err})
				}
			}
			continue
		}
		f.taps = append(f.taps, t)
	}
	var ctx context.Context
	ctx, f.stop = context.WithCancel(context.Background())
	for _, t := range f.taps {
		go func() {
			t.listen(ctx)
			t.close()
		}()
		context.AfterFunc(ctx, t.wake)
	}
}

// addresses returns the far ends' addresses, and this end's, each once.
func (f *family) addresses() (remotes, locals []netip.Addr) {
	for remote := range f.crowd.loose {
		remotes = append(remotes, remote)
	}
	for local := range f.crowd.strange {
		locals = append(locals, local)
	}
	return remotes, locals
}

// part is one tunnel's share of a listening for many. It implements [kernel.Listening].
type part struct {
	*shared
	family *family
	heard  *heard
	before kernel.HostCounters
	once   sync.Once
	result kernel.Heard
}

// Refused implements [kernel.Listening].
func (p *part) Refused() <-chan struct{} { return p.heard.refused }

// Stop implements [kernel.Listening]. Packets that have come in until now are heard.
func (p *part) Stop() kernel.Heard {
	p.once.Do(func() {
		for _, t := range p.family.taps {
			t.drain()
		}
		p.result = p.family.crowd.part(p.heard)
		p.result.Deaf = slices.Clone(p.family.deaf)
		if p.counting.err != nil {
			p.result.Deaf = append(p.result.Deaf, kernel.Deaf{What: kernel.HearsCounters, Err: p.counting.err})
		} else {
			p.result.Counters = growth(p.before, p.counting.now())
		}
	})
	return p.result
}

// countersAge is how old a reading of the counters may be. Whoever waits for an answer waits far
// longer after the last packet that could move them.
const countersAge = 50 * time.Millisecond

// countersShared are the host's counters for many readers.
type countersShared struct {
	mu    sync.Mutex
	files *counters
	err   error // why there are no counters
	last  kernel.HostCounters
	at    time.Time
}

// now returns a reading that is not old.
func (c *countersShared) now() kernel.HostCounters {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || time.Since(c.at) < countersAge {
		return c.last
	}
	if c.files == nil {
		if c.files, c.err = openCounters(); c.err != nil {
			return c.last
		}
		c.last, c.at = c.files.before, time.Now()
		return c.last
	}
	if now, err := c.files.read(); err == nil {
		c.last, c.at = now, time.Now()
	}
	return c.last
}

func (c *countersShared) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files != nil {
		c.files.close()
		c.files = nil
	}
}
