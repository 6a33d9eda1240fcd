package fake

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"nmgre"
	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// Process is one running nmgre on a world: its [nm.Profiles], [keep.Gateway] and more. Each of its
// calls has a number.
type Process struct {
	*World
	Calls  []string // the methods, in the order of the calls
	locked bool     // it has the lock on root's files
	Dead   bool     // it was killed: its profiles on trial are abandoned
	AsRoot bool     // it is root's, even with NoRoot

	// Fault returns the fault of the n-th call, counted from 0. It may be nil.
	Fault func(n int, method string) Fault
	// Turn is called before each call, so that another process can have its turn. It may be nil.
	Turn func(n int, method string)

	// the events of the watches, and the errors with which the watches fail
	ProfileEvents            chan nm.ProfileEvent
	KernelEvents             chan kernel.Event
	WatchErr, KernelWatchErr error
}

// Fault is a fault of a call. With the zero Fault the call does its work.
type Fault struct {
	Err    error  // the call fails with it
	Cancel func() // the caller's context ends during the call
	Hang   bool   // the call returns only when its context ends
	Kill   bool   // the process dies
	After  bool   // the call does its work first: only its answer is lost
	Quiet  bool   // with Cancel and After: the answer is not lost either
}

// killed is the value with which a process panics when it dies.
type killed struct{ p *Process }

// Start returns a new process on the world.
func (w *World) Start() *Process { return &Process{World: w} }

// Host returns nmgre's verbs for the process.
func (p *Process) Host() *nmgre.Host {
	return &nmgre.Host{System: nm.System{Profiles: p, Kernel: Kernel{p}, Gateway: p, Store: Store{p}, Keeper: p.Keeper()}}
}

// call counts a call, and does its work or lets its fault happen.
func (p *Process) call(ctx context.Context, method string, do func() error) error {
	n := len(p.Calls)
	p.Calls = append(p.Calls, method)
	if p.Turn != nil {
		p.Turn(n, method)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var f Fault
	if p.Fault != nil {
		f = p.Fault(n, method)
	}
	if f.After {
		if err := do(); err != nil {
			return err
		}
	}
	if f.Quiet {
		f.Cancel()
		return nil
	}
	switch {
	case f.Kill:
		p.Dead = true
		panic(killed{p})
	case f.Cancel != nil:
		f.Cancel()
		return ctx.Err()
	case f.Hang:
		<-ctx.Done()
		return ctx.Err()
	case f.Err != nil:
		return f.Err
	}
	return do()
}

// Survives runs f and says whether the process is still alive.
func Survives(f func()) (alive bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			alive = false
		}
	}()
	f()
	return true
}

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
	return list, err
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

