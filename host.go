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
	// (protocol kernel, table local). Multipath routes are returned for each of their devices.
	Routes(ctx context.Context, dev string) ([]KernelRoute, error)
	// OwnRoutes returns all routes with the protocol number [RouteProtocol], by device.
	OwnRoutes(ctx context.Context) (map[string][]KernelRoute, error)
	// AddRoute adds a route of ours (protocol [RouteProtocol]) into dev; ErrExists if there is one like it.
	AddRoute(ctx context.Context, dev string, r Route) error
	// ReplaceRoute adds the route, or puts it in the place of the one with the same destination, metric and table.
	ReplaceRoute(ctx context.Context, dev string, r Route) error
	// DeleteRoute removes a route of ours; one that is gone already is no error.
	DeleteRoute(ctx context.Context, dev string, r Route) error
	// Probe sends ICMP echo requests to p.To, out of p.Dev, and says what came back.
	Probe(ctx context.Context, p Probe) (ProbeResult, error)
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
