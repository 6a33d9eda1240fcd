package plan

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/nm/metric"
	"nmgre/nm/policy"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// editor makes the plan of an edit.
type editor struct {
	profile nm.Profile
	kept    keep.Kept
	before  nm.Tunnel       // the whole tunnel
	old     func() list.Set // the routes of before: most edits leave them alone
	pre     *preflight
	// the kept routes and rules are for another far end than the profile's, and the edit moves them
	// to the profile's
	moves bool
	moved []routes.Route // default routes that only follow the peer's address, and get no metric for that
}

func newEditor(p nm.Profile, kept keep.Kept) *editor {
	before := p.Tunnel.WithKept(kept)
	old := sync.OnceValue(func() list.Set { return list.NewSet(before.Routes) })
	return &editor{profile: p, kept: kept, before: before, old: old}
}

// change lets change make its changes. Where the kept routes and rules are for another far end than
// the profile's, they move only if change itself gives the far end: nobody may do that unawares.
func (e *editor) change(t *nm.Tunnel, change func(*nm.Tunnel) error) error {
	if !e.isElsewhere() {
		return change(t)
	}
	remote := t.Remote
	t.Remote = netip.Addr{}
	if err := change(t); err != nil {
		return err
	}
	if e.moves = t.Remote.IsValid(); !e.moves {
		t.Remote = remote
	}
	return nil
}

// isElsewhere says whether the kept routes and rules are for another far end than the profile's.
func (e *editor) isElsewhere() bool { return !e.kept.Empty() && e.kept.Remote != e.before.Remote }

// plan reads the host, decides the open fields, and puts the plan together.
func (e *editor) plan(ctx context.Context, sys nm.System, profiles Profiles, wanted nm.Tunnel) (EditPlan, error) {
	var err error
	if e.pre, err = survey(ctx, sys, profiles, wanted); err != nil {
		return EditPlan{}, err
	}
	e.hideTunnel()
	if err := e.decide(ctx); err != nil {
		return EditPlan{}, err
	}
	// the decisions count too
	if err := newProblems(e.before, e.pre.t); err != nil {
		return EditPlan{}, err
	}
	if err := e.problems(ctx); err != nil {
		return EditPlan{}, err
	}
	return e.finish(ctx)
}

// newProblems returns the problems of after that before did not have.
func newProblems(before, after nm.Tunnel) error {
	if sameForRoutes(before, after) {
		before.Routes, after.Routes = nil, nil
	}
	old := make(map[string]bool)
	for _, problem := range before.Problems() {
		old[problem.Error()] = true
	}
	var found fault.List
	for _, problem := range after.Problems() {
		if !old[problem.Error()] {
			found.Add(problem)
		}
	}
	return found.Err()
}

// sameForRoutes says whether the two have the same routes, and everything by which
// [nm.CheckRoutes] judges them.
func sameForRoutes(a, b nm.Tunnel) bool {
	return a.Name == b.Name && slices.Equal(a.Addresses, b.Addresses) && slices.Equal(a.Peers(), b.Peers()) && routes.EqualLists(a.Routes, b.Routes)
}

// split parts the old routes of a list from the new ones.
func (e *editor) split(all []routes.Route) (staying, fresh []routes.Route) {
	if routes.EqualLists(all, e.before.Routes) {
		return e.before.Routes, nil
	}
	return e.old().Split(all)
}

// follow changes the fields that were derived from changed fields.
func (e *editor) follow(t *nm.Tunnel) {
	b := e.before
	derived := b.PeerAddress == nm.DerivePeer(b.Addresses) || b.PeerAddress == b.ChoosePeer()
	if slices.Equal(t.Peers(), b.Peers()) && derived && !slices.Equal(t.Addresses, b.Addresses) {
		t.SetPeers(nil)
		t.PeerAddress = t.ChoosePeer()
	}
	old, now := b.PeerAddress, t.PeerAddress
	if old.IsValid() && !slices.Equal(t.Peers(), b.Peers()) {
		// the plan adds the new routes to the peers that need one
		t.Routes = slices.DeleteFunc(slices.Clone(t.Routes), b.IsRouteToPeer)
	}
	if !old.IsValid() || !now.IsValid() || now.Is4() != old.Is4() {
		now = old // the new address cannot be the gateway of the old routes
	}
	if now == old && t.Name == b.Name {
		return
	}
	t.Routes = slices.Clone(t.Routes)
	for i := range t.Routes {
		if e.old().Has(&t.Routes[i]) {
			t.Routes[i] = t.Routes[i].Clone()
			t.Routes[i].Reroute(old, now, b.Name, t.Name)
			if metric.IsPlainDefault(&t.Routes[i]) {
				e.moved = append(e.moved, t.Routes[i])
			}
		}
	}
}

