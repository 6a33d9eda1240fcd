package dbustest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// verify refuses the settings that NetworkManager refuses, in its words, as far as nmgre could get
// them wrong.
func (m *manager) verify(s Settings) *dbus.Error {
	const invalid = service + ".Settings.Connection.InvalidProperty"
	for _, family := range []string{"ipv4", "ipv6"} {
		for _, legacy := range []string{"addresses", "routes"} {
			if v, ok := s[family][legacy]; ok {
				return fail(invalid, fmt.Sprintf("%s.%s: can't set property of type 'a(ayuay)' from value of type '%s'", family, legacy, v.Signature()))
			}
		}
		if err := verifyRoutes(s, family); err != nil {
			return err
		}
		method, _ := s[family]["method"].Value().(string)
		addresses, _ := s[family]["address-data"].Value().([]map[string]dbus.Variant)
		if method == "manual" && !slices.ContainsFunc(addresses, usable) {
			return fail(invalid, family+".addresses: this property cannot be empty for 'method=manual'")
		}
	}
	if v, ok := s["ipv4"]["forwarding"]; ok && !m.atLeast(54) {
		return fail(invalid, "ipv4.forwarding: unknown property")
	} else if ok && v.Signature().String() != "i" {
		return fail(invalid, "ipv4.forwarding: can't set property of type 'i' from value of type '"+v.Signature().String()+"'")
	}
	if remote, _ := s["ip-tunnel"]["remote"].Value().(string); s["connection"]["type"].Value() == "ip-tunnel" && remote == "" {
		return fail(service+".Settings.Connection.MissingProperty", "ip-tunnel.remote: property is missing")
	}
	return nil
}

// usable reports whether NetworkManager takes an address. It drops one whose prefix has another
// type than u.
func usable(address map[string]dbus.Variant) bool {
	_, ok := address["prefix"].Value().(uint32)
	return ok
}

// attributes are NetworkManager's ip_route_attribute_spec: the D-Bus type of each attribute, and
// its family, or "" for both.
var attributes = map[string]struct{ kind, family string }{
	"advmss": {"u", ""}, "cwnd": {"u", ""}, "from": {"s", "ipv6"}, "initcwnd": {"u", ""}, "initrwnd": {"u", ""}, "lock-advmss": {"b", ""},
	"lock-cwnd": {"b", ""}, "lock-initcwnd": {"b", ""}, "lock-initrwnd": {"b", ""}, "lock-mtu": {"b", ""}, "lock-window": {"b", ""}, "mtu": {"u", ""},
	"onlink": {"b", ""}, "quickack": {"b", ""}, "rto_min": {"u", ""}, "scope": {"y", "ipv4"}, "src": {"s", ""}, "table": {"u", ""}, "tos": {"y", "ipv4"},
	"type": {"s", ""}, "weight": {"u", "ipv4"}, "window": {"u", ""},
}

// verifyRoutes refuses the routes that NetworkManager refuses, in its words.
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

// verifyAttribute returns why NetworkManager refuses an attribute, or the empty string if it does
// not.
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
