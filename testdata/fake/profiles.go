package fake

import (
	"context"
	"slices"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// Profile is a profile of NetworkManager's.
type Profile struct {
	nm.Profile
	owner   *Process    // which has it on trial, or edits it; nil for a saved profile
	old     *nm.Profile // before an edit that is not saved
	world   *World
	applied *nm.Tunnel // as its device was activated; nil if it has none
}

// listed returns the profile as NetworkManager lists it.
func (f *Profile) listed() nm.Profile {
	profile := f.Profile
	profile.Tunnel = profile.Tunnel.Clone()
	profile.Abandoned = profile.Abandoned || f.owner != nil && f.owner.Dead
	if f.With != "" {
		first := f.world.Profile(f.With)
		profile.Trial = first == nil || first.Trial
	}
	if f.old != nil {
		profile.Edit = &nm.Edit{Before: f.old.Tunnel.Clone(), Up: f.old.State != nm.StateInactive}
	}
	return profile
}

var errVanished = &fault.Error{Kind: fault.ErrNotFound, What: "there is no such profile"}

func (p *Process) Manager(ctx context.Context) (m nm.Manager, err error) {
	err = p.call(ctx, "Manager", func() error { m, err = p.NM, p.NMErr; return err })
	return m, err
}

func (p *Process) List(ctx context.Context) (list []nm.Profile, err error) {
	err = p.call(ctx, "List", func() error {
		for _, f := range p.Profiles {
			profile := f.listed()
			profile.Path = "" // as on a host with very many tunnels
			list = append(list, profile)
		}
		return nil
	})
	return nm.TellAlone(list), err
}

func (p *Process) Serials(ctx context.Context) (serials []uint64, err error) {
	err = p.call(ctx, "Serials", func() error {
		for _, f := range p.Profiles {
			serials = append(serials, f.Serial)
		}
		return nil
	})
	return serials, err
}

func (p *Process) Exists(ctx context.Context, uuid string) error {
	return p.call(ctx, "Exists", func() error {
		if !slices.ContainsFunc(p.Profiles, func(f *Profile) bool { return f.UUID == uuid }) {
			return errVanished
		}
		return nil
	})
}

func (p *Process) Get(ctx context.Context, uuid string) (profile nm.Profile, err error) {
	err = p.call(ctx, "Get", func() error {
		for _, f := range p.Profiles {
			if f.UUID == uuid {
				profile = f.listed()
				profile.Alone = !slices.ContainsFunc(p.Profiles, func(o *Profile) bool { return o.UUID != uuid && o.ID == f.ID })
				return nil
			}
		}
		return &fault.Error{Kind: fault.ErrNotFound, What: "no profile " + uuid}
	})
	return profile, err
}

func (p *Process) Add(ctx context.Context, uuid string, t nm.Tunnel) error {
	return p.call(ctx, "Add", func() error {
		f := p.AddProfile(nm.Profile{UUID: uuid, ID: t.Name, Tunnel: t.Clone(), State: nm.StateInactive, Unsaved: true, Trial: true})
		f.owner = p
		return nil
	})
}

func (p *Process) Save(ctx context.Context, uuid string) (file string, err error) {
	err = p.call(ctx, "Save", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		f.Unsaved = f.old != nil && f.old.Unsaved
		f.With, f.Tunnel.Leader, f.Tunnel.Doomed = "", "", false
		f.Trial, f.owner, f.old, f.Path = false, nil, nil, "/etc/NetworkManager/system-connections/"+f.ID+".nmconnection"
		file = f.Path
		return nil
	})
	return file, err
}

func (p *Process) SaveWith(ctx context.Context, uuid, first string) error {
	return p.call(ctx, "SaveWith", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		f.With, f.Unsaved, f.Path = first, false, "/etc/NetworkManager/system-connections/"+f.ID+".nmconnection"
		return nil
	})
}

func (p *Process) SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error {
	return p.call(ctx, "SetRoutes", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		if !routes.EqualLists(f.Tunnel.Routes, from) {
			return &fault.Error{Kind: fault.ErrChanged, What: "the profile has other routes"}
		}
		f.Tunnel.Routes = slices.Clone(to)
		if f.Device != "" {
			p.Table = slices.DeleteFunc(p.Table, func(r Route) bool { return r.Dev == f.Device && r.Protocol == 4 })
			p.addProfileRoutes(f.Tunnel)
		}
		return nil
	})
}

