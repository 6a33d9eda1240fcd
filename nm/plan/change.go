package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// RouteOp is a way to change the routes of a tunnel, named as in `ip route`.
type RouteOp string

// The ways to change routes.
const (
	// RouteAdd adds routes. A route that is there already stays. It is an error if a different
	// route has the same slot.
	RouteAdd RouteOp = "add"
	// RouteReplace adds routes, and removes different ones in the same slots.
	RouteReplace RouteOp = "replace"
	// RouteDelete deletes the routes that have the destination, and the other attributes, that are
	// given.
	RouteDelete RouteOp = "delete"
)

// RouteChange is a request to change routes.
type RouteChange struct {
	Op     RouteOp
	Routes []routes.Route
	// Lines has the line number of each route of a list, counted from 1. Errors name the line. With
	// Lines it is no error to delete a route that is not there. Lines is nil if there is no list.
	Lines []int
}

// RouteResult is the outcome of a [RouteChange].
type RouteResult struct {
	Tunnel    string     // the interface's name
	Routes    []nm.Owned // the routes of the request, each with its owner
	Added     int
	Replaced  int
	Removed   int
	Unchanged int
	Notes     []string // for the user to read
	Inactive  bool     // the tunnel is down: its routes are set when it comes up
}

// ChangePlan is a change of routes with everything decided.
type ChangePlan struct {
	Change  RouteChange
	Profile nm.Profile
	Before  keep.Kept // kept by root before the change
	Kept    keep.Kept // kept by root after it
	Result  RouteResult
	version nm.Version

	// the old routes, then the new ones; a deleted one has no Owner
	all     []nm.Owned
	at      *list.Index[routes.Slot] // of all
	touched []bool                   // for each of all: a route of the request has its slot
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
	change, flat := change.flattened(p.Tunnel.Name)
	change, notes, err := change.withMetrics(ctx, sys, p, before)
	if err != nil {
		return nil, err
	}
	c := &ChangePlan{Change: change, Profile: p, Before: before, version: m.Version}
	c.Result.Tunnel = p.Tunnel.Name
	c.Result.Notes = append(flat, notes...)
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

// KeptDiffers says whether the change alters the routes that root keeps.
func (c *ChangePlan) KeptDiffers() bool {
	return c.Kept.Pin != c.Before.Pin || !routes.EqualLists(c.Kept.Routes, c.Before.Routes)
}

// HookNote is [advice.Hook] for a change of the kept routes and rules. About those of before,
// verify and list say it.
func (c *ChangePlan) HookNote(ctx context.Context, sys nm.System) []string {
	if !c.KeptDiffers() {
		return nil
	}
	return advice.Hook(ctx, sys, c.Kept)
}

// load fills the list with the present routes.
func (c *ChangePlan) load() {
	own, kept := c.Profile.Tunnel.Routes, c.Before.Routes
	c.all = make([]nm.Owned, 0, len(own)+len(kept)+len(c.Change.Routes))
	c.touched = make([]bool, 0, cap(c.all))
	c.at = list.NewIndex(cap(c.all), func(i int) routes.Slot { return c.all[i].Route.Slot() })
	for i := range own {
		c.insert(nm.Owned{Route: &own[i], Owner: nm.OwnerProfile, Why: ""})
	}
	for i := range kept {
		c.insert(nm.Owned{Route: &kept[i], Owner: nm.OwnerKernel, Why: ""})
	}
}

func (c *ChangePlan) insert(o nm.Owned) {
	c.all, c.touched = append(c.all, o), append(c.touched, false)
	c.at.Put(o.Route.Slot(), len(c.all)-1)
}

// carryOut makes the requested change in the list. It returns the reasons why the change is not
// possible.
func (c *ChangePlan) carryOut() []error {
	if c.Change.Op == RouteDelete {
		return c.deleteAll()
	}
	inProfile := 0
	for _, o := range c.all {
		if o.Owner == nm.OwnerProfile {
			inProfile++
		}
	}
	c.Result.Routes = nm.AssignRoutes(c.Change.Routes, inProfile, c.version)
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

// lineError adds the number of the line to an error about the i-th route of a list.
func (c *ChangePlan) lineError(i int, err error) error {
	if i >= len(c.Change.Lines) {
		return err
	}
	return fmt.Errorf("line %d: %w", c.Change.Lines[i], err)
}

// put adds the i-th route of the request, or replaces the route in its slot.
func (c *ChangePlan) put(i int, o nm.Owned) error {
	t := &c.Profile.Tunnel
	var problems fault.List
	if problems.Add(nm.CheckGateways(t, o.Route), nm.CheckRouteFamily(t, o.Route)); len(problems) > 0 {
		return problems[0]
	}
	at, taken := c.at.Add(o.Route.Slot(), len(c.all))
	if !taken {
		c.noteOthers(o.Route)
		c.all, c.touched = append(c.all, o), append(c.touched, true)
		c.Result.Added++
		return nil
	}
	if c.touched[at] {
		return fault.Invalid("route", "give each destination once, or with different metrics", "%s is given twice", o.Route.Dst)
	}
	c.touched[at] = true
	switch held := c.all[at]; {
	case held.Route.Equal(o.Route):
		c.Result.Routes[i].Owner = held.Owner
		c.Result.Unchanged++
	case c.Change.Op == RouteAdd:
		return &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: fmt.Sprintf("%s conflicts with a route of the tunnel: %s", o.Route, held.Route),
			Hint: "replace the old route with nmgre route replace, or give the new one another metric", Err: fault.ErrExists}
	default:
		c.all[at] = o
		c.Result.Replaced++
	}
	return nil
}

// noteOthers names the routes that stay, though a single route was to replace another one.
func (c *ChangePlan) noteOthers(r *routes.Route) {
	if c.Change.Op != RouteReplace || len(c.Change.Routes) != 1 {
		return
	}
	for _, o := range c.all {
		if o.Route.Dst == r.Dst && o.Route.TableOrMain() == r.TableOrMain() {
			c.Result.Notes = append(c.Result.Notes, fmt.Sprintf("%s stays: a route with another metric is another route; to delete it: nmgre route delete %s %s",
				o.Route, fault.Operand(c.Profile.Tunnel.Name), fault.ShellWord(o.Route.String())))
		}
	}
}

// deleteAll deletes the routes of the request from the list.
func (c *ChangePlan) deleteAll() []error {
	byDst := make(map[netip.Prefix][]int, len(c.Change.Routes))
	for i := range c.Change.Routes {
		byDst[c.Change.Routes[i].Dst] = nil
	}
	for at, o := range c.all {
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
		c.Result.Routes = append(c.Result.Routes, c.all[at])
		c.all[at].Owner = ""
		c.Result.Removed++
	}
	return errs
}

// choose returns the only candidate that matches r. It returns -1 if nothing matches a route of a
// list, which is no error.
func (c *ChangePlan) choose(r routes.Route, candidates []int) (int, error) {
	var found []int
	for _, at := range candidates {
		if o := c.all[at]; o.Owner != "" && r.Matches(*o.Route) {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(c.Change.Lines) > 0:
		return -1, nil
	case len(found) == 0:
		return -1, fault.Invalid("route", "nmgre route list "+fault.Operand(c.Profile.Tunnel.Name)+" shows its routes", "the tunnel has no route %s", r)
	}
	var matches []string
	for _, at := range found {
		matches = append(matches, c.all[at].Route.String())
	}
	return -1, fault.Invalid("route", "give one of them: "+strings.Join(fault.FirstFew(matches), ", or "), "%d routes of the tunnel match %s", len(found), r)
}

// finish checks that this host can have the result, and completes the plan.
func (c *ChangePlan) finish(ctx context.Context, sys nm.System) error {
	var fresh []routes.Route
	if c.Change.Op != RouteDelete {
		fresh = c.Change.Routes
	}
	pre, err := c.check(ctx, sys, fresh)
	if err != nil {
		return err
	}
	if err := pre.held(ctx, c.Profile, !c.Before.Pin && len(fresh) > 0); err != nil {
		return err
	}
	if c.Change.Op != RouteDelete {
		c.Result.Notes = slices.Concat(c.Result.Notes, pre.notes)
	}
	t := c.Profile.Tunnel
	c.Kept = c.Before // the lists are shared, and not written to
	c.Kept.UUID, c.Kept.Name, c.Kept.Remote, c.Kept.Inner, c.Kept.PeerName = c.Profile.UUID, t.Name, t.Remote, t.InnerNetworks(), nm.FollowedAfter(c.Before, t, t)
	c.Kept.Routes = c.Owned(nm.OwnerKernel, c.Before.Routes)
	// a pin that none of the tunnel's own routes needed stays
	c.Kept.Pin = pre.pin || c.Before.Pin && (c.stillCovered() || !t.WithKept(c.Before).CoversRemote())
	return c.checkBound()
}

// checkBound refuses to change routes and rules that root keeps for another far end or interface
// than the profile's. They would move to the profile's unawares.
func (c *ChangePlan) checkBound() error {
	err := c.Before.Bound(c.Profile.Running(), nil)
	if c.Before.Empty() || err == nil {
		return nil
	}
	c.Kept.Name, c.Kept.Remote, c.Kept.Inner, c.Kept.Pin = c.Before.Name, c.Before.Remote, c.Before.Inner, c.Before.Pin
	if !c.KeptDiffers() {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, Field: "route", What: "root keeps routes and rules for another tunnel under this profile", Err: err}
}

// check refuses fresh routes that this host cannot have.
func (c *ChangePlan) check(ctx context.Context, sys nm.System, fresh []routes.Route) (*preflight, error) {
	links, err := sys.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	pre := &preflight{t: c.Profile.Tunnel.WithKept(keep.Kept{Policy: c.Before.Policy}), sys: sys, links: links, version: c.version, owned: c.Result.Routes}
	if slices.ContainsFunc(fresh, namesDevice) { // only these routes need the list of profiles
		if pre.profiles, err = sys.Profiles.List(ctx); err != nil {
			return nil, err
		}
		if err := pre.host().NexthopDevices(fresh).Err(); err != nil {
			return nil, err
		}
	}
	h := pre.host()
	if problem := cmp.Or(h.RouteIsOwnNetwork(fresh), h.RouteIsPart(fresh)); problem != nil {
		return nil, problem
	}
	return pre, pre.loops(ctx, nil, fresh)
}

// namesDevice says whether a nexthop of the route names a device.
func namesDevice(r routes.Route) bool {
	return slices.ContainsFunc(r.Nexthops, func(hop routes.Nexthop) bool { return hop.Dev != "" })
}

// stillCovered says whether a route of the result covers the far end's outer address.
func (c *ChangePlan) stillCovered() bool {
	return slices.ContainsFunc(c.all, func(o nm.Owned) bool {
		return o.Owner != "" && nm.Covers(o.Route, c.Profile.Tunnel.Remote)
	})
}

// Owned returns the routes of the result that owner holds. It does not copy them if they are
// exactly those of before, or of the request: there may be very many.
func (c *ChangePlan) Owned(owner nm.Owner, before []routes.Route) []routes.Route {
	var own []*routes.Route
	for _, o := range c.all {
		if o.Owner == owner {
			own = append(own, o.Route)
		}
	}
	for _, whole := range [][]routes.Route{before, c.Change.Routes} {
		if areAll(own, whole) {
			return whole
		}
	}
	copied := make([]routes.Route, len(own))
	for i, r := range own {
		copied[i] = *r
	}
	return copied
}

// areAll says whether own points to all items of the list, in its order.
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
