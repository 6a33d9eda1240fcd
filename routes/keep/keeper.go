package keep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// LocalKeeper is the [Keeper] of a process that is root. Whatever has happened, it looks at what
// the files want and at what is there, and makes the difference: events that come late, twice or
// not at all do no harm.
type LocalKeeper struct {
	Tunnels Tunnels
	Kernel  kernel.Kernel
	Gateway Gateway
	Store   Store
}

var _ Keeper = (*LocalKeeper)(nil)

// Keep writes k and converges. All of it or nothing: if the kernel refuses one of k's routes, or
// ctx ends, the file and the kernel are put back as they were, and the error says so.
func (l *LocalKeeper) Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error) {
	unlock, err := l.Store.Lock(ctx)
	if err != nil {
		return Converged{}, err
	}
	defer unlock()
	back, err := l.Store.Put(ctx, k)
	if err != nil && back != nil {
		err = errors.Join(fault.Ended(ctx, err), l.putBack(ctx, k, back))
	}
	if err != nil {
		return Converged{}, err
	}
	c, err := l.converge(ctx, &k, progress)
	if err == nil && len(c.Refused) == 0 {
		return c, nil
	}
	if err == nil {
		err = refusedError(k, c.Refused)
	}
	return c, errors.Join(fault.Ended(ctx, err), l.putBack(ctx, k, back))
}

// putBack makes everything as it was before a Keep that failed.
func (l *LocalKeeper) putBack(ctx context.Context, k Kept, back func(context.Context) error) error {
	undoing, cancel := context.WithTimeout(context.WithoutCancel(ctx), UndoTimeout)
	defer cancel()
	err := back(undoing)
	if err == nil {
		_, err = l.converge(undoing, nil, nil)
	}
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.ErrLeftBehind, What: "could not put back what was there before", Hint: "see what is there with: nmgre verify " + fault.ShellWord(k.Name), Err: err}
}

// refusedError says which routes the kernel did not take, a few of them in words.
func refusedError(k Kept, refused []kernel.Refusal) error {
	const told = 10
	var errs []error
	for i, r := range refused {
		if i == told {
			errs = append(errs, &fault.Error{What: fmt.Sprintf("and %d more", len(refused)-told)})
			break
		}
		errs = append(errs, &fault.Error{Field: "route", Item: r.Index + 1, What: k.Routes[r.Index].String(), Err: r.Err})
	}
	return errors.Join(errs...)
}

// Forget removes what is kept for a tunnel, from the files and from the kernel.
func (l *LocalKeeper) Forget(ctx context.Context, uuid string) error {
	_, err := l.Keep(ctx, Kept{UUID: uuid}, nil)
	return err
}

// Converge makes the kernel have what the files want, as far as the tunnels are up.
func (l *LocalKeeper) Converge(ctx context.Context) (Converged, error) {
	unlock, err := l.Store.Lock(ctx)
	if err != nil {
		return Converged{}, err
	}
	defer unlock()
	return l.converge(ctx, nil, nil)
}

// converge does the work under the lock. What has just been written, if it is not nil, need not be
// read again, and Refused is about it.
func (l *LocalKeeper) converge(ctx context.Context, written *Kept, progress func(done, total int)) (Converged, error) {
	s, err := l.look(ctx, written)
	if err != nil {
		return Converged{}, err
	}
	w := s.want()
	if err := l.pins(ctx, s, &w); err != nil {
		return Converged{}, err
	}
	c := Converged{Trouble: w.trouble}
	if err := l.Store.HookOthers(ctx, w.watch); err != nil {
		return c, err
	}
	forwarding, err := l.forward(ctx, w)
	if err != nil {
		return c, err
	}
	rules, err := l.Gateway.SetRules(ctx, w.rules)
	if err != nil && (len(w.rules) > 0 || !errors.Is(err, fault.ErrUnsupported)) {
		return c, err
	}
	if c.Routes, err = l.Kernel.SyncRoutes(ctx, w.routes, kernel.SyncOptions{Progress: progress}); err != nil {
		return c, err
	}
	r := c.Routes
	c.Changed = forwarding || rules || len(r.Added)+len(r.Replaced)+r.Removed > 0
	for _, refusal := range r.Refused {
		at := w.origins[refusal.Index]
		if written != nil && at.index >= 0 && at.kept.UUID == written.UUID {
			c.Refused = append(c.Refused, kernel.Refusal{Index: at.index, Err: refusal.Err})
			continue
		}
		c.Trouble = append(c.Trouble, fmt.Sprintf("%s: %v", fault.Printable(at.name()), refusal.Err))
	}
	return c, nil
}

