package routes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"nmgre"
)

// defaultMetric6 (IP6_RT_PRIO_USER) is the metric that the kernel gives an IPv6 route without one. IPv4 has 0.
const defaultMetric6 = 1024

// Routes returns the unicast routes that lead into the device named dev, of both families and every table but the local one, but
// for the kernel's own (protocol kernel) and cached ones.
//
// A multipath route stands there with all its nexthops; the Dev of those that lead into dev is empty. Defaults are read back as the
// absent word: Table 0 for the main table, a nil Metric for the kernel's default (0 for IPv4, 1024 for IPv6), Weight 0 for 1.
// An IPv4 route by an IPv6 router has the router in Via. A dev that does not exist is an ErrInvalid.
func (k *Kernel) Routes(ctx context.Context, dev string) ([]nmgre.KernelRoute, error) {
	link, err := k.linkByName(ctx, dev)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	found, err := k.dumpRoutes(ctx, wireRoute{device: link.Index})
	if err != nil {
		return nil, err
	}
	names := map[int]string{link.Index: link.Name}
	if slices.ContainsFunc(found, func(w wireRoute) bool { return len(w.hops) > 0 }) {
		if names, err = k.names(ctx); err != nil {
			return nil, err
		}
	}
	var routes []nmgre.KernelRoute
	for _, w := range found {
		if r, ok := w.route(link.Index, names); ok {
			routes = append(routes, r)
		}
	}
	return routes, nil
}

// OwnRoutes returns all routes of protocol [nmgre.RouteProtocol] by device, each as [Kernel.Routes] would return it.
func (k *Kernel) OwnRoutes(ctx context.Context) (map[string][]nmgre.KernelRoute, error) {
	found, err := k.dumpRoutes(ctx, wireRoute{protocol: nmgre.RouteProtocol})
	if err != nil || len(found) == 0 {
		return map[string][]nmgre.KernelRoute{}, err
	}
	// The names come after the routes: a device without a name is one that has gone since, and its routes with it.
	names, err := k.names(ctx)
	if err != nil {
		return nil, err
	}
	routes := make(map[string][]nmgre.KernelRoute)
	for _, w := range found {
		for _, device := range w.devices() {
			if r, ok := w.route(device, names); ok {
				routes[names[device]] = append(routes[names[device]], r)
			}
		}
	}
	return routes, nil
}

