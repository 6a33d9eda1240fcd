package nmgre

import (
	"context"
	"net/netip"
	"time"
)

// MinVersion is the oldest NetworkManager that nmgre works with.
var MinVersion = Version{1, 42, 0}

// Version is NetworkManager's version.
type Version struct{ Major, Minor, Micro int }

// Profiles is NetworkManager, as far as the workflow needs it; package nm has the real one.
//
// Every method honours ctx: when it ends, the method returns soon, though NetworkManager may still carry out what it was asked.
// Errors are of the kinds in this package ([ErrNoNetworkManager], [ErrNotPermitted], [ErrInvalid] when NetworkManager refuses a
// setting, [ErrTimeout]); texts in them are printable.
type Profiles interface {
	// Manager says which NetworkManager there is and what the caller may do.
	Manager(ctx context.Context) (Manager, error)
	// List returns every profile that the caller may see, with its state. Of those that are no GRE tunnels (Tunnel.Mode is 0) only
	// UUID, ID, Serial and the interface's name are set: enough to know which names are taken.
	List(ctx context.Context) ([]Profile, error)
	// Get returns one profile with everything that there is to say of it. It fails with [ErrNotFound] if there is none. On a host
	// with very many tunnels List may leave Unsaved and Path out; Get does not.
	Get(ctx context.Context, uuid string) (Profile, error)
	// Serials returns the Serial of every profile. It is a fraction of List's work.
	Serials(ctx context.Context) ([]uint64, error)
	// Add makes a profile with that UUID which lives in memory only, does not connect by itself, and is marked as being on trial:
	// until [Profiles.Save] it is listed so. The UUID is the caller's, so that what an Add without an answer may have left behind
	// can be deleted.
	Add(ctx context.Context, uuid string, t Tunnel) error
	// Save ends the trial: the profile is written to disk, with autoconnect as the tunnel wants it.
	Save(ctx context.Context, uuid string) error
	// Activate brings the profile up and returns when its addresses are set. When NetworkManager says why it failed, the error does too.
	Activate(ctx context.Context, uuid string) error
	// Deactivate takes the profile down and returns when it is. A profile that is down already is no error.
	Deactivate(ctx context.Context, uuid string) error
	// Delete takes the profile down and removes it. One that is gone already is no error.
	Delete(ctx context.Context, uuid string) error
	// SetRoutes gives the profile the routes to instead of from, on disk if it is there, and has NetworkManager apply them to
	// the device while the tunnel stays up; addresses and routes that others have set on the device stay too. It fails with
	// [ErrChanged] if the profile has other routes than from, unless from is nil, and with an [ErrInvalid] for a route that a
	// profile cannot hold.
	SetRoutes(ctx context.Context, uuid string, from, to []Route) error
	// Update writes t into the profile, in memory only until [Profiles.Save], and applies nothing. What nmgre does not know of the
	// profile stays. A profile that has its interface's name keeps to it when that changes. The function that it returns puts the
	// profile back exactly as it was, in memory and on disk; it is never nil, since an error may be of the answer only.
	Update(ctx context.Context, uuid string, t Tunnel) (back func(context.Context) error, err error)
	// Reapply has the profile's device run with the profile as it is now, and stay up meanwhile; addresses and routes that others have
	// set on the device stay too. It fails when the profile differs in what cannot be changed so.
	Reapply(ctx context.Context, uuid string) error
	// Watch tells when profiles, or what NetworkManager does with them, may have changed. Events that nobody takes are joined. The channel
	// is closed when ctx has ended. The watch outlives a restart of NetworkManager and of the bus.
	Watch(ctx context.Context) (<-chan ProfileEvent, error)
}

