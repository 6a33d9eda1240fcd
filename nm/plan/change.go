package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// RouteOp is a way to change the routes of a tunnel. The words are those of `ip route`.
type RouteOp string

// The ways to change routes.
const (
	// RouteAdd leaves a route that is there already. Another route in its place is an error.
	RouteAdd RouteOp = "add"
	// RouteReplace has another route in its place give way.
	RouteReplace RouteOp = "replace"
	// RouteDelete goes by the destination, and by whatever else is given.
	RouteDelete RouteOp = "delete"
)

// RouteChange is a request to change routes.
type RouteChange struct {
	Op     RouteOp
	Routes []routes.Route
	// Lines has the line of each route, where they come from a list. Errors name it then, and a
	// route that is not there need not be deleted.
	Lines []int
}

// RouteResult is the outcome of a request.
type RouteResult struct {
	Tunnel    string     // the interface's name
	Routes    []nm.Owned // the routes of the request, with the owner of each, and why
	Added     int
	Replaced  int
	Removed   int
	Unchanged int
	Notes     []string // the person should know them
	Inactive  bool     // the tunnel is down: the routes are set when it comes up
}

// ChangePlan is everything that a change of routes does, decided before anything is done.
type ChangePlan struct {
	Change  RouteChange
	Profile nm.Profile
	Before  keep.Kept // root keeps it now
	Kept    keep.Kept // root keeps it afterwards
	Result  RouteResult
	version nm.Version

	// the routes, the old ones first; Owner is empty where one was deleted
	have    []nm.Owned
	at      *list.Index[routes.Slot] // into have
	touched []bool                   // of have: a route of the request is there
}

// Routes decides everything about a change of the routes of the tunnel p.
func Routes(ctx context.Context, sys nm.System, p nm.Profile, change RouteChange) (*ChangePlan, error) {
	sys.Kernel = kernel.Once(sys.Kernel)
	m, err := sys.Profiles.Manager(ctx)
	if err != nil {
		return nil, err
	}
	before, err := keptToChange(ctx, sys, p)
	if err != nil {
		return nil, err
	}
	c := &ChangePlan{Change: change, Profile: p, Before: before, version: m.Version}
	c.Result.Tunnel = p.Tunnel.Name
	c.Result.Inactive = p.State == nm.StateInactive
	c.load()
	if err := errors.Join(c.carryOut()...); err != nil {
		return nil, err
	}
	if err := c.finish(ctx, sys); err != nil {
		return nil, err
	}
	if c.Before.Empty() || c.KeptDiffers() {
		return c, mayKeep(sys, c.Kept)
	}
	return c, nil
}

// KeptDiffers says whether root has anything to change.
func (c *ChangePlan) KeptDiffers() bool {
	return c.Kept.Pin != c.Before.Pin || !routes.EqualLists(c.Kept.Routes, c.Before.Routes)
}

// load notes the routes that are there.
func (c *ChangePlan) load() {
	own, kept := c.Profile.Tunnel.Routes, c.Before.Routes
	c.have = make([]nm.Owned, 0, len(own)+len(kept)+len(c.Change.Routes))
	c.touched = make([]bool, 0, cap(c.have))
	c.at = list.NewIndex(cap(c.have), func(i int) routes.Slot { return c.have[i].Route.Slot() })
	for i := range own {
		c.insert(nm.Owned{Route: &own[i], Owner: nm.OwnerProfile, Why: ""})
	}
	for i := range kept {
		c.insert(nm.Owned{Route: &kept[i], Owner: nm.OwnerKernel, Why: ""})
	}
}

func (c *ChangePlan) insert(o nm.Owned) {
	c.have, c.touched = append(c.have, o), append(c.touched, false)
	c.at.Put(o.Route.Slot(), len(c.have)-1)
}

// carryOut changes the list as the request says, and returns why it cannot be done.
func (c *ChangePlan) carryOut() []error {
	if c.Change.Op == RouteDelete {
		return c.deleteAll()
	}
	profiles := 0
	for _, o := range c.have {
		if o.Owner == nm.OwnerProfile {
			profiles++
		}
	}
	c.Result.Routes = nm.AssignRoutes(c.Change.Routes, profiles, c.version)
	var errs []error
	for i, o := range c.Result.Routes {
		if err := c.put(i, o); err != nil {
			errs = append(errs, c.lineError(i, err))
			if len(errs) == list.MaxToldErrors {
				break
			}
		}
	}
	return errs
}

// lineError names the line of the list that an error is about.
func (c *ChangePlan) lineError(i int, err error) error {
	if i >= len(c.Change.Lines) {
		return err
	}
	return fmt.Errorf("line %d: %w", c.Change.Lines[i], err)
}

// put adds a route, or puts it in the place of another.
func (c *ChangePlan) put(i int, o nm.Owned) error {
	t := &c.Profile.Tunnel
	var problems fault.List
	if problems.Add(nm.CheckGateways(t, o.Route), nm.CheckRouteFamily(t, o.Route)); len(problems) > 0 {
		return problems[0]
	}
	at, taken := c.at.Find(o.Route.Slot())
	if !taken {
		c.insert(o)
		c.touched[len(c.have)-1] = true
		c.Result.Added++
		return nil
	}
	if c.touched[at] {
		return fault.Invalid("route", "give each destination once, or with different metrics", "%s is there twice", o.Route.Dst)
	}
	c.touched[at] = true
	switch held := c.have[at]; {
	case held.Route.Equal(o.Route):
		c.Result.Routes[i].Owner = held.Owner
		c.Result.Unchanged++
	case c.Change.Op == RouteAdd:
		return &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: fmt.Sprintf("the tunnel has a route in the place of %s already: %s", o.Route, held.Route),
			Hint: "put the new one in its place with nmgre route replace, or give the new one another metric", Err: fault.ErrExists}
	default:
		c.have[at] = o
		c.Result.Replaced++
	}
	return nil
}

