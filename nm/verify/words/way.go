package words

import (
	"fmt"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// MoreSpecific says whether a route won that is more specific than r.
func MoreSpecific(hop kernel.Hop, r routes.Route) bool {
	return hop.Match.IsValid() && hop.Match.Bits() > r.Dst.Bits()
}

// WrongWay says why another route won than r: it is more specific, or has a lower metric.
func WrongWay(r routes.Route, hop kernel.Hop) string {
	if MoreSpecific(hop, r) {
		return fmt.Sprintf("the more specific route to %s by %s takes them: ip route show %s", hop.Match, fault.Printable(hop.Dev), hop.Match)
	}
	return fmt.Sprintf("a route by %s with a lower metric takes them, and the tunnel's stands by until that is gone: ip route show %s", fault.Printable(hop.Dev), r.Dst)
}

// Standby words that r, which has a metric and is set, stands by for another tunnel: its route to
// the same network has a lower metric. It is empty where the packets take no tunnel, or for another
// reason.
func Standby(links []kernel.Link, r routes.Route, hop kernel.Hop) string {
	by := kernel.Named(links, hop.Dev)
	if r.Metric == nil || hop.Match != r.Dst || by == nil || by.GRE == nil {
		return ""
	}
	return fmt.Sprintf("it stands by: packets to %s go into the tunnel %s, by a lower metric", r.Dst, fault.Printable(hop.Dev))
}
