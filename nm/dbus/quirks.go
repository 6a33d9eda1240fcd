package dbus

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"nmgre/nm"
	"nmgre/nm/dbus/wire"
)

// quirks are what older NetworkManagers do wrong when something of a device's IP configuration
// changes while it is up.
type quirks struct {
	// forgetsIPv6: the device loses its IPv6 addresses and routes. NetworkManager before 1.56
	// switches the device's IPv6 off and on again (by the sysctl disable_ipv6), whatever changes,
	// by which the kernel drops all that it has, and what others have set too. Before 1.44 it takes
	// that for somebody's wish, and does not set again what it has set once.
	forgetsIPv6 bool
	// keepsWeighted: a route with a weight stays in the kernel when it is gone from the profile,
	// unless it was merged with others'. NetworkManager before 1.46 looks for it in the kernel by
	// its weight, which the kernel does not keep for a single nexthop.
	keepsWeighted bool
}

func quirksOf(v nm.Version) quirks {
	return quirks{
		forgetsIPv6:   older(v, nm.Version{Major: 1, Minor: 44}),
		keepsWeighted: older(v, nm.Version{Major: 1, Minor: 46}),
	}
}

// wanted returns what the device shall run with: what it runs with, with the profile's routes. A
// NetworkManager that has to be told of IPv6 twice may have been left in between, so that what it
// runs with says nothing of IPv6.
func (q quirks) wanted(applied, profile wire.Settings) wire.Settings {
	want := applied.Clone()
	copyRoutes(want, profile)
	if q.forgetsIPv6 && settingsHasIPv6(profile) {
		want[wire.SetIPv6] = profile[wire.SetIPv6]
	}
	return want
}

// between returns what the device has to run with before it does with what is wanted; nil if
// nothing. What it is to set again it must have been told to give up.
func (q quirks) between(applied, want wire.Settings) wire.Settings {
	if reflect.DeepEqual(want, applied) {
		return nil
	}
	between := want.Clone()
	twins := weightless(applied, want)
	switch {
	case q.forgetsIPv6 && settingsHasIPv6(want):
		settingsDropIPv6(between)
	case q.keepsWeighted && len(twins) > 0:
	default:
		return nil
	}
	if q.keepsWeighted {
		between.SetEntries(wire.SetIPv4, "route-data", slices.Concat(want.Entries(wire.SetIPv4, "route-data"), twins))
	}
	return between
}

// weightless returns the routes with a weight that are applied and not wanted, without it: as such
// the kernel has them, and NetworkManager finds them when they go.
func weightless(applied, want wire.Settings) []wire.Entry {
	wanted := make(map[any][]wire.Entry)
	for _, e := range want.Entries(wire.SetIPv4, "route-data") {
		wanted[e["dest"].Value()] = append(wanted[e["dest"].Value()], e)
	}
	var twins []wire.Entry
	for _, e := range applied.Entries(wire.SetIPv4, "route-data") {
		same := func(o wire.Entry) bool { return reflect.DeepEqual(o, e) }
		if _, weighted := e["weight"]; !weighted || slices.ContainsFunc(wanted[e["dest"].Value()], same) {
			continue
		}
		twin := maps.Clone(e)
		delete(twin, "weight")
		twins = append(twins, twin)
	}
	return twins
}

// hasWeighted says whether the settings have a route with a weight to one of the networks.
func hasWeighted(s wire.Settings, networks map[netip.Prefix]bool) bool {
	return slices.ContainsFunc(s.Entries(wire.SetIPv4, "route-data"), func(e wire.Entry) bool {
		dst, err := wire.DecodePrefix(e, "dest", wire.SetIPv4)
		_, weighted := e["weight"]
		return err == nil && weighted && networks[dst.Masked()]
	})
}

// settingsHasIPv6 says whether the settings let the device have IPv6.
func settingsHasIPv6(s wire.Settings) bool {
	method := s.Text(wire.SetIPv6, "method")
	return method != "disabled" && method != "ignore"
}

// settingsDropIPv6 leaves the least of IPv6 in the settings that keeps it switched on.
func settingsDropIPv6(s wire.Settings) {
	for _, property := range [...]string{"address-data", "route-data", "gateway"} {
		delete(s[wire.SetIPv6], property)
	}
	s.Set(wire.SetIPv6, "method", "link-local")
}