// Update changes the profile in memory. Its undo is a call, too, with the name Back.
func (p *Process) Update(ctx context.Context, uuid string, from *nm.Tunnel, t nm.Tunnel) (undo func(context.Context) error, err error) {
	var old *nm.Profile
	undo = func(ctx context.Context) error {
		return p.call(ctx, "Back", func() error {
			if f := p.Profile(uuid); f != nil && old != nil {
				f.old = old
				f.revert()
			}
			return nil
		})
	}
	err = p.call(ctx, "Update", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		if from != nil && !f.Tunnel.SameInProfile(*from) {
			return &fault.Error{Kind: fault.ErrChanged, What: "the profile is another"}
		}
		if f.old == nil {
			before := f.Profile
			before.Tunnel = f.Tunnel.Clone()
			f.old = &before
		}
		old, f.owner = f.old, p
		if f.ID == f.Tunnel.Name {
			f.ID = t.Name
		}
		f.Tunnel, f.Unsaved = t.Clone(), true
		return nil
	})
	return undo, err
}

// revert gives the profile its settings from before the edit.
func (f *Profile) revert() {
	if f.old != nil {
		f.ID, f.Tunnel, f.Unsaved = f.old.ID, f.old.Tunnel.Clone(), f.old.Unsaved
		f.old, f.owner = nil, nil
	}
}

// Revert undoes an edit that is not saved.
func (p *Process) Revert(ctx context.Context, uuid string) error {
	return p.call(ctx, "Revert", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		f.revert()
		return nil
	})
}

// Reboot starts the host anew: everything in memory is gone, and no tunnel is up.
func (w *World) Reboot() {
	for _, f := range w.Profiles {
		w.BringDown(f)
		f.revert()
	}
	w.Profiles = slices.DeleteFunc(w.Profiles, func(f *Profile) bool { return f.Trial && f.Unsaved })
	w.Table = slices.DeleteFunc(w.Table, func(r Route) bool { return r.Protocol == kernel.RouteProtocol })
	w.before, w.rules = nil, nil
	clear(w.forwarding)
	clear(w.trials)
}

// Reapply does nothing for a device that runs with the profile already, whatever others have done
// to it, unless it restores.
func (p *Process) Reapply(ctx context.Context, uuid string, restore bool) error {
	return p.call(ctx, "Reapply", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		if !restore && f.applied != nil && f.applied.SameInProfile(f.Tunnel) {
			return nil
		}
		return p.Apply(f)
	})
}

// Pending compares the profile with the one that its device was activated with. A change of the
// link by somebody else is not seen, and routes are not compared.
func (p *Process) Pending(ctx context.Context, uuid string) (pending nm.Pending, err error) {
	err = p.call(ctx, "Pending", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		pending = f.pending()
		return nil
	})
	return pending, err
}

// pending names each difference by the flag that makes it, instead of NetworkManager's property.
func (f *Profile) pending() (pending nm.Pending) {
	a := f.applied
	if f.Device == "" || a == nil {
		return pending
	}
	running := f.Tunnel.Clone()
	running.Mode, running.Local, running.Remote, running.TTL, running.TOS = a.Mode, a.Local, a.Remote, a.TTL, a.TOS
	running.InputKey, running.OutputKey, running.MTU = gre.CloneKey(a.InputKey), gre.CloneKey(a.OutputKey), a.MTU
	running.Name, running.Addresses = a.Name, slices.Clone(a.Addresses)
	for _, c := range nm.Diff(running, f.Tunnel) {
		if !slices.Contains(pending.Settings, c.Field) {
			pending.Settings = append(pending.Settings, c.Field)
		}
		if pending.NewLink == "" && !c.IsReapplied() {
			pending.NewLink = c.Field
		}
	}
	if !pending.None() {
		pending.Running = &running
	}
	return pending
}

// Watch relays the events that a test sends.
func (p *Process) Watch(ctx context.Context) (<-chan nm.ProfileEvent, error) {
	if p.WatchErr != nil {
		return nil, p.WatchErr
	}
	return relay(ctx, p.ProfileEvents), nil
}

func (p *Process) Activate(ctx context.Context, uuid string) error {
	return p.call(ctx, "Activate", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		return p.BringUp(f)
	})
}

func (p *Process) Deactivate(ctx context.Context, uuid string) error {
	return p.call(ctx, "Deactivate", func() error {
		if f := p.Profile(uuid); f != nil {
			p.BringDown(f)
		}
		return nil
	})
}

func (p *Process) Delete(ctx context.Context, uuid string) error {
	return p.call(ctx, "Delete", func() error {
		if f := p.Profile(uuid); f != nil {
			p.BringDown(f)
			p.Profiles = slices.DeleteFunc(p.Profiles, func(g *Profile) bool { return g == f })
		}
		return nil
	})
}
