package netlink

import (
	"cmp"
	"net/netip"
	"slices"

	"nmgre/routes"
	"nmgre/routes/kernel"
	"nmgre/routes/netlink/wire"
)

// ascending finds routes in a list of plain ones, each with a table or a destination above the one
// before. Very long lists are often so, and the kernel tells the IPv4 routes of a table in that
// order: no index of them is needed, and hardly any search.
type ascending struct {
	want []kernel.OwnRoute
	next int // the route that probably comes next
	// like recognises the kernel's routes that are told as that of want[model] was, which is held
	like  wire.Like
	model int
	body  []byte // of the message that is read
}

// newAscending returns nil for any other list, and for one with a device that is not there.
func newAscending(want []kernel.OwnRoute, devices map[string]int) *ascending {
	dev := ""
	for i := range want {
		o := &want[i]
		if !o.Route.BareInTable() || !o.Route.Dst.IsValid() || o.Route.Dst != o.Route.Dst.Masked() || i > 0 && compare(want[i-1].Route, tableOf(o.Route), o.Route.Dst) >= 0 {
			return nil
		}
		if dev != o.Dev && devices[o.Dev] == 0 || o.Dev == "" {
			return nil
		}
		dev = o.Dev
	}
	return &ascending{want: want, model: -1}
}

// tableOf is the table of a unicast route.
func tableOf(r *routes.Route) uint32 { return cmp.Or(r.Table, routes.MainTable) }

func compare(r *routes.Route, table uint32, dst netip.Prefix) int {
	if order := cmp.Compare(tableOf(r), table); order != 0 {
		return order
	}
	if order := r.Dst.Addr().Compare(dst.Addr()); order != 0 {
		return order
	}
	return r.Dst.Bits() - dst.Bits()
}

// find returns the number of the wanted route to dst in a table, and whether there is one.
func (a *ascending) find(table uint32, dst netip.Prefix) (i int, found bool) {
	if a.next < len(a.want) && compare(a.want[a.next].Route, table, dst) == 0 {
		i, found = a.next, true
	} else {
		i, found = slices.BinarySearchFunc(a.want, dst, func(o kernel.OwnRoute, dst netip.Prefix) int { return compare(o.Route, table, dst) })
	}
	if found {
		a.next = i + 1
	}
	return i, found
}

// held returns the number of the wanted route that the message body is about, if that alone shows
// that the kernel has the route as it is wanted.
func (a *ascending) held(body []byte) (i int, ok bool) {
	a.body = body
	if a.model < 0 {
		return 0, false
	}
	dst, ok := a.like.Dst(body)
	if !ok {
		return 0, false
	}
	i, ok = a.find(tableOf(a.want[a.model].Route), dst)
	return i, ok && a.want[i].Dev == a.want[a.model].Dev && sameMetric(a.want[i].Route, a.want[a.model].Route)
}

func sameMetric(a, b *routes.Route) bool {
	return a.Metric == b.Metric || a.Metric != nil && b.Metric != nil && *a.Metric == *b.Metric
}

// learn notes that the kernel has the wanted route i as the message that was read last tells it.
func (a *ascending) learn(i int) {
	if a.body != nil {
		a.like.Set(a.body)
		a.model, a.body = i, nil
	}
}

// again prepares for another look at the kernel's routes.
func (a *ascending) again() { a.next, a.body = 0, nil }
