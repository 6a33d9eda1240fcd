// Package weights finds out how routes with a weight leave the profiles of tunnels, where nmcli or
// an old nmgre has written them. NetworkManager joins those of several tunnels to one multipath
// route, and loses all of them when one tunnel goes down.
//
// Begin with [Changes].
package weights

import (
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// Change is the change that takes routes with a weight out of the profile of one tunnel.
type Change struct {
	UUID  string // of the profile
	moves []move
}

// move is the change of one route. to is nil if another tunnel's route has its nexthop.
type move struct {
	from *routes.Route // in a list of profiles; read only
	to   *routes.Route
}

// Changes returns the changes that take the routes with a weight out of the profile p, and those
// out of all others that NetworkManager joins with them. Joined routes become one multipath route
// of p, which root keeps. A route that stands alone becomes a plain one. kept has the kept routes
// of all tunnels: a nexthop that one of them has already is only taken out. The first change is
// p's, if p has one.
func Changes(p nm.Profile, all []nm.Profile, kept []keep.Kept) []Change {
	f := finder{p: p, held: heldHops(kept), moves: make(map[string][]move)}
	for _, o := range all {
		if o.UUID != p.UUID && o.Tunnel.Mode != 0 && o.State != nm.StateExternal {
			f.others = append(f.others, o)
		}
	}
	own := p.Tunnel.Routes
	for i := range own {
		if nm.IsWeighted(&own[i]) && !f.isMoved(p.UUID, &own[i]) {
			f.take(&own[i])
		}
	}
	f.takeHeld()
	var list []Change
	for _, o := range append([]nm.Profile{p}, f.others...) {
		if moves := f.moves[o.UUID]; len(moves) > 0 {
			list = append(list, Change{o.UUID, moves})
		}
	}
	return list
}

// finder finds the routes to move.
type finder struct {
	p      nm.Profile
	others []nm.Profile       // the other tunnels'
	held   map[keptHop]string // the UUID of the tunnel that root keeps a nexthop for
	moves  map[string][]move  // by the UUID of the profile
}

// keptHop is a nexthop of a multipath route, by its device.
type keptHop struct {
	slot routes.Slot
	dev  string
}

// heldHops returns the nexthops of the multipath routes that root keeps.
func heldHops(kept []keep.Kept) map[keptHop]string {
	held := make(map[keptHop]string)
	for _, k := range kept {
		for i := range k.Routes {
			for _, hop := range k.Routes[i].Nexthops {
				if hop.Dev == "" {
					hop.Dev = k.Name
				}
				held[keptHop{k.Routes[i].Slot(), hop.Dev}] = k.UUID
			}
		}
	}
	return held
}

func (f *finder) isHeld(dev string, r *routes.Route) bool {
	return f.held[keptHop{r.Slot(), dev}] != ""
}

func (f *finder) isMoved(uuid string, r *routes.Route) bool {
	return slices.ContainsFunc(f.moves[uuid], func(m move) bool { return m.from == r })
}

func (f *finder) move(uuid string, from, to *routes.Route) {
	f.moves[uuid] = append(f.moves[uuid], move{from, to})
}

// take moves the route r of p, and all that NetworkManager joins with it. Of several tunnels it
// joins only routes with a metric: without one, each tunnel's has another.
func (f *finder) take(r *routes.Route) {
	if f.isHeld(f.p.Tunnel.Name, r) {
		f.move(f.p.UUID, r, nil)
		return
	}
	whole := r.Clone()
	at := len(f.moves[f.p.UUID])
	f.move(f.p.UUID, r, &whole)
	for _, o := range append([]nm.Profile{f.p}, f.others...) {
		for i := range o.Tunnel.Routes {
			joined := &o.Tunnel.Routes[i]
			if joined == r || !areJoined(r, joined) {
				continue
			}
			hop := joined.Nexthops[0]
			if o.UUID != f.p.UUID {
				hop.Dev = o.Tunnel.Name
			}
			switch plain := joined.By(hop); {
			case f.isHeld(o.Tunnel.Name, joined):
				f.move(o.UUID, joined, nil)
			case r.Metric == nil && o.UUID != f.p.UUID:
				f.move(o.UUID, joined, &plain)
			default:
				f.move(o.UUID, joined, nil)
				whole.Nexthops = append(whole.Nexthops, hop)
			}
		}
	}
	if len(whole.Nexthops) == 1 {
		whole = r.By(r.Nexthops[0])
	}
	f.moves[f.p.UUID][at].to = &whole
}

// takeHeld takes the routes of others out whose nexthops root keeps for p already.
func (f *finder) takeHeld() {
	for _, o := range f.others {
		for i := range o.Tunnel.Routes {
			r := &o.Tunnel.Routes[i]
			if nm.IsWeighted(r) && f.held[keptHop{r.Slot(), o.Tunnel.Name}] == f.p.UUID && !f.isMoved(o.UUID, r) {
				f.move(o.UUID, r, nil)
			}
		}
	}
}

// areJoined says whether NetworkManager makes one route of the two: both have a weight, and they
// differ in their nexthops at most.
func areJoined(a, b *routes.Route) bool {
	if !nm.IsWeighted(a) || !nm.IsWeighted(b) {
		return false
	}
	restA, restB := a.By(routes.Nexthop{}), b.By(routes.Nexthop{})
	return restA.Equal(&restB)
}

// Make makes the change in the whole tunnel. It fails with [fault.ErrChanged] if a route is not
// there any more.
func (c Change) Make(t *nm.Tunnel) error {
	left := slices.Clone(c.moves)
	after := make([]routes.Route, 0, len(t.Routes))
	for i := range t.Routes {
		at := slices.IndexFunc(left, func(m move) bool { return m.from.Equal(&t.Routes[i]) })
		if at < 0 {
			after = append(after, t.Routes[i])
			continue
		}
		if to := left[at].to; to != nil {
			after = append(after, to.Clone())
		}
		left = slices.Delete(left, at, at+1)
	}
	if len(left) > 0 {
		return &fault.Error{Kind: fault.ErrChanged, What: "somebody else has changed the routes of " + fault.Printable(t.Name) + " meanwhile", Hint: "try again"}
	}
	t.Routes = after
	return nil
}
