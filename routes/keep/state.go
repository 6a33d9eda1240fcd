package keep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// state is the content of the files, and the host as it is.
type state struct {
	kept    []Kept
	links   []kernel.Link
	running map[string]Running // of every profile, by UUID; nil when NetworkManager is not there
	devices map[string]Running // of NetworkManager's tunnels, by device
	trouble []string
}

// readState reads the files and the host. It removes the file of a profile that has been deleted.
func (l *LocalKeeper) readState(ctx context.Context, written *Kept) (*state, error) {
	kept, err := l.readKept(ctx, written)
	if err != nil && kept == nil {
		return nil, err
	}
	s := &state{devices: make(map[string]Running)}
	if err != nil {
		s.trouble = append(s.trouble, err.Error())
	}
	if s.links, err = l.Kernel.Links(ctx); err != nil {
		return nil, err
	}
	if len(kept) > 0 {
		if err := l.readProfiles(ctx, s, kept); err != nil {
			return nil, err
		}
	}
	for _, k := range kept {
		deleted, err := l.removeDeleted(ctx, s, k)
		if err != nil {
			return nil, err
		}
		if deleted {
			continue
		}
		for _, bad := range k.Bad {
			s.trouble = append(s.trouble, fmt.Sprintf("%s: line %d: %v", fault.Printable(k.Name), bad.Line, bad.Err))
		}
		s.kept = append(s.kept, k)
	}
	return s, nil
}

// readKept returns the kept parts of all tunnels. The file of written, which may be nil, is not
// read.
func (l *LocalKeeper) readKept(ctx context.Context, written *Kept) ([]Kept, error) {
	if written == nil {
		return l.Store.All(ctx)
	}
	kept, err := l.Store.All(ctx, written.UUID)
	if kept != nil && !written.Empty() {
		kept = append(kept, *written)
	}
	return kept, err
}

// readProfiles asks NetworkManager which profiles are up.
func (l *LocalKeeper) readProfiles(ctx context.Context, s *state, kept []Kept) error {
	profiles, err := l.profilesOf(ctx, kept)
	if errors.Is(err, fault.ErrNoNetworkManager) {
		return nil // it was stopped: tunnels that are up stay up
	}
	if err != nil {
		return err
	}
	s.running = make(map[string]Running)
	for _, p := range profiles {
		s.running[p.UUID] = p
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

// few is how many profiles are asked for one by one rather than with all others of the host. Most
// hosts keep something for one tunnel, and some have a thousand profiles.
const few = 3

// profilesOf returns the profiles of the tunnels that something is kept for, and those of the
// devices that their routes name.
func (l *LocalKeeper) profilesOf(ctx context.Context, kept []Kept) ([]Running, error) {
	if len(kept) > few || slices.ContainsFunc(kept, Kept.namesDevices) {
		return l.Tunnels.Running(ctx)
	}
	var profiles []Running
	for _, k := range kept {
		p, err := l.Tunnels.One(ctx, k.UUID)
		if errors.Is(err, fault.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
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

// removeDeleted removes the file of a profile that has been deleted, and reports whether it did.
func (l *LocalKeeper) removeDeleted(ctx context.Context, s *state, k Kept) (bool, error) {
	if _, known := s.running[k.UUID]; known || s.running == nil {
		return false, nil
	}
	if _, err := l.Tunnels.One(ctx, k.UUID); !errors.Is(err, fault.ErrNotFound) {
		return false, nil // it was made just now, or NetworkManager cannot say
	}
	return true, l.Store.Delete(ctx, k.UUID)
}

// isUp reports whether the tunnel carries packets: NetworkManager has its profile up on the device,
// and the kernel has the link up. When NetworkManager is not there, the link decides.
func (s *state) isUp(k Kept) bool {
	link := kernel.Named(s.links, k.Name)
	if link == nil || link.GRE == nil || !link.Up {
		return false
	}
	p, known := s.running[k.UUID]
	if !known {
		return s.running == nil && (!k.Remote.IsValid() || link.GRE.Remote == k.Remote)
	}
	return p.Device == k.Name && !p.Inactive
}

// usable reports whether a route may lead into dev: it is up, and it is not a tunnel that
// NetworkManager is about to remove.
func (s *state) usable(dev string) bool {
	link := kernel.Named(s.links, dev)
	if link == nil || !link.Up {
		return false
	}
	p, tunnel := s.devices[dev]
	return !tunnel || !p.Inactive
}
