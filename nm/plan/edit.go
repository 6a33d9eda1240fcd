package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
	"nmgre/routes/list"
)

// EditPlan is everything that an edit does, decided before anything is done. It is data only.
type EditPlan struct {
	Profile nm.Profile // as it stands
	// Before is the whole tunnel: root's routes follow the profile's, with SNAT, forwarding and the
	// MSS clamp.
	Before  nm.Tunnel
	After   nm.Tunnel // likewise, with everything decided
	Changes []nm.FieldChange
	// Flaps says that the tunnel goes down and up, because the link must be made anew. It is false
	// for a tunnel that is down.
	Flaps      bool
	Why        string     // why it flaps, or why it need not
	Routes     []nm.Owned // the routes afterwards, with the owner of each, and why
	KeptBefore keep.Kept  // root keeps it now
	Kept       keep.Kept  // root keeps it afterwards
	Steps      []Step
	Notes      []string // the person should know them before

	version nm.Version // NetworkManager's
}

// Edit decides everything about an edit of the tunnel p.
func Edit(ctx context.Context, sys nm.System, profiles Profiles, p nm.Profile, change func(*nm.Tunnel) error) (EditPlan, error) {
	kept, err := keptToChange(ctx, sys, p)
	if err != nil {
		return EditPlan{}, fault.Ended(ctx, err)
	}
	e := newEditor(p, kept)
	wanted := e.before.Clone()
	if err := change(&wanted); err != nil {
		return EditPlan{}, err
	}
	e.follow(&wanted)
	if err := newProblems(e.before, wanted); err != nil {
		return EditPlan{}, err
	}
	plan, err := e.plan(ctx, sys, profiles, wanted)
	return plan, fault.Ended(ctx, err)
}

// editor makes the plan of an edit.
type editor struct {
	profile nm.Profile
	kept    keep.Kept
	before  nm.Tunnel // whole
	old     list.Set  // its routes
	pre     *preflight
}

func newEditor(p nm.Profile, kept keep.Kept) *editor {
	before := nm.WholeTunnel(p, kept)
	return &editor{profile: p, kept: kept, before: before, old: list.NewSet(before.Routes)}
}

// plan looks at the host, decides what is open, and puts the plan together.
func (e *editor) plan(ctx context.Context, sys nm.System, profiles Profiles, wanted nm.Tunnel) (EditPlan, error) {
	var err error
	if e.pre, err = survey(ctx, sys, profiles, wanted); err != nil {
		return EditPlan{}, err
	}
	e.leaveItselfOut()
	if err := e.decide(ctx); err != nil {
		return EditPlan{}, err
	}
	// again: the decisions must fit the request
	if err := newProblems(e.before, e.pre.t); err != nil {
		return EditPlan{}, err
	}
	if err := e.problems(ctx); err != nil {
		return EditPlan{}, err
	}
	return e.finish(ctx)
}

