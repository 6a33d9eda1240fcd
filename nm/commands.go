package nm

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// NmcliAdd returns the nmcli command that makes the same profile; what nmcli cannot hold is not in
// it.
func (t Tunnel) NmcliAdd() string {
	words := []string{"nmcli", "connection", "add", "type", "ip-tunnel", "con-name", t.Name, "ifname", t.Name,
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
	if !t.Autoconnect {
		add("connection.autoconnect", "no")
	}
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		words = append(words, t.nmcliFamily(family.name, family.is)...)
	}
	return fault.Shell(words)
}

type property struct{ name, value string }

// tunnelProperties lists those of ip-tunnel's properties that differ from NetworkManager's
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

func (t Tunnel) nmcliFamily(name string, is func(netip.Addr) bool) []string {
	var addresses, set []string
	for _, p := range t.Addresses {
		if is(p.Addr()) {
			addresses = append(addresses, p.String())
		}
	}
	for _, r := range t.RoutesOf(OwnerProfile, MinVersion) {
		if is(r.Dst.Addr()) {
			set = append(set, routeNmcli(r))
		}
	}
	if len(addresses) == 0 {
		return []string{name + ".method", "disabled"}
	}
	words := []string{name + ".method", "manual", name + ".addresses", strings.Join(addresses, ",")}
	if len(set) > 0 {
		words = append(words, name+".routes", strings.Join(set, ", "))
	}
	return words
}

// routeNmcli writes the route as nmcli's ipv4.routes takes it: destination, next hop, metric,
// attributes.
func routeNmcli(r routes.Route) string {
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

// IPCommands returns the ip commands that make the same tunnel, until the next reboot.
func (t Tunnel) IPCommands() []string {
	link := []string{"ip", "link", "add", "name", t.Name, "type", t.Mode.String(), "remote", t.Remote.String()}
	add := func(words ...string) { link = append(link, words...) }
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		add("local", t.Local.String())
	}
	add(t.IPKeys()...)
	add("ttl", gre.TTLText(t.TTL))
	if t.TOS != 0 {
		add("tos", gre.TOSText(t.TOS))
	}
	add(t.ipFamilyWords()...)
	if t.Parent != "" {
		add("dev", t.Parent)
	}
	commands := []string{fault.Shell(link)}
	for _, p := range t.Addresses {
		commands = append(commands, fault.Shell([]string{"ip", "address", "add", p.String(), "dev", t.Name}))
	}
	up := []string{"ip", "link", "set", "dev", t.Name, "up"}
	if t.MTU != 0 {
		up = append(up, "mtu", strconv.FormatUint(uint64(t.MTU), 10))
	}
	commands = append(commands, fault.Shell(up))
	for _, r := range t.Routes {
		commands = append(commands, r.IPRoute("add", t.Name))
	}
	return commands
}

// ipFamilyWords are the words that iproute2 has for one of the two carriers only.
func (t Tunnel) ipFamilyWords() []string {
	if !t.Mode.IPv6Outer() {
		if t.NoPMTUD {
			return []string{"nopmtudisc"}
		}
		return nil
	}
	var words []string
	if t.EncapLimit != 0 {
		words = append(words, "encaplimit", strconv.Itoa(int(t.EncapLimit)))
	}
	if t.FlowLabel != 0 {
		words = append(words, "flowlabel", fmt.Sprintf("%#x", t.FlowLabel))
	}
	return words
}

func (t Tunnel) IPKeys() []string {
	if t.InputKey != nil && gre.SameKey(t.InputKey, t.OutputKey) {
		return []string{"key", t.InputKey.String()}
	}
	var words []string
	if t.InputKey != nil {
		words = append(words, "ikey", t.InputKey.String())
	}
	if t.OutputKey != nil {
		words = append(words, "okey", t.OutputKey.String())
	}
	return words
}

// CreateCommand returns the nmgre command that makes the tunnel. What is nmgre's default is left
// out.
func (t Tunnel) CreateCommand() string {
	words := []string{"nmgre", "create"}
	add := func(flag, value string) { words = append(words, "--"+flag, value) }
	if t.Name != "" {
		add("name", t.Name)
	}
	if t.Mode != gre.ModeGRE {
		add("mode", t.Mode.String())
	}
	if t.Remote.IsValid() && !t.Remote.IsUnspecified() {
		add("peer", t.Remote.String())
	} else { // the far end of a tunnel with any local address
		add("peer", "ADDRESS")
	}
	if t.Local.IsUnspecified() {
		add("local", "any")
	} else if t.Local.IsValid() {
		add("local", t.Local.String())
	}
	for _, p := range t.Addresses {
		add("address", p.String())
	}
	if t.PeerAddress.IsValid() && t.PeerAddress != DerivePeer(t.Addresses) {
		add("peer-address", t.PeerAddress.String())
	}
	words = append(words, t.createOptions()...)
	for _, r := range t.Routes {
		if !t.IsRouteToPeer(r) {
			add("route", r.String())
		}
	}
	if !t.Autoconnect {
		words = append(words, "--autoconnect=false")
	}
	return fault.Shell(words)
}

