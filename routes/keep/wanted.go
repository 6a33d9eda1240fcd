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
	from   origins // of each of the routes
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

// origins tell where routes come from, one by one in their order. Very many come one after another
// from one file, and take no more memory than one.
type origins struct {
	runs []originRun
	n    int // how many routes there are
}

// originRun is routes that follow each other in a file.
type originRun struct {
	at    int // the number of the first one
	first keptRoute
}

// add notes where the next route comes from.
func (o *origins) add(from keptRoute) {
	last := len(o.runs) - 1
	if last < 0 || o.runs[last].route(o.n) != from {
		o.runs = append(o.runs, originRun{o.n, from})
	}
	o.n++
}

// precede notes where routes come from that stand before all others.
func (o *origins) precede(first []keptRoute) {
	all := origins{}
	for _, from := range first {
		all.add(from)
	}
	for _, r := range o.runs {
		all.runs = append(all.runs, originRun{r.at + all.n, r.first})
	}
	o.runs, o.n = all.runs, o.n+all.n
}

// of returns where the route with the number i comes from.
func (o *origins) of(i int) keptRoute {
	run, found := slices.BinarySearchFunc(o.runs, i, func(r originRun, i int) int { return r.at - i })
	if !found {
		run--
	}
	return o.runs[run].route(i)
}

// route returns where the i-th of all routes comes from if it is of the run.
func (r originRun) route(i int) keptRoute { return keptRoute{r.first.kept, r.first.index + i - r.at} }

// wanted derives the kernel's state from the files and from the tunnels that are up, but for
// the pins. It asks nobody.
func (s *state) wanted() wanted {
	w := wanted{forward: make(map[string][]string), links: make(map[string]*Kept), trouble: s.trouble, problems: s.problems}
	for i := range s.kept {
		k := &s.kept[i]
		up := s.isUp(*k)
		if up {
			w.routes = slices.Grow(w.routes, len(k.Routes))
		}
		vrf := kernel.VRF(s.links, kernel.Named(s.links, k.Name))
		for j := range k.Routes {
			s.addRoute(&w, keptRoute{k, j}, kernel.InVRF(&k.Routes[j], vrf), up)
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
	w.add(kernel.OwnRoute{Dev: dev, Route: r}, from)
}

func (w *wanted) add(r kernel.OwnRoute, from keptRoute) {
	w.routes = append(w.routes, r)
	w.from.add(from)
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
