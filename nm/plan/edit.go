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

// EditPlan is everything that [Host.Edit] will do, decided before anything is done.
type EditPlan struct {
	Profile nm.Profile // as it stands
	// with what root keeps: its routes behind the profile's, SNAT, forwarding, the MSS clamp
	Before  nm.Tunnel
	After   nm.Tunnel // likewise, with everything decided
	Changes []nm.FieldChange
	// the tunnel goes down and up: the link must be made anew. False for one that is down
	Flaps  bool
	Why    string     // why it flaps, or why it need not
	Routes []nm.Owned // the routes afterwards, with who holds each, and why
	Kept   keep.Kept  // what root keeps afterwards
	Steps  []Step
	Notes  []string // what the person should know before

	KeptBefore keep.Kept  // what root keeps now
	version    nm.Version // NetworkManager's
	kernel     kernel.Kernel
}

// Edit decides what an edit of the tunnel p does; profiles lists those that are there.
func Edit(ctx context.Context, sys nm.System, profiles func(context.Context) ([]nm.Profile, error), p nm.Profile, change func(*nm.Tunnel) error) (EditPlan, error) {
	kept, err := keptToChange(ctx, sys, p)
	if err != nil {
		return EditPlan{}, fault.Ended(ctx, err)
	}
	e := &editor{host: sys, list: profiles, profile: p, kept: kept, before: nm.WholeTunnel(p, kept)}
	wanted := e.before.Clone()
	if err := change(&wanted); err != nil {
		return EditPlan{}, err
	}
	plan, err := e.plan(ctx, wanted)
	return plan, fault.Ended(ctx, err)
}

// editor makes the plan of an edit.
type editor struct {
	host    nm.System
	list    func(context.Context) ([]nm.Profile, error)
	profile nm.Profile
	kept    keep.Kept
	before  nm.Tunnel
	pre     *preflight
}

// plan decides what is open in what is wanted, looks at the host, and puts the plan together.
func (e *editor) plan(ctx context.Context, wanted nm.Tunnel) (EditPlan, error) {
	e.follow(&wanted)
	if err := newProblems(e.before, wanted); err != nil {
		return EditPlan{}, err
	}
	version, err := ready(ctx, e.host, wanted)
	if err != nil {
		return EditPlan{}, err
	}
	if e.pre, err = survey(ctx, e.host, e.list, wanted); err != nil {
		return EditPlan{}, err
	}
	e.pre.version = version
	e.leaveItselfOut()
	if err := e.decide(ctx); err != nil {
		return EditPlan{}, err
	}
	// again: what was decided must fit what was given
	if err := newProblems(e.before, e.pre.t); err != nil {
		return EditPlan{}, err
	}
	if err := e.problems(ctx); err != nil {
		return EditPlan{}, err
	}
	return e.finish(ctx)
}

// newProblems returns what is wrong with after and was not with before.
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

// follow changes what followed from what is changed.
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
	known := list.NewSet(b.Routes)
	for i := range t.Routes {
		if known.Has(&t.Routes[i]) {
			rerouted(&t.Routes[i], old, now, b.Name, t.Name)
		}
	}
}

// rerouted replaces a gateway, and the name of a device. The route's lists are its own.
func rerouted(r *routes.Route, old, now netip.Addr, oldDev, dev string) {
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
	e.pre.profiles = slices.DeleteFunc(e.pre.profiles, func(p nm.Profile) bool { return p.UUID == e.profile.UUID })
	if dev := e.profile.Device; dev != "" {
		e.pre.links = slices.DeleteFunc(e.pre.links, func(l kernel.Link) bool { return l.Name == dev })
	}
}