// Manager is what a NetworkManager says of itself.
type Manager struct {
	Version Version
	// Modify and Control are what polkit says to changing profiles (settings.modify.system) and to bringing them up and
	// down (network-control).
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
	// Trial says that the profile is one that [Profiles.Add] made and nobody saved; Abandoned, that the process that did is gone.
	Trial, Abandoned bool
	// DeviceState and Reason are NetworkManager's own words on the device, such as "activated" and "connection removed"; may be empty.
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

// running is the profile as the keeper sees it.
func (p Profile) running() Running {
	return Running{UUID: p.UUID, Name: p.Tunnel.Name, Device: p.Device, GRE: p.Tunnel.Mode != 0, Active: p.State == StateActive, Inactive: p.State == StateInactive}
}

// TunnelsOf gives the keeper NetworkManager's profiles.
type TunnelsOf struct{ Profiles }

// Running returns every profile.
func (t TunnelsOf) Running(ctx context.Context) ([]Running, error) {
	profiles, err := t.Profiles.List(ctx)
	list := make([]Running, len(profiles))
	for i, p := range profiles {
		list[i] = p.running()
	}
	return list, err
}

// Exists fails with [ErrNotFound] when there is no such profile.
func (t TunnelsOf) Exists(ctx context.Context, uuid string) error {
	_, err := t.Profiles.Get(ctx, uuid)
	return err
}

// Kernel is the host's kernel, as far as the workflow needs it; package routes has the real one.
//
// Reading needs no privilege; changing routes needs CAP_NET_ADMIN and fails with [ErrNotPermitted] without it.
type Kernel interface {
	// Supports returns nil if the kernel has the mode or can load it, without loading anything; else an [ErrUnsupported].
	Supports(m Mode) error
	// CanChange says whether the caller may change routes.
	CanChange() bool
	// Links returns every network device with its addresses.
	Links(ctx context.Context) ([]Link, error)
	// Lookup asks the kernel where it would send a packet. It fails with [ErrUnreachable] when nowhere.
	Lookup(ctx context.Context, q Query) (Hop, error)
	// Routes returns the routes that lead into the device named dev, in every table, but those that the kernel keeps by itself
	// (protocol kernel, table local). Multipath routes are returned for each of their devices. Of very many, those are meant to be
	// returned only that matter: to says which destinations do; nil for all.
	Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]KernelRoute, error)
	// OwnRoutes returns all routes with the protocol number [RouteProtocol], by device; those of a type that has no device are
	// under the empty name.
	OwnRoutes(ctx context.Context) (map[string][]KernelRoute, error)
	// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever made them.
	RoutesTo(ctx context.Context, to netip.Addr) ([]DeviceRoute, error)
	// SyncRoutes sees to it that the routes with the protocol number [RouteProtocol] are those of want, and no others. It compares
	// want with what the kernel has and sends the difference only. Routes of others are left alone: where one is in the place of
	// a wanted one, that one is refused. A route that the kernel refuses does not keep the others from being set. When ctx ends in
	// the middle, some are set and some are not.
	SyncRoutes(ctx context.Context, want []OwnRoute, opts SyncOptions) (SyncResult, error)
	// Probe sends ICMP echo requests to p.To, out of p.Dev, and says what came back.
	Probe(ctx context.Context, p Probe) (ProbeResult, error)
	// Watch tells when devices, addresses or routes may have changed. Events that nobody takes are joined. The channel is closed when
	// ctx has ended.
	Watch(ctx context.Context) (<-chan KernelEvent, error)
}

// OwnRoute is a route that nmgre puts into the kernel itself.
type OwnRoute struct {
	Dev   string // the device that the route, or a nexthop without a device, leads into; empty for types without one, and nexthop objects
	Route *Route // not changed
}

// SyncOptions say how [Kernel.SyncRoutes] goes about it.
type SyncOptions struct {
	DryRun   bool                  // nothing is changed: the result says what would be. Needs no privilege
	Progress func(done, total int) // is told now and then how many of the changes are done; may be nil
}

// SyncResult says what [Kernel.SyncRoutes] did. The numbers are indexes into what was wanted, in growing order.
type SyncResult struct {
	Added     []int // the kernel did not have them
	Replaced  []int // it had another route of ours in their place
	Unchanged int
	Removed   int // ours that nobody wants any more
	Refused   []Refusal
}

// Refusal is a wanted route that the kernel did not take.
type Refusal struct {
	Index int // into what was wanted
	Err   error
}

// DeviceRoute is a route with its device.
type DeviceRoute struct {
	Dev string // of a multipath route, the first one's
	KernelRoute
}

