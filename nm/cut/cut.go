// Package cut knows whether a change of a host's ways cuts off a person who is connected to it. It
// is pure.
package cut

import (
	"context"
	"errors"
	"math"
	"net/netip"

	"nmgre/nm/plan"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// maxNested bounds how many tunnels a session may go through, one in the other.
const maxNested = 8

// Off says whether packets from this host's address server, which may be unknown, to client would
// go another way after a change than now, or packets to the far ends of the tunnels that carry
// them. No change cuts off a client that is not valid, or this host itself.
func Off(ctx context.Context, k kernel.Kernel, e plan.Effect, client, server netip.Addr) (bool, error) {
	if !client.IsValid() || client.IsLoopback() {
		return false, nil
	}
	links, err := k.Links(ctx)
	if err != nil {
		return false, err
	}
	q := kernel.Query{To: client, From: server}
	if q.From.IsValid() && kernel.Holding(links, q.From.WithZone("")) == nil {
		q.From = netip.Addr{}
	}
	for depth := range maxNested {
		w, err := way(ctx, k, q)
		if errors.Is(err, fault.ErrUnreachable) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if e.Moves(w) {
			return true, nil
		}
		if moves, err := byRules(ctx, k, e, w, depth > 0); moves || err != nil {
			return moves, err
		}
		if q = kernel.UnderlayOf(links, w.Hop.Dev); !q.To.IsValid() {
			break
		}
	}
	return false, nil
}

// way asks the kernel for the way of packets, and for the metric of the route that decides.
func way(ctx context.Context, k kernel.Kernel, q kernel.Query) (plan.Way, error) {
	w := plan.Way{To: q.To.WithZone(""), Rank: math.MaxUint32}
	var err error
	if w.Hop, err = k.Lookup(ctx, q); err != nil {
		return w, err
	}
	there, err := k.RoutesTo(ctx, w.To)
	for _, r := range there {
		if r.Dev == w.Hop.Dev && r.Dst == w.Hop.Match {
			w.Rank = min(w.Rank, r.KernelMetric())
		}
	}
	return w, err
}
