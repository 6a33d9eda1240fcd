package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// state is the content of the files, and the host as it is.
type state struct {
	kept  []Kept // those that may be carried out
	links []kernel.Link
	// of every profile, by UUID; nil when NetworkManager is not there, or does not answer
	running map[string]Running
	// the UUIDs of profiles that NetworkManager cannot tell of, or need not
	unknown map[string]bool
	// the devices that profiles are up on, or on their way
	held     map[string]bool
	trouble  []string
	problems problems
}

// readState reads the files and the host. It removes the file of a profile that has been deleted.
func (l *LocalKeeper) readState(ctx context.Context, written *Kept) (*state, error) {
	links, err := l.Kernel.Links(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{links: links, unknown: make(map[string]bool), held: make(map[string]bool)}
	kept, err := l.readKept(ctx, s, written)
	if err != nil && kept == nil {
		return nil, err
	}
	if err != nil {
		s.trouble = append(s.trouble, err.Error())
	}
	if len(kept) == 0 {
		return s, nil
	}
	if kept, err = l.askProfiles(ctx, s, kept); err != nil {
		return nil, err
	}
	s.addBound(kept)
	return s, l.waitForDevices(ctx, s)
}

// addBound adds those of kept that may be carried out. The others, and lines that cannot be read,
// are trouble.
func (s *state) addBound(kept []Kept) {
	for _, k := range kept {
		for _, bad := range k.Bad {
			s.trouble = append(s.trouble, fmt.Sprintf("%s: line %d: %v", fault.Printable(k.Name), bad.Line, bad.Err))
		}
		if err := s.bound(k); err != nil {
			s.trouble = append(s.trouble, strings.Join(append([]string{err.Error()}, fault.Hints(err)...), "; "))
			continue
		}
		s.kept = append(s.kept, k)
	}
}

// bound is [Kept.Bound] with the tunnel's profile, where NetworkManager has told of it.
func (s *state) bound(k Kept) error {
	link := kernel.Named(s.links, k.Name)
	if p, known := s.running[k.UUID]; known {
		return k.Bound(p, link)
	}
	return k.boundTo(link)
}

// readKept returns the kept parts of all tunnels. The file of written, which may be nil, is not
// read.
func (l *LocalKeeper) readKept(ctx context.Context, s *state, written *Kept) ([]Kept, error) {
	switch {
	case written == nil && l.Leaving:
		return l.Store.Brief(ctx, s.isDown)
	case written == nil:
		return l.Store.All(ctx)
	}
	kept, err := l.Store.All(ctx, written.UUID)
	if kept != nil && !written.Empty() {
		kept = append(kept, *written)
	}
	return kept, err
}

// askProfiles asks NetworkManager which profiles are up, and returns the kept parts of those that
// still exist. Without an answer a tunnel is up if the kernel has its device: tunnels that are up
// stay up.
func (l *LocalKeeper) askProfiles(ctx context.Context, s *state, kept []Kept) ([]Kept, error) {
	asking, cancel := ctx, context.CancelFunc(func() {})
	if l.Patience > 0 {
		asking, cancel = context.WithTimeout(ctx, l.Patience)
	}
	defer cancel()
	profiles, err := l.profilesOf(asking, s, kept)
	if ended := ctx.Err(); err != nil && ended != nil {
		return nil, err
	}
	if err != nil {
		if !errors.Is(err, fault.ErrNoNetworkManager) {
			s.problems.add(&fault.Error{What: "NetworkManager cannot say which tunnels are up, so their devices say it", Err: err})
		}
		return kept, nil
	}
	s.running = make(map[string]Running)
	for _, p := range profiles {
		s.running[p.UUID] = p
		s.held[p.Device] = p.Device != ""
	}
	return slices.DeleteFunc(kept, func(k Kept) bool { return l.removeDeleted(asking, s, k) }), nil
}

// few is how many profiles are asked for one by one rather than with all others of the host. Most
// hosts have a kept part for one tunnel, and some have a thousand profiles.
const few = 3

// profilesOf returns the profiles of the tunnels with a kept part, and those of the devices that
// their routes name.
func (l *LocalKeeper) profilesOf(ctx context.Context, s *state, kept []Kept) ([]Running, error) {
	if len(kept) > few || slices.ContainsFunc(kept, Kept.namesDevices) {
		return l.Tunnels.Running(ctx)
	}
	var profiles []Running
	for _, k := range kept {
		if k.Up != nil {
			profiles = append(profiles, *k.Up)
			continue
		}
		p, err := l.profileOf(ctx, s, k)
		if errors.Is(err, fault.ErrNotFound) || err == nil && s.unknown[k.UUID] {
			continue
		}
		if isAway(ctx, err) {
			return nil, err
		}
		if err != nil {
			s.unknown[k.UUID] = true
			s.problems.add(err, k.UUID)
			continue
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

// profileOf returns the profile of a tunnel. Of one that is down, and was only to be looked for, it
// notes that nothing more is known.
func (l *LocalKeeper) profileOf(ctx context.Context, s *state, k Kept) (p Running, err error) {
	if !l.Leaving || !s.isDown(k.Name) {
		return l.Tunnels.One(ctx, k.UUID)
	}
	err = l.Tunnels.Exists(ctx, k.UUID)
	s.unknown[k.UUID] = err == nil
	return p, err
}

// isDown reports whether the kernel has no such device, or does not have it up.
func (s *state) isDown(dev string) bool {
	link := kernel.Named(s.links, dev)
	return link == nil || !link.Up
}

// namesDevices reports whether a route names another device than the tunnel's own.
func (k Kept) namesDevices() bool {
	other := func(hop routes.Nexthop) bool { return hop.Dev != "" && hop.Dev != k.Name }
	for i := range k.Routes {
		if slices.ContainsFunc(k.Routes[i].Nexthops, other) {
			return true
		}
	}
	return false
}

// isAway reports whether an error is about NetworkManager as a whole, and not about one profile.
func isAway(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, fault.ErrNoNetworkManager) || errors.Is(err, fault.ErrTimeout))
}

// removeDeleted removes the file of a profile that has been deleted, and reports whether the
// profile has been.
func (l *LocalKeeper) removeDeleted(ctx context.Context, s *state, k Kept) bool {
	if _, known := s.running[k.UUID]; known || s.unknown[k.UUID] {
		return false
	}
	if _, err := l.Tunnels.One(ctx, k.UUID); !errors.Is(err, fault.ErrNotFound) {
		return false // it was made just now, or NetworkManager cannot say
	}
	s.problems.add(l.Store.Delete(ctx, k.UUID), k.UUID)
	return true
}

// isUp reports whether the tunnel carries packets: NetworkManager has its profile up on the device,
// and the kernel has the link up. When NetworkManager cannot say, the link decides.
func (s *state) isUp(k Kept) bool {
	link := kernel.Named(s.links, k.Name)
	if link == nil || link.GRE == nil || !link.Up || k.brief {
		return false
	}
	p, known := s.running[k.UUID]
	if !known {
		return s.running == nil || s.unknown[k.UUID]
	}
	return p.Device == k.Name && !p.Inactive
}
