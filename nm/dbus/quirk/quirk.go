// Package quirk is the table of the differences between the NetworkManagers that nmgre works with,
// as far as they matter for tunnels. The versions were found in NetworkManager's sources and seen
// in the lab, which has versions on both sides of each: TestLabQuirks of package dbus looks for
// every row in each of them.
package quirk

import (
	"fmt"

	"nmgre/nm"
)

// Quirk is a behaviour that some versions of NetworkManager have and others have not.
type Quirk struct {
	Name string
	// the first version that does it; the zero version when there is none before it
	Since nm.Version
	Until nm.Version // the first version that no longer does it; the zero version when all still do
	Does  string     // NetworkManager's behaviour
	Seen  string     // how it shows on a host
	Here  string     // nmgre's answer to it
}

// In reports whether NetworkManager's version v does it.
func (q Quirk) In(v nm.Version) bool {
	return !v.Before(q.Since) && (q.Until == nm.Version{} || v.Before(q.Until))
}

// Versions returns the range of versions in words, such as "from 1.54 on".
func (q Quirk) Versions() string {
	switch {
	case q.Until == nm.Version{}:
		return "from " + short(q.Since) + " on"
	case q.Since == nm.Version{}:
		return "before " + short(q.Until)
	}
	return "from " + short(q.Since) + " on, before " + short(q.Until)
}

func short(v nm.Version) string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

func minor(n int) nm.Version { return nm.Version{Major: 1, Minor: n} }

// The quirks that the code asks for by name.
var (
	// ForgetsIPv6 makes a change of a device that is up a change in two steps.
	ForgetsIPv6 = Quirk{Name: "forgets IPv6", Until: minor(44),
		Does: "takes the loss of IPv6 that it causes itself (see: switches IPv6 off) for somebody's wish, and does not set again what it has set once",
		Seen: "after Reapply with one more IPv4 route the device has no IPv6 address",
		Here: "applies the settings without IPv6 first, then those with it; an edit waits for IPv6 routes by a gateway"}
	// NoEUI64 makes the address generation mode a part of a new profile.
	NoEUI64 = Quirk{Name: "finds no EUI-64", Until: minor(52),
		Does: "finds no interface identifier for a device of the mode ip6gre where the address generation mode is eui64, as a host's NetworkManager.conf may have it for all",
		Seen: "such a device with IPv6 addresses has no link-local address",
		Here: "gives such a profile the mode stable-privacy, unless it has one of its own"}
	// KeepsWeighted makes the removal of a route with a weight a change in two steps.
	KeepsWeighted = Quirk{Name: "keeps weighted routes", Until: minor(46),
		Does: "looks in the kernel for a route that is to go by its weight, which the kernel does not keep for a single nexthop",
		Seen: "after Reapply without it, a route with a weight is still there",
		Here: "applies the settings with the route's twin, which has no weight, first, then those without either"}
)

// Table has all quirks.
var Table = []Quirk{
	{Name: "switches IPv6 off", Until: minor(56),
		Does: "switches a device's IPv6 off and on again at every change (sysctl disable_ipv6); the kernel then drops all of IPv6",
		Seen: "after Reapply with one more IPv4 route, an IPv6 route that somebody else has set is gone",
		Here: "sets the kept routes again after each change of a profile"},
	ForgetsIPv6,
	KeepsWeighted,
	NoEUI64,
	{Name: "keeps single routes", Until: minor(46),
		Does: "leaves the first tunnel's single route beside the multipath route that it merges when a second tunnel joins",
		Seen: "two tunnels have the same weighted route, and the kernel has a single route and a multipath route",
		Here: "never merges routes itself: a multipath route is the kernel half's"},
	{Name: "does not count changes", Until: minor(44),
		Does: "has no version of a profile, and so cannot refuse a change of a profile that has changed since it was read",
		Seen: "a profile has no property VersionId",
		Here: "hands over the version where there is one"},
	{Name: "wants an address", Until: minor(46),
		Does: "refuses the method manual without an address, though there are routes",
		Seen: "nmcli cannot add such a profile",
		Here: "leaves it to NetworkManager to say so: a tunnel has an address"},
	{Name: "refuses flags", Until: nm.FlagsVersion,
		Does: "refuses ip-tunnel.flags in a profile of the modes ip6gre and ip6gretap",
		Seen: "nmcli cannot add such a profile",
		Here: "refuses --encap-limit none and --flags there, and names the version that takes them"},
	{Name: "has masters only", Until: minor(46),
		Does: "has connection.master and slave-type only, and not yet the names controller and port-type",
		Seen: "nmcli knows no connection.controller",
		Here: "reads both, writes the old names, which all versions take, and the new ones where the profile has them"},
	{Name: "lists a hundred routes", Since: minor(46),
		Does: "tells at most a hundred of a device's routes on the bus, some time after it has set them",
		Seen: "a device with 120 routes has a hundred in its IP4Config",
		Here: "reads the kernel, and waits for NetworkManager's main loop instead of the list"},
	{Name: "forwards", Since: nm.ForwardingVersion,
		Does: "has the property ipv4.forwarding, and sets the sysctl of the profile's own device by it",
		Seen: "the profile with the property is refused, or the device forwards on a host that does not",
		Here: "writes the property for --forward, beside the sysctls that root keeps for the other devices"},
	{Name: "resets forwarding", Since: nm.ForwardingVersion,
		Does: "gives every device whose profile does not say otherwise the forwarding that the host has for new devices, whenever it applies the profile",
		Seen: "after Reapply a device no longer forwards whose sysctl somebody has set",
		Here: "has the hook set it again: NetworkManager calls it after each of these events"},
	{Name: "locks rto_min", Since: minor(54),
		Does: "locks the metric rto_min; without the lock the kernel ignores it",
		Seen: "a profile's route with rto_min has it with the word lock",
		Here: "reads such a route as locked everywhere; leaves others' routes alone"},
}