func (p *Process) Get(ctx context.Context, uuid string) (profile nm.Profile, err error) {
	err = p.call(ctx, "Get", func() error {
		for _, f := range p.Profiles {
			if f.UUID == uuid {
				profile = f.listed()
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
		f.Trial, f.Unsaved, f.owner, f.Path = false, false, nil, "/etc/NetworkManager/system-connections/"+f.ID+".nmconnection"
		file = f.Path
		return nil
	})
	return file, err
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
func (p *Process) Update(ctx context.Context, uuid string, t nm.Tunnel) (undo func(context.Context) error, err error) {
	var old *nm.Profile
	undo = func(ctx context.Context) error {
		return p.call(ctx, "Back", func() error {
			f := p.Profile(uuid)
			if f == nil || old == nil {
				return nil
			}
			f.ID, f.Tunnel, f.Unsaved = old.ID, old.Tunnel.Clone(), old.Unsaved
			return nil
		})
	}
	err = p.call(ctx, "Update", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		before := f.Profile
		before.Tunnel = f.Tunnel.Clone()
		old = &before
		if f.ID == f.Tunnel.Name {
			f.ID = t.Name
		}
		f.Tunnel, f.Unsaved = t.Clone(), true
		return nil
	})
	return undo, err
}

func (p *Process) Reapply(ctx context.Context, uuid string) error {
	return p.call(ctx, "Reapply", func() error {
		f := p.Profile(uuid)
		if f == nil {
			return errVanished
		}
		return p.Apply(f)
	})
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

func (p *Process) Supports(m gre.Mode) error {
	return p.call(context.Background(), "Supports", func() error {
		if p.Unsupported[m] {
			return &fault.Error{Kind: fault.ErrUnsupported, What: "this kernel has no " + m.String()}
		}
		return nil
	})
}

func (p *Process) CanChange() bool { return p.AsRoot || !p.NoRoot }

func (p *Process) Links(ctx context.Context) (list []kernel.Link, err error) {
	err = p.call(ctx, "Links", func() error {
		for _, l := range slices.Clone(p.links) {
			if l.Dying == 1 {
				p.RemoveLink(l.Name)
				continue
			}
			l.Dying = max(0, l.Dying-1)
			link := l.Link
			link.Addresses = slices.Clone(link.Addresses)
			if link.GRE != nil {
				g := *link.GRE
				link.GRE = &g
			}
			list = append(list, link)
		}
		return nil
	})
	return list, err
}

func (p *Process) Lookup(ctx context.Context, q kernel.Query) (hop kernel.Hop, err error) {
	err = p.call(ctx, "Lookup", func() error {
		hop, err = p.Find(q)
		return err
	})
	return hop, err
}

func (p *Process) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) (list []kernel.HeldRoute, err error) {
	err = p.call(ctx, "Routes", func() error {
		for _, r := range p.Table {
			if r.Dev == dev && (to == nil || to(r.Dst)) {
				list = append(list, r.HeldRoute)
			}
		}
		return nil
	})
	return list, err
}

func (p *Process) OwnRoutes(ctx context.Context) (byDev map[string][]kernel.HeldRoute, err error) {
	err = p.call(ctx, "OwnRoutes", func() error {
		byDev = make(map[string][]kernel.HeldRoute)
		for _, r := range p.Table {
			if r.Protocol == kernel.RouteProtocol {
				byDev[r.Dev] = append(byDev[r.Dev], r.HeldRoute)
			}
		}
		return nil
	})
	return byDev, err
}

func (p *Process) RoutesTo(ctx context.Context, to netip.Addr) (list []kernel.DeviceRoute, err error) {
	err = p.call(ctx, "RoutesTo", func() error {
		for _, r := range p.Table {
			if r.Dst.Contains(to) && r.TableOrMain() == routes.MainTable {
				list = append(list, kernel.DeviceRoute{Dev: r.Dev, HeldRoute: r.HeldRoute})
			}
		}
		return nil
	})
	return list, err
}

func (p *Process) SyncRoutes(ctx context.Context, want []kernel.OwnRoute, opts kernel.SyncOptions) (result kernel.SyncResult, err error) {
	err = p.call(ctx, "SyncRoutes", func() error {
		if !p.CanChange() && !opts.DryRun {
			return &fault.Error{Kind: fault.ErrNotPermitted, What: "set routes"}
		}
		result = p.sync(want, opts)
		return nil
	})
	return result, err
}

// sync sets the routes as the kernel does for SyncRoutes.
func (p *Process) sync(want []kernel.OwnRoute, opts kernel.SyncOptions) (result kernel.SyncResult) {
	kept := slices.DeleteFunc(slices.Clone(p.Table), func(r Route) bool { return r.Protocol == kernel.RouteProtocol })
	foreign := len(kept)
	for i, w := range want {
		same := func(r Route) bool { return r.Slot() == w.Route.Slot() }
		refusal := func(kind error, what string) {
			result.Refused = append(result.Refused, kernel.Refusal{Index: i, Err: &fault.Error{Kind: kind, What: what}})
		}
		switch old := slices.IndexFunc(p.Table, same); {
		case w.Dev != "" && p.Link(w.Dev) == nil:
			refusal(fault.ErrInvalid, "no such device")
			continue
		case slices.ContainsFunc(kept[:foreign], same):
			refusal(fault.ErrExists, "add the route "+w.Route.String())
			continue
		case old < 0:
			result.Added = append(result.Added, i)
		case p.Table[old].String() == w.Route.String() && p.Table[old].Dev == w.Dev:
			result.Unchanged++
		default:
			result.Replaced = append(result.Replaced, i)
		}
		kept = append(kept, Route{w.Dev, kernel.HeldRoute{Route: w.Route.Clone(), Protocol: kernel.RouteProtocol}})
	}
	for _, r := range p.Table {
		if r.Protocol == kernel.RouteProtocol && !slices.ContainsFunc(want, func(w kernel.OwnRoute) bool { return r.Slot() == w.Route.Slot() }) {
			result.Removed++
		}
	}
	if !opts.DryRun {
		p.Table = kept
	}
	return result
}

func (p *Process) Probe(ctx context.Context, probe kernel.Probe) (result kernel.ProbeResult, err error) {
	err = p.call(ctx, "Probe", func() error {
		var delta kernel.Counters
		if result, delta, err = p.Answer(probe); err != nil {
			return err
		}
		l := p.Link(probe.Dev)
		if l == nil || probe.From.IsValid() && p.holder(probe.From) != l {
			return &fault.Error{What: fmt.Sprintf("probe by %s from %s", probe.Dev, probe.From)}
		}
		c := &l.Counters
		for _, part := range []struct{ to, by *uint64 }{
			{&c.RxPackets, &delta.RxPackets}, {&c.TxPackets, &delta.TxPackets}, {&c.TxErrors, &delta.TxErrors}, {&c.RxErrors, &delta.RxErrors},
			{&c.TxDropped, &delta.TxDropped}, {&c.TxCarrierErrors, &delta.TxCarrierErrors}, {&c.Collisions, &delta.Collisions},
			{&c.RxCRCErrors, &delta.RxCRCErrors}, {&c.RxFIFOErrors, &delta.RxFIFOErrors},
		} {
			*part.to += *part.by
		}
		return nil
	})
	return result, err
}

// Keeper returns the keeper that works with the process's own rights.
func (p *Process) Keeper() *keep.LocalKeeper {
	return &keep.LocalKeeper{Tunnels: nm.Tunnels{Profiles: p}, Kernel: Kernel{p}, Gateway: p, Store: Store{p}}
}

// root fails if the user is not root.
func (p *Process) root(what string) error {
	if !p.CanChange() {
		return &fault.Error{Kind: fault.ErrNotPermitted, What: what, Hint: "run it with sudo"}
	}
	return nil
}

func (p *Process) Lock(ctx context.Context) (func(), error) {
	err := p.call(ctx, "Lock", func() error {
		if err := p.root("lock"); err != nil {
			return err
		}
		p.locked = true
		return nil
	})
	return func() { p.locked = false }, err
}

func (p *Process) All(ctx context.Context, except ...string) (list []keep.Kept, err error) {
	err = p.call(ctx, "All", func() error {
		return nil
	})
	if err != nil {
		return nil, err
	}
	list = []keep.Kept{}
	for _, uuid := range slices.Sorted(maps.Keys(p.Files)) {
		if !slices.Contains(except, uuid) {
			list = append(list, p.Files[uuid].Clone())
		}
	}
	return list, p.FileErr
}

func (p *Process) UUIDs(ctx context.Context) (list []string, err error) {
	err = p.call(ctx, "UUIDs", func() error {
		list = slices.Sorted(maps.Keys(p.Files))
		return nil
	})
	return list, err
}

func (p *Process) Remembered(ctx context.Context) (before map[string]bool, err error) {
	err = p.call(ctx, "Remembered", func() error { before = maps.Clone(p.before); return nil })
	return before, err
}

func (p *Process) Remember(ctx context.Context, before map[string]bool) error {
	return p.call(ctx, "Remember", func() error { p.before = maps.Clone(before); return nil })
}

func (p *Process) HookMissing(ctx context.Context) error {
	return p.call(ctx, "HookMissing", func() error { return p.Hook })
}

func (p *Process) Missing(ctx context.Context, want []keep.Rule) (missing []int, err error) {
	err = p.call(ctx, "Missing", func() error {
		for i, r := range want {
			if !slices.Contains(p.rules, r) {
				missing = append(missing, i)
			}
		}
		return p.root("read the rules")
	})
	return missing, err
}

func (p *Process) SetRules(ctx context.Context, want []keep.Rule) (changed bool, err error) {
	err = p.call(ctx, "SetRules", func() error {
		changed = !slices.Equal(p.rules, want)
		p.rules = slices.Clone(want)
		return nil
	})
	return changed, err
}

func (p *Process) Forwarding(ctx context.Context, dev string) (on bool, err error) {
	err = p.call(ctx, "Forwarding", func() error {
		if dev != "all" && p.Link(dev) == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no device " + dev}
		}
		on = p.forwarding[dev]
		return nil
	})
	return on, err
}

func (p *Process) SetForwarding(ctx context.Context, dev string, on bool) error {
	return p.call(ctx, "SetForwarding", func() error {
		if p.Link(dev) == nil {
			return &fault.Error{Kind: fault.ErrNotFound, What: "no device " + dev}
		}
		p.forwarding[dev] = on
		return nil
	})
}

func (p *Process) Obstacles(ctx context.Context, _ []string) (list []keep.Obstacle, err error) {
	err = p.call(ctx, "Obstacles", func() error {
		list = slices.Clone(p.obstacles)
		return p.root("look for firewalls")
	})
	return list, err
}
