package reconcile

import (
	"net/netip"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Beside returns the problems of tunnels that are made together with others: an inner network that
// overlaps one of another tunnel, and a route of which another tunnel has the like, so that packets
// would go into that one. isNew says which of the tunnels are made. Tunnels that are there already
// stay.
func Beside(tunnels []nm.Tunnel, isNew func(i int) bool) error {
	type slot struct {
		dst    netip.Prefix
		tos    uint8
		metric int64 // -1 for the default
		table  uint32
	}
	var problems fault.List
	seen := make(map[slot]int)
	for i := range tunnels {
		for j := range i {
			if isNew(i) || isNew(j) {
				problems.Add(overlap(&tunnels[j], &tunnels[i]))
			}
		}
		for _, r := range tunnels[i].Routes {
			if len(r.Nexthops) > 0 || !r.Dst.IsValid() {
				continue
			}
			place := slot{r.Dst, r.TOS, -1, r.TableOrMain()}
			if r.Metric != nil {
				place.metric = int64(*r.Metric)
			}
			first, twice := seen[place]
			if twice && first != i && (isNew(i) || isNew(first)) {
				problems.Add(fault.Invalid("routes", "give one of them another metric, such as '"+r.Dst.String()+" metric 700'", "%s and %s both have a route to %s with the same metric",
					fault.Printable(tunnels[first].Name), fault.Printable(tunnels[i].Name), r.Dst))
			}
			if !twice {
				seen[place] = i
			}
		}
	}
	return problems.Err()
}

// overlap returns the problem of two tunnels with overlapping inner networks, or nil. Addresses for
// themselves have no network, and those of a link may be on each.
func overlap(a, b *nm.Tunnel) *fault.Error {
	for _, x := range a.Addresses {
		for _, y := range b.Addresses {
			if scoped := x.Addr().Is6() && x.Addr().IsLinkLocalUnicast(); !scoped && hasNet(x) && hasNet(y) && x.Overlaps(y) {
				return fault.Invalid("addresses", "give each tunnel a network of its own", "the inner networks of %s and %s overlap: %s and %s", fault.Printable(a.Name), fault.Printable(b.Name), x, y)
			}
		}
	}
	return nil
}

func hasNet(p netip.Prefix) bool { return !p.IsSingleIP() }
