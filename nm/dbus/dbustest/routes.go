package dbustest

import (
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// attributes are NetworkManager's ip_route_attribute_spec: the D-Bus type of each, and the family
// it is for, if it is one.
var attributes = map[string]struct{ kind, family string }{
	"advmss": {"u", ""}, "cwnd": {"u", ""}, "from": {"s", "ipv6"}, "initcwnd": {"u", ""}, "initrwnd": {"u", ""}, "lock-advmss": {"b", ""},
	"lock-cwnd": {"b", ""}, "lock-initcwnd": {"b", ""}, "lock-initrwnd": {"b", ""}, "lock-mtu": {"b", ""}, "lock-window": {"b", ""}, "mtu": {"u", ""},
	"onlink": {"b", ""}, "quickack": {"b", ""}, "rto_min": {"u", ""}, "scope": {"y", "ipv4"}, "src": {"s", ""}, "table": {"u", ""}, "tos": {"y", "ipv4"},
	"type": {"s", ""}, "weight": {"u", "ipv4"}, "window": {"u", ""},
}

// verifyRoutes refuses what NetworkManager refuses in a route, in its words.
func verifyRoutes(s Settings, family string) *dbus.Error {
	routes, _ := s[family]["route-data"].Value().([]map[string]dbus.Variant)
	for _, route := range routes {
		for _, name := range slices.Sorted(maps.Keys(route)) {
			if slices.Contains([]string{"dest", "prefix", "next-hop", "metric"}, name) {
				continue
			}
			if wrong := verifyAttribute(route[name], name, family); wrong != "" {
				return fail(service+".Settings.Connection.InvalidProperty", family+".routes: invalid attribute: "+wrong)
			}
		}
		kind, _ := route["type"].Value().(string)
		if _, ok := route["next-hop"]; ok && slices.Contains([]string{"blackhole", "unreachable", "prohibit", "throw"}, kind) {
			return fail(service+".Settings.Connection.InvalidProperty", family+".routes: invalid attribute: a "+kind+" route cannot have a next-hop")
		}
	}
	return nil
}

func verifyAttribute(v dbus.Variant, name, family string) string {
	known, ok := attributes[name]
	switch kind := v.Signature().String(); {
	case !ok:
		return "unknown attribute"
	case kind != known.kind:
		return "invalid attribute type '" + kind + "'"
	case known.family != "" && known.family != family:
		return "attribute is not valid for a " + strings.Replace(family, "ip", "IP", 1) + " route"
	}
	return ""
}
