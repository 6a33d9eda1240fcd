package routes

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"nmgre"
)

// Routes returns the unicast routes that lead into the device named dev, of both families and every table but the local one, but
// for the kernel's own (protocol kernel) and cached ones. Those of protocol [nmgre.RouteProtocol] are returned whatever their type
// and table.
//
// A multipath route stands there with all its nexthops; the Dev of those that lead into dev is empty. Defaults are read back as the
// absent word: Table 0 for the type's own table, a nil Metric for the kernel's default (0 for IPv4, 1024 for IPv6), Weight 0 for 1.
// An IPv4 route by an IPv6 router has the router in Via. Expires is what is left. Of what no [nmgre.Route] can say, such as an encap
// of a kind that it has no number for, the rest is returned. A dev that does not exist is an ErrInvalid.
//
// Only the routes to destinations for which to is true are returned, and take memory; nil is for all.
func (k *Kernel) Routes(ctx context.Context, dev string, to func(netip.Prefix) bool) ([]nmgre.KernelRoute, error) {
	link, err := k.linkByName(ctx, dev)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	wanted := func(w *wireRoute) bool {
		return (to == nil || to(w.dst)) && w.leadsInto(link.Index) && (w.ours() || w.othersUnicast())
	}
	found, err := k.listRoutes(ctx, wanted, wireRoute{family: unix.AF_INET, device: link.Index}, wireRoute{family: unix.AF_INET6, device: link.Index})
	if err != nil {
		return nil, err
	}
	names, err := k.namesFor(ctx, found, link)
	if err != nil {
		return nil, err
	}
	var routes []nmgre.KernelRoute
	for i := range found {
		if r, ok := found[i].route(link.Index, names); ok {
			routes = append(routes, r)
		}
	}
	return routes, nil
}

// namesFor returns the names of the devices that the routes lead into, link's among them. Without a multipath route that is all.
func (k *Kernel) namesFor(ctx context.Context, found []wireRoute, link nmgre.Link) (map[int]string, error) {
	for i := range found {
		if len(found[i].hops) > 0 {
			return k.names(ctx)
		}
	}
	return map[int]string{link.Index: link.Name}, nil
}

// OwnRoutes returns all routes of protocol [nmgre.RouteProtocol] by device, each as [Kernel.Routes] would return it. Those of a type
// that has no device, and those by a nexthop object, are under the empty name.
func (k *Kernel) OwnRoutes(ctx context.Context) (map[string][]nmgre.KernelRoute, error) {
	found, err := k.listRoutes(ctx, (*wireRoute).ours,
		wireRoute{family: unix.AF_INET, protocol: nmgre.RouteProtocol}, wireRoute{family: unix.AF_INET6, protocol: nmgre.RouteProtocol})
	if err != nil || len(found) == 0 {
		return map[string][]nmgre.KernelRoute{}, err
	}
	// The names come after the routes: a device without a name is one that has gone since, and its routes with it.
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	routes := make(map[string][]nmgre.KernelRoute)
	for i := range found {
		devices := found[i].devices()
		if found[i].deviceless() {
			devices = []int{0}
		}
		for _, device := range devices {
			if r, ok := found[i].route(device, names); ok {
				routes[names[device]] = append(routes[names[device]], r)
			}
		}
	}
	return routes, nil
}

// RoutesTo returns the unicast routes of the main table whose destination contains to, whoever made them. Of one by a nexthop object
// the object's paths are returned, as long as the kernel tells them.
func (k *Kernel) RoutesTo(ctx context.Context, to netip.Addr) ([]nmgre.DeviceRoute, error) {
	covers := func(w *wireRoute) bool {
		return w.othersUnicast() && w.table == nmgre.MainTable && w.dst.Contains(to)
	}
	found, err := k.listRoutes(ctx, covers, wireRoute{family: familyOf(to), table: nmgre.MainTable})
	if err != nil {
		return nil, err
	}
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	var routes []nmgre.DeviceRoute
	for i := range found {
		w := &found[i]
		w.nexthopID = 0
		device := w.devices()[0]
		if len(w.hops) > 0 {
			device = w.hops[0].device
		}
		if r, ok := w.route(device, names); ok {
			routes = append(routes, nmgre.DeviceRoute{Dev: names[device], KernelRoute: r})
		}
	}
	return routes, nil
}

// ours says whether the route is one that nmgre made. Cached ones have their origin's protocol.
func (w *wireRoute) ours() bool {
	return w.protocol == nmgre.RouteProtocol && w.flags&unix.RTM_F_CLONED == 0
}

// othersUnicast says whether the route leads packets on, and somebody has made it so.
func (w *wireRoute) othersUnicast() bool {
	return w.kind == unix.RTN_UNICAST && w.flags&unix.RTM_F_CLONED == 0 &&
		w.protocol != unix.RTPROT_KERNEL && w.table != unix.RT_TABLE_LOCAL
}

// listRoutes returns the routes that keep keeps, of those that the kernel's filters leave.
func (k *Kernel) listRoutes(ctx context.Context, keep func(*wireRoute) bool, filters ...wireRoute) ([]wireRoute, error) {
	var all []wireRoute
	for i := range filters {
		before := len(all)
		err := k.eachRoute(ctx, &filters[i], func() { all = all[:before] }, func(w *wireRoute) {
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

// eachRoute gives the routes of a family to take, one at a time. The filter's protocol, device and table, each 0 for any, are a hint
// to the kernel, which may not know it. Take must not keep the route. Begin is called before the first, and again when the kernel's table changed meanwhile and all
// are given once more.
func (k *Kernel) eachRoute(ctx context.Context, filter *wireRoute, begin func(), take func(*wireRoute)) error {
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: filter.encode()}
	var w wireRoute // one for all of them, so that a hundred thousand take no memory
	err := k.walk(ctx, r, begin, func(body []byte) (err error) {
		if len(body) > 0 && body[0] != filter.family {
			return nil // of a family that nobody asked for: a kernel without it answers with all
		}
		if w, err = parseRoute(body); err == nil {
			take(&w)
		}
		return err
	})
	switch {
	case err == nil, errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EOPNOTSUPP):
		return nil
	case errors.Is(err, unix.ENOENT) && filter.table != 0: // there is no such table yet
		return nil
	}
	return fmt.Errorf("list routes: %w", err)
}