// newProblems returns the problems that after has and before had not.
func newProblems(before, after nm.Tunnel) error {
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

// follow changes the fields that had followed from those that are changed.
func (e *editor) follow(t *nm.Tunnel) {
	b := e.before
	derived := b.PeerAddress == nm.DerivePeer(b.Addresses)
	if t.PeerAddress == b.PeerAddress && derived && !slices.Equal(t.Addresses, b.Addresses) {
		t.PeerAddress = nm.DerivePeer(t.Addresses)
	}
	old, now := b.PeerAddress, t.PeerAddress
	if old.IsValid() && old != now {
		// the plan adds the new one where it is needed
		t.Routes = slices.DeleteFunc(t.Routes, b.IsRouteToPeer)
	}
	if !old.IsValid() || !now.IsValid() || now.Is4() != old.Is4() {
		now = old // no gateway takes the place of the old one
	}
	for i := range t.Routes {
		if e.old.Has(&t.Routes[i]) {
			reroute(&t.Routes[i], old, now, b.Name, t.Name)
		}
	}
}

// reroute replaces a gateway, and the name of a device. The route's lists are its own.
func reroute(r *routes.Route, old, now netip.Addr, oldDev, dev string) {
	if old.IsValid() && r.Via == old {
		r.Via = now
	}
	for i := range r.Nexthops {
		hop := &r.Nexthops[i]
		if old.IsValid() && hop.Via == old {
			hop.Via = now
		}
		if hop.Dev == oldDev {
			hop.Dev = dev
		}
	}
}

// leaveItselfOut has the host looked at as if the tunnel were not there.
func (e *editor) leaveItselfOut() {
	p := e.pre
	p.profiles = slices.DeleteFunc(p.profiles, func(o nm.Profile) bool { return o.UUID == e.profile.UUID })
	if dev := e.profile.Device; dev != "" {
		p.links = slices.DeleteFunc(slices.Clone(p.links), func(l kernel.Link) bool { return l.Name == dev })
	}
}

// decide fills in what is open. Routes that are there already stay as they are.
func (e *editor) decide(ctx context.Context) error {
	p, b := e.pre, e.before
	fits, err := e.mtuFits(ctx)
	if err != nil {
		return err
	}
	if fits && p.t.MTU == b.MTU {
		p.t.MTU = 0
	}
	p.decideInner()
	if !b.Mode.IPv6Outer() { // the limit of a tunnel that has one stays
		p.decideEncapLimit()
	}
	staying, fresh := e.old.Split(p.t.Routes)
	p.t.Routes = append(staying, p.decideRoutes(fresh, p.t.Routes)...)
	e.assign()
	return e.decideOuter(ctx)
}

// decideOuter decides what depends on the way to the far end, where that is another or open. An MTU
// that is the kernel's own choice stays so.
func (e *editor) decideOuter(ctx context.Context) error {
	p := e.pre
	computed := p.t.MTU == 0 && e.before.MTU != 0
	if !e.outerChanged() && !computed && p.t.Local.IsValid() {
		return nil
	}
	hop, err := p.wayOut(ctx, aside{p.sys.Kernel, e.profile.Device, p.links})
	if err != nil {
		return err
	}
	p.decideLocal(hop)
	if computed {
		p.decideMTU(hop)
	}
	return nil
}

// outerChanged says whether the packets that carry the tunnel go another way.
func (e *editor) outerChanged() bool {
	a, b := e.pre.t, e.before
	return a.Mode != b.Mode || a.Local != b.Local || a.Remote != b.Remote || a.Parent != b.Parent
}

// mtuFits says whether the MTU is the one that the present way to the far end leaves, and something
// is changed that it depends on: then it is computed anew.
func (e *editor) mtuFits(ctx context.Context) (bool, error) {
	a, b := e.pre.t, e.before
	if b.MTU == 0 || !e.outerChanged() && a.Encapsulation() == b.Encapsulation() {
		return false, nil
	}
	old := preflight{t: b}
	hop, err := old.underlay(ctx, e.pre.sys.Kernel)
	if errors.Is(err, fault.ErrInvalid) {
		return false, nil // no way leads there now
	}
	return err == nil && fittingMTU(b, hop) == b.MTU, err
}

// aside is the kernel as it would answer if the tunnel had no routes: packets that it would send
// into dev go by the best other way.
type aside struct {
	kernel.Kernel
	dev   string
	links []kernel.Link
}

func (k aside) Lookup(ctx context.Context, q kernel.Query) (kernel.Hop, error) {
	hop, err := k.Kernel.Lookup(ctx, q)
	if err != nil || k.dev == "" || hop.Dev != k.dev {
		return hop, err
	}
	other, err := keep.PinFor(ctx, k.Kernel, k.links, q.To)
	if err != nil {
		return kernel.Hop{}, err
	}
	if other == nil {
		return kernel.Hop{}, &fault.Error{Kind: fault.ErrUnreachable, What: "nothing but the tunnel itself leads to " + q.To.String()}
	}
	link := kernel.Named(k.links, other.Dev)
	hop = kernel.Hop{Dev: other.Dev, Via: other.Route.Via, Src: q.From, Match: other.Route.Dst, MTU: link.MTU}
	for _, own := range link.Addresses {
		if !hop.Src.IsValid() && own.Addr().Is4() == q.To.Is4() && !own.Addr().IsLinkLocalUnicast() {
			hop.Src = own.Addr()
		}
	}
	return hop, nil
}

// assign decides the owner of each route: the present one, and for new routes as
// [nm.AssignRoutes] says.
func (e *editor) assign() {
	held, kept := list.NewSet(e.profile.Tunnel.Routes), list.NewSet(e.kept.Routes)
	p := e.pre
	var fresh []routes.Route
	n := 0
	p.owned = make([]nm.Owned, len(p.t.Routes))
	for i := range p.t.Routes {
		switch r := &p.t.Routes[i]; {
		case held.Has(r):
			_, why := nm.RouteOwner(*r, p.version)
			p.owned[i] = nm.Owned{Route: r, Owner: nm.OwnerProfile, Why: why}
			n++
		case kept.Has(r):
			p.owned[i] = nm.Owned{Route: r, Owner: nm.OwnerKernel, Why: nm.KeptWhy(*r, p.version)}
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

// problems returns why this host cannot have the new parts of the tunnel.
func (e *editor) problems(ctx context.Context) error {
	p, b := e.pre, e.before
	addresses := without(p.t.Addresses, b.Addresses)
	_, fresh := e.old.Split(p.t.Routes)
	var found fault.List
	if p.t.Name != b.Name {
		found.Add(p.nameTaken())
	}
	if e.outerChanged() || !gre.SameKey(p.t.InputKey, b.InputKey) {
		found.Add(p.duplicate())
	}
	found.Add(p.innerOverlap(addresses), p.routeIsOwnNetwork(fresh))
	found.Add(p.snatSources(without(p.t.SNAT, b.SNAT))...)
	found.Add(p.nexthopDevices(fresh)...)
	if p.t.Remote != b.Remote { // any route of the tunnel may lead to it
		addresses, fresh = p.t.Addresses, p.t.Routes
	}
	return errors.Join(found.Err(), p.swallows(ctx, addresses, fresh))
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
	plan := EditPlan{Profile: e.profile, Before: e.before, After: p.t, Changes: nm.Diff(e.before, p.t), Routes: p.owned, Kept: kept,
		KeptBefore: e.kept, version: p.version}
	if plan.KeptDiffers() {
		if err := errors.Join(mayKeep(p.sys, kept), mayKeep(p.sys, e.kept)); err != nil {
			return EditPlan{}, err
		}
		p.notes = slices.Concat(p.notes, forwardNotes(ctx, p.sys, kept), HookNote(ctx, p.sys, kept))
	}
	plan.Notes = p.notes
	plan.decideFlap()
	plan.Steps = plan.steps()
	return plan, nil
}

// keptAfter is for root to keep afterwards.
func (e *editor) keptAfter(ctx context.Context) (keep.Kept, error) {
	t, b := e.pre.t, e.before
	forward, err := e.forwardAfter(ctx)
	if err != nil {
		return keep.Kept{}, err
	}
	k := e.pre.kept(forward)
	k.UUID, k.Stamp = e.profile.UUID, e.kept.Stamp
	k.Pin = e.pre.pin || e.kept.Pin && t.Remote == b.Remote && nm.CoversRemote(t)
	return k, nil
}

// forwardAfter are the devices between which packets are forwarded afterwards. They stay as long as
// neither forwarding nor SNAT is changed.
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

// decideFlap says whether NetworkManager can apply the changes while the tunnel is up.
func (p *EditPlan) decideFlap() {
	if p.Profile.State == nm.StateInactive && p.Profile.Device == "" {
		p.Why = "the tunnel is down: it is changed when it comes up"
		return
	}
	for _, c := range p.Changes {
		if !c.IsReapplied() {
			p.Flaps = true
			p.Why = fmt.Sprintf("the link must be made anew for another %s", c.Field)
			return
		}
	}
	p.Why = "NetworkManager applies it while the tunnel is up"
}

// ProfileAfter is the tunnel as its profile holds it afterwards.
func (p EditPlan) ProfileAfter() nm.Tunnel {
	t := inProfile(p.After, p.Routes, p.version)
	t.SNAT, t.ClampMSS = nil, false
	return t
}

// ProfileDiffers says whether NetworkManager has anything to change.
func (p EditPlan) ProfileDiffers() bool {
	return !nm.SameTunnel(p.ProfileAfter(), p.Profile.Tunnel)
}

// KeptDiffers says whether root has anything to change.
func (p EditPlan) KeptDiffers() bool { return !keep.Same(p.KeptBefore, p.Kept) }

// Up says whether the tunnel was up when the plan was made.
func (p EditPlan) Up() bool { return p.Profile.State != nm.StateInactive }

// CutsOff says whether the edit may cut off a session with the host at that address, to which the
// kernel leads by hop before the edit.
func (p EditPlan) CutsOff(session netip.Addr, hop kernel.Hop) bool {
	if p.Up() && hop.Dev == p.Profile.Device {
		return p.Flaps || p.Before.MTU != p.After.MTU || !slices.Equal(p.Before.Addresses, p.After.Addresses) || !p.After.LeadsTo(session)
	}
	_, fresh := list.NewSet(p.Before.Routes).Split(p.After.Routes)
	return slices.ContainsFunc(fresh, func(r routes.Route) bool {
		return r.TableOrMain() == routes.MainTable && r.Dst.Contains(session) && r.Dst.Bits() >= hop.Match.Bits()
	})
}
