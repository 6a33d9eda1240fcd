package keep

import (
	"context"
	"net/netip"
	"time"

	"nmgre/routes"
	"nmgre/routes/kernel"
)

// Gateway is the part of the kernel that changes forwarded packets; package routes/gateway
// implements it. All of it needs root but Forwarding and ReversePathFilter, and fails with
// [fault.ErrNotPermitted] otherwise.
type Gateway interface {
	// Missing returns the indexes of those rules of want that nmgre's tables do not have.
	Missing(ctx context.Context, want []Rule) ([]int, error)
	// SetRules replaces nmgre's rules in one transaction, and reports whether that changed
	// anything. It touches no other table. Connections that the new rules treat differently are
	// dropped from the connection tracking table. It fails with [RefusedRules] if the kernel has
	// taken all rules but some.
	SetRules(ctx context.Context, want []Rule) (bool, error)
	// RuleCounters returns how many packets each rule of want has taken: 0 for a rule that nmgre's
	// tables do not have, or that does not count.
	RuleCounters(ctx context.Context, want []Rule) ([]uint64, error)
	// Translations returns which NAT rules take packets that an SNAT rule of nmgre's is for.
	Translations(ctx context.Context, p Passing) (Translations, error)
	// WatchRules returns a channel that tells when somebody may have removed rules of nmgre's. The
	// channel is closed when ctx ends.
	WatchRules(ctx context.Context) (<-chan struct{}, error)
	// Forwarding reports whether IPv4 packets that come in by dev are forwarded; for "all", whether
	// somebody has switched it on for all devices. It fails with [fault.ErrNotFound] if there is no
	// such device.
	Forwarding(ctx context.Context, dev string) (bool, error)
	// SetForwarding switches the forwarding of IPv4 packets that come in by dev on or off.
	SetForwarding(ctx context.Context, dev string, on bool) error
	// ReversePathFilter returns the filter for the IPv4 packets that come in by dev. It fails with
	// [fault.ErrNotFound] if there is no such device.
	ReversePathFilter(ctx context.Context, dev string) (ReversePathFilter, error)
	// Obstacles looks for other programs on this host, such as firewalld or Docker, that will drop
	// packets which are forwarded between devs.
	Obstacles(ctx context.Context, devs []string) ([]Obstacle, error)
	// OuterRules looks for rules of other programs on this host that drop a tunnel's own packets,
	// which carry the forwarded ones, or change their addresses.
	OuterRules(ctx context.Context, p OuterPackets) (OuterRules, error)
	// Together returns a view of the rules for many tunnels, which several goroutines may use at
	// once: whatever it reads of other programs' rules, and of nmgre's, it reads once. It must not
	// be used for changes. closeView ends it.
	Together() (view Gateway, closeView func())
}

// Obstacle is a firewall on this host that drops forwarded packets.
type Obstacle struct {
	What string // "firewalld forwards nothing between gre1 and eth1"
	Hint string // the command that mends it
	// Apart says that surely no connection passes between the tunnel and one of the devices, in
	// either direction.
	Apart bool
}