// Gateway is what the kernel does with packets that are forwarded, as far as the workflow needs it; package routes has the real one.
// Everything needs root, but Forwarding; it fails with [ErrNotPermitted] without.
type Gateway interface {
	// Missing returns the indexes of those of want that nmgre's tables do not have.
	Missing(ctx context.Context, want []Rule) ([]int, error)
	// SetRules replaces nmgre's rules, in one transaction, and says whether there was anything to change. It touches no other
	// table. Connections that the change would treat otherwise are dropped from the connection tracking table.
	SetRules(ctx context.Context, want []Rule) (bool, error)
	// Forwarding says whether IPv4 packets that come in by dev are forwarded. It fails with [ErrNotFound] if there is no such device.
	Forwarding(ctx context.Context, dev string) (bool, error)
	// SetForwarding switches that.
	SetForwarding(ctx context.Context, dev string, on bool) error
	// Obstacles looks for what will drop packets that are forwarded between devs whatever nmgre does, such as firewalld or Docker.
	Obstacles(ctx context.Context, devs []string) ([]Obstacle, error)
}

// Rule is what nmgre does to forwarded packets for one tunnel. It is an SNAT rule, or with ClampMSS one that clamps the MSS.
type Rule struct {
	UUID     string       // of the tunnel's profile; the rule is tagged with it
	Dev      string       // the tunnel's device
	Inner    netip.Prefix // SNAT: source of the packets
	SNAT     SNAT
	ClampMSS bool // TCP connections that are forwarded through Dev, in either direction and family, get the MSS that fits
}

// Obstacle is something on this host that drops forwarded packets.
type Obstacle struct {
	What string // "firewalld forwards nothing between gre1 and eth1"
	Hint string // what to type
}

// Store is root's own files, by the UUID of the profile; package routes/store has the real one. Reading needs no privilege; changing
// needs root and fails with [ErrNotPermitted] without. A file that root's own rules do not let nmgre trust (a symlink, not root's,
// writable by others) is an error that says so.
type Store interface {
	// Lock keeps other nmgre processes from changing anything until unlock is called. Needs root.
	Lock(ctx context.Context) (unlock func(), err error)
	// All returns what is kept for every tunnel but those excepted, in the order of their UUIDs. An error about one file is joined to
	// the others', and does not keep the rest from being returned; only when nothing can be told the list is nil.
	All(ctx context.Context, except ...string) ([]Kept, error)
	// Get returns what is kept for one tunnel, with the stamp of its file. It fails with [ErrNotFound] if there is nothing.
	Get(ctx context.Context, uuid string) (Kept, error)
	// Put writes the file of k.UUID anew, or removes it if k is empty: all of it or nothing. It fails with [ErrChanged] if k.Stamp is
	// another than the file's. back makes the file what it was before; it is nil if nothing can have been changed.
	Put(ctx context.Context, k Kept) (back func(ctx context.Context) error, err error)
	// Delete removes a tunnel's file; one that is gone already is no error.
	Delete(ctx context.Context, uuid string) error
	// Remembered returns the state of forwarding that devices had before nmgre changed it, since the last boot.
	Remembered(ctx context.Context) (map[string]bool, error)
	// Remember writes that anew.
	Remember(ctx context.Context, before map[string]bool) error
	// UUIDs returns the tunnels that have a file, without reading it.
	UUIDs(ctx context.Context) ([]string, error)
	// Watch says whether the hook shall call nmgre for the events of other connections than those that have a file.
	Watch(ctx context.Context, others bool) error
	// HookMissing returns nil if NetworkManager's dispatcher calls nmgre; else an error that says what is missing and how to mend it.
	HookMissing(ctx context.Context) error
}

// Keeper carries out what needs root: it keeps what NetworkManager cannot hold in the [Store], and sees that the kernel has it.
// [LocalKeeper] does it in this process; without root, a helper does.
type Keeper interface {
	// MayKeep returns nil if the rest can be asked for; else an [ErrNotPermitted] that says why not. It asks nobody.
	MayKeep() error
	// Keep writes k and converges: whatever the files want is in the kernel when it returns. An empty k is forgotten. When it fails,
	// everything is as it was before, unless the error is an [ErrLeftBehind].
	Keep(ctx context.Context, k Kept, progress func(done, total int)) (Converged, error)
	// Forget removes what is kept for a tunnel, from the files and from the kernel.
	Forget(ctx context.Context, uuid string) error
	// Converge makes the kernel have what the files want, as far as the tunnels are up.
	Converge(ctx context.Context) (Converged, error)
}