// dumpRoutes returns the routes that the filter's protocol and device leave, each 0 for any. The kernel filters, where it can.
func (k *Kernel) dumpRoutes(ctx context.Context, filter wireRoute) ([]wireRoute, error) {
	var all []wireRoute
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		filter.family = family
		found, err := k.dumpFamily(ctx, filter)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (k *Kernel) dumpFamily(ctx context.Context, filter wireRoute) ([]wireRoute, error) {
	r := request{kind: unix.RTM_GETROUTE, reply: unix.RTM_NEWROUTE, body: filter.encode()}
	found, err := dump(ctx, k, r, func(body []byte) (wireRoute, bool, error) {
		if len(body) > 0 && body[0] != filter.family {
			return wireRoute{}, false, nil // of a family that nobody asked for: a kernel without it answers with all
		}
		w, err := parseRoute(body)
		return w, err == nil && w.wanted(filter), err
	})
	if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EOPNOTSUPP) {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	return found, nil
}

// wanted says whether the route is one that [Kernel.Routes] returns and that the filter leaves.
func (w wireRoute) wanted(filter wireRoute) bool {
	return w.kind == unix.RTN_UNICAST && w.flags&unix.RTM_F_CLONED == 0 &&
		w.protocol != unix.RTPROT_KERNEL && w.table != unix.RT_TABLE_LOCAL &&
		(filter.protocol == 0 || w.protocol == filter.protocol) &&
		(filter.device == 0 || slices.Contains(w.devices(), filter.device))
}

// devices returns the indexes of the devices that the route leads into, each once.
func (w wireRoute) devices() []int {
	if len(w.hops) == 0 {
		return []int{w.device}
	}
	devices := make([]int, 0, len(w.hops))
	for _, hop := range w.hops {
		devices = append(devices, hop.device)
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

// route returns the route in the domain's words, as seen from one of its devices. It is false when a device has no name any more.
func (w wireRoute) route(device int, names map[int]string) (nmgre.KernelRoute, bool) {
	r := nmgre.Route{Dst: w.dst, Via: w.via, Src: w.prefSrc, MTU: w.mtu, MTULock: w.mtuLock, OnLink: w.flags&unix.RTNH_F_ONLINK != 0}
	if w.table != nmgre.MainTable {
		r.Table = w.table
	}
	if w.priority != w.defaultMetric() {
		metric := w.priority
		r.Metric = &metric
	}
	for _, hop := range w.hops {
		if names[hop.device] == "" {
			return nmgre.KernelRoute{}, false
		}
		next := nmgre.Nexthop{Via: hop.via, OnLink: hop.flags&unix.RTNH_F_ONLINK != 0}
		if hop.device != device {
			next.Dev = names[hop.device]
		}
		if hop.weight > 0 {
			next.Weight = uint16(hop.weight) + 1
		}
		r.Nexthops = append(r.Nexthops, next)
	}
	if len(r.Nexthops) == 1 { // a nexthop group of one
		r.Via, r.OnLink, r.Nexthops = r.Nexthops[0].Via, r.Nexthops[0].OnLink, nil
	}
	return nmgre.KernelRoute{Route: r, Protocol: int(w.protocol)}, names[device] != ""
}

// defaultMetric is the metric of a route that was added without one.
func (w wireRoute) defaultMetric() uint32 {
	if w.family == unix.AF_INET6 {
		return defaultMetric6
	}
	return 0
}

// AddRoute adds a route of protocol [nmgre.RouteProtocol] into dev. It fails with ErrExists when there is a route with the same
// destination, metric and table, whoever made it; with ErrNotPermitted without CAP_NET_ADMIN; and with ErrInvalid when the kernel
// refuses the route or there is no such device. The error has the kernel's own words.
func (k *Kernel) AddRoute(ctx context.Context, dev string, r nmgre.Route) error {
	return k.put(ctx, "add", unix.NLM_F_CREATE|unix.NLM_F_EXCL, dev, r)
}

// ReplaceRoute is [Kernel.AddRoute], but a route with the same destination, metric and table gives way, whoever made it.
func (k *Kernel) ReplaceRoute(ctx context.Context, dev string, r nmgre.Route) error {
	return k.put(ctx, "replace", unix.NLM_F_CREATE|unix.NLM_F_REPLACE, dev, r)
}

func (k *Kernel) put(ctx context.Context, verb string, flags int, dev string, r nmgre.Route) error {
	what := verb + " " + words(dev, r)
	w, err := newWireRoute(r)
	if err == nil {
		err = k.resolve(ctx, &w, dev, r)
	}
	if err != nil {
		return wrap(what, err)
	}
	return refused(what, k.exchange(ctx, request{kind: unix.RTM_NEWROUTE, flags: flags | unix.NLM_F_ACK, body: w.encode()}, nothing))
}

// DeleteRoute removes the route of protocol [nmgre.RouteProtocol] into dev that has r's destination, metric and table, and its
// gateways as far as r names them; routes of others are left alone. A route or a device that is gone is no error.
func (k *Kernel) DeleteRoute(ctx context.Context, dev string, r nmgre.Route) error {
	err := k.deleteRoute(ctx, dev, r)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return refused("delete "+words(dev, r), err)
}

func (k *Kernel) deleteRoute(ctx context.Context, dev string, r nmgre.Route) error {
	w, err := newWireRoute(r)
	if err != nil {
		return err
	}
	if r, err = k.withoutGone(ctx, dev, r); err != nil {
		return err
	}
	if err := k.resolve(ctx, &w, dev, r); err != nil {
		return err
	}
	if w.priority == 0 {
		if err := k.pinMetric(ctx, &w); err != nil {
			return err
		}
	}
	// What the kernel would compare beyond a route's identity is not sent.
	w.prefSrc, w.mtu, w.scope, w.flags = netip.Addr{}, 0, unix.RT_SCOPE_NOWHERE, 0
	return k.exchange(ctx, request{kind: unix.RTM_DELROUTE, flags: unix.NLM_F_ACK, body: w.encode()}, nothing)
}

// withoutGone leaves out the nexthops whose devices do not exist any more: from an IPv6 route the kernel takes them away and keeps
// the rest. It fails with an ENODEV when none is left.
func (k *Kernel) withoutGone(ctx context.Context, dev string, r nmgre.Route) (nmgre.Route, error) {
	var kept []nmgre.Nexthop
	var gone error
	for _, next := range r.Nexthops {
		_, err := k.linkByName(ctx, cmp.Or(next.Dev, dev))
		switch {
		case err == nil:
			kept = append(kept, next)
		case errors.Is(err, unix.ENODEV):
			gone = err
		default:
			return r, err
		}
	}
	if len(kept) == 0 && gone != nil {
		return r, gone
	}
	r.Nexthops = kept
	return r, nil
}

// pinMetric sees to it that deleting a route without a metric deletes no other: in RTM_DELROUTE the kernel takes 0 for any. It
// fails with ESRCH if there is no route of ours with the kernel's default metric. The kernel keeps routes of one destination in the
// order of their metrics, so of those that fit it deletes that of metric 0.
func (k *Kernel) pinMetric(ctx context.Context, w *wireRoute) error {
	if w.family == unix.AF_INET6 {
		w.priority = defaultMetric6
		return nil
	}
	own, err := k.dumpFamily(ctx, wireRoute{family: w.family, protocol: w.protocol, device: w.device})
	if err != nil {
		return err
	}
	same := func(o wireRoute) bool { return o.dst == w.dst && o.table == w.table && o.priority == 0 }
	if !slices.ContainsFunc(own, same) {
		return unix.ESRCH
	}
	return nil
}

// nothing takes an answer that has no messages.
func nothing([]byte) error { return nil }

// newWireRoute encodes a route but for its devices. It checks what cannot be encoded; the kernel checks the rest.
func newWireRoute(r nmgre.Route) (wireRoute, error) {
	if !r.Dst.IsValid() {
		return wireRoute{}, invalid("the route has no destination")
	}
	w := wireRoute{
		family: familyOf(r.Dst.Addr()), dst: r.Dst.Masked(), table: r.TableOrMain(), protocol: nmgre.RouteProtocol, kind: unix.RTN_UNICAST,
		via: r.Via, prefSrc: r.Src, mtu: r.MTU, mtuLock: r.MTULock,
	}
	if r.Metric != nil {
		w.priority = *r.Metric
	}
	if r.OnLink {
		w.flags = unix.RTNH_F_ONLINK
	}
	if !r.Via.IsValid() && len(r.Nexthops) == 0 {
		w.scope = unix.RT_SCOPE_LINK // as `ip route` does it: what is straight on the device is on the link
	}
	return w, w.checkFamilies(r)
}

func (w wireRoute) checkFamilies(r nmgre.Route) error {
	addresses := []netip.Addr{r.Via, r.Src}
	for _, hop := range r.Nexthops {
		addresses = append(addresses, hop.Via)
		if hop.Weight > 256 {
			return invalid("a nexthop's weight is %d, more than 256", hop.Weight)
		}
	}
	for _, a := range addresses {
		if a.IsValid() && (familyOf(a) != w.family || a.Is4In6()) {
			return invalid("%s is not of the destination's address family", nmgre.Printable(a.String()))
		}
	}
	if len(r.Nexthops) > 0 && (r.Via.IsValid() || r.OnLink) {
		return invalid("a route has either nexthops or a gateway")
	}
	return nil
}

// resolve puts the devices' indexes into w. It fails with an ENODEV when one does not exist.
func (k *Kernel) resolve(ctx context.Context, w *wireRoute, dev string, r nmgre.Route) error {
	index := make(map[string]int)
	resolve := func(name string) (int, error) {
		if index[name] == 0 {
			link, err := k.linkByName(ctx, name)
			if err != nil {
				return 0, err
			}
			index[name] = link.Index
		}
		return index[name], nil
	}
	var err error
	if len(r.Nexthops) == 0 {
		w.device, err = resolve(dev)
		return err
	}
	for _, next := range r.Nexthops {
		hop := wireHop{via: next.Via}
		if hop.device, err = resolve(cmp.Or(next.Dev, dev)); err != nil {
			return err
		}
		if next.Weight > 0 {
			hop.weight = uint8(next.Weight - 1)
		}
		if next.OnLink {
			hop.flags = unix.RTNH_F_ONLINK
		}
		w.hops = append(w.hops, hop)
	}
	return nil
}

// words says which route is meant, with its device.
func words(dev string, r nmgre.Route) string {
	return nmgre.Printable("route " + r.String() + " into " + dev)
}
