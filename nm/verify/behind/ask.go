package behind

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"nmgre/routes/kernel"
)

// How long an address is asked. Who looks for a host on its network gives up after three seconds
// (RFC 4861, RETRANS_TIMER; mcast_solicit in arp(7)), and then says that there is none. A Linux
// router that has told a host of several errors tells it of no missing route any more, unless it is
// asked less often than every two seconds: the error passes two limits, and both take from one
// budget of one a second (ip_error, icmpv4_xrlim_allow).
const (
	interval = 2100 * time.Millisecond
	count    = 2
	// longest is for the far end to give up, and for a round trip.
	longest = 3500 * time.Millisecond
	// patience is how long the other sources wait once one is answered: for the second request,
	// too.
	patience = 2400 * time.Millisecond
	// nearCount and nearInterval are those of the requests of TTL 1.
	nearCount    = 3
	nearInterval = 300 * time.Millisecond
	// peerInterval is that of the requests to the far end itself.
	peerInterval = 400 * time.Millisecond
)

// Question says how to ask.
type Question struct {
	// Probe sends echo requests, as [kernel.Kernel] does. It is called by several goroutines.
	Probe func(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error)
	Dev   string     // the tunnel's
	Peer  netip.Addr // the far end's inner address
	// CopiesTTL says that the tunnel copies the TTL of the packets in it. Then a packet of TTL 1
	// does not get to the far end.
	CopiesTTL bool
}

// Asking are requests under way.
type Asking struct {
	found  []Found
	all    sync.WaitGroup
	cancel context.CancelFunc
	// networks ends the requests for networks: nobody waits for those
	networks context.CancelFunc
}

// Begin sends requests to all addresses at once, from their sources. [Asking.End] must be called.
func (q Question) Begin(ctx context.Context, list []Found) *Asking {
	ctx, cancel := context.WithCancel(ctx)
	short, networks := context.WithCancel(ctx)
	a := &Asking{found: list, cancel: cancel, networks: networks}
	for i := range a.found {
		f := &a.found[i]
		switch {
		case len(f.Asked) == 0:
		case !f.Network.IsValid():
			a.all.Go(func() { q.ask(ctx, f) })
		case !q.CopiesTTL:
			a.all.Go(func() { f.Near = q.askNear(short, q.from(f.Asked[0], f.To)) })
		}
	}
	return a
}

// from is a row of requests from a source.
func (q Question) from(a Asked, to netip.Addr) kernel.Probe {
	return kernel.Probe{Dev: q.Dev, From: a.Address.Addr(), To: to, Count: count, Enough: 1, Interval: interval, UntilRefused: true}
}

// End ends the asking, and returns the answers. With wait it waits for requests still under way, up
// to 3.5 seconds; for networks no longer than grace.
func (a *Asking) End(wait bool, grace time.Duration) []Found {
	if !wait {
		a.cancel()
	}
	defer time.AfterFunc(grace, a.networks).Stop()
	a.all.Wait()
	a.cancel()
	var by netip.Addr
	for _, f := range a.found {
		if !by.IsValid() {
			by = f.forwarder()
		}
	}
	for i := range a.found {
		if a.found[i].Forwards = a.found[i].forwarder(); !a.found[i].Forwards.IsValid() {
			a.found[i].Forwards = by
		}
	}
	return a.found
}

// ask asks for one address, from all sources at once.
func (q Question) ask(ctx context.Context, f *Found) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(longest, cancel).Stop()
	var all sync.WaitGroup
	for i := range f.Asked {
		a := &f.Asked[i]
		like := q.from(*a, f.To)
		all.Go(func() {
			if a.Result, a.Err = q.send(ctx, like); a.Err == nil && reaches(like.To, a.Result) {
				time.AfterFunc(patience, cancel)
			}
		})
		switch {
		case !a.Inner && q.Peer.IsValid() && q.Peer.Is4() == f.To.Is4():
			all.Go(func() { a.Peer = q.askPeer(ctx, like) })
		case a.Inner && !q.CopiesTTL:
			all.Go(func() { f.Near = q.askNear(ctx, like) })
		}
	}
	all.Wait()
}

// askPeer asks the far end itself. A request that cannot be sent is not answered.
func (q Question) askPeer(ctx context.Context, like kernel.Probe) kernel.ProbeResult {
	like.To, like.Count, like.Interval = q.Peer, nearCount, peerInterval
	result, _ := q.send(ctx, like)
	return result
}

// askNear sends requests that the far end may not forward.
func (q Question) askNear(ctx context.Context, like kernel.Probe) kernel.ProbeResult {
	like.Count, like.Interval, like.Hops = nearCount, nearInterval, 1
	result, _ := q.send(ctx, like)
	return result
}

// send sends requests. That they were cut short is no error.
func (q Question) send(ctx context.Context, p kernel.Probe) (kernel.ProbeResult, error) {
	result, err := q.Probe(ctx, p)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return result, err
}