// hideTunnel removes the tunnel that is edited from the profiles and links of the host.
func (e *editor) hideTunnel() {
	p := e.pre
	p.profiles = slices.DeleteFunc(p.profiles, func(o nm.Profile) bool { return o.UUID == e.profile.UUID })
	if dev := e.profile.Device; dev != "" {
		p.links = slices.DeleteFunc(slices.Clone(p.links), func(l kernel.Link) bool { return l.Name == dev })
	}
}

// decide fills in the fields that the request leaves open. Old routes stay as they are.
func (e *editor) decide(ctx context.Context) error {
	p, b := e.pre, e.before
	fits, err := e.mtuFits(ctx)
	if err != nil {
		return err
	}
	if fits && p.t.MTU == b.MTU {
		p.t.MTU = 0
	}
	if err := p.decidePort(b.Controller); err != nil {
		return err
	}
	p.decideInner()
	if !b.Mode.IPv6Outer() { // an old tunnel over IPv6 keeps its limit
		p.decideEncapLimit()
	}
	staying, fresh := e.split(p.t.Routes)
	p.flatten(fresh)
	held := staying
	if len(e.moved) > 0 {
		held = e.moved
	}
	if err := p.chooseMetrics(ctx, fresh, held); err != nil {
		return err
	}
	p.t.Routes = append(slices.Clip(staying), p.decideRoutes(fresh, p.t.Routes)...)
	e.assign()
	if err := p.decideRules(ctx, b.Rules, e.profile.Tunnel.Rules, e.kept.Policy); err != nil {
		return err
	}
	return e.decideOuter(ctx)
}

// decideOuter decides the local address and the MTU, if they are open or the way to the far end has
// changed. If the kernel has chosen the MTU, the choice stays the kernel's.
func (e *editor) decideOuter(ctx context.Context) error {
	p := e.pre
	computed := p.t.MTU == 0 && e.before.MTU != 0
	given := p.t.MTU != 0 && p.t.MTU != e.before.MTU
	if !e.outerChanged() && !computed && p.t.Local.IsValid() && !given {
		return nil
	}
	hop, err := p.wayOut(ctx, kernelWithout{p.sys.Kernel, e.profile.Device, p.links})
	if given && errors.Is(err, fault.ErrInvalid) && !e.outerChanged() && p.t.Local.IsValid() {
		return nil // there is no way now that the MTU could be compared with
	}
	if err != nil {
		return err
	}
	p.way = hop
	p.decideLocal(hop)
	if given || computed {
		if err := p.readIPsec(ctx, hop); err != nil {
			return err
		}
	}
	if given {
		p.noteMTU(hop)
	}
	if computed {
		p.decideMTU(hop)
	}
	return nil
}

// outerChanged says whether the edit may change the way of the packets that carry the tunnel.
func (e *editor) outerChanged() bool {
	a, b := e.pre.t, e.before
	return a.Mode != b.Mode || a.Local != b.Local || a.Remote != b.Remote || a.Parent != b.Parent
}

// mtuFits says whether the MTU has to be computed anew: it is the one that fits the present way to
// the far end, and the edit changes that way or the size of the headers.
func (e *editor) mtuFits(ctx context.Context) (bool, error) {
	a, b := e.pre.t, e.before
	if b.MTU == 0 || !e.outerChanged() && a.Encapsulation() == b.Encapsulation() && a.Link == b.Link {
		return false, nil
	}
	old := preflight{t: b}
	hop, err := old.underlay(ctx, e.pre.sys.Kernel)
	if errors.Is(err, fault.ErrInvalid) {
		return false, nil // there is no way to the far end now
	}
	if err != nil {
		return false, err
	}
	old.sys, old.links = e.pre.sys, e.pre.links
	// an MTU that was computed before there was IPsec was the fitting one, too
	err = old.readIPsec(ctx, hop)
	return fittingMTU(b, hop, nil) == b.MTU || fittingMTU(b, hop, old.ipsec) == b.MTU, err
}

