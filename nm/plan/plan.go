package plan

import (
	"context"
	"fmt"
	"slices"

	"nmgre/nm"
	"nmgre/nm/advice"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Plan is a new tunnel with everything decided. It is data only.
type Plan struct {
	// Tunnel has a name, a local address, an MTU, the peer address if it can be derived, and the
	// route to it.
	Tunnel nm.Tunnel
	// FarEnd is the tunnel that the far end has to make.
	FarEnd nm.FarEnd
	Routes []nm.Owned // the tunnel's routes, each with its owner
	Rules  []nm.OwnedRule
	// Kept is the part that root keeps, still without a UUID. It is empty if NetworkManager can
	// hold everything.
	Kept  keep.Kept
	Steps []Step
	Notes []string // for the user to read before anything is done, such as a choice and its reason

	Over    keep.Takeover // of the link made by hand that the tunnel takes over; nil for a new link
	version nm.Version    // NetworkManager's
	Newest  uint64        // the highest Serial of all profiles at the time of the plan
}

// Profile returns the part of the tunnel that the profile holds.
func (p Plan) Profile() nm.Tunnel {
	return inProfile(p.Tunnel, nm.OwnedBy(p.Routes, nm.OwnerProfile), p.Rules, p.version)
}

// inProfile returns the part of a tunnel that a profile holds, with those of its routes.
func inProfile(t nm.Tunnel, held []routes.Route, rules []nm.OwnedRule, v nm.Version) nm.Tunnel {
	t.Routes = nil
	t = t.Clone()
	t.Routes, t.Rules = held, nm.OwnedRules(rules, nm.OwnerProfile)
	t.Forward = t.Forward && !v.Before(nm.ForwardingVersion)
	return t
}

// Profiles lists all profiles. The caller hands it in, since its way to list them may also remove
// the remains of killed processes.
type Profiles func(context.Context) ([]nm.Profile, error)

// Create decides everything about a new tunnel. want has passed [nm.Tunnel.Validate]. Errors are
// [fault.ErrInvalid] for problems of the request, joined if there are several, and
// [fault.ErrUnsupported], [fault.ErrNotPermitted] and [fault.ErrNoNetworkManager] for problems of
// the host.
func Create(ctx context.Context, sys nm.System, profiles Profiles, want nm.Tunnel) (Plan, error) {
	p, err := survey(ctx, sys, profiles, want.Clone())
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := p.decide(ctx); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	if err := p.t.Validate(); err != nil { // the decisions count too
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
	k := p.kept(forward, nm.OwnedBy(p.owned, nm.OwnerKernel))
	if err := mayKeep(p.sys, k); err != nil {
		return Plan{}, err
	}
	if err := p.warnPolicy(ctx, nil); err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	far, err := farEndBy(ctx, p.sys.Kernel, p.links, p.way, p.t)
	if err != nil {
		return Plan{}, fault.Ended(ctx, err)
	}
	p.notes = slices.Concat(p.notes, advice.Forward(ctx, p.sys, k), advice.Hook(ctx, p.sys, k), advice.Device(p.t, nm.Tunnel{}, p.way.LastingMTU()))
	p.notes = append(p.notes, far.Told()...)
	plan := Plan{Tunnel: p.t, FarEnd: far, Routes: p.owned, Rules: p.rules, Kept: k, Notes: p.notes, version: p.version, Newest: newest(p.profiles)}
	plan.Steps = plan.steps()
	return plan, nil
}

// newest returns the highest Serial.
func newest(profiles []nm.Profile) uint64 {
	var highest uint64
	for _, p := range profiles {
		highest = max(highest, p.Serial)
	}
	return highest
}

// survey reads the host's profiles and links, once for the whole plan of want, which it keeps. It
// fails if NetworkManager, the kernel or the caller's rights do not suffice for the tunnel.
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
	p := &preflight{sys: sys, t: want, version: m.Version, control: m.Control}
	if p.profiles, err = profiles(ctx); err != nil {
		return nil, err
	}
	p.links, err = sys.Kernel.Links(ctx)
	return p, err
}

// mayKeep refuses a plan that needs root if the caller is not root and cannot ask for root's
// rights.
func mayKeep(sys nm.System, k keep.Kept) error {
	if k.Empty() {
		return nil
	}
	err := sys.Keeper.MayKeep()
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: "NetworkManager cannot hold " + k.Summary() + ", and nmgre needs root for that", Err: err}
}

// unreadable refuses to change a kept file with a line that cannot be read: the line would be lost.
func unreadable(name string, k keep.Kept) error {
	if len(k.Bad) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.ErrInvalid, What: fmt.Sprintf("line %d of the file that root keeps for %s cannot be read", k.Bad[0].Line, fault.Printable(name)),
		Hint: "correct or remove that line first: the change would lose it", Err: k.Bad[0].Err}
}

// keptToChange returns the kept file of a tunnel. It fails if a line cannot be read.
func keptToChange(ctx context.Context, sys nm.System, p nm.Profile) (keep.Kept, error) {
	k, err := keep.Of(ctx, sys.Store, p.UUID)
	if err != nil {
		return k, err
	}
	return k, unreadable(p.Tunnel.Name, k)
}
