package applied

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"nmgre/nm"
	"nmgre/nm/dbus/quirk"
	"nmgre/nm/dbus/wire"
)

// Quirks are the rows of the table in package quirk that matter when the IP configuration of a
// device changes while it is up.
type Quirks struct {
	forgetsIPv6   bool // the device loses its IPv6 addresses and routes
	keepsWeighted bool // a route with a weight stays in the kernel when the profile has lost it
}

// For returns the quirks of a version.
func For(v nm.Version) Quirks {
	return Quirks{forgetsIPv6: quirk.ForgetsIPv6.In(v), keepsWeighted: quirk.KeepsWeighted.In(v)}
}

// Wanted returns the settings to apply to a device: the applied ones with the profile's routes.
// With forgetsIPv6 the whole of IPv6 is the profile's: a change in two steps may have been cut
// short, and the applied settings lack IPv6 since.
func (q Quirks) Wanted(applied, profile wire.Settings) wire.Settings {
	want := applied.Clone()
	want.CopyRoutes(profile)
	if q.forgetsIPv6 && hasIPv6(profile) {
		want[wire.IPv6] = profile[wire.IPv6]
	}
	return want
}

// Between returns the settings that a device must run with for a moment before the wanted ones, or
// nil if it can have those at once. They lack everything that NetworkManager must set again: it
// does so only after it was told to remove it.
func (q Quirks) Between(applied, want wire.Settings) wire.Settings {
	if reflect.DeepEqual(want, applied) {
		return nil
	}
	between := want.Clone()
	twins := Weightless(applied, want)
	switch {
	case q.forgetsIPv6 && hasIPv6(want):
		dropIPv6(between)
	case q.keepsWeighted && len(twins) > 0:
	default:
		return nil
	}
	if q.keepsWeighted {
		between.SetEntries(wire.IPv4, "route-data", slices.Concat(want.Entries(wire.IPv4, "route-data"), twins))
	}
	return between
}

// Weightless returns twins of the routes with a weight that are applied and not wanted: the same
// routes without the weight. The kernel has them so, and NetworkManager finds them so when they go.
func Weightless(applied, want wire.Settings) []wire.Entry {
	wanted := make(map[any][]wire.Entry)
	for _, e := range want.Entries(wire.IPv4, "route-data") {
		wanted[e["dest"].Value()] = append(wanted[e["dest"].Value()], e)
	}
	var twins []wire.Entry
	for _, e := range applied.Entries(wire.IPv4, "route-data") {
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

// HasWeighted reports whether the settings have a route with a weight to one of the networks.
func HasWeighted(s wire.Settings, networks map[netip.Prefix]bool) bool {
	return slices.ContainsFunc(s.Entries(wire.IPv4, "route-data"), func(e wire.Entry) bool {
		dst, err := wire.DecodeDst(e, wire.IPv4)
		_, weighted := e["weight"]
		return err == nil && weighted && networks[dst]
	})
}

// hasIPv6 reports whether the settings let the device have IPv6.
func hasIPv6(s wire.Settings) bool {
	method := s.Text(wire.IPv6, "method")
	return method != "disabled" && method != "ignore"
}

// dropIPv6 removes IPv6 from the settings, except for the link-local address that keeps it switched
// on.
func dropIPv6(s wire.Settings) {
	for _, property := range [...]string{"address-data", "route-data", "gateway"} {
		delete(s[wire.IPv6], property)
	}
	s.Set(wire.IPv6, "method", "link-local")
}