// scene is what there is when the files are carried out.
type scene struct {
	kept    []Kept
	links   []kernel.Link
	states  map[string]Running // of every profile, by UUID; nil when NetworkManager is not there
	devices map[string]Running // of the tunnels that NetworkManager has, by device
	trouble []string
}

// look reads the files and the host. A file whose profile is gone is removed: NetworkManager has
// told so, and it is not starting.
func (l *LocalKeeper) look(ctx context.Context, written *Kept) (*scene, error) {
	kept, err := l.all(ctx, written)
	if err != nil && kept == nil {
		return nil, err
	}
	s := &scene{devices: make(map[string]Running)}
	if err != nil {
		s.trouble = append(s.trouble, err.Error())
	}
	if s.links, err = l.Kernel.Links(ctx); err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		if err := l.lookAtProfiles(ctx, s); err != nil {
			return nil, err
		}
	}
	for _, k := range kept {
		gone, err := l.gone(ctx, s, k)
		if err != nil {
			return nil, err
		}
		if gone {
			continue
		}
		for _, bad := range k.Bad {
			s.trouble = append(s.trouble, fmt.Sprintf("%s: line %d: %v", fault.Printable(k.Name), bad.Line, bad.Err))
		}
		s.kept = append(s.kept, k)
	}
	return s, nil
}

// all returns what is kept for every tunnel: from the files, but for what has just been written.
func (l *LocalKeeper) all(ctx context.Context, written *Kept) ([]Kept, error) {
	if written == nil {
		return l.Store.All(ctx)
	}
	kept, err := l.Store.All(ctx, written.UUID)
	if kept != nil && !written.Empty() {
		kept = append(kept, *written)
	}
	return kept, err
}

func (l *LocalKeeper) lookAtProfiles(ctx context.Context, s *scene) error {
	profiles, err := l.Tunnels.Running(ctx)
	if errors.Is(err, fault.ErrNoNetworkManager) {
		return nil // it was stopped; what is up stays up
	}
	if err != nil {
		return err
	}
	s.states = make(map[string]Running)
	for _, p := range profiles {
		s.states[p.UUID] = p
		if !p.GRE {
			continue
		}
		for _, dev := range []string{p.Device, p.Name} {
			if !s.devices[dev].Active {
				s.devices[dev] = p
			}
		}
	}
	return nil
}

// gone removes the file of a profile that does not exist any more.
func (l *LocalKeeper) gone(ctx context.Context, s *scene, k Kept) (bool, error) {
	if _, known := s.states[k.UUID]; known || s.states == nil {
		return false, nil
	}
	if err := l.Tunnels.Exists(ctx, k.UUID); !errors.Is(err, fault.ErrNotFound) {
		return false, nil // made at this moment, or NetworkManager cannot say
	}
	return true, l.Store.Delete(ctx, k.UUID)
}

// isUp says whether the tunnel is there for packets: NetworkManager has its profile up on the
// device, and the kernel has the link. When NetworkManager is not there, the link decides.
func (s *scene) isUp(k Kept) bool {
	link := kernel.Named(s.links, k.Name)
	if link == nil || link.GRE == nil || !link.Up {
		return false
	}
	p, known := s.states[k.UUID]
	if !known {
		return s.states == nil && (!k.Remote.IsValid() || link.GRE.Remote == k.Remote)
	}
	return p.Device == k.Name && !p.Inactive
}

// usable says whether a route may lead into dev: it is up, and no tunnel that is on its way down.
func (s *scene) usable(dev string) bool {
	link := kernel.Named(s.links, dev)
	if link == nil || !link.Up {
		return false
	}
	state, tunnel := s.devices[dev]
	return !tunnel || !state.Inactive
}

// target is what the kernel shall have.
type target struct {
	routes  []kernel.OwnRoute
	origins []origin // of each of the routes
	rules   []Rule
	forward map[string]bool
	watch   bool // what happens to other connections matters too
	trouble []string
}

// origin says whose a route is.
type origin struct {
	kept  *Kept
	index int // into its routes; -1 for the route to its far end
}

func (o origin) name() string {
	if o.index < 0 {
		return o.kept.Name + ": the route to the far end"
	}
	return o.kept.Name
}

