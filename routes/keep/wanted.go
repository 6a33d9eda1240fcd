package keep

import (
	"slices"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/rule"
)

// wanted is the state that the kernel is to have.
type wanted struct {
	routes []kernel.OwnRoute
	from   []keptRoute // of each of the routes
	rules  []Rule
	policy []rule.Rule // of the routing policy
	placed []*Kept     // the file of each of the policy's rules
	// the devices whose packets are forwarded, each with the UUIDs of the tunnels that want it
	forward map[string][]string
	links   map[string]*Kept // the tunnels whose links have options, by their devices
	// whether events of connections without a file may change any of this
	hookOthers bool
	routesStay bool // the routes cannot be decided
	trouble    []string
	problems   problems
}

// keptRoute is the place of a route in a kept file.
type keptRoute struct {
	kept  *Kept
	index int // into kept.Routes; -1 for the pin
}

// name names the route's tunnel, in a sentence about the route.
func (r keptRoute) name() string {
	if r.index < 0 {
		return r.kept.Name + ": the route to the far end"
	}
	return r.kept.Name
}

// wanted derives the kernel's state from the files and from the tunnels that are up, but for
// the pins. It asks nobody.
func (s *state) wanted() wanted {
	w := wanted{forward: make(map[string][]string), links: make(map[string]*Kept), trouble: s.trouble, problems: s.problems}
	for i := range s.kept {
		k := &s.kept[i]
		up := s.isUp(*k)
		w.grow(len(k.Routes), up)
		for j := range k.Routes {
			s.addRoute(&w, keptRoute{k, j}, &k.Routes[j], up)
		}
		// a LAN's device can be made anew
		w.hookOthers = w.hookOthers || slices.ContainsFunc(k.Forward, func(dev string) bool { return dev != k.Name })
		if !up {
			continue
		}
		for _, dev := range k.Forward {
			w.forward[dev] = append(w.forward[dev], k.UUID)
		}
		w.rules = append(w.rules, k.Rules()...)
		w.policy, w.placed = slices.Grow(w.policy, len(k.Policy)), slices.Grow(w.placed, len(k.Policy))
		for _, r := range k.Policy {
			w.policy, w.placed = append(w.policy, r), append(w.placed, k)
		}
		if k.Link.Any() {
			w.links[k.Name] = k
		}
	}
	return w
}

// grow makes room for n routes at once, if their tunnel is up.
func (w *wanted) grow(n int, up bool) {
	if up {
		w.routes, w.from = slices.Grow(w.routes, n), slices.Grow(w.from, n)
	}
}

// addRoute adds a route if its tunnel is up. Of a multipath route it adds the part whose devices
// are there.
func (s *state) addRoute(w *wanted, from keptRoute, r *routes.Route, up bool) {
	dev := from.kept.Name
	if len(r.Nexthops) > 0 {
		part := s.usablePart(w, *r, dev, up)
		if part == nil {
			return
		}
		r, dev = part.Route, part.Dev
	} else if !up {
		return
	}
	if !r.Type.HasDevice() || r.NexthopID != 0 {
		dev = ""
	}
	w.routes, w.from = append(w.routes, kernel.OwnRoute{Dev: dev, Route: r}), append(w.from, from)
}

// usablePart returns the route with those nexthops whose devices are there, or nil if no device is.
// A single nexthop that is left makes a plain route.
func (s *state) usablePart(w *wanted, r routes.Route, dev string, up bool) *kernel.OwnRoute {
	var left []routes.Nexthop
	for _, hop := range r.Nexthops {
		if hop.Dev != "" && hop.Dev != dev {
			w.hookOthers = true
		}
		if own := hop.Dev == "" || hop.Dev == dev; own && up || !own && s.usable(hop.Dev) {
			left = append(left, hop)
		}
	}
	switch len(left) {
	case 0:
		return nil
	case 1:
		only := left[0]
		if only.Dev != "" {
			dev = only.Dev
		}
		r = r.By(only)
		return &kernel.OwnRoute{Dev: dev, Route: &r}
	}
	r.Nexthops = left
	return &kernel.OwnRoute{Dev: dev, Route: &r}
}
