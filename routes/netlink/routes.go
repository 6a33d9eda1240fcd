package netlink

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// Routes returns the unicast routes that lead into the device named dev, of both families and of
// every table but the local one. It leaves out the kernel's own (protocol kernel) and cached
// routes. Routes of protocol [kernel.RouteProtocol] are returned with every type and table.
//
// A multipath route has all its nexthops; the Dev of those that lead into dev is empty. Defaults
// are absent: Table is 0 for the type's own table, Metric is nil for the kernel's default (0 for
// IPv4, 1024 for IPv6), Weight is 0 for 1. An IPv4 route by an IPv6 router has the router in Via.
// Expires is the time that is left, in seconds. A part that no [routes.Route] can hold, such as an
// encap of an unknown kind, is left out of the route.
//
// Only routes to destinations for which to returns true are returned and take memory; a nil to
// selects all. Routes fails with ErrInvalid when dev does not exist.
func (k *Kernel) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]kernel.HeldRoute, error) {
	link, err := k.linkByName(ctx, dev)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	wanted := func(w *wire.Route) bool {
		return (to == nil || to(w.Dst)) && w.LeadsInto(link.Index) && (w.Ours() || w.OthersUnicast())
	}
	found, err := k.listRoutes(ctx, wanted, wire.Route{Family: unix.AF_INET, Device: link.Index}, wire.Route{Family: unix.AF_INET6, Device: link.Index})
	if err != nil {
		return nil, err
	}
	names, err := k.namesFor(ctx, found, link)
	if err != nil {
		return nil, err
	}
	var held []kernel.HeldRoute
	for i := range found {
		if r, ok := found[i].Held(link.Index, names); ok {
			held = append(held, r)
		}
	}
	return held, nil
}

// namesFor returns the names, by index, of the devices that the routes lead into. Without a
// multipath route that is link alone, and the kernel is not asked.
func (k *Kernel) namesFor(ctx context.Context, found []wire.Route, link kernel.Link) (map[int]string, error) {
	for i := range found {
		if len(found[i].Hops) > 0 {
			return k.names(ctx)
		}
	}
	return map[int]string{link.Index: link.Name}, nil
}

// OwnRoutes returns all routes of protocol [kernel.RouteProtocol] by device, each as
// [Kernel.Routes] would return it. The empty name holds the routes of a type without a device, and
// those by a nexthop object.
func (k *Kernel) OwnRoutes(ctx context.Context) (map[string][]kernel.HeldRoute, error) {
	return k.byDevice(ctx, (*wire.Route).Ours,
		wire.Route{Family: unix.AF_INET, Protocol: kernel.RouteProtocol}, wire.Route{Family: unix.AF_INET6, Protocol: kernel.RouteProtocol})
}

// RoutesByDevice returns the routes of all devices, each as [Kernel.Routes] would return it.
func (k *Kernel) RoutesByDevice(ctx context.Context, to func(netip.Prefix) bool) (map[string][]kernel.HeldRoute, error) {
	wanted := func(w *wire.Route) bool {
		return (to == nil || to(w.Dst)) && !w.Deviceless() && (w.Ours() || w.OthersUnicast())
	}
	return k.byDevice(ctx, wanted, wire.Route{Family: unix.AF_INET}, wire.Route{Family: unix.AF_INET6})
}

// byDevice returns the routes for which wanted is true, of those that the filters select, by
// device.
func (k *Kernel) byDevice(ctx context.Context, wanted func(*wire.Route) bool, filters ...wire.Route) (map[string][]kernel.HeldRoute, error) {
	found, err := k.listRoutes(ctx, wanted, filters...)
	if err != nil || len(found) == 0 {
		return map[string][]kernel.HeldRoute{}, err
	}
	// The names are read after the routes. A device without a name is gone by now, and its routes
	// with it.
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	held := make(map[string][]kernel.HeldRoute)
	for i := range found {
		devices := found[i].Devices()
		if found[i].Deviceless() {
			devices = []int{0}
		}
		for _, device := range devices {
			if r, ok := found[i].Held(device, names); ok {
				held[names[device]] = append(held[names[device]], r)
			}
		}
	}
	return held, nil
}

// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever made
// them. A route by a nexthop object has the object's paths, if the kernel reports them.
func (k *Kernel) RoutesTo(ctx context.Context, to netip.Addr) ([]kernel.DeviceRoute, error) {
	covers := func(w *wire.Route) bool {
		return w.OthersUnicast() && w.Table == routes.MainTable && w.Dst.Contains(to)
	}
	found, err := k.listRoutes(ctx, covers, wire.Route{Family: wire.FamilyOf(to), Table: routes.MainTable})
	if err != nil {
		return nil, err
	}
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	var covering []kernel.DeviceRoute
	for i := range found {
		w := &found[i]
		w.NexthopID = 0
		device := w.Devices()[0]
		if len(w.Hops) > 0 {
			device = w.Hops[0].Device
		}
		if r, ok := w.Held(device, names); ok {
			covering = append(covering, kernel.DeviceRoute{Dev: names[device], HeldRoute: r})
		}
	}
	return covering, nil
}

// listRoutes returns the routes for which wanted is true, of those that the filters select.
func (k *Kernel) listRoutes(ctx context.Context, wanted func(*wire.Route) bool, filters ...wire.Route) ([]wire.Route, error) {
	var all []wire.Route
	for i := range filters {
		before := len(all)
		err := k.eachRoute(ctx, &filters[i], nil, func() { all = all[:before] }, func(w *wire.Route) {
			if wanted(w) {
				all = append(all, *w)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// eachRoute calls take with the routes of the filter's family, one at a time. The filter's
// protocol, device and table, each 0 for any, are a hint that old kernels ignore. Take must not
// keep the route. eachRoute calls begin before the first route, and again when the kernel's table
// changed meanwhile and all routes follow once more. A route whose message known takes is not read;
// known may be nil.
func (k *Kernel) eachRoute(ctx context.Context, filter *wire.Route, known func(body []byte) bool, begin func(), take func(*wire.Route)) error {
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: filter.Encode()}
	var w wire.Route // reused, so that a hundred thousand routes take no memory
	err := k.walk(ctx, r, begin, func(body []byte) (err error) {
		if len(body) > 0 && body[0] != filter.Family {
			return nil // a kernel without the family answers with the routes of all families
		}
		if known != nil && known(body) {
			return nil
		}
		if w, err = wire.ParseRoute(body); err == nil {
			take(&w)
		}
		return err
	})
	switch {
	case err == nil, errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return nil
	case errors.Is(err, unix.ENOENT) && filter.Table != 0: // there is no such table yet
		return nil
	}
	return fmt.Errorf("list routes: %w", err)
}