// decide fills in what is open. Routes that are there already stay as they are.
func (e *editor) decide(ctx context.Context) error {
	p, b := e.pre, e.before
	wanted := p.t
	fits, err := e.mtuFits(ctx)
	if err != nil {
		return err
	}
	if fits && p.t.MTU == b.MTU {
		p.t.MTU = 0
	}
	kept, fresh := list.NewSet(b.Routes).Split(wanted.Routes)
	p.t.Routes = fresh
	p.decideInner()
	if b.Mode.IPv6Outer() { // NetworkManager's default differs from nmgre's, and stays where it is
		p.t.EncapLimit = wanted.EncapLimit
	}
	if e.outerChanged() || p.t.MTU == 0 && b.MTU != 0 || !p.t.Local.IsValid() {
		zero := p.t.MTU == 0 && b.MTU == 0 // the kernel's own MTU was wanted, and still is
		if zero {
			p.t.MTU = gre.MinMTU4
		}
		p.kernel = aside{e.host.Kernel, e.profile.Device, p.links}
		err = p.decideOuter(ctx)
		p.kernel = e.host.Kernel
		if zero {
			p.t.MTU = 0
		}
	}
	_, added := list.NewSet(kept).Split(p.t.Routes)
	p.t.Routes = append(kept, added...)
	e.assign()
	return err
}

// outerChanged says whether the packets that carry the tunnel go another way.
func (e *editor) outerChanged() bool {
	a, b := e.pre.t, e.before
	return a.Mode != b.Mode || a.Local != b.Local || a.Remote != b.Remote || a.Parent != b.Parent
}

// mtuFits says whether the MTU is what the present way to the far end leaves, and something is
// changed that it depends on: then it is computed anew.
func (e *editor) mtuFits(ctx context.Context) (bool, error) {
	a, b := e.pre.t, e.before
	if b.MTU == 0 || !e.outerChanged() && a.Encapsulation() == b.Encapsulation() {
		return false, nil
	}
	old := &preflight{t: b, kernel: e.host.Kernel, links: e.pre.links}
	hop, err := old.underlay(ctx)
	if errors.Is(err, fault.ErrInvalid) {
		return false, nil // no way leads there now
	}
	return err == nil && old.computeMTU(hop) == b.MTU, err
}

// aside is the kernel as it would answer if the tunnel had no routes: what it would send into dev
// goes by the best other way.
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

// assign decides who holds each route: whoever does now, and for new ones as [AssignRoutes] says.
func (e *editor) assign() {
	held, kept := list.NewSet(e.profile.Tunnel.Routes), list.NewSet(e.kept.Routes)
	p := e.pre
	var fresh []routes.Route
	n := 0
	p.owned = make([]nm.Owned, len(p.t.Routes))
	for i, r := range p.t.Routes {
		switch {
		case held.Has(&r):
			p.owned[i] = nm.Owned{Route: &p.t.Routes[i], Owner: nm.OwnerProfile, Why: ownerWhy(r, p.version)}
			n++
		case kept.Has(&r):
			p.owned[i] = nm.Owned{Route: &p.t.Routes[i], Owner: nm.OwnerKernel, Why: nm.KeptWhy(r, p.version)}
		default:
			fresh = append(fresh, r)
		}
	}
	assigned := nm.AssignRoutes(fresh, n, p.version)
	for i := range p.owned {
		if p.owned[i].Owner == "" {
			p.owned[i], assigned = assigned[0], assigned[1:]
		}
	}
}

func ownerWhy(r routes.Route, v nm.Version) string {
	_, why := nm.RouteOwner(r, v)
	return why
}

// problems returns why this host cannot have what is new.
func (e *editor) problems(ctx context.Context) error {
	b, all := e.before, e.pre
	var found fault.List
	if all.t.Name != b.Name {
		found.Add(all.nameTaken())
	}
	if e.outerChanged() || !gre.SameKey(all.t.InputKey, b.InputKey) {
		found.Add(all.duplicate())
	}
	news := *all // the same host, asked for what is new only
	news.t.Addresses = slices.DeleteFunc(slices.Clone(all.t.Addresses), func(a netip.Prefix) bool { return slices.Contains(b.Addresses, a) })
	_, news.t.Routes = list.NewSet(b.Routes).Split(all.t.Routes)
	news.t.SNAT = slices.DeleteFunc(slices.Clone(all.t.SNAT), func(s keep.SNAT) bool { return slices.Contains(b.SNAT, s) })
	found.Add(news.innerOverlap())
	found.Add(news.routeIsOwnNetwork())
	found.Add(news.snatSources()...)
	found.Add(news.nexthopDevices()...)
	if all.t.Remote != b.Remote { // whatever the tunnel has may lead to it
		news.t.Addresses, news.t.Routes = all.t.Addresses, all.t.Routes
	}
	swallows := errors.Join(news.swallows(ctx)...)
	all.notes, all.pin = news.notes, news.pin
	return errors.Join(found.Err(), swallows)
}

