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

// Routes returns the unicast routes that lead into the device named dev, of both families and every
// table but the local one, but for the kernel's own (protocol kernel) and cached ones. Those of
// protocol [nmgre.RouteProtocol] are returned whatever their type and table.
//
// A multipath route stands there with all its nexthops; the Dev of those that lead into dev is
// empty. Defaults are read back as the absent word: Table 0 for the type's own table, a nil Metric
// for the kernel's default (0 for IPv4, 1024 for IPv6), Weight 0 for 1. An IPv4 route by an IPv6
// router has the router in Via. Expires is what is left. Of what no [nmgre.Route] can say, such as
// an encap of a kind that it has no number for, the rest is returned. A dev that does not exist is
// an ErrInvalid.
//
// Only the routes to destinations for which to is true are returned, and take memory; nil is for
// all.
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
	var routes []kernel.HeldRoute
	for i := range found {
		if r, ok := found[i].Route(link.Index, names); ok {
			routes = append(routes, r)
		}
	}
	return routes, nil
}

// namesFor returns the names of the devices that the routes lead into, link's among them. Without a
// multipath route that is all.
func (k *Kernel) namesFor(ctx context.Context, found []wire.Route, link kernel.Link) (map[int]string, error) {
	for i := range found {
		if len(found[i].Hops) > 0 {
			return k.names(ctx)
		}
	}
	return map[int]string{link.Index: link.Name}, nil
}

// OwnRoutes returns all routes of protocol [nmgre.RouteProtocol] by device, each as [Kernel.Routes]
// would return it. Those of a type that has no device, and those by a nexthop object, are under the
// empty name.
func (k *Kernel) OwnRoutes(ctx context.Context) (map[string][]kernel.HeldRoute, error) {
	found, err := k.listRoutes(ctx, (*wire.Route).Ours,
		wire.Route{Family: unix.AF_INET, Protocol: kernel.RouteProtocol}, wire.Route{Family: unix.AF_INET6, Protocol: kernel.RouteProtocol})
	if err != nil || len(found) == 0 {
		return map[string][]kernel.HeldRoute{}, err
	}
	// The names come after the routes: a device without a name is one that has gone since, and its
	// routes with it.
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	routes := make(map[string][]kernel.HeldRoute)
	for i := range found {
		devices := found[i].Devices()
		if found[i].Deviceless() {
			devices = []int{0}
		}
		for _, device := range devices {
			if r, ok := found[i].Route(device, names); ok {
				routes[names[device]] = append(routes[names[device]], r)
			}
		}
	}
	return routes, nil
}

// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever made
// them. Of one by a nexthop object the object's paths are returned, as long as the kernel tells
// them.
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
	var set []kernel.DeviceRoute
	for i := range found {
		w := &found[i]
		w.NexthopID = 0
		device := w.Devices()[0]
		if len(w.Hops) > 0 {
			device = w.Hops[0].Device
		}
		if r, ok := w.Route(device, names); ok {
			set = append(set, kernel.DeviceRoute{Dev: names[device], HeldRoute: r})
		}
	}
	return set, nil
}

// listRoutes returns the routes that keep keeps, of those that the kernel's filters leave.
func (k *Kernel) listRoutes(ctx context.Context, keep func(*wire.Route) bool, filters ...wire.Route) ([]wire.Route, error) {
	var all []wire.Route
	for i := range filters {
		before := len(all)
		err := k.eachRoute(ctx, &filters[i], func() { all = all[:before] }, func(w *wire.Route) {
			if keep(w) {
				all = append(all, *w)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// eachRoute gives the routes of a family to take, one at a time. The filter's protocol, device and
// table, each 0 for any, are a hint to the kernel, which may not know it. Take must not keep the
// route. Begin is called before the first, and again when the kernel's table changed meanwhile and
// all are given once more.
func (k *Kernel) eachRoute(ctx context.Context, filter *wire.Route, begin func(), take func(*wire.Route)) error {
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: filter.Encode()}
	var w wire.Route // one for all of them, so that a hundred thousand take no memory
	err := k.walk(ctx, r, begin, func(body []byte) (err error) {
		if len(body) > 0 && body[0] != filter.Family {
			return nil // of a family that nobody asked for: a kernel without it answers with all
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
