package nm

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// NmcliAdd returns the nmcli command that makes the tunnel's profile, with the routes that a
// profile of [MinVersion] can hold.
func (t Tunnel) NmcliAdd() string {
	words := []string{"nmcli", "connection", "add", "type", "ip-tunnel", "con-name", t.ProfileName(), "ifname", t.Name,
		"mode", t.Mode.String(), "remote", t.Remote.String()}
	add := func(property, value string) { words = append(words, property, value) }
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		add("local", t.Local.String())
	}
	if t.Parent != "" {
		add("dev", t.Parent)
	}
	for _, p := range t.tunnelProperties() {
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
		words = append(words, t.nmcliFamily(family.name, family.is)...)
	}
	return fault.Shell(words)
}

// macProperty is nmcli's name for the Ethernet address of a device.
const macProperty = "802-3-ethernet.cloned-mac-address"

// property is a property of a profile, or a flag, with its value.
type property struct{ name, value string }

// tunnelProperties lists the properties of the ip-tunnel setting that differ from NetworkManager's
// defaults.
func (t Tunnel) tunnelProperties() []property {
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

// nmcliFamily returns the words of NmcliAdd for one address family.
func (t Tunnel) nmcliFamily(name string, is func(netip.Addr) bool) []string {
	var addresses, held []string
	for _, p := range t.Addresses {
		if is(p.Addr()) {
			addresses = append(addresses, p.String())
		}
	}
	for _, r := range t.RoutesOf(OwnerProfile, MinVersion) {
		if is(r.Dst.Addr()) {
			held = append(held, nmcliRoute(r))
		}
	}
	words := []string{name + ".method", "disabled"}
	if len(addresses) > 0 {
		words = []string{name + ".method", "manual", name + ".addresses", strings.Join(addresses, ",")}
	}
	if len(held) > 0 && len(addresses) > 0 {
		words = append(words, name+".routes", strings.Join(held, ", "))
	}
	if rules := nmcliRules(OwnedRules(AssignRules(t.Rules, 0), OwnerProfile), name == "ipv6"); rules != "" {
		words = append(words, name+".routing-rules", rules)
	}
	return words
}

// nmcliRoute writes the route in the notation of nmcli's ipv4.routes: destination, next hop,
// metric, attributes.
func nmcliRoute(r routes.Route) string {
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
	for _, metric := range profileMetrics {
		value, set := r.Metrics.Get(metric.metric)
		if set = set && value != 0; metric.metric == routes.MetricQuickACK {
			attribute(set, metric.name, true)
			continue
		}
		attribute(set, metric.name, value)
		attribute(set && metric.lock && r.Metrics.Locked(metric.metric), "lock-"+metric.name, true)
	}
	attribute(onlink, "onlink", true)
	attribute(weight != 0, "weight", weight)
	return strings.Join(words, " ")
}

// NmcliModify returns the nmcli command that changes a profile, named as in [NmcliConnection], from
// a to b, in memory only or on disk too. more has further properties, each followed by its value.
// There is no command if b differs in nothing that nmcli can change, such as in the peer address or
// the far end's name: nmcli knows no user data.
func NmcliModify(profile string, a, b Tunnel, inMemory bool, more ...string) []string {
	words := []string{"nmcli", "connection", "modify"}
	if inMemory {
		words = append(words, "--temporary")
	}
	words = append(words, profile)
	bare := len(words)
	old, now := a.modifyProperties(), b.modifyProperties()
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
func (t Tunnel) modifyProperties() []property {
	list := []property{{"connection.interface-name", t.Name}, {"connection.autoconnect", strconv.FormatBool(t.Autoconnect)}, {"connection.zone", t.Zone},
		{"ip-tunnel.mode", t.Mode.String()}, {"ip-tunnel.remote", routes.AddrText(t.Remote)}, {"ip-tunnel.local", ""}, {"ip-tunnel.parent", t.Parent}}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		list[5].value = t.Local.String()
	}
	values := make(map[string]string)
	for _, p := range t.tunnelProperties() {
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
		list = append(list, t.modifyFamily(family.name, family.is)...)
	}
	return list
}

// modifyFamily are the properties of one address family.
func (t Tunnel) modifyFamily(name string, is func(netip.Addr) bool) []property {
	list := []property{{name + ".method", "disabled"}, {name + ".addresses", ""}, {name + ".routes", ""},
		{name + ".routing-rules", nmcliRules(t.Rules, name == "ipv6")}}
	var addresses, held []string
	for _, a := range t.Addresses {
		if is(a.Addr()) {
			addresses = append(addresses, a.String())
		}
	}
	for _, r := range t.Routes {
		if is(r.Dst.Addr()) {
			held = append(held, nmcliRoute(r))
		}
	}
	if len(addresses) > 0 {
		list[0].value = "manual"
	}
	list[1].value, list[2].value = strings.Join(addresses, ","), strings.Join(held, ", ")
	return list
}

// NmcliConnection returns the command `nmcli connection VERB PROFILE`, for the verbs up, down and
// delete. The profile is a UUID, or a word of [Profile.Nmcli].
func NmcliConnection(verb, profile string) []string {
	return []string{fault.Shell([]string{"nmcli", "connection", verb, profile})}
}