// Running is what the [LocalKeeper] has to know of a profile.
type Running struct {
	UUID, Name, Device string // Name is the interface's; Device is empty when the profile is not active
	GRE                bool   // it is a tunnel's
	Active, Inactive   bool   // neither: on its way
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
	Routes  SyncResult // of all tunnels together
	Refused []Refusal  // of the tunnel that was given to Keep: indexes into its Kept.Routes
	Changed bool       // whether anything was changed
	Trouble []string   // what could not be done, in words; of other tunnels too
}

// System is the doors to one host: NetworkManager, its kernel, and what root keeps.
type System struct {
	Profiles Profiles
	Kernel   Kernel
	Gateway  Gateway
	Store    Store
	Keeper   Keeper
}

// Link is a network device.
type Link struct {
	Index int
	Name  string
	Kind  string // the kernel's word, such as "gre" or "veth"; empty for hardware
	Up    bool   // administratively up; says nothing about the far end
	MTU   int    // in bytes

	Addresses []netip.Prefix // with the length of their network; of an address with a peer, the address
	GRE       *GRELink       // set for the GRE modes only
	Counters  Counters
}

// GRELink is what the kernel holds of a GRE device.
type GRELink struct {
	Mode                Mode
	Local, Remote       netip.Addr // unspecified for any
	Parent              int        // index of the device that it is bound to; 0 for none
	InputKey, OutputKey *Key
	TTL, TOS            uint8
	PMTUD               bool
	EncapLimit          uint8       // IPv6 modes; meaningless with FlagIgnEncapLimit
	FlowLabel           uint32      // IPv6 modes
	Flags               TunnelFlags // IPv6 modes, those of them that the kernel has
	Checksum, Sequence  bool        // in either direction: NetworkManager cannot hold them
	External            bool        // collects its metadata from routes or a bridge: no tunnel of two ends
}

// Counters are the kernel's counters of a device (IFLA_STATS64).
type Counters struct {
	RxPackets, TxPackets, RxBytes, TxBytes uint64
	RxErrors, TxErrors, RxDropped          uint64
	TxDropped                              uint64 // refused on this host after encapsulation
	TxCarrierErrors                        uint64 // no route to the far end, or the local address is not on this host
	Collisions                             uint64 // the route to the far end leads through the tunnel itself
	RxCRCErrors                            uint64 // the far end's checksum option differs
	RxFIFOErrors                           uint64 // out of sequence
}

// Query is a question to the kernel's routing: where would a packet to To go?
type Query struct {
	To   netip.Addr
	From netip.Addr // source address; zero to let the kernel choose one
	Dev  string     // device that the packet must leave by, as for a socket bound to it; empty for any
}

// Hop is the kernel's answer to a [Query].
type Hop struct {
	Dev string     // device that the packet leaves by
	Via netip.Addr // gateway; zero when the destination is on the link
	Src netip.Addr // source address the packet gets
	// Match is the destination of the route that decided: the shorter it is, the easier it is overruled by a longer one.
	Match netip.Prefix
	MTU   int // of the path as far as the kernel knows it: the route's own or a cached path MTU, else the device's; in bytes
}

// KernelRoute is a route as the kernel holds it.
type KernelRoute struct {
	Route
	Protocol int // rtm_protocol: 213 is ours, 4 static (NetworkManager), 3 boot (`ip route`)
}

// Probe says what to send: ICMP or ICMPv6 echo requests, by To's family.
type Probe struct {
	Dev      string // device that they leave by
	From     netip.Addr
	To       netip.Addr
	Count    int           // how many at most, 1 to 10
	Interval time.Duration // between two of them, and the wait after the last
	Enough   int           // stop as soon as so many have come back; 0 for all
}

// ProbeResult says what came back.
type ProbeResult struct {
	Sent, Received int
	RTT            []time.Duration // of each answer, in the order in which they came
	// Refusals are ICMP errors that came back instead, in words with the sender, each once.
	Refusals []string
}
