// Package nmcli writes the lines of nmcli that do the same as nmgre: they make a tunnel's profile,
// change it, and bring it up and down. People read them, and copy them. Nothing here runs them.
package nmcli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Add returns the nmcli command that makes the tunnel's profile, with the routes that a profile of
// [nm.MinVersion] can hold.
func Add(t nm.Tunnel) string {
	words := []string{"nmcli", "connection", "add", "type", "ip-tunnel", "con-name", t.ProfileName(), "ifname", t.Name,
		"mode", t.Mode.String(), "remote", t.Remote.String()}
	add := func(property, value string) { words = append(words, property, value) }
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		add("local", t.Local.String())
	}
	if t.Parent != "" {
		add("dev", t.Parent)
	}
	for _, p := range tunnelProperties(t) {
		add("ip-tunnel."+p.name, p.value)
	}
	if t.MAC != "" {
		add(macProperty, t.MAC)
	}
	if !t.Autoconnect {
		add("connection.autoconnect", "no")
	}
	if t.Zone != "" {
		add("connection.zone", t.Zone)
	}
	if t.Controller != "" { // a port has no settings of IP
		return fault.Shell(append(words, "connection.slave-type", "bridge", "connection.master", t.Controller))
	}
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		words = append(words, familyWords(t, family.name, family.is)...)
	}
	return fault.Shell(words)
}

// AddFar is [Add] for a far end's profile. It is empty if there is none, or if packets pass only
// with an option that no profile can hold.
func AddFar(f nm.FarEnd) string {
	if f.Missing != "" || f.Link.Checksum || f.Link.Sequence {
		return ""
	}
	return Add(f.Tunnel)
}

// macProperty is nmcli's name for the Ethernet address of a device.
const macProperty = "802-3-ethernet.cloned-mac-address"

// property is a property of a profile with its value.
type property struct{ name, value string }

// tunnelProperties lists the properties of the ip-tunnel setting that differ from NetworkManager's
// defaults.
func tunnelProperties(t nm.Tunnel) []property {
	var list []property
	number := func(name string, n uint32) {
		if n != 0 {
			list = append(list, property{name, strconv.FormatUint(uint64(n), 10)})
		}
	}
	if t.InputKey != nil {
		list = append(list, property{"input-key", t.InputKey.String()})
	}
	if t.OutputKey != nil {
		list = append(list, property{"output-key", t.OutputKey.String()})
	}
	number("ttl", uint32(t.TTL))
	number("tos", uint32(t.TOS))
	if t.NoPMTUD {
		list = append(list, property{"path-mtu-discovery", "no"})
	}
	number("encapsulation-limit", uint32(t.EncapLimit))
	number("flow-label", t.FlowLabel)
	number("flags", uint32(t.Flags))
	number("mtu", t.MTU)
	return list
}

// familyWords returns the words of Add for one address family.
func familyWords(t nm.Tunnel, name string, is func(netip.Addr) bool) []string {
	var addresses, held []string
	for _, p := range t.Addresses {
		if is(p.Addr()) {
			addresses = append(addresses, p.String())
		}
	}
	for _, r := range t.RoutesOf(nm.OwnerProfile, nm.MinVersion) {
		if is(r.Dst.Addr()) {
			held = append(held, routeWords(r))
		}
	}
	words := []string{name + ".method", "disabled"}
	if len(addresses) > 0 {
		words = []string{name + ".method", "manual", name + ".addresses", strings.Join(addresses, ",")}
	}
	if len(held) > 0 && len(addresses) > 0 {
		words = append(words, name+".routes", strings.Join(held, ", "))
	}
	if rules := ruleWords(nm.OwnedRules(nm.AssignRules(t.Rules, 0), nm.OwnerProfile), name == "ipv6"); rules != "" {
		words = append(words, name+".routing-rules", rules)
	}
	return words
}