// finish puts the plan together.
func (e *editor) finish(ctx context.Context) (EditPlan, error) {
	p := e.pre
	kept, err := e.keptAfter(ctx)
	if err != nil {
		return EditPlan{}, err
	}
	kept.Stamp = e.kept.Stamp
	plan := EditPlan{Profile: e.profile, Before: e.before, After: p.t, Changes: nm.Diff(e.before, p.t), Routes: p.owned, Kept: kept,
		KeptBefore: e.kept, version: p.version, kernel: e.host.Kernel}
	if plan.KeptDiffers() {
		if err := errors.Join(mayKeep(e.host, kept), mayKeep(e.host, e.kept)); err != nil {
			return EditPlan{}, err
		}
		p.notes = slices.Concat(p.notes, forwardNotes(ctx, e.host, kept), HookNote(ctx, e.host, kept))
	}
	plan.Notes = p.notes
	plan.decideFlap()
	plan.Steps = plan.steps()
	return plan, nil
}

// keptAfter is what root keeps afterwards. The devices between which packets are forwarded stay as
// long as nothing about that is changed.
func (e *editor) keptAfter(ctx context.Context) (keep.Kept, error) {
	t, b := e.pre.t, e.before
	same := t.Forward == b.Forward && slices.Equal(t.SNAT, b.SNAT)
	if same {
		e.pre.t.Forward = false
	}
	k, err := e.pre.kept(ctx)
	e.pre.t.Forward = t.Forward
	if err != nil {
		return k, err
	}
	if same {
		k.Forward = slices.Clone(e.kept.Forward)
		for i, dev := range k.Forward {
			if dev == b.Name {
				k.Forward[i] = t.Name
			}
		}
	}
	k.UUID = e.profile.UUID
	k.Pin = e.pre.pin || e.kept.Pin && t.Remote == b.Remote && nm.CoversRemote(t)
	return k, nil
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
	t := p.After.Clone()
	t.Routes = nm.OwnedBy(p.Routes, nm.OwnerProfile)
	t.Forward = t.Forward && !p.version.Before(nm.ForwardVersion)
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

// CutsOff says whether the edit may cut off a session with the host at that address, such as the
// ssh client's: whether the kernel's way to it leads through what is changed. The zero address is
// no session. It asks the kernel, as it is before the edit.
func (p EditPlan) CutsOff(ctx context.Context, session netip.Addr) (bool, error) {
	session = session.Unmap().WithZone("")
	if !session.IsValid() || session.IsLoopback() || len(p.Changes) == 0 {
		return false, nil
	}
	hop, err := p.kernel.Lookup(ctx, kernel.Query{To: session})
	if errors.Is(err, fault.ErrUnreachable) {
		return false, nil
	}
	if err != nil {
		return false, fault.Ended(ctx, err)
	}
	if p.Up() && hop.Dev == p.Profile.Device {
		return p.Flaps || p.Before.MTU != p.After.MTU || !slices.Equal(p.Before.Addresses, p.After.Addresses) || !p.After.LeadsTo(session), nil
	}
	old := list.NewSet(p.Before.Routes)
	return slices.ContainsFunc(p.After.Routes, func(r routes.Route) bool {
		return !old.Has(&r) && r.TableOrMain() == routes.MainTable && r.Dst.Contains(session) && r.Dst.Bits() >= hop.Match.Bits()
	}), nil
}
