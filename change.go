package nmgre

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// RouteOp is what is done with routes of a tunnel.
type RouteOp string

// The three.
const (
	RouteAdd     RouteOp = "add"     // one that is there already is left; another in its place is an error
	RouteReplace RouteOp = "replace" // one that is in its place gives way
	RouteDelete  RouteOp = "delete"  // by destination, and by what else is said
)

// RouteChange is what is asked for.
type RouteChange struct {
	Op     RouteOp
	Routes []Route
	Lines  []int // of each route, where they come from a list: errors name it then, and to delete what is not there is none
}

// RouteChanged says what has become of it.
type RouteChanged struct {
	Tunnel    string  // the interface's name
	Routes    []Owned // those that were asked for, with who holds each, and why
	Added     int
	Replaced  int
	Removed   int
	Unchanged int
	Notes     []string // what the person should know
	Inactive  bool     // the tunnel is down: the routes are set when it comes up
}

// ChangeRoutes adds, replaces or deletes routes of a tunnel, which stays up meanwhile. All of it or nothing: what was done is taken back
// when anything fails, the end of ctx included.
func (h *Host) ChangeRoutes(ctx context.Context, name string, change RouteChange) (RouteChanged, error) {
	p, err := h.own(ctx, name)
	if err != nil {
		return RouteChanged{}, err
	}
	for try := 1; ; try++ {
		changed, err := h.changeRoutes(ctx, p, change)
		if !errors.Is(err, ErrChanged) || try == maxTries || ctx.Err() != nil {
			return changed, err
		}
		if p, err = h.Profiles.Get(ctx, p.UUID); err != nil {
			return RouteChanged{}, err
		}
	}
}

// maxTries is how often a change is made anew because somebody else has changed the same tunnel meanwhile.
const maxTries = 5

func (h *Host) changeRoutes(ctx context.Context, p Profile, change RouteChange) (RouteChanged, error) {
	c, err := planChange(ctx, h.System, p, change)
	if err != nil {
		return RouteChanged{}, withContext(ctx, err)
	}
	if err := c.apply(ctx, h); err != nil {
		return c.result, withContext(ctx, c.atLine(err))
	}
	c.result.Notes = append(c.result.Notes, hookNote(ctx, h.System, c.kept)...)
	return c.result, nil
}

// routeChange is a change while it is made.
type routeChange struct {
	change  RouteChange
	profile Profile
	before  Kept // what root keeps now
	kept    Kept // what it shall keep
	version Version

	have    []Owned    // the routes, those of before first; Owner is empty where one was deleted
	at      *slotIndex // into have
	touched []bool     // of have: a route that was asked for is there
	result  RouteChanged
}

// planChange decides everything, and changes nothing.
func planChange(ctx context.Context, h System, p Profile, change RouteChange) (*routeChange, error) {
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return nil, err
	}
	before, err := keptOf(ctx, h.Store, p.UUID)
	if err != nil {
		return nil, err
	}
	if len(before.Bad) > 0 {
		return nil, &Error{Kind: ErrInvalid, What: fmt.Sprintf("line %d of what is kept for %s cannot be read", before.Bad[0].Line, Printable(p.Tunnel.Name)),
			Hint: "mend or remove that line first: it would be lost", Err: before.Bad[0].Err}
	}
	c := &routeChange{change: change, profile: p, before: before, version: m.Version}
	c.result.Tunnel = p.Tunnel.Name
	c.result.Inactive = p.State == StateInactive
	c.load()
	if err := errors.Join(c.carryOut()...); err != nil {
		return nil, err
	}
	if err := c.finish(ctx, h); err != nil {
		return nil, err
	}
	if c.before.Empty() || c.keptDiffers() {
		return c, mayKeep(h, c.kept)
	}
	return c, nil
}

// keptDiffers says whether root has to keep something else than before.
func (c *routeChange) keptDiffers() bool {
	return c.kept.Pin != c.before.Pin || !equalRoutes(c.kept.Routes, c.before.Routes)
}

