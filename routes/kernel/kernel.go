package kernel

import (
	"context"
	"net/netip"

	"nmgre/routes"
	"nmgre/routes/gre"
)

// RouteProtocol is the routing protocol number (rtm_protocol) of the routes that nmgre itself puts
// into the kernel. NetworkManager leaves protocols that it does not track alone, and the number
// tells nmgre which routes are its own. Numbers from 200 on are nobody's; to see a name in `ip
// route`, put "213 nmgre" into /etc/iproute2/rt_protos.d/nmgre.conf.
const RouteProtocol = 213

// Kernel is the host's kernel, as far as the workflow needs it; package routes has the real one.
//
// Reading needs no privilege; changing routes needs CAP_NET_ADMIN and fails with [ErrNotPermitted]
// without it.
type Kernel interface {
	// Supports returns nil if the kernel has the mode or can load it, without loading anything;
	// else an [ErrUnsupported].
	Supports(m gre.Mode) error
	// CanChange says whether the caller may change routes.
	CanChange() bool
	// Links returns every network device with its addresses.
	Links(ctx context.Context) ([]Link, error)
	// Lookup asks the kernel where it would send a packet. It fails with [ErrUnreachable] when
	// nowhere.
	Lookup(ctx context.Context, q Query) (Hop, error)
	// Routes returns the routes that lead into the device named dev, in every table, but those that
	// the kernel keeps by itself (protocol kernel, table local). Multipath routes are returned for
	// each of their devices. Of very many, those are meant to be returned only that matter: to says
	// which destinations do; nil for all.
	Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]HeldRoute, error)
	// OwnRoutes returns all routes with the protocol number [RouteProtocol], by device; those of a
	// type that has no device are under the empty name.
	OwnRoutes(ctx context.Context) (map[string][]HeldRoute, error)
	// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever
	// made them.
	RoutesTo(ctx context.Context, to netip.Addr) ([]DeviceRoute, error)
	// SyncRoutes sees to it that the routes with the protocol number [RouteProtocol] are those of
	// want, and no others. It compares want with what the kernel has and sends the difference only.
	// Routes of others are left alone: where one is in the place of a wanted one, that one is
	// refused. A route that the kernel refuses does not keep the others from being set. When ctx
	// ends in the middle, some are set and some are not.
	SyncRoutes(ctx context.Context, want []OwnRoute, opts SyncOptions) (SyncResult, error)
	// Probe sends ICMP echo requests to p.To, out of p.Dev, and says what came back.
	Probe(ctx context.Context, p Probe) (ProbeResult, error)
	// Watch tells when devices, addresses or routes may have changed. Events that nobody takes are
	// joined. The channel is closed when ctx has ended.
	Watch(ctx context.Context) (<-chan Event, error)
}

// OwnRoute is a route that nmgre puts into the kernel itself.
type OwnRoute struct {
	// the device that the route, or a nexthop without a device, leads into; empty for types without
	// one, and nexthop objects
	Dev   string
	Route *routes.Route // not changed
}

// SyncOptions say how [Kernel.SyncRoutes] goes about it.
type SyncOptions struct {
	// nothing is changed: the result says what would be. Needs no privilege
	DryRun bool
	// is told now and then how many of the changes are done; may be nil
	Progress func(done, total int)
}

// SyncResult says what [Kernel.SyncRoutes] did. The numbers are indexes into what was wanted, in
// growing order.
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
	HeldRoute
}

// HeldRoute is a route as the kernel holds it.
type HeldRoute struct {
	routes.Route
	Protocol int // rtm_protocol: 213 is ours, 4 static (NetworkManager), 3 boot (`ip route`)
}

// OneOf returns what says whether one of the routes has a destination.
func OneOf(set []routes.Route) func(netip.Prefix) bool {
	known := make(map[netip.Prefix]bool, len(set))
	for i := range set {
		known[set[i].Dst] = true
	}
	return func(dst netip.Prefix) bool { return known[dst] }
}

// Event says what [Kernel.Watch] has seen since the event before.
type Event struct {
	Links  bool // devices or their addresses may be others
	Routes bool // so may routes, of whatever table
}

// And is both events in one.
func (e Event) And(later Event) Event {
	return Event{e.Links || later.Links, e.Routes || later.Routes}
}