// Store is root's files, one a tunnel, by the UUID of its profile; package routes/store implements
// it. Reading needs no privilege. Changing needs root, and fails with [fault.ErrNotPermitted]
// otherwise. A file that cannot be trusted (a symlink, not root's, writable by others) is an error
// that says so.
type Store interface {
	// Lock keeps other nmgre processes from changing anything until unlock is called. It needs
	// root.
	Lock(ctx context.Context) (unlock func(), err error)
	// SetWaiting notes that a process could not wait for the lock, and Waiting reads the note. It
	// needs root, and no lock.
	SetWaiting(ctx context.Context, on bool) error
	Waiting(ctx context.Context) bool
	// Interrupted reports whether a process was killed while it had the lock, or a trial. It needs
	// root. Whoever converges next ends both.
	Interrupted(ctx context.Context) bool
	// All returns the kept parts of all tunnels but those excepted, in the order of their UUIDs.
	// The errors about single files are joined, and come with the list of the others. The list is
	// nil only when no file could be looked for.
	All(ctx context.Context, except ...string) ([]Kept, error)
	// Brief returns the kept parts of all tunnels as All does, but of those whose interfaces are
	// down only what [nmgre/routes/keep/format.ParseBrief] says.
	Brief(ctx context.Context, isDown func(dev string) bool) ([]Kept, error)
	// Get returns the kept part of one tunnel, with the stamp of its file. It fails with
	// [fault.ErrNotFound] if there is no file.
	Get(ctx context.Context, uuid string) (Kept, error)
	// Known returns the same but for the routes. has tells which routes of the list of are among
	// these; no two of that list are in one slot. So two lists of very many routes are never in
	// memory together.
	Known(ctx context.Context, uuid string, of []routes.Route) (k Kept, has []bool, err error)
	// Put writes the file of k.UUID, or removes it if k is empty: all of it or nothing. It fails
	// with [fault.ErrChanged] if k.Stamp is not that of the file. undo makes the file as it was; it
	// is nil where Put has changed nothing.
	Put(ctx context.Context, k Kept) (undo func(ctx context.Context) error, err error)
	// Try writes k for the trial of its tunnel, as [Tried] says: until the trial ends, reading
	// returns k in place of the tunnel's file. Its errors and undo are those of Put.
	Try(ctx context.Context, k Kept, byProfile bool) (undo func(ctx context.Context) error, err error)
	// Tried returns the trials.
	Tried(ctx context.Context) ([]Tried, error)
	// EndTrial ends the trial of a tunnel. With save, the content of the trial becomes the tunnel's
	// file. It is no error if the tunnel has no trial.
	EndTrial(ctx context.Context, uuid string, save bool) error
	// Delete removes a tunnel's file and trial. A file that does not exist is no error.
	Delete(ctx context.Context, uuid string) error
	// Remembered returns, by device, whether forwarding was on before nmgre changed it. It goes
	// back to the last boot. The name "all" stands for the switch of all devices.
	Remembered(ctx context.Context) (map[string]bool, error)
	// Remember replaces the settings that [Store.Remembered] returns.
	Remember(ctx context.Context, before map[string]bool) error
	// SetLinks returns, by device, the options of links that nmgre has switched on. It goes back to
	// the last boot.
	SetLinks(ctx context.Context) (map[string]SetOptions, error)
	// RememberLinks replaces the options that [Store.SetLinks] returns.
	RememberLinks(ctx context.Context, set map[string]SetOptions) error
	// UUIDs returns the tunnels that have a file, without reading the files.
	UUIDs(ctx context.Context) ([]string, error)
	// HookOthers sets whether the dispatcher's hook calls nmgre also for the events of connections
	// that have no file.
	HookOthers(ctx context.Context, on bool) error
	// HookMissing returns nil if NetworkManager's dispatcher calls nmgre. Otherwise its error names
	// the file or service that is missing, and its hint how to mend it.
	HookMissing(ctx context.Context) error
}

// Keeper does the work that needs root: it writes to the [Store], and makes the kernel agree with
// the files. [LocalKeeper] does it in a process of root's; package routes/asroot asks such a
// process.
type Keeper interface {
	// MayKeep returns nil if the other methods can be called. Otherwise it returns a
	// [fault.ErrNotPermitted] that says why not. It asks nobody for a password.
	MayKeep() error
	// Keep writes k and converges: when it returns, the kernel agrees with the files. An empty k
	// is forgotten. progress, which may be nil, is told now and then how many of the kernel's
	// routes are done. When Keep fails, everything is as it was before, unless the error is a
	// [fault.ErrLeftBehind].
	Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error)
	// Try is Keep for a kept part on trial: it counts until its [Trial] is ended, or this process.
	// byProfile says that the tunnel's profile is on trial, too, and is saved before the Trial is.
	Try(ctx context.Context, k Kept, byProfile bool, progress func(done, total int)) (Converged, Trial, error)
	// Forget removes the kept part of a tunnel, from the files and from the kernel.
	Forget(ctx context.Context, uuid string) error
	// Converge makes the kernel agree with the files, as far as the tunnels are up. about is the
	// UUID of the tunnel that matters: failures of other tunnels are trouble, and no error. It is
	// empty if all matter.
	Converge(ctx context.Context, about string) (Converged, error)
}

// Running is the state of a profile, as far as the [LocalKeeper] needs it.
type Running struct {
	UUID, Name string // Name is the interface's
	Nmcli      string // the word by which nmcli finds the profile; empty for its UUID
	Device     string // empty when the profile is not active
	GRE        bool   // it is the profile of a tunnel
	Remote     netip.Addr
	// Neither is set while the profile is on its way up or down.
	Active, Inactive bool
	Trial            bool // the profile is new, or edited, and not saved yet
}

// Tunnels tells the [LocalKeeper] which profiles there are.
type Tunnels interface {
	// Running returns every profile. It fails with [fault.ErrNoNetworkManager] when NetworkManager
	// is not there.
	Running(ctx context.Context) ([]Running, error)
	// One returns one profile. It fails with [fault.ErrNotFound] when there is no such profile.
	One(ctx context.Context, uuid string) (Running, error)
	// Exists fails with [fault.ErrNotFound] when there is no such profile. It asks for no more.
	Exists(ctx context.Context, uuid string) error
}

// Converged is the result of a [Keeper]'s work.
type Converged struct {
	Routes  kernel.SyncResult // of all tunnels together
	Refused []kernel.Refusal  // of the tunnel that was given to Keep: indexes into its Kept.Routes
	Changed bool              // something in the kernel was changed
	Trouble []string          // sentences about the failures, for all tunnels
}

// UndoTimeout is how long an undo may take, without the time in which NetworkManager restarts.
const UndoTimeout = 30 * time.Second