// keptOf returns what root keeps for a tunnel, nothing if there is nothing.
func keptOf(ctx context.Context, store Store, uuid string) (Kept, error) {
	k, err := store.Get(ctx, uuid)
	if errors.Is(err, ErrNotFound) {
		return Kept{UUID: uuid, Stamp: StampNone}, nil
	}
	return k, err
}

// load notes the routes that are there.
func (c *routeChange) load() {
	own, kept := c.profile.Tunnel.Routes, c.before.Routes
	c.have = make([]Owned, 0, len(own)+len(kept)+len(c.change.Routes))
	c.touched = make([]bool, 0, cap(c.have))
	c.at = newSlotIndex(cap(c.have), func(i int32) *Route { return c.have[i].Route })
	for i := range own {
		c.insert(Owned{&own[i], OwnerProfile, ""})
	}
	for i := range kept {
		c.insert(Owned{&kept[i], OwnerKernel, ""})
	}
}

func (c *routeChange) insert(o Owned) {
	c.have, c.touched = append(c.have, o), append(c.touched, false)
	c.at.put(int32(len(c.have) - 1)) //nolint:gosec // far fewer
}

// carryOut does what is asked for to the list, and returns why it cannot be done.
func (c *routeChange) carryOut() []error {
	if c.change.Op == RouteDelete {
		return c.deleteAll()
	}
	profiles := 0
	for _, o := range c.have {
		if o.Owner == OwnerProfile {
			profiles++
		}
	}
	c.result.Routes = AssignRoutes(c.change.Routes, profiles, c.version)
	var errs []error
	for i, o := range c.result.Routes {
		if err := c.put(i, o); err != nil {
			errs = append(errs, c.lineError(i, err))
			if len(errs) == maxToldErrors {
				break
			}
		}
	}
	return errs
}

// maxToldErrors bounds how many wrong routes of one request are told.
const maxToldErrors = 20

// lineError says which line of the list an error is about.
func (c *routeChange) lineError(i int, err error) error {
	if i >= len(c.change.Lines) {
		return err
	}
	return fmt.Errorf("line %d: %w", c.change.Lines[i], err)
}

// put adds a route, or puts it in the place of another.
func (c *routeChange) put(i int, o Owned) error {
	t := &c.profile.Tunnel
	for _, problem := range []*Error{checkGateways(t, o.Route), checkRouteFamily(t, o.Route)} {
		if problem != nil {
			return problem
		}
	}
	found, taken := c.at.find(o.Route.slot())
	at := int(found)
	if !taken {
		c.insert(o)
		c.touched[len(c.have)-1] = true
		c.result.Added++
		return nil
	}
	if c.touched[at] {
		return invalid("route", "give each destination once, or with different metrics", "%s is there twice", o.Route.Dst)
	}
	c.touched[at] = true
	switch held := c.have[at]; {
	case held.Route.Equal(o.Route):
		c.result.Routes[i].Owner = held.Owner
		c.result.Unchanged++
	case c.change.Op == RouteAdd:
		return &Error{Kind: ErrInvalid, Field: "route", What: fmt.Sprintf("the tunnel has a route in the place of %s already: %s", o.Route, held.Route),
			Hint: "put the new one in its place with nmgre route replace, or give the new one another metric", Err: ErrExists}
	default:
		c.have[at] = o
		c.result.Replaced++
	}
	return nil
}