// kernelWithout is a kernel that looks up ways as if the device dev had no routes: packets that
// would go into dev take the best other way.
type kernelWithout struct {
	kernel.Kernel
	dev   string
	links []kernel.Link
}

// Lookup implements [kernel.Kernel].
func (k kernelWithout) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	hop, err := k.Kernel.Lookup(ctx, q)
	if err != nil || k.dev == "" || hop.Dev != k.dev {
		return hop, err
	}
	other, err := keep.PinFor(ctx, k.Kernel, k.links, q.To)
	if err != nil {
		return kernel.Hop{}, err
	}
	if other == nil {
		return kernel.Hop{}, &fault.Error{Kind: fault.ErrUnreachable, What: "only the tunnel itself leads to " + q.To.String()}
	}
	return hopBy(other, k.links, q), nil
}

// assign decides the owner of each route, unless the list is that of before. Old routes keep their
// owner; [nm.AssignRoutes] decides for new ones.
func (e *editor) assign() {
	p := e.pre
	if routes.EqualLists(p.t.Routes, e.before.Routes) {
		return
	}
	held, kept := list.NewSet(e.profile.Tunnel.Routes), list.NewSet(e.kept.Routes)
	var fresh []routes.Route
	n := 0
	p.owned = make([]nm.Owned, len(p.t.Routes))
	for i := range p.t.Routes {
		switch r := &p.t.Routes[i]; {
		case held.Has(r):
			p.owned[i] = nm.Owned{Route: r, Owner: nm.OwnerProfile, Why: nm.WhyProfile(*r, e.before.Name)}
			n++
		case kept.Has(r):
			p.owned[i] = nm.Owned{Route: r, Owner: nm.OwnerKernel, Why: nm.WhyKernel(*r, p.version)}
		default:
			fresh = append(fresh, *r)
		}
	}
	assigned := nm.AssignRoutes(fresh, n, p.version)
	for i := range p.owned {
		if p.owned[i].Owner == "" {
			p.owned[i], assigned = assigned[0], assigned[1:]
		}
	}
}

// problems returns the reasons why this host cannot have the new parts of the tunnel.
func (e *editor) problems(ctx context.Context) error {
	p, b, h := e.pre, e.before, e.pre.host()
	addresses := without(p.t.Addresses, b.Addresses)
	_, fresh := e.split(p.t.Routes)
	var found fault.List
	if p.t.Name != b.Name {
		found.Add(h.NameTaken("keep " + b.Name))
	}
	if p.t.Flags != b.Flags {
		found.Add(h.FlagsTooNew())
	}
	if e.outerChanged() || !gre.SameKey(p.t.InputKey, b.InputKey) {
		sibling, err := h.Siblings(ctx)
		if err != nil {
			return err
		}
		found.Add(cmp.Or(h.Duplicate(), sibling))
	}
	found.Add(h.InnerOverlap(addresses), cmp.Or(h.RouteIsOwnNetwork(fresh), h.RouteIsPart(fresh)))
	found.Add(p.snatSources(without(p.t.SNAT, b.SNAT))...)
	found.Add(h.NexthopDevices(fresh)...)
	if p.t.Remote != b.Remote || e.moves { // any route of the tunnel may cover the new far end
		addresses, fresh = p.t.Addresses, p.t.Routes
	}
	if !slices.Equal(p.t.Rules, b.Rules) { // they may lead to any route of the tunnel
		if err := policy.Loops(ctx, policy.Without(p.sys.Kernel, b.Rules), p.t, p.links); err != nil {
			return errors.Join(found.Err(), err)
		}
	}
	return errors.Join(found.Err(), p.loops(ctx, addresses, fresh))
}

// without returns the items of from that are not in those.
func without[T comparable](from, those []T) []T {
	return slices.DeleteFunc(slices.Clone(from), func(item T) bool { return slices.Contains(those, item) })
}

