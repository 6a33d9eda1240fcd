package plan

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/states"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// EditPlan is an edit of a tunnel with everything decided. It is data only.
type EditPlan struct {
	Profile nm.Profile // before the edit
	// Before is the whole tunnel before the edit, as [nm.Tunnel.WithKept] returns it.
	Before  nm.Tunnel
	After   nm.Tunnel // the whole tunnel after the edit
	Changes []nm.FieldChange
	// Flaps says that the tunnel goes down and up, since the edit needs a new link. It is false for
	// a tunnel that is down.
	Flaps  bool
	Raises bool   // the tunnel is down, and comes up
	Why    string // why the tunnel flaps, or why it need not
	Rules  []nm.OwnedRule
	// Pending has the settings that the profile had before the edit and the device had not.
	// Applying the edit applies them, too.
	Pending    nm.Pending
	KeptBefore keep.Kept // kept by root before the edit
	Kept       keep.Kept // kept by root after it
	// Drift has the differences of the kernel that the plan mends, in words. Then nothing changes.
	Drift []string
	Steps []Step
	Notes []string // for the user to read before anything is done

	version nm.Version // NetworkManager's; zero where nothing changes
	owned   []nm.Owned // the routes after the edit; nil where the list stays
}

// Edit decides everything about an edit of the tunnel p. change gets the whole tunnel and changes
// it, its routes by a new list: it must not write to the old one. Its error is returned as it is.
// The other errors are those of [Create]. A problem that the tunnel had before is no error.
func Edit(ctx context.Context, sys nm.System, profiles Profiles, p nm.Profile, change func(*nm.Tunnel) error) (EditPlan, error) {
	kept, err := keptToChange(ctx, sys, p)
	if err != nil {
		return EditPlan{}, fault.Ended(ctx, err)
	}
	e := newEditor(p, kept)
	wanted := e.before.Sharing()
	if err := e.change(&wanted, change); err != nil {
		return EditPlan{}, err
	}
	if routes.EqualLists(wanted.Routes, e.before.Routes) {
		wanted.Routes = e.before.Routes // from now on one look tells that they are the same
	}
	if !e.isElsewhere() && len(nm.Diff(e.before, wanted)) == 0 { // then the host need not be asked
		plan := EditPlan{Profile: p, Before: e.before, After: e.before, KeptBefore: kept, Kept: kept}
		plan.decideFlap()
		return plan, nil
	}
	e.follow(&wanted)
	if err := newProblems(e.before, wanted); err != nil {
		return EditPlan{}, err
	}
	plan, err := e.plan(ctx, sys, profiles, wanted)
	return plan, fault.Ended(ctx, err)
}

// decideFlap decides whether the tunnel must go down, or NetworkManager can apply the changes while
// it is up.
func (p *EditPlan) decideFlap() {
	if p.Profile.State == nm.StateInactive && p.Profile.Device == "" {
		p.Why = "the tunnel is down: the changes apply when it comes up"
		return
	}
	for _, c := range p.Changes {
		if !c.IsReapplied() {
			p.Flaps, p.Why = true, fmt.Sprintf("a change of %s needs a new link", c.Field)
			return
		}
	}
	if p.Pending.NewLink != "" && p.ProfileDiffers() {
		p.Flaps, p.Why = true, fmt.Sprintf("the tunnel does not run with a change of its profile (%s) that needs a new link", p.Pending.NewLink)
		return
	}
	p.Why = "NetworkManager applies the changes while the tunnel is up"
}

// pendingNote tells of changes of the profile that wait. It is empty if there are none.
func (p *EditPlan) pendingNote() []string {
	if p.Pending.None() {
		return nil
	}
	note := "somebody has changed the profile, and the tunnel does not run with that yet: " + p.Pending.String() + "; "
	if p.ProfileDiffers() {
		return []string{note + "this edit applies it, too"}
	}
	return []string{note + "apply it with: nmgre up " + fault.Operand(p.Before.Name)}
}

// ProfileAfter returns the part of the tunnel that the profile holds after the edit.
func (p EditPlan) ProfileAfter() nm.Tunnel {
	if len(p.Changes) == 0 {
		return p.Profile.Tunnel
	}
	held := p.Profile.Tunnel.Routes
	if p.owned != nil {
		held = nm.OwnedBy(p.owned, nm.OwnerProfile)
	}
	return inProfile(p.After, held, p.Rules, p.version).WithoutKept()
}

// Routes returns the routes after the edit, each with its owner. There are none where nothing
// changes.
func (p EditPlan) Routes() []nm.Owned {
	if p.owned != nil || p.version == (nm.Version{}) {
		return p.owned
	}
	own := len(p.Profile.Tunnel.Routes)
	return states.Owners(p.Before.Name, p.After.Routes[:own], p.After.Routes[own:], p.version)
}

// ProfileDiffers says whether the edit changes the profile.
func (p EditPlan) ProfileDiffers() bool { return !p.ProfileAfter().SameInProfile(p.Profile.Tunnel) }

// KeptDiffers says whether the edit changes the kept routes and rules.
func (p EditPlan) KeptDiffers() bool { return !keep.Same(p.KeptBefore, p.Kept) }

// KeptStays says whether the kernel keeps the kept routes and rules while NetworkManager applies
// the edit: the tunnel keeps its link and its addresses. Some NetworkManagers remove the IPv6
// addresses for a moment, and the kernel removes routes with them.
func (p EditPlan) KeptStays() bool {
	isIPv6 := func(a netip.Prefix) bool { return a.Addr().Is6() }
	return !p.Flaps && !p.Raises && p.Pending.None() && slices.Equal(p.Before.Addresses, p.After.Addresses) && !slices.ContainsFunc(p.After.Addresses, isIPv6)
}

// Settling returns the part of Kept to wait for after NetworkManager has applied the edit. It is
// empty where the kernel keeps them all: very many routes need not be compared once more.
func (p EditPlan) Settling() *keep.Kept {
	if p.KeptStays() {
		return &keep.Kept{UUID: p.Kept.UUID}
	}
	return &p.Kept
}

// Up says whether the tunnel was up when the plan was made.
func (p EditPlan) Up() bool { return p.Profile.State != nm.StateInactive }
