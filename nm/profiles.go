package nm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/keep"
)

// MinVersion is the oldest NetworkManager that nmgre works with.
var MinVersion = Version{1, 42, 0}

// ForwardingVersion is the first NetworkManager whose profiles have ipv4.forwarding.
var ForwardingVersion = Version{1, 54, 0}

// FlagsVersion is the first NetworkManager that takes ip-tunnel.flags for the modes ip6gre and
// ip6gretap.
var FlagsVersion = Version{1, 44, 0}

// Version is NetworkManager's version.
type Version struct{ Major, Minor, Micro int }

// String returns a version such as "1.42.4".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Micro) }

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

// Profiles is NetworkManager, as far as nmgre needs it. Package dbus implements it.
//
// Every method honours ctx: when ctx ends, the method returns soon, though NetworkManager may still
// carry out the request. Errors are of the kinds [fault.ErrNoNetworkManager],
// [fault.ErrNotPermitted], [fault.ErrTimeout], and [fault.ErrInvalid] when NetworkManager refuses a
// setting. Texts in them are printable.
type Profiles interface {
	// Manager returns NetworkManager's version and the rights of the caller.
	Manager(ctx context.Context) (Manager, error)
	// List returns every profile that the caller may see, with its state. A profile whose
	// Tunnel.Mode is 0 is no GRE tunnel: only UUID, ID, Serial, Bridge and interface name are set,
	// enough to know which names are taken. On a host with very many tunnels, List may leave out
	// Unsaved and Path.
	List(ctx context.Context) ([]Profile, error)
	// Get returns one profile with all its fields, Exists nothing: both fail with
	// [fault.ErrNotFound] if there is no such profile.
	Get(ctx context.Context, uuid string) (Profile, error)
	Exists(ctx context.Context, uuid string) error
	// Serials returns the Serial of every profile, in a fraction of List's time.
	Serials(ctx context.Context) ([]uint64, error)
	// Add makes a profile with that UUID, in memory only and without autoconnect. It is on trial,
	// and is listed so, until [Profiles.Save]. The caller chooses the UUID, so that it can delete
	// the profile even if the answer to Add is lost.
	Add(ctx context.Context, uuid string, t Tunnel) error
	// Save ends the trial or the edit: it writes the profile to disk, with the tunnel's own
	// autoconnect. An edited profile that was in memory only before stays there. It returns the
	// profile's file.
	Save(ctx context.Context, uuid string) (file string, err error)
	// SaveWith writes a profile on trial to disk, with the tunnel's own autoconnect. It stays on
	// trial until the profile first, which is on trial too, is saved: then it counts as saved as
	// well, and Save takes the mark off. It is gone for good if first is deleted before.
	SaveWith(ctx context.Context, uuid, first string) error
	// Activate brings the profile up and returns when its addresses are set. An error has
	// NetworkManager's reason if it gives one.
	Activate(ctx context.Context, uuid string) error
	// Deactivate takes the profile down and returns when it is down. It does nothing for a profile
	// that is down already.
	Deactivate(ctx context.Context, uuid string) error
	// Delete takes the profile down and removes it. It does nothing if the profile is gone already.
	Delete(ctx context.Context, uuid string) error
	// SetRoutes replaces the profile's routes, which are from, with to: on disk if the profile is
	// on disk, and on the device if the tunnel is up. The tunnel stays up, and addresses and routes
	// that others have set on the device stay. SetRoutes fails with [fault.ErrChanged] if the
	// profile has other routes than from, unless from is nil, and with [fault.ErrInvalid] for a
	// route that a profile cannot hold.
	SetRoutes(ctx context.Context, uuid string, from, to []routes.Route) error
	// Update writes t into the profile, in memory only until [Profiles.Save], and does not touch
	// the device. Settings that nmgre does not know stay. A profile that is named after its
	// interface is renamed with it. Until it is saved, or was undone, the profile is listed with an
	// Edit, which remembers how it was before the first Update. undo gives the profile exactly its
	// old settings, in memory and on disk. It is never nil: NetworkManager may have made the change
	// even if there is an error. Update changes nothing, and fails with [fault.ErrChanged], if the
	// profile is not from, unless from is nil.
	Update(ctx context.Context, uuid string, from *Tunnel, t Tunnel) (undo func(context.Context) error, err error)
	// Revert ends an edit that was never saved: the profile gets the settings from before the first
	// Update, in memory and on disk. It does nothing for a profile without an Edit.
	Revert(ctx context.Context, uuid string) error
	// Reapply applies the profile's present settings to its device, which stays up. Addresses and
	// routes that others have set there stay. With restore they go, and those that others have
	// removed come back. Reapply fails if a setting has changed that needs a new link.
	Reapply(ctx context.Context, uuid string, restore bool) error
	// Pending compares the profile with the settings that its device runs with. It is nothing for a
	// profile that is not active. NetworkManager tells it only to callers who may bring the tunnel
	// up and down.
	Pending(ctx context.Context, uuid string) (Pending, error)
	// Watch sends an event when profiles or their states may have changed. Events that nobody
	// receives are joined into one. The channel is closed when ctx has ended. The watch survives a
	// restart of NetworkManager and of the bus.
	Watch(ctx context.Context) (<-chan ProfileEvent, error)
}

// Manager describes the running NetworkManager.
type Manager struct {
	Version Version
	// Modify says whether polkit lets the caller change profiles (settings.modify.system), Control
	// whether it lets the caller bring them up and down (network-control).
	Modify, Control Permission
}

