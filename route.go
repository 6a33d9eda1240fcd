package nmgre

import (
	"net/netip"
	"slices"
)

// Route is a route into a tunnel, in the words of `ip route`. Its device is the tunnel's, unless a nexthop names another.
// The zero value of a field means that the word is absent.
type Route struct {
	Dst     netip.Prefix // masked; 0.0.0.0/0 or ::/0 for "default"
	Via     netip.Addr   // next hop, of Dst's family; zero for a route straight to the device
	Src     netip.Addr   // source address of packets this host sends by it
	Metric  *uint32      // nil for NetworkManager's or the kernel's default
	Table   uint32       // 0 for the main table, 254
	MTU     uint32       // path MTU, in bytes
	MTULock bool         // the MTU is not lowered by path MTU discovery ("mtu lock N")
	OnLink  bool         // Via is on the link even if no address says so

	Nexthops []Nexthop // of a multipath route, two or more; Via and OnLink are then absent
}

// Nexthop is one of the paths of a multipath route.
type Nexthop struct {
	Via    netip.Addr // zero for straight to the device
	Dev    string     // empty for the tunnel itself
	Weight uint16     // 1 to 256; 0 for absent, which is 1
	OnLink bool
}

// MainTable is the routing table that is looked into for everything, number 254.
const MainTable = 254

// Clone returns a copy that shares nothing with r.
func (r Route) Clone() Route {
	if r.Metric != nil {
		metric := *r.Metric
		r.Metric = &metric
	}
	r.Nexthops = slices.Clone(r.Nexthops)
	return r
}

// TableOrMain returns the number of the table that the route is in.
func (r Route) TableOrMain() uint32 {
	if r.Table == 0 {
		return MainTable
	}
	return r.Table
}

// kernelMetric returns the metric under which the kernel holds the route: its default is 0 for IPv4 and 1024 for IPv6
// (IP6_RT_PRIO_USER).
func (r Route) kernelMetric() uint32 {
	switch {
	case r.Metric != nil:
		return *r.Metric
	case r.Dst.Addr().Is6():
		return 1024
	}
	return 0
}

// Owner says who holds a route: NetworkManager, in the profile, or nmgre itself, in the kernel.
type Owner string

// The two owners.
const (
	OwnerProfile Owner = "profile"
	OwnerKernel  Owner = "kernel"
)

// RouteProtocol is the routing protocol number (rtm_protocol) of the routes that nmgre itself puts into the kernel.
// NetworkManager leaves protocols that it does not track alone, and the number tells nmgre which routes are its own.
// Numbers from 200 on are nobody's; to see a name in `ip route`, put "213 nmgre" into /etc/iproute2/rt_protos.d/nmgre.conf.
const RouteProtocol = 213
