package plan

import (
	"context"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Plan is everything that making a tunnel does, decided before anything is done. It is data only.
type Plan struct {
	// Tunnel has everything decided: name, local address, MTU, the far end's inner address and the
	// route to it.
	Tunnel nm.Tunnel
	// FarEnd is the tunnel as its other end has to make it.
	FarEnd nm.Tunnel
	Routes []nm.Owned // the tunnel's routes, with the owner of each, and why
	// Kept is for root to keep, but for the UUID. It is empty if NetworkManager can hold
	// everything.
	Kept  keep.Kept
	Steps []Step
	Notes []string // the person should know them before, such as a choice and its reason

	version nm.Version // NetworkManager's
	Newest  uint64     // the highest Serial of the profiles that were looked at
}

// Profile is the tunnel as its profile holds it.
func (p Plan) Profile() nm.Tunnel { return inProfile(p.Tunnel, p.Routes, p.version) }

// inProfile returns the part of a tunnel that a profile of that version of NetworkManager holds.
func inProfile(t nm.Tunnel, owned []nm.Owned, v nm.Version) nm.Tunnel {
	t = t.Clone()
	t.Routes = nm.OwnedBy(owned, nm.OwnerProfile)
	t.Forward = t.Forward && !v.Before(nm.ForwardVersion)
	return t
}

// Profiles lists all profiles. Whoever plans hands it in, since listing may clean up on the way.
type Profiles func(context.Context) ([]nm.Profile, error)

// Create decides everything about a new tunnel. The tunnel that is wanted has been validated.
func Create(ctx context.Context, sys nm.System, profiles Profiles, want nm.Tunnel) (Plan, error) {
	p, err := survey(ctx, sys, profiles, want)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := p.decide(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := p.t.Validate(); err != nil { // again: the decisions must fit the request
		return Plan{}, err
	}
	if err := p.problems(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	return p.finish(ctx)
}

// finish puts the plan of a new tunnel together.
func (p *preflight) finish(ctx context.Context) (Plan, error) {
	forward, err := p.forwardDevices(ctx)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	k := p.kept(forward)
	if err := mayKeep(p.sys, k); err != nil {
		return Plan{}, err
	}
	far, err := FarEnd(ctx, p.sys.Kernel, p.t)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	p.notes = slices.Concat(p.notes, p.offers(), forwardNotes(ctx, p.sys, k), HookNote(ctx, p.sys, k))
	plan := Plan{Tunnel: p.t, FarEnd: far, Routes: p.owned, Kept: k, Notes: p.notes, version: p.version, Newest: newest(p.profiles)}
	plan.Steps = plan.steps()
	return plan, nil
}

func newest(profiles []nm.Profile) uint64 {
	var highest uint64
	for _, p := range profiles {
		highest = max(highest, p.Serial)
	}
	return highest
}

// survey checks that NetworkManager, the kernel and the caller's rights suffice for the tunnel, and
// reads the host's profiles and links. It is the one look at the host that a plan is made from.
func survey(ctx context.Context, sys nm.System, profiles Profiles, want nm.Tunnel) (*preflight, error) {
	sys.Kernel = kernel.Once(sys.Kernel)
	m, err := sys.Profiles.Manager(ctx)
	if err != nil {
		return nil, err
	}
	if err := sys.Kernel.Supports(want.Mode); err != nil {
		return nil, err
	}
	if m.Modify == nm.PermissionNo || m.Control == nm.PermissionNo {
		return nil, &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager does not let you make connections", Hint: fault.HintRoot}
	}
	p := &preflight{sys: sys, t: want.Clone(), version: m.Version}
	if p.profiles, err = profiles(ctx); err != nil {
		return nil, err
	}
	p.links, err = sys.Kernel.Links(ctx)
	return p, err
}

// mayKeep refuses a plan that needs root to those who are not root and cannot ask for it.
func mayKeep(sys nm.System, k keep.Kept) error {
	if k.Empty() {
		return nil
	}
	err := sys.Keeper.MayKeep()
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager cannot hold " + k.Summary() + ", and the rest needs root", Err: err}
}

// unreadable refuses to change kept lines of which one cannot be read: it would be lost.
func unreadable(name string, k keep.Kept) error {
	if len(k.Bad) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d of the lines that root keeps for %s cannot be read", k.Bad[0].Line, fault.Printable(name)),
		Hint: "mend or remove that line first: it would be lost", Err: k.Bad[0].Err}
}

// keptToChange returns what root keeps for a tunnel, if all of it can be read.
func keptToChange(ctx context.Context, sys nm.System, p nm.Profile) (keep.Kept, error) {
	k, err := keep.Of(ctx, sys.Store, p.UUID)
	if err != nil {
		return k, err
	}
	return k, unreadable(p.Tunnel.Name, k)
}
