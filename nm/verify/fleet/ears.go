package fleet

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"nmgre/routes/kernel"
)

// crowd knows which tunnels are listened to at the same time.
//
// Two kinds of evidence can be mixed up among them. The host's counters are those of all tunnels.
// And a host that refuses packets of several tunnels says so once a second only, as the kernel
// bounds its ICMP errors: it refuses the others silently.
type crowd struct {
	mu       sync.Mutex
	present  int // how many are listened to
	joined   int // how many were listened to so far
	refusing map[netip.Addr]bool
}

// ear listens for one of the tunnels, and knows whether it was alone.
type ear struct {
	kernel.Listener
	crowd  *crowd
	remote netip.Addr
	// counted says that the host's counters have grown while others were listened to, too, and
	// refused that somebody has refused this tunnel's packets.
	counted, refused bool
}

// Listen implements [kernel.Listener].
func (e *ear) Listen(ctx context.Context, to kernel.Ends) (kernel.Listening, error) {
	l, err := e.Listener.Listen(ctx, to)
	if err != nil {
		return nil, err
	}
	e.crowd.mu.Lock()
	defer e.crowd.mu.Unlock()
	e.crowd.present++
	e.crowd.joined++
	return &listening{Listening: l, ear: e, among: e.crowd.present > 1, joined: e.crowd.joined}, nil
}

// listening is that of an ear.
type listening struct {
	kernel.Listening
	ear    *ear
	among  bool // there were others when it began
	joined int
	once   sync.Once
	heard  kernel.Heard
}

// Stop implements [kernel.Listening]. Counters that may be others' are left out.
func (l *listening) Stop() kernel.Heard {
	l.once.Do(func() {
		l.heard = l.Listening.Stop()
		c := l.ear.crowd
		c.mu.Lock()
		defer c.mu.Unlock()
		c.present--
		if l.heard.Counters != (kernel.HostCounters{}) && (l.among || c.joined > l.joined) {
			l.ear.counted, l.heard.Counters = true, kernel.HostCounters{}
		}
		l.ear.refused = l.ear.refused || len(l.heard.Errors) > 0
		if slices.ContainsFunc(l.heard.Errors, func(e kernel.ICMPError) bool { return e.By == l.ear.remote }) {
			if c.refusing == nil {
				c.refusing = make(map[netip.Addr]bool)
			}
			c.refusing[l.ear.remote] = true
		}
	})
	return l.heard
}

// mixed reports whether a tunnel's evidence may be another one's, or may have been given to another
// one alone. All listening has ended.
func (c *crowd) mixed(e *ear) bool {
	return e.counted || !e.refused && c.refusing[e.remote]
}