// routeWords writes the route in the notation of nmcli's ipv4.routes: destination, next hop,
// metric, attributes.
func routeWords(r routes.Route) string {
	via, onlink, weight := r.Via, r.OnLink, uint16(0)
	if len(r.Nexthops) == 1 { // a member of an ECMP route
		via, onlink, weight = r.Nexthops[0].Via, r.Nexthops[0].OnLink, r.Nexthops[0].Weight
	}
	words := []string{r.Dst.String()}
	if via.IsValid() {
		words = append(words, via.String())
	}
	if r.Metric != nil {
		words = append(words, strconv.FormatUint(uint64(*r.Metric), 10))
	}
	attribute := func(set bool, name string, value any) {
		if set {
			words = append(words, fmt.Sprintf("%s=%v", name, value))
		}
	}
	attribute(r.Type != routes.TypeUnicast, "type", r.Type)
	attribute(r.From.IsValid(), "from", r.From)
	attribute(r.TOS != 0, "tos", r.TOS)
	attribute(r.Src.IsValid(), "src", r.Src)
	attribute(r.Table != 0 && r.Table != r.DefaultTable(), "table", r.Table)
	attribute(r.Scope != nil, "scope", uint8(r.ScopeOrDefault()))
	attribute(r.MTU != 0, "mtu", r.MTU)
	attribute(r.MTULock, "lock-mtu", true)
	for _, metric := range nm.ProfileMetrics {
		value, set := r.Metrics.Get(metric.Metric)
		if set = set && value != 0; metric.Metric == routes.MetricQuickACK {
			attribute(set, metric.Name, true)
			continue
		}
		attribute(set, metric.Name, value)
		attribute(set && metric.Lock && r.Metrics.Locked(metric.Metric), "lock-"+metric.Name, true)
	}
	attribute(onlink, "onlink", true)
	attribute(weight != 0, "weight", weight)
	return strings.Join(words, " ")
}

// Modify returns the nmcli command that changes a profile, named as in [Connection], from a to b,
// in memory only or on disk too. more has further properties, each followed by its value. There is
// no command if b differs in nothing that nmcli can change, such as in the peer address or the far
// end's name: nmcli knows no user data.
func Modify(profile string, a, b nm.Tunnel, inMemory bool, more ...string) []string {
	words := []string{"nmcli", "connection", "modify"}
	if inMemory {
		words = append(words, "--temporary")
	}
	words = append(words, profile)
	bare := len(words)
	old, now := modifyProperties(a), modifyProperties(b)
	for i := range old {
		if old[i].value != now[i].value {
			words = append(words, old[i].name, now[i].value)
		}
	}
	if words = append(words, more...); len(words) == bare {
		return nil
	}
	return []string{fault.Shell(words)}
}

// modifyProperties are the properties that an edit may change, each with its value or the empty
// string. The order is the same for all tunnels.
func modifyProperties(t nm.Tunnel) []property {
	list := []property{{"connection.interface-name", t.Name}, {"connection.autoconnect", strconv.FormatBool(t.Autoconnect)}, {"connection.zone", t.Zone},
		{"ip-tunnel.mode", t.Mode.String()}, {"ip-tunnel.remote", routes.AddrText(t.Remote)}, {"ip-tunnel.local", ""}, {"ip-tunnel.parent", t.Parent}}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		list[5].value = t.Local.String()
	}
	values := make(map[string]string)
	for _, p := range tunnelProperties(t) {
		values[p.name] = p.value
	}
	for _, name := range []string{"input-key", "output-key", "ttl", "tos", "path-mtu-discovery", "encapsulation-limit", "flow-label", "flags", "mtu"} {
		list = append(list, property{"ip-tunnel." + name, values[name]})
	}
	slave := map[bool]string{true: "bridge"}[t.Controller != ""]
	list = append(list, property{macProperty, t.MAC}, property{"connection.slave-type", slave}, property{"connection.master", t.Controller})
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		list = append(list, modifyFamily(t, family.name, family.is)...)
	}
	return list
}

// modifyFamily are the properties of one address family.
func modifyFamily(t nm.Tunnel, name string, is func(netip.Addr) bool) []property {
	list := []property{{name + ".method", "disabled"}, {name + ".addresses", ""}, {name + ".routes", ""},
		{name + ".routing-rules", ruleWords(t.Rules, name == "ipv6")}}
	var addresses, held []string
	for _, a := range t.Addresses {
		if is(a.Addr()) {
			addresses = append(addresses, a.String())
		}
	}
	for _, r := range t.Routes {
		if is(r.Dst.Addr()) {
			held = append(held, routeWords(r))
		}
	}
	if len(addresses) > 0 {
		list[0].value = "manual"
	}
	list[1].value, list[2].value = strings.Join(addresses, ","), strings.Join(held, ", ")
	return list
}

// Connection returns the command `nmcli connection VERB PROFILE`, for the verbs up, down and
// delete. The profile is a UUID, or a word of [nm.Profile.Nmcli].
func Connection(verb, profile string) []string {
	return []string{fault.Shell([]string{"nmcli", "connection", verb, profile})}
}
