package nm

import (
	"context"

	"nmgre/routes"
	"nmgre/routes/keep"
)

// MinVersion is the oldest NetworkManager that nmgre works with.
var MinVersion = Version{1, 42, 0}

// Version is NetworkManager's version.
type Version struct{ Major, Minor, Micro int }

// Profiles is NetworkManager, as far as the workflow needs it; package nm has the real one.
//
// Every method honours ctx: when it ends, the method returns soon, though NetworkManager may still
// carry out what it was asked. Errors are of the kinds in this package ([ErrNoNetworkManager],
// [ErrNotPermitted], [ErrInvalid] when NetworkManager refuses a setting, [ErrTimeout]); texts in
// them are printable.
type Profiles interface {
	// Manager says which NetworkManager there is and what the caller may do.
	Manager(ctx context.Context) (Manager, error)
	// List returns every profile that the caller may see, with its state. Of those that are no GRE
	// tunnels (Tunnel.Mode is 0) only UUID, ID, Serial and the interface's name are set: enough to
	// know which names are taken.
	List(ctx context.Context) ([]Profile, error)
	// Get returns one profile with everything that there is to say of it. It fails with
	// [ErrNotFound] if there is none. On a host with very many tunnels List may leave Unsaved and
	// Path out; Get does not.
	Get(ctx context.Context, uuid string) (Profile, error)
	// Serials returns the Serial of every profile. It is a fraction of List's work.
	Serials(ctx context.Context) ([]uint64, error)
	// Add makes a profile with that UUID which lives in memory only, does not connect by itself,
	// and is marked as being on trial: until [Profiles.Save] it is listed so. The UUID is the
	// caller's, so that what an Add without an answer may have left behind can be deleted.
	Add(ctx context.Context, uuid string, t Tunnel) error
	// Save ends the trial: the profile is written to disk, with autoconnect as the tunnel wants it.
	Save(ctx context.Context, uuid string) error
	// Activate brings the profile up and returns when its addresses are set. When NetworkManager
	// says why it failed, the error does too.
	Activate(ctx context.Context, uuid string) error
	// Deactivate takes the profile down and returns when it is. A profile that is down already is
	// no error.
	Deactivate(ctx context.Context, uuid string) error
	// Delete takes the profile down and removes it. One that is gone already is no error.
	Delete(ctx context.Context, uuid string) error
	// SetRoutes gives the profile the routes to instead of from, on disk if it is there, and has
	// NetworkManager apply them to the device while the tunnel stays up; addresses and routes that
	// others have set on the device stay too. It fails with [ErrChanged] if the profile has other
	// routes than from, unless from is nil, and with an [ErrInvalid] for a route that a profile
	// cannot hold.
	SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error
	// Update writes t into the profile, in memory only until [Profiles.Save], and applies nothing.
	// What nmgre does not know of the profile stays. A profile that has its interface's name keeps
	// to it when that changes. The function that it returns puts the profile back exactly as it
	// was, in memory and on disk; it is never nil, since an error may be of the answer only.
	Update(ctx context.Context, uuid string, t Tunnel) (back func(context.Context) error, err error)
	// Reapply has the profile's device run with the profile as it is now, and stay up meanwhile;
	// addresses and routes that others have set on the device stay too. It fails when the profile
	// differs in what cannot be changed so.
	Reapply(ctx context.Context, uuid string) error
	// Watch tells when profiles, or what NetworkManager does with them, may have changed. Events
	// that nobody takes are joined. The channel is closed when ctx has ended. The watch outlives a
	// restart of NetworkManager and of the bus.
	Watch(ctx context.Context) (<-chan ProfileEvent, error)
}

// Manager is what a NetworkManager says of itself.
type Manager struct {
	Version Version
	// Modify and Control are what polkit says to changing profiles (settings.modify.system) and to
	// bringing them up and down (network-control).
	Modify, Control Permission
}

// Permission is polkit's answer, before it is asked for good.
type Permission string

// The answers; PermissionAuth means that a person is asked for a password first.
const (
	PermissionYes  Permission = "yes"
	PermissionAuth Permission = "auth"
	PermissionNo   Permission = "no"
)

// Profile is a tunnel's form in NetworkManager.
type Profile struct {
	UUID   string
	ID     string // the profile's name
	Tunnel Tunnel
	State  State
	// Device is the interface that carries it; empty when it is not active.
	Device string
	// Unsaved says that the profile is not on disk as it stands.
	Unsaved bool
	// Path is the file that holds it, if any.
	Path string
	// Serial grows from one profile to the next in the order in which NetworkManager got them.
	Serial uint64
	// Trial says that the profile is one that [Profiles.Add] made and nobody saved; Abandoned, that
	// the process that did is gone.
	Trial, Abandoned bool
	// DeviceState and Reason are NetworkManager's own words on the device, such as "activated" and
	// "connection removed"; may be empty.
	DeviceState, Reason string
}

// State of a profile, as `nmgre list` shows it.
type State string

// The states. An external one is a link made by hand, which NetworkManager mirrors.
const (
	StateActive     State = "active"
	StateActivating State = "activating"
	StateInactive   State = "inactive"
	StateExternal   State = "external"
)

// Running is the profile as the keeper sees it.
func (p Profile) Running() keep.Running {
	return keep.Running{UUID: p.UUID, Name: p.Tunnel.Name, Device: p.Device, GRE: p.Tunnel.Mode != 0, Active: p.State == StateActive, Inactive: p.State == StateInactive}
}

// ForwardVersion is the first NetworkManager that has ipv4.forwarding.
var ForwardVersion = Version{1, 54, 0}

// Before says whether v is older than o.
func (v Version) Before(o Version) bool {
	switch {
	case v.Major != o.Major:
		return v.Major < o.Major
	case v.Minor != o.Minor:
		return v.Minor < o.Minor
	}
	return v.Micro < o.Micro
}

// ProfileEvent says what [Profiles.Watch] has seen since the event before. One without a mark says
// that a profile, or the device of one, may be another than before.
type ProfileEvent struct {
	Lost bool // NetworkManager has left, or the bus has
	Back bool // NetworkManager is there again: everything may be another
}

// And is both events in one, e being the earlier: of leaving and coming back the later counts.
func (e ProfileEvent) And(later ProfileEvent) ProfileEvent {
	if later.Lost || later.Back {
		return later
	}
	return e
}
