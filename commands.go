package nmgre

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// NmcliAdd returns the nmcli command that makes the same profile; what nmcli cannot hold is not in it.
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
	return shellJoin(words)
}

type property struct{ name, value string }

// tunnelProperties lists those of ip-tunnel's properties that differ from NetworkManager's defaults.
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
	var addresses, routes []string
	for _, p := range t.Addresses {
		if is(p.Addr()) {
			addresses = append(addresses, p.String())
		}
	}
	for _, r := range t.RoutesOf(OwnerProfile, MinVersion) {
		if is(r.Dst.Addr()) {
			routes = append(routes, r.nmcli())
		}
	}
	if len(addresses) == 0 {
		return []string{name + ".method", "disabled"}
	}
	words := []string{name + ".method", "manual", name + ".addresses", strings.Join(addresses, ",")}
	if len(routes) > 0 {
		words = append(words, name+".routes", strings.Join(routes, ", "))
	}
	return words
}

// nmcli writes the route as nmcli's ipv4.routes takes it: destination, next hop, metric, attributes.
func (r Route) nmcli() string {
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
	attribute(r.Type != TypeUnicast, "type", r.Type)
	attribute(r.From.IsValid(), "from", r.From)
	attribute(r.TOS != 0, "tos", r.TOS)
	attribute(r.Src.IsValid(), "src", r.Src)
	attribute(r.Table != 0 && r.Table != r.defaultTable(), "table", r.Table)
	attribute(r.Scope != nil, "scope", uint8(r.ScopeOrDefault()))
	attribute(r.MTU != 0, "mtu", r.MTU)
	attribute(r.MTULock, "lock-mtu", true)
	for _, metric := range profileMetrics {
		value, set := r.Metrics.Get(metric.metric)
		if set = set && value != 0; metric.metric == MetricQuickACK {
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
	add(t.ipKeys()...)
	add("ttl", t.ttlText())
	if t.TOS != 0 {
		add("tos", tosText(t.TOS))
	}
	add(t.ipFamilyWords()...)
	if t.Parent != "" {
		add("dev", t.Parent)
	}
	commands := []string{shellJoin(link)}
	for _, p := range t.Addresses {
		commands = append(commands, shellJoin([]string{"ip", "address", "add", p.String(), "dev", t.Name}))
	}
	up := []string{"ip", "link", "set", "dev", t.Name, "up"}
	if t.MTU != 0 {
		up = append(up, "mtu", strconv.FormatUint(uint64(t.MTU), 10))
	}
	commands = append(commands, shellJoin(up))
	for _, r := range t.Routes {
		commands = append(commands, r.IPRouteAdd(t.Name))
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

func (t Tunnel) ipKeys() []string {
	if t.InputKey != nil && sameKey(t.InputKey, t.OutputKey) {
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

func (t Tunnel) ttlText() string {
	if t.TTL == 0 {
		return "inherit"
	}
	return strconv.Itoa(int(t.TTL))
}

func tosText(tos uint8) string {
	if tos == 1 {
		return "inherit"
	}
	return fmt.Sprintf("%#x", tos)
}

// IPRouteAdd returns the ip command that adds the route into dev.
func (r Route) IPRouteAdd(dev string) string {
	words := []string{"ip", "route", "add"}
	if r.Dst.Addr().Is6() {
		words = []string{"ip", "-6", "route", "add"}
	}
	const placeholder = "\x00" // a name may have spaces
	for _, word := range strings.Fields(string(r.appendText(nil, placeholder))) {
		if word == placeholder {
			word = dev
		}
		words = append(words, word)
	}
	return shellJoin(words)
}

// CreateCommand returns the nmgre command that makes the tunnel. What is nmgre's default is left out.
func (t Tunnel) CreateCommand() string {
	words := []string{"nmgre", "create"}
	add := func(flag, value string) { words = append(words, "--"+flag, value) }
	if t.Name != "" {
		add("name", t.Name)
	}
	if t.Mode != ModeGRE {
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
		if !t.isRouteToPeer(r) {
			add("route", r.String())
		}
	}
	if !t.Autoconnect {
		words = append(words, "--autoconnect=false")
	}
	return shellJoin(words)
}

// isRouteToPeer says whether r is the route to the far end's inner address that a plan adds by itself.
func (t Tunnel) isRouteToPeer(r Route) bool {
	covered := slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Contains(t.PeerAddress) })
	return !covered && r.Dst == hostPrefix(t.PeerAddress) && r.String() == t.PeerAddress.String()
}

func (t Tunnel) createOptions() []string {
	var words []string
	if t.InputKey != nil && sameKey(t.InputKey, t.OutputKey) {
		words = append(words, "--key", t.InputKey.String())
	} else {
		for _, key := range []struct {
			flag string
			key  *Key
		}{{"--input-key", t.InputKey}, {"--output-key", t.OutputKey}} {
			if key.key != nil {
				words = append(words, key.flag, key.key.String())
			}
		}
	}
	if t.TTL != DefaultTTL {
		words = append(words, "--ttl", t.ttlText())
	}
	if t.NoPMTUD {
		words = append(words, "--no-pmtud")
	}
	limit := t.EncapLimit
	if limit == DefaultEncapLimit {
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

// hostPrefix is the destination of the one host a.
func hostPrefix(a netip.Addr) netip.Prefix {
	if !a.IsValid() {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// sampleAddr returns an address that a packet for dst would have, but for avoid, which another route may lead to.
func sampleAddr(dst netip.Prefix, avoid netip.Addr) netip.Addr {
	if dst.IsSingleIP() {
		return dst.Addr()
	}
	sample := dst.Addr().Next()
	if dst.Bits() == 0 { // the first address of all means "this host": take one from the blocks kept for examples (RFC 5737, RFC 3849)
		sample = netip.MustParseAddr("2001:db8::1")
		if dst.Addr().Is4() {
			sample = netip.AddrFrom4([4]byte{192, 0, 2, 1})
		}
	}
	if sample != avoid {
		return sample
	}
	if next := sample.Next(); dst.Contains(next) {
		return next
	}
	return dst.Addr()
}

func countRoutes(n int) string {
	switch n {
	case 0:
		return "no routes"
	case 1:
		return "1 route"
	}
	return strconv.Itoa(n) + " routes"
}

// shellJoin writes words as one line for a POSIX shell.
func shellJoin(words []string) string {
	quoted := slices.Clone(words)
	for i, word := range quoted {
		quoted[i] = shellQuote(word)
	}
	return strings.Join(quoted, " ")
}

// shellQuote quotes a word where a POSIX shell needs it.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:,=+@", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