// IsRouteToPeer says whether r is the route to the far end's inner address that a plan adds by
// itself.
func (t Tunnel) IsRouteToPeer(r routes.Route) bool {
	covered := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(t.PeerAddress) })
	return !covered && r.Dst == routes.HostPrefix(t.PeerAddress) && r.String() == t.PeerAddress.String()
}

func (t Tunnel) createOptions() []string {
	var words []string
	if t.InputKey != nil && gre.SameKey(t.InputKey, t.OutputKey) {
		words = append(words, "--key", t.InputKey.String())
	} else {
		for _, key := range []struct {
			flag string
			key  *gre.Key
		}{{"--input-key", t.InputKey}, {"--output-key", t.OutputKey}} {
			if key.key != nil {
				words = append(words, key.flag, key.key.String())
			}
		}
	}
	if t.TTL != gre.DefaultTTL {
		words = append(words, "--ttl", gre.TTLText(t.TTL))
	}
	if t.NoPMTUD {
		words = append(words, "--no-pmtud")
	}
	limit := t.EncapLimit
	if limit == gre.DefaultEncapLimit {
		limit = 0
	}
	for _, option := range []struct {
		flag  string
		value uint32
	}{{"--tos", uint32(t.TOS)}, {"--encap-limit", uint32(limit)}, {"--flow-label", t.FlowLabel}, {"--flags", uint32(t.Flags)}, {"--mtu", t.MTU}} {
		if option.value != 0 {
			words = append(words, option.flag, strconv.FormatUint(uint64(option.value), 10))
		}
	}
	if t.Parent != "" {
		words = append(words, "--parent", t.Parent)
	}
	return words
}

// ModifyCommand returns the nmcli command that makes b of a profile that holds a; none if there is
// nothing that nmcli can change: the far end's inner address is nmgre's own note.
func ModifyCommand(uuid string, a, b Tunnel, inMemory bool, more ...string) []string {
	words := []string{"nmcli", "connection", "modify"}
	if inMemory {
		words = append(words, "--temporary")
	}
	words = append(words, uuid)
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

// modifyProperties are nmcli's properties that an edit may change, in an order of their own, each
// with its value or "".
func (t Tunnel) modifyProperties() []property {
	list := []property{{"connection.interface-name", t.Name}, {"connection.autoconnect", strconv.FormatBool(t.Autoconnect)},
		{"ip-tunnel.mode", t.Mode.String()}, {"ip-tunnel.remote", routes.AddrText(t.Remote)}, {"ip-tunnel.local", ""}, {"ip-tunnel.parent", t.Parent}}
	if t.Local.IsValid() && !t.Local.IsUnspecified() {
		list[4].value = t.Local.String()
	}
	set := make(map[string]string)
	for _, p := range t.tunnelProperties() {
		set[p.name] = p.value
	}
	for _, name := range []string{"input-key", "output-key", "ttl", "tos", "path-mtu-discovery", "encapsulation-limit", "flow-label", "flags", "mtu"} {
		list = append(list, property{"ip-tunnel." + name, set[name]})
	}
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"ipv4", netip.Addr.Is4}, {"ipv6", netip.Addr.Is6}} {
		list = append(list, t.modifyFamily(family.name, family.is)...)
	}
	return list
}

func (t Tunnel) modifyFamily(name string, is func(netip.Addr) bool) []property {
	list := []property{{name + ".method", "disabled"}, {name + ".addresses", ""}, {name + ".routes", ""}}
	var addresses, set []string
	for _, a := range t.Addresses {
		if is(a.Addr()) {
			addresses = append(addresses, a.String())
		}
	}
	for _, r := range t.Routes {
		if is(r.Dst.Addr()) {
			set = append(set, routeNmcli(r))
		}
	}
	if len(addresses) > 0 {
		list[0].value = "manual"
	}
	list[1].value, list[2].value = strings.Join(addresses, ","), strings.Join(set, ", ")
	return list
}

// NmcliCommand is what does the same to a profile as a whole.
func NmcliCommand(verb, uuid string) []string {
	return []string{fault.Shell([]string{"nmcli", "connection", verb, uuid})}
}
