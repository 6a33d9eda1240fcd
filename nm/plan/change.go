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
	"nmgre/routes/list"
)

// keptToChange returns what root keeps for a tunnel. A line of it that cannot be read would be
// lost.
func keptToChange(ctx context.Context, h nm.System, p nm.Profile) (keep.Kept, error) {
	k, err := keep.Of(ctx, h.Store, p.UUID)
	if err == nil && len(k.Bad) > 0 {
		err = &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d of what is kept for %s cannot be read", k.Bad[0].Line, fault.Printable(p.Tunnel.Name)),
			Hint: "mend or remove that line first: it would be lost", Err: k.Bad[0].Err}
	}
	return k, err
}

// RouteOp is what is done with routes of a tunnel.
type RouteOp string

// The three.
const (
	// one that is there already is left; another in its place is an error
	RouteAdd     RouteOp = "add"
	RouteReplace RouteOp = "replace" // one that is in its place gives way
	RouteDelete  RouteOp = "delete"  // by destination, and by what else is said
)

// RouteChange is what is asked for.
type RouteChange struct {
	Op     RouteOp
	Routes []routes.Route
	// of each route, where they come from a list: errors name it then, and to delete what is not
	// there is none
	Lines []int
}

// RouteChanged says what has become of it.
type RouteChanged struct {
	Tunnel    string     // the interface's name
	Routes    []nm.Owned // those that were asked for, with who holds each, and why
	Added     int
	Replaced  int
	Removed   int
	Unchanged int
	Notes     []string // what the person should know
	Inactive  bool     // the tunnel is down: the routes are set when it comes up
}

// ChangePlan is a change while it is made.
type ChangePlan struct {
	Change  RouteChange
	Profile nm.Profile
	Before  keep.Kept // what root keeps now
	Kept    keep.Kept // what it shall keep
	version nm.Version

	have    []nm.Owned               // the routes, those of before first; Owner is empty where one was deleted
	at      *list.Index[routes.Slot] // into have
	touched []bool                   // of have: a route that was asked for is there
	Result  RouteChanged
}

// Routes decides everything, and changes nothing.
func Routes(ctx context.Context, h nm.System, p nm.Profile, change RouteChange) (*ChangePlan, error) {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return nil, err
	}
	before, err := keep.Of(ctx, h.Store, p.UUID)
	if err != nil {
		return nil, err
	}
	if len(before.Bad) > 0 {
		return nil, &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d of what is kept for %s cannot be read", before.Bad[0].Line, fault.Printable(p.Tunnel.Name)),
			Hint: "mend or remove that line first: it would be lost", Err: before.Bad[0].Err}
	}
	c := &ChangePlan{Change: change, Profile: p, Before: before, version: m.Version}
	c.Result.Tunnel = p.Tunnel.Name
	c.Result.Inactive = p.State == nm.StateInactive
	c.load()
	if err := errors.Join(c.carryOut()...); err != nil {
		return nil, err
	}
	if err := c.finish(ctx, h); err != nil {
		return nil, err
	}
	if c.Before.Empty() || c.KeptDiffers() {
		return c, mayKeep(h, c.Kept)
	}
	return c, nil
}

// KeptDiffers says whether root has to keep something else than before.
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

// carryOut does what is asked for to the list, and returns why it cannot be done.
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

// lineError says which line of the list an error is about.
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

// choose returns which of the routes with r's destination is meant; -1 if none is, and that is no
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

// finish looks whether this host can have the result.
func (c *ChangePlan) finish(ctx context.Context, h nm.System) error {
	t := c.Profile.Tunnel
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	var fresh []routes.Route
	if c.Change.Op != RouteDelete {
		fresh = c.Change.Routes
	}
	pre := &preflight{t: t.Clone(), links: links, kernel: h.Kernel, version: c.version, owned: c.Result.Routes}
	pre.t.Routes = fresh
	if err := c.checkDevices(ctx, h, pre); err != nil {
		return err
	}
	if problem := pre.routeIsOwnNetwork(); problem != nil {
		return problem
	}
	pre.t.Addresses = nil // they are there already
	if err := errors.Join(pre.swallows(ctx)...); err != nil {
		return err
	}
	if c.Change.Op != RouteDelete {
		c.Result.Notes = slices.Concat(pre.notes, pre.offers())
	}
	c.Kept = c.Before // whose lists are not changed
	c.Kept.UUID, c.Kept.Name, c.Kept.Remote, c.Kept.Inner = c.Profile.UUID, t.Name, t.Remote, nm.InnerNetworks(t)
	c.Kept.Routes = c.Owned(nm.OwnerKernel, c.Before.Routes)
	c.Kept.Pin = pre.pin || c.Before.Pin && c.stillCovered()
	return nil
}

// checkDevices asks NetworkManager for its profiles only where a nexthop names a device.
func (c *ChangePlan) checkDevices(ctx context.Context, h nm.System, pre *preflight) (err error) {
	named := func(r routes.Route) bool {
		return slices.ContainsFunc(r.Nexthops, func(hop routes.Nexthop) bool { return hop.Dev != "" })
	}
	if !slices.ContainsFunc(pre.t.Routes, named) {
		return nil
	}
	if pre.profiles, err = h.Profiles.List(ctx); err != nil {
		return err
	}
	return pre.nexthopDevices().Err()
}

// stillCovered says whether one of the routes covers the far end.
func (c *ChangePlan) stillCovered() bool {
	return slices.ContainsFunc(c.have, func(o nm.Owned) bool {
		r := o.Route
		return o.Owner != "" && r.TableOrMain() == routes.MainTable && r.Type.HasDevice() && !r.Dst.IsSingleIP() && r.Dst.Contains(c.Profile.Tunnel.Remote)
	})
}

// Owned returns the routes that have that owner. Very many routes are not copied where a list that
// is there already has just them.
func (c *ChangePlan) Owned(owner nm.Owner, before []routes.Route) []routes.Route {
	var own []*routes.Route
	for _, o := range c.have {
		if o.Owner == owner {
			own = append(own, o.Route)
		}
	}
	for _, list := range [][]routes.Route{before, c.Change.Routes} {
		if runThrough(own, list) {
			return list
		}
	}
	set := make([]routes.Route, len(own))
	for i, r := range own {
		set[i] = *r
	}
	return set
}

// runThrough says whether the routes are those of the list itself, in its order.
func runThrough(set []*routes.Route, list []routes.Route) bool {
	if len(set) != len(list) {
		return false
	}
	for i, r := range set {
		if r != &list[i] {
			return false
		}
	}
	return true
}