// want is a pure function of what the files say and of what is up.
func (s *scene) want() target {
	w := target{forward: make(map[string]bool), trouble: s.trouble}
	for i := range s.kept {
		k := &s.kept[i]
		up := s.isUp(*k)
		w.grow(len(k.Routes), up)
		for j := range k.Routes {
			s.wantRoute(&w, origin{k, j}, &k.Routes[j], up)
		}
		if !up {
			continue
		}
		for _, dev := range k.Forward {
			w.forward[dev] = true
		}
		w.rules = append(w.rules, k.Rules()...)
	}
	return w
}

// grow makes room for n routes at once.
func (w *target) grow(n int, up bool) {
	if up {
		w.routes, w.origins = slices.Grow(w.routes, n), slices.Grow(w.origins, n)
	}
}

// wantRoute adds a route, if its tunnel is up; of a multipath route, what is left of it while one
// of its devices is not there.
func (s *scene) wantRoute(w *target, o origin, r *routes.Route, up bool) {
	dev := o.kept.Name
	if len(r.Nexthops) > 0 {
		left := s.surviving(w, *r, dev, up)
		if left == nil {
			return
		}
		r, dev = left.Route, left.Dev
	} else if !up {
		return
	}
	if !r.Type.HasDevice() || r.NexthopID != 0 {
		dev = ""
	}
	w.routes, w.origins = append(w.routes, kernel.OwnRoute{Dev: dev, Route: r}), append(w.origins, o)
}

// surviving returns the route with those nexthops whose devices are there, nil if none is. One that
// is left alone is no multipath route any more.
func (s *scene) surviving(w *target, r routes.Route, dev string, up bool) *kernel.OwnRoute {
	var left []routes.Nexthop
	for _, hop := range r.Nexthops {
		if hop.Dev != "" && hop.Dev != dev {
			w.watch = true
		}
		if own := hop.Dev == "" || hop.Dev == dev; own && up || !own && s.usable(hop.Dev) {
			left = append(left, hop)
		}
	}
	switch len(left) {
	case 0:
		return nil
	case 1:
		only := left[0]
		if only.Dev != "" {
			dev = only.Dev
		}
		r.Nexthops, r.Via, r.OnLink = nil, only.Via, only.OnLink
		if only.Realms != 0 {
			r.Realms = only.Realms
		}
		if only.Encap != nil {
			r.Encap = only.Encap
		}
		return &kernel.OwnRoute{Dev: dev, Route: &r}
	}
	r.Nexthops = left
	return &kernel.OwnRoute{Dev: dev, Route: &r}
}

// forward switches forwarding on where it is wanted, and back to what it was where it is not wanted
// any more. What was before is written down before anything is changed.
func (l *LocalKeeper) forward(ctx context.Context, w target) (changed bool, err error) {
	before, err := l.Store.Remembered(ctx)
	if err != nil {
		return false, err
	}
	now := maps.Clone(before)
	if now == nil {
		now = make(map[string]bool)
	}
	var set []string
	for _, dev := range slices.Sorted(maps.Keys(w.forward)) {
		on, err := l.Gateway.Forwarding(ctx, dev)
		if errors.Is(err, fault.ErrNotFound) {
			continue // it is back when its connection is
		}
		if err != nil {
			return false, err
		}
		if on {
			continue
		}
		set = append(set, dev)
		if _, known := now[dev]; !known {
			now[dev] = false
		}
	}
	if err := l.remember(ctx, before, now); err != nil {
		return false, err
	}
	for _, dev := range set {
		if err := l.Gateway.SetForwarding(ctx, dev, true); err != nil {
			return false, err
		}
	}
	restored, err := l.unforward(ctx, w, now)
	return restored || len(set) > 0, err
}

// unforward puts back what nobody wants any more.
func (l *LocalKeeper) unforward(ctx context.Context, w target, before map[string]bool) (changed bool, err error) {
	left := maps.Clone(before)
	for _, dev := range slices.Sorted(maps.Keys(before)) {
		if w.forward[dev] {
			continue
		}
		err := l.Gateway.SetForwarding(ctx, dev, before[dev])
		// with the device its setting is gone too
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return changed, err
		}
		changed = changed || err == nil
		delete(left, dev)
	}
	return changed, l.remember(ctx, before, left)
}

// remember writes what has changed only.
func (l *LocalKeeper) remember(ctx context.Context, old, now map[string]bool) error {
	if maps.Equal(old, now) {
		return nil
	}
	return l.Store.Remember(ctx, now)
}

// MayKeep returns nil where this process may change the kernel.
func (l *LocalKeeper) MayKeep() error {
	if l.Kernel.CanChange() {
		return nil
	}
	return &fault.Error{Kind: fault.ErrNotPermitted, What: "this is not root", Hint: fault.HintRoot}
}