// deleteAll takes routes out of the list.
func (c *ChangePlan) deleteAll() []error {
	byDst := make(map[netip.Prefix][]int, len(c.Change.Routes))
	for i := range c.Change.Routes {
		byDst[c.Change.Routes[i].Dst] = nil
	}
	for at, o := range c.have {
		if _, asked := byDst[o.Route.Dst]; asked {
			byDst[o.Route.Dst] = append(byDst[o.Route.Dst], at)
		}
	}
	var errs []error
	for i, r := range c.Change.Routes {
		at, err := c.choose(r, byDst[r.Dst])
		if err != nil {
			if errs = append(errs, c.lineError(i, err)); len(errs) == list.MaxToldErrors {
				break
			}
			continue
		}
		if at < 0 {
			c.Result.Unchanged++
			continue
		}
		c.Result.Routes = append(c.Result.Routes, c.have[at])
		c.have[at].Owner = ""
		c.Result.Removed++
	}
	return errs
}

// choose returns the one of the candidates that r means. It is -1 if there is none, and that is no
// error.
func (c *ChangePlan) choose(r routes.Route, candidates []int) (int, error) {
	var found []int
	for _, at := range candidates {
		if o := c.have[at]; o.Owner != "" && r.Matches(*o.Route) {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(c.Change.Lines) > 0:
		return -1, nil
	case len(found) == 0:
		return -1, fault.Invalid("route", "nmgre route list "+fault.ShellWord(c.Profile.Tunnel.Name)+" shows what there is", "the tunnel has no route %s", r)
	}
	var have []string
	for _, at := range found {
		have = append(have, c.have[at].Route.String())
	}
	return -1, fault.Invalid("route", "say which: "+strings.Join(fault.FirstFew(have), ", or "), "%d routes of the tunnel are meant by %s", len(found), r)
}

// finish checks that this host can have the result.
func (c *ChangePlan) finish(ctx context.Context, sys nm.System) error {
	var fresh []routes.Route
	if c.Change.Op != RouteDelete {
		fresh = c.Change.Routes
	}
	pre, err := c.check(ctx, sys, fresh)
	if err != nil {
		return err
	}
	if c.Change.Op != RouteDelete {
		c.Result.Notes = slices.Concat(pre.notes, pre.offers())
	}
	t := c.Profile.Tunnel
	c.Kept = c.Before // its lists are not changed
	c.Kept.UUID, c.Kept.Name, c.Kept.Remote, c.Kept.Inner = c.Profile.UUID, t.Name, t.Remote, nm.InnerNetworks(t)
	c.Kept.Routes = c.Owned(nm.OwnerKernel, c.Before.Routes)
	c.Kept.Pin = pre.pin || c.Before.Pin && c.stillCovered()
	return nil
}

// check refuses new routes that this host cannot have.
func (c *ChangePlan) check(ctx context.Context, sys nm.System, fresh []routes.Route) (*preflight, error) {
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	pre := &preflight{t: c.Profile.Tunnel, sys: sys, links: links, version: c.version, owned: c.Result.Routes}
	if slices.ContainsFunc(fresh, namesDevice) { // only these need NetworkManager's profiles
		if pre.profiles, err = sys.Profiles.List(ctx); err != nil {
			return nil, err
		}
		if err := pre.nexthopDevices(fresh).Err(); err != nil {
			return nil, err
		}
	}
	if problem := pre.routeIsOwnNetwork(fresh); problem != nil {
		return nil, problem
	}
	return pre, pre.swallows(ctx, nil, fresh)
}

// namesDevice says whether a nexthop of the route names a device.
func namesDevice(r routes.Route) bool {
	return slices.ContainsFunc(r.Nexthops, func(hop routes.Nexthop) bool { return hop.Dev != "" })
}

// stillCovered says whether one of the routes covers the far end.
func (c *ChangePlan) stillCovered() bool {
	return slices.ContainsFunc(c.have, func(o nm.Owned) bool {
		return o.Owner != "" && nm.Covers(o.Route, c.Profile.Tunnel.Remote)
	})
}

// Owned returns the routes that have that owner. Very many routes are not copied where one of the
// lists that are there already has the same.
func (c *ChangePlan) Owned(owner nm.Owner, before []routes.Route) []routes.Route {
	var own []*routes.Route
	for _, o := range c.have {
		if o.Owner == owner {
			own = append(own, o.Route)
		}
	}
	for _, all := range [][]routes.Route{before, c.Change.Routes} {
		if areAll(own, all) {
			return all
		}
	}
	copied := make([]routes.Route, len(own))
	for i, r := range own {
		copied[i] = *r
	}
	return copied
}

// areAll says whether the routes are those of the list itself, in its order.
func areAll(own []*routes.Route, all []routes.Route) bool {
	if len(own) != len(all) {
		return false
	}
	for i, r := range own {
		if r != &all[i] {
			return false
		}
	}
	return true
}
