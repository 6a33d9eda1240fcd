package keep

import (
	"context"
	"time"

	"nmgre/routes/fault"
	"nmgre/routes/kernel"
)

// Waits for the device of another tunnel, which a route of several nexthops leads into.
const (
	leavingTimeout = time.Second
	leavingPoll    = 20 * time.Millisecond
)

// waitForDevices waits until devices of other tunnels are gone that NetworkManager is about to
// remove: a route that leads into one would go with it, without an event. A device that no profile
// is up on is either such a one, which goes within a moment, or was made by hand and stays. Only
// that tells them apart: a profile is no evidence, since any user may add one of any name.
func (l *LocalKeeper) waitForDevices(ctx context.Context, s *state) (err error) {
	if s.running == nil {
		return nil
	}
	others := s.otherDevices()
	for end := time.Now().Add(leavingTimeout); s.mayLeave(others) && time.Now().Before(end); {
		fault.Pause(ctx, leavingPoll)
		if s.links, err = l.Kernel.Links(ctx); err != nil {
			return err
		}
	}
	return nil
}

// otherDevices returns the devices, other than their tunnels' own, that routes lead into.
func (s *state) otherDevices() map[string]bool {
	others := make(map[string]bool)
	for i := range s.kept {
		k := &s.kept[i]
		for j := range k.Routes {
			for _, hop := range k.Routes[j].Nexthops {
				if hop.Dev != "" && hop.Dev != k.Name {
					others[hop.Dev] = true
				}
			}
		}
	}
	return others
}

// mayLeave reports whether one of the devices is a tunnel that no profile is up on.
func (s *state) mayLeave(devices map[string]bool) bool {
	for dev := range devices {
		if link := kernel.Named(s.links, dev); link != nil && link.Up && link.GRE != nil && !s.held[dev] {
			return true
		}
	}
	return false
}

// usable reports whether a route may lead into dev: it is up.
func (s *state) usable(dev string) bool {
	return !s.isDown(dev)
}
