// Package seen remembers where a connection to the bus has seen NetworkManager's objects, so that
// it asks for them at once and not for their paths first.
//
// Its paths are guesses: a NetworkManager that was restarted numbers everything anew. Whoever asks
// by a path looks whether the answer is about the same object. Begin with [Objects].
package seen

import (
	"slices"
	"sync"

	"github.com/godbus/dbus/v5"
)

// Title has the names of a tunnel, as nm.Profile has them.
type Title struct {
	ID    string
	Alone bool
}

// Objects are the paths of profiles and of active connections, and the names of tunnels. The zero
// Objects are none. Any number of goroutines may use them at the same time.
type Objects struct {
	mu       sync.Mutex
	profiles map[string]dbus.ObjectPath // by their UUIDs
	actives  map[dbus.ObjectPath]string // the UUIDs of their profiles
	titles   map[string]Title           // by the UUIDs of the profiles
}

// Titled notes the names of the tunnel with that UUID as it was listed.
func (o *Objects) Titled(uuid string, t Title) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.titles == nil {
		o.titles = make(map[string]Title)
	}
	o.titles[uuid] = t
}

// TitleOf returns the names of a tunnel as it was listed last, and whether it was.
func (o *Objects) TitleOf(uuid string) (t Title, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	t, ok = o.titles[uuid]
	return t, ok
}

// Profile notes that the profile with that UUID is at path.
func (o *Objects) Profile(uuid string, path dbus.ObjectPath) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.profiles == nil {
		o.profiles = make(map[string]dbus.ObjectPath)
	}
	o.profiles[uuid] = path
}

// ProfileOf returns where the profile was seen last, and whether it was.
func (o *Objects) ProfileOf(uuid string) (path dbus.ObjectPath, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	path, ok = o.profiles[uuid]
	return path, ok
}

// Active notes that the active connection at path is one of the profile with that UUID.
func (o *Objects) Active(path dbus.ObjectPath, uuid string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.actives == nil {
		o.actives = make(map[dbus.ObjectPath]string)
	}
	o.actives[path] = uuid
}

// ActivesOf returns where active connections of a profile were seen, in order.
func (o *Objects) ActivesOf(uuid string) []dbus.ObjectPath {
	o.mu.Lock()
	defer o.mu.Unlock()
	var own []dbus.ObjectPath
	for path, of := range o.actives {
		if of == uuid {
			own = append(own, path)
		}
	}
	slices.Sort(own)
	return own
}

// Left returns which of the active connections that there are now have to be asked yet, after those
// that asked names: those that were not seen before, and all of them where none of asked has turned
// out to be the profile's own. Seen paths count only as long as one of them proves true.
func (o *Objects) Left(now, asked []dbus.ObjectPath, proved bool) []dbus.ObjectPath {
	o.mu.Lock()
	defer o.mu.Unlock()
	var left []dbus.ObjectPath
	for _, path := range now {
		if _, known := o.actives[path]; !slices.Contains(asked, path) && !(known && proved) {
			left = append(left, path)
		}
	}
	return left
}