// Permission is polkit's answer to a question in advance.
type Permission string

// The answers. PermissionAuth means that polkit asks a person for a password first.
const (
	PermissionYes  Permission = "yes"
	PermissionAuth Permission = "auth"
	PermissionNo   Permission = "no"
)

// Profile is a tunnel as NetworkManager holds it.
type Profile struct {
	UUID   string
	ID     string // the profile's name
	Bridge bool   // it is the profile of a bridge
	// Alone says that no other profile had the ID when they were listed last, be it of a tunnel or
	// not. It is false where nobody has looked.
	Alone  bool
	Tunnel Tunnel
	State  State
	// Device is the tunnel's interface. It is empty when the profile is not active.
	Device string
	Users  []string // whom the profile of a tunnel is for; nil for all
	// Beyond names the settings of the profile that Tunnel does not hold, such as "ipv4.dns".
	Beyond []string
	// Unsaved says that the profile differs from the one on disk, or is in memory only.
	Unsaved bool
	Path    string // the profile's file, if it has one
	// Serial is higher for profiles that NetworkManager got later.
	Serial uint64
	// Trial says that [Profiles.Add] made the profile and nobody has saved it. Abandoned says that
	// the process which added or edited it is gone.
	Trial, Abandoned bool
	// With is the UUID of [Profiles.SaveWith], until [Profiles.Save]. The profile is on trial as
	// long as that one is not saved.
	With string
	// Adopts says that the profile has taken over a link that was made by hand.
	Adopts bool
	// Edit is set while [Profiles.Update] has changed the profile in memory only.
	Edit *Edit
	// DeviceState and Reason are NetworkManager's words for the state of the device, such as
	// "activated" and "connection removed". They may be empty.
	DeviceState, Reason string
}

// Edit is the profile as it was before it was edited in memory.
type Edit struct {
	Before Tunnel
	Up     bool // it was up, or on its way up
}

// State is the state of a profile, as `nmgre list` shows it.
type State string

// The states. An external one is a link made by hand, which NetworkManager mirrors.
const (
	StateActive     State = "active"
	StateActivating State = "activating"
	StateInactive   State = "inactive"
	StateExternal   State = "external"
)

// Nmcli returns the word by which nmcli finds the profile, and no other: its ID where that is a
// plain word and the profile is alone with it, and otherwise its UUID. The ID is shown escaped, so
// NetworkManager may have another one.
func (p Profile) Nmcli() string {
	special := strings.HasPrefix(p.ID, "-") || slices.Contains([]string{"id", "uuid", "path", "filename", "help"}, p.ID)
	if !p.Alone || p.ID == "" || special || strings.IndexFunc(p.ID, notInName) >= 0 {
		return fault.ShellWord(p.UUID)
	}
	return p.ID
}

// Called is the profile's name for a person, with its UUID where another profile may have that
// name, too.
func (p Profile) Called() string {
	switch {
	case p.ID == "":
		return fault.Printable(p.UUID)
	case !p.Alone:
		return fault.Printable(p.ID) + " (" + fault.Printable(p.UUID) + ")"
	}
	return fault.Printable(p.ID)
}

// TellAlone sets Alone in a list of all profiles, and returns the list.
func TellAlone(list []Profile) []Profile {
	have := make(map[string]int, len(list))
	for i := range list {
		have[list[i].ID]++
	}
	for i := range list {
		list[i].Alone = have[list[i].ID] == 1
	}
	return list
}

// Running returns the part of the profile that [keep.LocalKeeper] needs.
func (p Profile) Running() keep.Running {
	t := p.Tunnel
	return keep.Running{UUID: p.UUID, Name: t.Name, Nmcli: p.Nmcli(), Device: p.Device, GRE: t.Mode != 0, Remote: t.Remote, Active: p.State == StateActive, Inactive: p.State == StateInactive,
		Trial: p.Trial || p.Edit != nil}
}

// ByName sorts tunnels by the names of their interfaces, and by their UUIDs.
func ByName(a, b Profile) int {
	if c := CompareNames(a.Tunnel.Name, b.Tunnel.Name); c != 0 {
		return c
	}
	return strings.Compare(a.UUID, b.UUID)
}

// CompareNames sorts names by their numbers, too: gre2 comes before gre10.
func CompareNames(a, b string) int {
	stemA, stemB := strings.TrimRight(a, "0123456789"), strings.TrimRight(b, "0123456789")
	if stemA == stemB && len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// ProfileEvent is an event of [Profiles.Watch]. The zero event says that a profile or its device
// may have changed.
type ProfileEvent struct {
	Lost bool // NetworkManager or the bus is gone
	Back bool // NetworkManager is there again: everything may have changed
}

// And joins e with a later event. If the later one is Lost or Back, e does not count any more.
func (e ProfileEvent) And(later ProfileEvent) ProfileEvent {
	if later.Lost || later.Back {
		return later
	}
	return e
}

// Which tells the profile from others of its name: its name and UUID, its state, and its file.
func (p Profile) Which() string {
	text := fault.Printable(p.ID) + " " + p.UUID + ", "
	if p.State == StateExternal {
		return text + "made by hand"
	}
	text += string(p.State)
	if p.Path != "" {
		text += ", " + fault.Printable(p.Path)
	}
	return text
}