// finish puts the plan together.
func (e *editor) finish(ctx context.Context) (EditPlan, error) {
	p := e.pre
	kept, err := e.keptAfter(ctx)
	if err != nil {
		return EditPlan{}, err
	}
	plan := EditPlan{Profile: e.profile, Before: e.before, After: p.t, Changes: nm.Diff(e.before, p.t), owned: p.owned, Rules: p.rules, Kept: kept,
		KeptBefore: e.kept, version: p.version}
	if !slices.Equal(p.t.Rules, e.before.Rules) || !routes.EqualLists(p.t.Routes, e.before.Routes) {
		if err := p.warnPolicy(ctx, e.before.Rules); err != nil {
			return EditPlan{}, err
		}
	}
	if plan.KeptDiffers() {
		if err := errors.Join(mayKeep(p.sys, kept), mayKeep(p.sys, e.kept)); err != nil {
			return EditPlan{}, err
		}
		p.notes = slices.Concat(p.notes, advice.Forward(ctx, p.sys, kept), advice.Hook(ctx, p.sys, kept))
	}
	if plan.Pending, err = e.pending(ctx, plan); err != nil {
		return EditPlan{}, err
	}
	if running := plan.Pending.Running; running != nil && running.Name != "" {
		plan.Profile.Device = running.Name
	}
	plan.Notes = slices.Concat(p.notes, advice.Device(p.t, e.before, p.way.LastingMTU()), plan.pendingNote())
	plan.decideFlap()
	if e.moves && p.t.Remote == e.before.Remote { // the profile has it already
		plan.Changes = append([]nm.FieldChange{{Field: "peer", Old: e.kept.Remote.String(), New: p.t.Remote.String()}}, plan.Changes...)
	}
	plan.Steps = plan.steps()
	return plan, nil
}

// pending compares the profile with its device, if there is something to apply. NetworkManager
// would ask a person for a password before it told one who needs it for other changes, too: nobody
// is asked while nothing is decided.
func (e *editor) pending(ctx context.Context, plan EditPlan) (nm.Pending, error) {
	if len(plan.Changes) == 0 || e.profile.Device == "" || e.pre.control != nm.PermissionYes {
		return nm.Pending{}, nil
	}
	return e.pre.sys.Profiles.Pending(ctx, e.profile.UUID)
}

// keptAfter returns the kept routes and rules after the edit.
func (e *editor) keptAfter(ctx context.Context) (keep.Kept, error) {
	t, b := e.pre.t, e.before
	forward, err := e.forwardAfter(ctx)
	if err := errors.Join(err, e.pre.held(ctx, e.profile, !e.kept.Pin)); err != nil {
		return keep.Kept{}, err
	}
	k := e.pre.kept(forward, e.keptRoutes())
	k.UUID, k.Stamp, k.PeerName = e.profile.UUID, e.kept.Stamp, nm.FollowedAfter(e.kept, b, t)
	// a pin that none of the tunnel's own routes needed stays
	k.Pin = e.pre.pin || e.kept.Pin && t.Remote == b.Remote && (t.CoversRemote() || !b.CoversRemote())
	if e.isElsewhere() && !e.moves {
		k.Remote, k.Pin = e.kept.Remote, e.kept.Pin
	}
	return k, nil
}

// keptRoutes returns the routes that root keeps after the edit: the list of before, if they are the
// same.
func (e *editor) keptRoutes() []routes.Route {
	after := nm.OwnedBy(e.pre.owned, nm.OwnerKernel)
	if e.pre.owned == nil || routes.EqualLists(after, e.kept.Routes) {
		return e.kept.Routes
	}
	return after
}

// forwardAfter returns the devices between which packets are forwarded after the edit. They stay
// the same unless the edit changes forwarding or SNAT.
func (e *editor) forwardAfter(ctx context.Context) ([]string, error) {
	t, b := e.pre.t, e.before
	if t.Forward != b.Forward || !slices.Equal(t.SNAT, b.SNAT) {
		return e.pre.forwardDevices(ctx)
	}
	devices := slices.Clone(e.kept.Forward)
	for i, dev := range devices {
		if dev == b.Name {
			devices[i] = t.Name
		}
	}
	return devices, nil
}
