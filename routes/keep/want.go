package keep

import (
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// Want is everything that the kernel is to have for the kept parts of tunnels, but for the pins.
// The strings are the UUIDs of the tunnels.
type Want struct {
	Up       []Kept // those that are up, and may be carried out
	Routes   []kernel.OwnRoute
	RouteOf  func(i int) string // the tunnel of the route with that index
	Policy   []rule.Rule        // of the routing policy
	PolicyOf func(i int) string
	Rules    []Rule              // of nftables
	Forward  map[string][]string // the tunnels that want the packets of a device forwarded
}

// WantOf returns what the kernel is to have for those tunnels that are up. links are the host's,
// and running the profiles of the tunnels. It asks nobody.
func WantOf(links []kernel.Link, kept []Kept, running []Running) Want {
	s := &state{links: links, running: make(map[string]Running, len(running))}
	for _, p := range running {
		s.running[p.UUID] = p
	}
	s.addBound(kept)
	w := s.wanted()
	all := Want{Routes: w.routes, Policy: w.policy, Rules: w.rules, Forward: w.forward}
	all.RouteOf = func(i int) string { return w.from.of(i).kept.UUID }
	all.PolicyOf = func(i int) string { return w.placed[i].UUID }
	for _, k := range s.kept {
		if s.isUp(k) {
			all.Up = append(all.Up, k)
		}
	}
	return all
}
