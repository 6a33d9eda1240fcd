package keep

import (
	"context"
	"net/netip"
	"time"

	"nmgre/routes/kernel"
)

// Gateway is what the kernel does with packets that are forwarded, as far as the workflow needs it;
// package routes has the real one. Everything needs root, but Forwarding; it fails with
// [ErrNotPermitted] without.
type Gateway interface {
	// Missing returns the indexes of those of want that nmgre's tables do not have.
	Missing(ctx context.Context, want []Rule) ([]int, error)
	// SetRules replaces nmgre's rules, in one transaction, and says whether there was anything to
	// change. It touches no other table. Connections that the change would treat otherwise are
	// dropped from the connection tracking table.
	SetRules(ctx context.Context, want []Rule) (bool, error)
	// Forwarding says whether IPv4 packets that come in by dev are forwarded. It fails with
	// [ErrNotFound] if there is no such device.
	Forwarding(ctx context.Context, dev string) (bool, error)
	// SetForwarding switches that.
	SetForwarding(ctx context.Context, dev string, on bool) error
	// Obstacles looks for what will drop packets that are forwarded between devs whatever nmgre
	// does, such as firewalld or Docker.
	Obstacles(ctx context.Context, devs []string) ([]Obstacle, error)
}

// Rule is what nmgre does to forwarded packets for one tunnel. It is an SNAT rule, or with ClampMSS
// one that clamps the MSS.
type Rule struct {
	UUID  string       // of the tunnel's profile; the rule is tagged with it
	Dev   string       // the tunnel's device
	Inner netip.Prefix // SNAT: source of the packets
	SNAT  SNAT
	// TCP connections that are forwarded through Dev, in either direction and family, get the MSS
	// that fits
	ClampMSS bool
}

// Obstacle is something on this host that drops forwarded packets.
type Obstacle struct {
	What string // "firewalld forwards nothing between gre1 and eth1"
	Hint string // what to type
}

// Store is root's own files, by the UUID of the profile; package routes/store has the real one.
// Reading needs no privilege; changing needs root and fails with [ErrNotPermitted] without. A file
// that root's own rules do not let nmgre trust (a symlink, not root's, writable by others) is an
// error that says so.
type Store interface {
	// Lock keeps other nmgre processes from changing anything until unlock is called. Needs root.
	Lock(ctx context.Context) (unlock func(), err error)
	// All returns what is kept for every tunnel but those excepted, in the order of their UUIDs. An
	// error about one file is joined to the others', and does not keep the rest from being
	// returned; only when nothing can be told the list is nil.
	All(ctx context.Context, except ...string) ([]Kept, error)
	// Get returns what is kept for one tunnel, with the stamp of its file. It fails with
	// [ErrNotFound] if there is nothing.
	Get(ctx context.Context, uuid string) (Kept, error)
	// Put writes the file of k.UUID anew, or removes it if k is empty: all of it or nothing. It
	// fails with [ErrChanged] if k.Stamp is another than the file's. back makes the file what it
	// was before; it is nil if nothing can have been changed.
	Put(ctx context.Context, k Kept) (back func(ctx context.Context) error, err error)
	// Delete removes a tunnel's file; one that is gone already is no error.
	Delete(ctx context.Context, uuid string) error
	// Remembered returns the state of forwarding that devices had before nmgre changed it, since
	// the last boot.
	Remembered(ctx context.Context) (map[string]bool, error)
	// Remember writes that anew.
	Remember(ctx context.Context, before map[string]bool) error
	// UUIDs returns the tunnels that have a file, without reading it.
	UUIDs(ctx context.Context) ([]string, error)
	// HookOthers sets whether the hook calls nmgre also for events of connections that have no
	// file.
	HookOthers(ctx context.Context, on bool) error
	// HookMissing returns nil if NetworkManager's dispatcher calls nmgre; else an error that says
	// what is missing and how to mend it.
	HookMissing(ctx context.Context) error
}

// Keeper carries out what needs root: it keeps what NetworkManager cannot hold in the [Store], and
// sees that the kernel has it. [LocalKeeper] does it in this process; without root, a helper does.
type Keeper interface {
	// MayKeep returns nil if the rest can be asked for; else an [ErrNotPermitted] that says why
	// not. It asks nobody.
	MayKeep() error
	// Keep writes k and converges: whatever the files want is in the kernel when it returns. An
	// empty k is forgotten. When it fails, everything is as it was before, unless the error is an
	// [ErrLeftBehind].
	Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error)
	// Forget removes what is kept for a tunnel, from the files and from the kernel.
	Forget(ctx context.Context, uuid string) error
	// Converge makes the kernel have what the files want, as far as the tunnels are up.
	Converge(ctx context.Context) (Converged, error)
}

// Running is what the [LocalKeeper] has to know of a profile.
type Running struct {
	// Name is the interface's; Device is empty when the profile is not active
	UUID, Name, Device string
	GRE                bool // it is a tunnel's
	Active, Inactive   bool // neither: on its way
}

// Tunnels says which profiles there are, for the [LocalKeeper].
type Tunnels interface {
	// Running returns every profile. It fails with [ErrNoNetworkManager] when nobody can tell.
	Running(ctx context.Context) ([]Running, error)
	// Exists fails with [ErrNotFound] when there is no such profile.
	Exists(ctx context.Context, uuid string) error
}

// Converged says what a [Keeper] found to do.
type Converged struct {
	Routes  kernel.SyncResult // of all tunnels together
	Refused []kernel.Refusal  // of the tunnel that was given to Keep: indexes into its Kept.Routes
	Changed bool              // whether anything was changed
	Trouble []string          // what could not be done, in words; of other tunnels too
}

// for taking everything back, waiting for NetworkManager to return included
const UndoTimeout = 30 * time.Second