// deleteAll takes routes out of the list.
func (c *routeChange) deleteAll() []error {
	byDst := make(map[netip.Prefix][]int, len(c.change.Routes))
	for i := range c.change.Routes {
		byDst[c.change.Routes[i].Dst] = nil
	}
	for at, o := range c.have {
		if _, asked := byDst[o.Route.Dst]; asked {
			byDst[o.Route.Dst] = append(byDst[o.Route.Dst], at)
		}
	}
	var errs []error
	for i, r := range c.change.Routes {
		at, err := c.choose(r, byDst[r.Dst])
		if err != nil {
			if errs = append(errs, c.lineError(i, err)); len(errs) == maxToldErrors {
				break
			}
			continue
		}
		if at < 0 {
			c.result.Unchanged++
			continue
		}
		c.result.Routes = append(c.result.Routes, c.have[at])
		c.have[at].Owner = ""
		c.result.Removed++
	}
	return errs
}

// choose returns which of the routes with r's destination is meant; -1 if none is, and that is no error.
func (c *routeChange) choose(r Route, candidates []int) (int, error) {
	var found []int
	for _, at := range candidates {
		if o := c.have[at]; o.Owner != "" && r.means(*o.Route) {
			found = append(found, at)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0 && len(c.change.Lines) > 0:
		return -1, nil
	case len(found) == 0:
		return -1, invalid("route", "nmgre route list "+shellQuote(c.profile.Tunnel.Name)+" shows what there is", "the tunnel has no route %s", r)
	}
	var have []string
	for _, at := range found {
		have = append(have, c.have[at].Route.String())
	}
	return -1, invalid("route", "say which: "+strings.Join(firstNames(have), ", or "), "%d routes of the tunnel are meant by %s", len(found), r)
}

// means says whether o is a route that r, given to delete it, may mean: as for `ip route del`, what r does not say does not count.
func (r Route) means(o Route) bool {
	return r.Dst == o.Dst && r.From == o.From && r.TOS == o.TOS && r.TableOrMain() == o.TableOrMain() &&
		(r.Type == TypeUnicast || r.Type == o.Type) &&
		(r.Metric == nil || o.Metric != nil && *r.Metric == *o.Metric) &&
		(!r.Via.IsValid() || r.Via == o.Via)
}

// finish looks whether this host can have the result.
func (c *routeChange) finish(ctx context.Context, h System) error {
	t := c.profile.Tunnel
	links, err := h.Kernel.Links(ctx)
	if err != nil {
		return err
	}
	var fresh []Route
	if c.change.Op != RouteDelete {
		fresh = c.change.Routes
	}
	pre := &preflight{t: t.Clone(), links: links, kernel: h.Kernel, version: c.version, owned: c.result.Routes}
	pre.t.Routes = fresh
	if err := c.checkDevices(ctx, h, pre); err != nil {
		return err
	}
	if err := joinProblems(pre.routeIsOwnNetwork()); err != nil {
		return err
	}
	pre.t.Addresses = nil // they are there already
	if err := errors.Join(pre.swallows(ctx)...); err != nil {
		return err
	}
	if c.change.Op != RouteDelete {
		c.result.Notes = slices.Concat(pre.notes, pre.offers())
	}
	c.kept = c.before // whose lists are not changed
	c.kept.UUID, c.kept.Name, c.kept.Remote, c.kept.Inner = c.profile.UUID, t.Name, t.Remote, innerNetworks(t)
	c.kept.Routes = c.owned(OwnerKernel, c.before.Routes)
	c.kept.Pin = pre.pin || c.before.Pin && c.stillCovered()
	return nil
}

// checkDevices asks NetworkManager for its profiles only where a nexthop names a device.
func (c *routeChange) checkDevices(ctx context.Context, h System, pre *preflight) (err error) {
	named := func(r Route) bool {
		return slices.ContainsFunc(r.Nexthops, func(hop Nexthop) bool { return hop.Dev != "" })
	}
	if !slices.ContainsFunc(pre.t.Routes, named) {
		return nil
	}
	if pre.profiles, err = h.Profiles.List(ctx); err != nil {
		return err
	}
	return errors.Join(pre.nexthopDevices()...)
}

// stillCovered says whether one of the routes covers the far end.
func (c *routeChange) stillCovered() bool {
	return slices.ContainsFunc(c.have, func(o Owned) bool {
		r := o.Route
		return o.Owner != "" && r.TableOrMain() == MainTable && r.Type.HasDevice() && !r.Dst.IsSingleIP() && r.Dst.Contains(c.profile.Tunnel.Remote)
	})
}

// owned returns the routes that have that owner. Very many routes are not copied where a list that is there already has just them.
func (c *routeChange) owned(owner Owner, before []Route) []Route {
	var own []*Route
	for _, o := range c.have {
		if o.Owner == owner {
			own = append(own, o.Route)
		}
	}
	for _, list := range [][]Route{before, c.change.Routes} {
		if runThrough(own, list) {
			return list
		}
	}
	routes := make([]Route, len(own))
	for i, r := range own {
		routes[i] = *r
	}
	return routes
}

// runThrough says whether the routes are those of the list itself, in its order.
func runThrough(routes []*Route, list []Route) bool {
	if len(routes) != len(list) {
		return false
	}
	for i, r := range routes {
		if r != &list[i] {
			return false
		}
	}
	return true
}

// apply makes the change, root's part before what is new in the profile, since the kernel may refuse it. A route that goes from the
// profile to root has to be out of the way before: to the kernel it is the same one.
func (c *routeChange) apply(ctx context.Context, h *Host) error {
	from := c.profile.Tunnel.Routes
	to := c.owned(OwnerProfile, from)
	// Where root asks, what is kept is put back too, though nothing of it changes.
	keeps := c.keptDiffers() || h.Kernel.CanChange() && !c.kept.Empty()
	staying := from
	if keeps {
		staying = common(from, to)
	}
	kept := false
	steps := []func() error{
		func() error { return c.changeProfile(ctx, h, from, staying) },
		func() error {
			if !keeps {
				return nil
			}
			e := Event{What: "set " + c.kept.summary(), Commands: c.ipCommands(), Detail: true}
			err := h.step(ctx, e, func() error { return h.keep(ctx, c.kept) })
			kept = err == nil
			return err
		},
		func() error { return c.changeProfile(ctx, h, staying, to) },
		func() error { return c.settle(ctx, h, staying, to) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return errors.Join(err, c.takeBack(ctx, h, [][]Route{to, staying, from}, kept))
		}
	}
	return nil
}

// settle puts back what is kept where NetworkManager has taken it along: before 1.56 it switches the IPv6 of a device off and on at every change.
func (c *routeChange) settle(ctx context.Context, h *Host, from, to []Route) error {
	inner := c.profile.Tunnel.Addresses
	v6 := slices.ContainsFunc(inner, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if !v6 || c.kept.Empty() || equalRoutes(from, to) || !h.Kernel.CanChange() {
		return nil // without root the hook does it, which NetworkManager calls for that
	}
	return h.converge(ctx, c.profile)
}

// common returns those of from that to has too.
func common(from, to []Route) []Route {
	in := indexOf(to)
	var both []Route
	for i := range from {
		if at, found := in.find(from[i].slot()); found && to[at].Equal(&from[i]) {
			both = append(both, from[i])
		}
	}
	return both
}

// changeProfile gives the profile other routes, as a step.
func (c *routeChange) changeProfile(ctx context.Context, h *Host, from, to []Route) error {
	if equalRoutes(from, to) {
		return nil
	}
	e := Event{What: "changed the profile's routes, and had the device use them", Commands: c.nmcliCommands(from, to), Detail: true}
	return h.step(ctx, e, func() error { return c.setRoutes(ctx, h, from, to) })
}

func (c *routeChange) setRoutes(ctx context.Context, h *Host, from, to []Route) error {
	if equalRoutes(from, to) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if from == nil {
		from = []Route{} // none at all, which is not the same as any
	}
	return h.Profiles.SetRoutes(ctx, c.profile.UUID, from, to)
}

// takeBack makes everything as it was. The profile may have any of the states.
func (c *routeChange) takeBack(ctx context.Context, h *Host, states [][]Route, kept bool) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var err error
	if kept {
		err = c.unkeep(undoing, h)
	}
	err = errors.Join(err, c.restore(undoing, h, states))
	if err != nil {
		err = &Error{What: "could not put back what was there before", Err: err, Hint: "see what is there with: nmgre route list " + shellQuote(c.profile.Tunnel.Name)}
	}
	return err
}

// unkeep takes back what root keeps of the change, and nothing that somebody else has changed since.
func (c *routeChange) unkeep(ctx context.Context, h *Host) error {
	for try := 1; ; try++ {
		now, err := keptOf(ctx, h.Store, c.profile.UUID)
		if err != nil {
			return err
		}
		back := c.before
		back.Stamp, back.Routes = now.Stamp, merged(now.Routes, c.kept.Routes, c.before.Routes)
		if err = h.keep(ctx, back); !errors.Is(err, ErrChanged) || try == maxTries {
			return err
		}
	}
}

// merged returns the list now with what has been made of the list old turned into what is in the list wanted, where it is still that.
func merged(now, old, wanted []Route) []Route {
	if equalRoutes(now, old) {
		return wanted
	}
	was, shall := indexOf(old), indexOf(wanted)
	var out []Route
	for i := range now {
		r := &now[i]
		at, known := was.find(r.slot())
		if !known || !old[at].Equal(r) { // somebody else's
			out = append(out, *r)
		} else if at, stays := shall.find(r.slot()); stays {
			out = append(out, wanted[at])
		}
	}
	has := indexOf(now)
	for i := range wanted {
		_, inOld := was.find(wanted[i].slot())
		if _, inNow := has.find(wanted[i].slot()); !inOld && !inNow {
			out = append(out, wanted[i])
		}
	}
	return out
}

// restore gives the profile its old routes, if it has those of one of the states, and not what somebody else has given it.
func (c *routeChange) restore(ctx context.Context, h *Host, states [][]Route) error {
	for _, state := range states {
		err := c.setRoutes(ctx, h, state, c.profile.Tunnel.Routes)
		if !errors.Is(err, ErrChanged) {
			return err
		}
	}
	return nil
}

// ipCommands are the ip commands that do the same to the kernel's routes; none for very many.
func (c *routeChange) ipCommands() []string {
	if len(c.result.Routes) > maxRouteSteps {
		return nil
	}
	word := map[RouteOp]string{RouteAdd: "add", RouteReplace: "replace", RouteDelete: "del"}[c.change.Op]
	return Kept{Name: c.profile.Tunnel.Name, Routes: OwnedBy(c.result.Routes, OwnerKernel)}.ipCommands(word)
}

// nmcliCommands are the nmcli commands that do the same to the profile.
func (c *routeChange) nmcliCommands(from, to []Route) []string {
	before, after := c.profile.Tunnel, c.profile.Tunnel
	before.Routes, after.Routes = from, to
	commands := modifyCommand(c.profile.UUID, before, after, false)
	if c.profile.Device != "" {
		commands = append(commands, "nmcli device reapply "+shellQuote(c.profile.Device))
	}
	return commands
}

// atLine puts the line into the errors about routes that the kernel refused.
func (c *routeChange) atLine(err error) error {
	if len(c.change.Lines) == 0 {
		return err
	}
	byText := make(map[string]int, len(c.change.Routes))
	walk(err, func(e *Error) {
		if e.Field != "route" {
			return
		}
		if len(byText) == 0 {
			for i, r := range c.change.Routes {
				byText[r.String()] = c.change.Lines[i]
			}
		}
		if line := byText[e.What]; line > 0 {
			e.What = "line " + strconv.Itoa(line) + ": " + e.What
		}
	})
	return err
}

// RouteState is a route of a tunnel as it stands.
type RouteState struct {
	Owned
	State string // "set", "missing", or "down" when the tunnel is
}

// The states of a route.
const (
	RouteSet     = "set"
	RouteMissing = "missing"
	RouteDown    = "down"
)

// Routes lists the routes of a tunnel, with who holds each and why, and whether the kernel has it.
func (h *Host) Routes(ctx context.Context, name string) (Profile, []RouteState, error) {
	p, err := h.Find(ctx, name)
	if err != nil {
		return p, nil, err
	}
	m, err := h.Profiles.Manager(ctx)
	if err != nil {
		return p, nil, err
	}
	k, err := keptOf(ctx, h.Store, p.UUID)
	if err != nil {
		return p, nil, err
	}
	missing, err := missing(ctx, h.Kernel, p.running(), k)
	if err != nil {
		return p, nil, err
	}
	held, err := h.heldBy(ctx, p)
	if err != nil {
		return p, nil, err
	}
	list := make([]RouteState, 0, len(p.Tunnel.Routes)+len(k.Routes))
	state := func(is bool) string {
		switch {
		case p.Device == "":
			return RouteDown
		case is:
			return RouteSet
		}
		return RouteMissing
	}
	for i := range p.Tunnel.Routes {
		r := &p.Tunnel.Routes[i]
		_, why := RouteOwner(*r, m.Version)
		list = append(list, RouteState{Owned{r, OwnerProfile, why}, state(held[profileSlot(*r)] || !r.Type.HasDevice())})
	}
	for i := range k.Routes { // not one is copied: there may be very many
		r := &k.Routes[i]
		list = append(list, RouteState{Owned{r, OwnerKernel, KeptWhy(*r, m.Version)}, state(!missing[i])})
	}
	return p, list, nil
}

// profileSlot is a route's slot without the metric where NetworkManager chooses it.
func profileSlot(r Route) routeSlot {
	s := r.slot()
	s.tos = r.TOS
	return s
}

// heldBy returns the slots of those routes into the tunnel's device that go where one of the profile's does, each with its metric and
// without.
func (h *Host) heldBy(ctx context.Context, p Profile) (map[routeSlot]bool, error) {
	held := make(map[routeSlot]bool)
	if p.Device == "" || len(p.Tunnel.Routes) == 0 {
		return held, nil
	}
	routes, err := h.Kernel.Routes(ctx, p.Device, oneOf(p.Tunnel.Routes))
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		s := r.slot()
		s.metric = int64(r.kernelMetric())
		held[s] = true
		s.metric = -1
		held[s] = true
	}
	return held, nil
}

