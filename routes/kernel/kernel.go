package kernel

import (
	"context"
	"net/netip"

	"nmgre/routes"
	"nmgre/routes/gre"
)

// RouteProtocol is the routing protocol number (rtm_protocol) of the routes that nmgre itself puts
// into the kernel. By it nmgre knows its own routes, and NetworkManager leaves them alone, as it
// does all protocols that it does not track. Numbers from 200 on are not assigned. To see a name in
// `ip route`, put "213 nmgre" into /etc/iproute2/rt_protos.d/nmgre.conf.
const RouteProtocol = 213

// Kernel is the kernel of the host; package routes/netlink implements it.
//
// Reading needs no privilege. Changing routes needs CAP_NET_ADMIN, and fails with
// [fault.ErrNotPermitted] otherwise.
type Kernel interface {
	IPsec
	Policy
	// Supports returns nil if the kernel has the mode, or can load its module, and
	// [fault.ErrUnsupported] otherwise. It loads nothing.
	Supports(m gre.Mode) error
	// CanChange reports whether the caller may change routes.
	CanChange() bool
	// Links returns every network device with its addresses.
	Links(ctx context.Context) ([]Link, error)
	// Link returns one network device without its addresses. It fails with [fault.ErrNotFound] if
	// there is none of that name.
	Link(ctx context.Context, name string) (Link, error)
	// Lookup asks the kernel where it would send a packet. It fails with [fault.ErrUnreachable] if
	// no route leads there.
	Lookup(ctx context.Context, q Query) (Hop, error)
	// Routes returns the routes of all tables that lead into the device named dev, without those
	// that the kernel keeps by itself (protocol kernel, table local). A multipath route is returned
	// for each of its devices. to selects routes by their destinations, so that a few of very many
	// can be asked for; nil selects all.
	Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]HeldRoute, error)
	// OwnRoutes returns all routes with the protocol number [RouteProtocol], by device. Routes
	// without a device are under the empty name.
	OwnRoutes(ctx context.Context) (map[string][]HeldRoute, error)
	// RoutesByDevice returns the routes that Routes returns, of all devices, by device: it asks the
	// kernel once. Routes without a device, and those by a nexthop object, are left out.
	RoutesByDevice(ctx context.Context, to func(netip.Prefix) bool) (map[string][]HeldRoute, error)
	// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever
	// made them.
	RoutesTo(ctx context.Context, to netip.Addr) ([]DeviceRoute, error)
	// SyncRoutes makes the routes with the protocol number [RouteProtocol] those of want, and no
	// others. It compares want with the kernel's routes and sends the difference only. It leaves
	// other protocols' routes alone: a wanted route whose slot one of them has is refused. After a
	// refused route the others are still set. When ctx ends in the middle, some routes are set and
	// some are not.
	SyncRoutes(ctx context.Context, want []OwnRoute, opts SyncOptions) (SyncResult, error)
	// SetLink switches options of a GRE link on and off. It fails with [fault.ErrNotFound] if there
	// is no such link.
	SetLink(ctx context.Context, c LinkChange) error
	// Probe sends ICMP echo requests to p.To, out of p.Dev, and waits for the answers.
	Probe(ctx context.Context, p Probe) (ProbeResult, error)
	// Watch returns a channel that tells when devices, addresses or routes may have changed. Events
	// that nobody receives are joined into one. An event says so when changes go unseen. The
	// channel is closed when ctx ends.
	Watch(ctx context.Context) (<-chan Event, error)
}

// OwnRoute is a route that nmgre puts into the kernel itself.
type OwnRoute struct {
	// Dev is the device of the route and of each nexthop that names none. It is empty for a route
	// by a nexthop object, and for types without a device.
	Dev   string
	Route *routes.Route // is only read
}

// SyncOptions are the options of [Kernel.SyncRoutes].
type SyncOptions struct {
	// DryRun changes nothing and needs no privilege: the result is the one that the call would have
	// without it.
	DryRun bool
	// Progress is called now and then with how many of the changes are done. It may be nil.
	Progress func(done, total int)
}

// SyncResult is the result of [Kernel.SyncRoutes]. The lists are indexes into the wanted routes, in
// ascending order.
type SyncResult struct {
	Added     []int // the kernel did not have them
	Replaced  []int // they took the place of other routes with [RouteProtocol]
	Unchanged int   // how many the kernel had already
	Removed   int   // how many routes with [RouteProtocol] were not wanted any more
	Refused   []Refusal
}

// Refusal is a wanted route that the kernel did not take.
type Refusal struct {
	Index int // of the wanted route
	Err   error
}

// DeviceRoute is a route with its device.
type DeviceRoute struct {
	Dev string // of a multipath route, the first nexthop's
	HeldRoute
}

// HeldRoute is a route as the kernel holds it.
type HeldRoute struct {
	routes.Route
	Protocol int // rtm_protocol: 213 is nmgre's, 4 static (NetworkManager), 3 boot (`ip route`)
}

// HeldSlots returns the slots of the routes: each with its metric, and once more with the metric
// -1, for whom the metric does not matter.
func HeldSlots(list []HeldRoute) map[routes.Slot]bool {
	held := make(map[routes.Slot]bool, 2*len(list))
	for _, r := range list {
		s := r.Slot()
		s.Metric = int64(r.KernelMetric())
		held[s] = true
		s.Metric = -1
		held[s] = true
	}
	return held
}

// OneOf returns a function that reports whether a destination is that of one of the routes, for
// [Kernel.Routes].
func OneOf(list []routes.Route) func(netip.Prefix) bool {
	known := make(map[netip.Prefix]bool, len(list))
	for i := range list {
		known[list[i].Dst] = true
	}
	return func(dst netip.Prefix) bool { return known[dst] }
}

// Event names the kinds of things that may have changed since the previous event of [Kernel.Watch].
type Event struct {
	Links  bool // devices or their addresses
	Routes bool // routes, of any table
	// Deaf says that the kernel's notifications do not arrive any more: changes go unseen. The
	// watch goes on trying to get them, with such an event at each try.
	Deaf bool
	// Hears says that the notifications arrive again after Deaf.
	Hears bool
}

// And returns one event for both. Of Deaf and Hears the later one counts.
func (e Event) And(later Event) Event {
	both := Event{e.Links || later.Links, e.Routes || later.Routes, later.Deaf, later.Hears}
	if !later.Deaf && !later.Hears {
		both.Deaf, both.Hears = e.Deaf, e.Hears
	}
	return both
}
