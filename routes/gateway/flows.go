package gateway

import (
	"context"
	"net/netip"

	"nmgre/routes/gateway/conntrack"

	"golang.org/x/sys/unix"
)

// dropFlows removes from the connection tracking table the flows that an old or a new rule matches
// and that the new rules treat differently. Without that they would go on as before, because the
// kernel applies NAT rules only to the first packet of a flow.
func dropFlows(ctx context.Context, old, now map[chain][]snat) error {
	const attempt = "drop the connections that SNAT changes"
	for _, c := range []chain{snat4, snat6} {
		if len(old[c])+len(now[c]) == 0 {
			continue
		}
		stale, err := conntrack.Flows(uint8(c.family), func(f conntrack.Flow) bool { return isStale(f, old[c], now[c]) })
		if conntrack.Untracked(err) {
			return nil
		}
		if err != nil {
			return failed(attempt, err)
		}
		known := make(ways)
		for _, f := range stale {
			if err := ctx.Err(); err != nil {
				return err
			}
			if rule := first(now[c], f); rule != nil && !f.Natted && known.stays(rule.dev, f.To) {
				continue
			}
			if err := f.Drop(); err != nil {
				return failed(attempt, err)
			}
		}
	}
	return nil
}

// first returns the first rule that matches a flow's addresses, which decides; nil if none does.
func first(rules []snat, f conntrack.Flow) *snat {
	for i, r := range rules {
		if r.inner.Contains(f.From) && r.dst.Contains(f.To) {
			return &rules[i]
		}
	}
	return nil
}

// isStale reports whether the new rules treat the flow differently. Our rules cannot change the NAT
// of other programs.
func isStale(f conntrack.Flow, old, now []snat) bool {
	was, is := first(old, f), first(now, f)
	switch {
	case is == nil && was == nil:
		return false
	case is == nil: // ours goes
		return f.Natted && (!was.source.IsValid() || f.Source == was.source)
	case is.source.IsValid():
		return f.Source != is.source
	case was != nil && was.source.IsValid():
		return !f.Natted || f.Source == was.source
	}
	return !f.Natted
}

// ways remembers, for a device and a destination, whether packets to the destination stay on this
// host or leave by the device. The rules exempt such packets.
type ways map[way]bool

type way struct {
	dev string
	to  netip.Addr
}

func (w ways) stays(dev string, to netip.Addr) bool {
	key := way{dev, to}
	stays, known := w[key]
	if !known {
		stays = staysNow(dev, to)
		w[key] = stays
	}
	return stays
}

// staysNow returns false for a destination without a route: then dropping the flow loses nothing.
func staysNow(dev string, to netip.Addr) bool {
	route, ok := routeTo(to)
	return ok && (route.Type == unix.RTN_LOCAL || route.Device == indexOf(dev) && route.Device != 0)
}

// indexOf returns the index of a device, or 0 if there is none of that name.
func indexOf(dev string) int { return indexesOf()[dev] }