// oneOf returns what says whether one of the routes has a destination.
func oneOf(routes []Route) func(netip.Prefix) bool {
	known := make(map[netip.Prefix]bool, len(routes))
	for i := range routes {
		known[routes[i].Dst] = true
	}
	return func(dst netip.Prefix) bool { return known[dst] }
}

// missing returns the indexes of those routes of k that the kernel does not have as they are, though the tunnel is up.
func missing(ctx context.Context, kernel Kernel, p Running, k Kept) (map[int]bool, error) {
	if len(k.Routes) == 0 || p.Device == "" {
		return nil, nil
	}
	links, err := kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	k.SNAT, k.Forward = nil, nil
	s := &scene{kept: []Kept{k}, links: links, states: map[string]Running{p.UUID: p}}
	w := s.want()
	result, err := kernel.SyncRoutes(ctx, w.routes, SyncOptions{DryRun: true})
	if err != nil {
		return nil, err
	}
	gone := make(map[int]bool)
	wanted := make([]bool, len(k.Routes))
	for _, o := range w.origins {
		wanted[o.index] = true
	}
	for i := range k.Routes {
		if !wanted[i] {
			gone[i] = true
		}
	}
	for _, i := range slices.Concat(result.Added, result.Replaced) {
		gone[w.origins[i].index] = true
	}
	for _, refusal := range result.Refused {
		gone[w.origins[refusal.Index].index] = true
	}
	return gone, nil
}
