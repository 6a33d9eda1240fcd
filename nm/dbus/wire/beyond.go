package wire

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/rule"
)

// within are the properties that [Decode] reads, those that tell of the profile itself, and those
// whose value is the same for every tunnel. Old forms of a property count with the new ones.
// A list of a thousand profiles looks up fifty thousand, and a start that lists none should make no
// maps.
var within = sync.OnceValue(func() map[string]map[string]bool {
	sets := make(map[string]map[string]bool)
	for setting, properties := range map[string]string{
		Connection: "id uuid type interface-name timestamp autoconnect zone read-only",
		IPTunnel:   "mode parent local remote ttl tos path-mtu-discovery input-key output-key encapsulation-limit flow-label flags mtu",
		IPv4:       "addresses address-data gateway routes route-data routing-rules method forwarding",
		IPv6:       "addresses address-data gateway routes route-data routing-rules method addr-gen-mode",
		userData:   "data",
		wired:      assignedMAC + " " + clonedMAC,
	} {
		sets[setting] = make(map[string]bool)
		for property := range strings.FieldsSeq(properties) {
			sets[setting][property] = true
		}
	}
	return sets
})

// maxBeyond bounds the names that Beyond returns.
const maxBeyond = 40

// Beyond names the settings of a profile that t, which [Decode] has read from it, does not hold:
// "ipv4.dns-search example.org", or without a value where it is no short text. They are sorted, at
// most forty, and safe to show. There are none in most profiles.
func (s Settings) Beyond(t nm.Tunnel) []string {
	var names []string
	for setting, properties := range s {
		known := within()[setting]
		if setting == wired && t.MAC == "" {
			known = nil
		}
		for property, v := range properties {
			if !known[property] && !s.isTwin(setting, property, t) && !isNothing(v) {
				names = append(names, strings.TrimSpace(fault.Printable(setting+"."+newName(property))+" "+shortText(v)))
			}
		}
	}
	for _, family := range [...]string{IPv4, IPv6} {
		names = append(names, s.beyondIP(family, t)...)
	}
	user, _ := s[userData]["data"].Value().(map[string]string)
	for key := range user {
		if !strings.HasPrefix(key, "nmgre.") {
			names = append(names, "user.data "+fault.Printable(key))
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxBeyond)]
}

// isTwin says whether the same is known otherwise: dns-data has the servers of dns, and t has the
// device of which it is a port.
func (s Settings) isTwin(setting, property string, t nm.Tunnel) bool {
	if _, newer := s[setting]["dns-data"]; newer && property == "dns" {
		return true
	}
	isPort := setting == Connection && (slices.Contains(controllerNames[:], property) || slices.Contains(portTypeNames[:], property))
	return isPort && t.Controller != ""
}

// newName is the name that nmcli has for a property with two.
func newName(property string) string {
	switch property {
	case controllerNames[0]:
		return controllerNames[1]
	case portTypeNames[0]:
		return portTypeNames[1]
	case "dns-data":
		return "dns"
	}
	return property
}

// beyondIP names the parts of a family's addresses, routes, rules and method that t has not.
func (s Settings) beyondIP(family string, t nm.Tunnel) (names []string) {
	addresses := count(t.Addresses, func(a netip.Prefix) bool { return familyOf(a.Addr()) == family })
	known := count(t.Routes, func(r routes.Route) bool { return familyOf(r.Dst.Addr()) == family })
	rules := count(t.Rules, func(r rule.Rule) bool { return r.IPv6 == (family == IPv6) })
	switch method := s.Text(family, "method"); {
	case method == "" || method == "manual" && addresses > 0:
	case (method == "disabled" || method == "ignore") && addresses == 0:
	default:
		names = append(names, family+".method "+fault.Printable(method))
	}
	if slices.ContainsFunc(s.Entries(family, "address-data"), func(e Entry) bool { return len(e) > 2 }) {
		names = append(names, "attributes in "+family+".addresses")
	}
	if len(s.Entries(family, "route-data")) > known {
		names = append(names, "unknown kinds in "+family+".routes")
	}
	if len(s.Entries(family, routingRules)) > rules {
		names = append(names, "unknown kinds in "+family+"."+routingRules)
	}
	if f, ok := s[family]["forwarding"].Value().(int32); ok && f != forwardingYes && f != forwardingDefault {
		names = append(names, fmt.Sprintf("%s.forwarding %d", family, f))
	}
	return names
}

// count counts the entries of list that are so.
func count[T any](list []T, are func(T) bool) (n int) {
	for _, v := range list {
		if are(v) {
			n++
		}
	}
	return n
}

// isNothing says whether a property is an empty text or list, as NetworkManager has several.
func isNothing(v dbus.Variant) bool {
	switch value := reflect.ValueOf(v.Value()); value.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return value.Len() == 0
	default:
		return !value.IsValid()
	}
}

// shortText is the value of a property where it is a number or short text, or a few.
func shortText(v dbus.Variant) string {
	const most = 60 // bytes
	text := ""
	switch value := v.Value().(type) {
	case string:
		text = value
	case []string:
		text = strings.Join(value, " ")
	case bool, int32, uint32, int64, uint64:
		text = fmt.Sprint(value)
	}
	if len(text) > most {
		return ""
	}
	return fault.Printable(text)
}
