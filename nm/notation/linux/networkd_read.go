package linux

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// networkdInput is files of systemd-networkd while they are read.
type networkdInput struct {
	r      *notation.Reading
	netdev []iniEntry // of the .netdev file that is read
	match  string     // the interface of the .network file that is read
	at     int
	parts  [][]iniEntry // the sections of .network files, each with the interface in front
}

// readNetworkd reads .netdev and .network files, in any order.
func readNetworkd(r *notation.Reading) {
	in := &networkdInput{r: r}
	eachIni(r, func(e iniEntry) {
		switch {
		case e.opens && (e.section == "NetDev" || e.section == "Match"):
			in.end()
			in.match, in.at = "", e.i
		}
		switch e.section {
		case "NetDev", "Tunnel":
			in.netdev = append(in.netdev, e)
		default:
			in.network(e)
		}
	})
	in.end()
	for _, part := range in.parts {
		in.part(part)
	}
}

// network keeps an entry of a .network file for later, when its netdev is known.
func (in *networkdInput) network(e iniEntry) {
	if e.section == "Match" {
		in.parts = append(in.parts, []iniEntry{{name: in.match}, e})
		if e.name == "Name" {
			in.match = e.value
			for i := len(in.parts) - 1; i >= 0 && in.parts[i][1].section == e.section; i-- { // back to [Match]
				in.parts[i][0].name = e.value
				if in.parts[i][1].opens {
					break
				}
			}
		}
		return
	}
	if e.opens {
		in.parts = append(in.parts, []iniEntry{{name: in.match}, e})
		return
	}
	if len(in.parts) == 0 {
		in.r.Refuse(e.i, "[%s] has no [Match] before it", e.section)
		return
	}
	last := len(in.parts) - 1
	in.parts[last] = append(in.parts[last], e)
}

// end makes the tunnel of a .netdev file.
func (in *networkdInput) end() {
	entries := in.netdev
	in.netdev = nil
	if len(entries) == 0 {
		return
	}
	get := func(name string) string {
		for _, e := range entries {
			if e.name == name {
				return e.value
			}
		}
		return ""
	}
	r, name := in.r, get("Name")
	mode, err := gre.ParseMode(get("Kind"))
	switch {
	case err != nil:
		for _, e := range entries {
			r.Skip(e.i, "a netdev of kind %s is no GRE tunnel", notation.Word(get("Kind")))
		}
		return
	case !routes.IsDevice(name) || name == "gre0":
		refuseAll(r, entries, "Name "+notation.Word(name)+" cannot be a tunnel's name")
		return
	}
	f, fresh := r.Add(name, entries[0].i)
	if !fresh && f.Remote.String() == get("Local") && f.Local.String() == get("Remote") {
		f, fresh = r.Again(name, entries[0].i), true
	}
	if !fresh {
		refuseAll(r, entries, fmt.Sprintf("%s is in line %d already", notation.Word(name), r.Lines[f.At].N))
		return
	}
	f.Mode, f.Up = mode, true
	for _, e := range entries {
		r.Take(e.i)
		if !e.opens {
			in.tunnel(f, e)
		}
	}
	if !f.Remote.IsValid() {
		f.Refuse = "remote: NetworkManager needs the far end's address"
		r.Refuse(entries[0].i, "%s", f.Refuse)
	}
}

// refuseAll refuses all lines of a file.
func refuseAll(r *notation.Reading, entries []iniEntry, why string) {
	for _, e := range entries {
		r.Refuse(e.i, "%s", why)
	}
}

// networkdTunnel are networkd's names of NetworkManager's properties.
var networkdTunnel = sync.OnceValue(func() map[string]string {
	return map[string]string{"Remote": "remote", "TTL": "ttl", "IPv6FlowLabel": "flow-label"}
})

// key reads a key. Networkd takes 0 for no key.
func (in *networkdInput) key(e iniEntry) *gre.Key {
	key := keyOf(in.r, e.i, e.name, e.value)
	if key != nil && *key == 0 {
		in.r.Skip(e.i, "systemd-networkd takes 0 for no key")
		return nil
	}
	return key
}

// tunnel reads a line of a .netdev file.
func (in *networkdInput) tunnel(f *notation.Found, e iniEntry) {
	r := in.r
	switch e.name {
	case "Name", "Kind", "Independent", "Description":
	case "MTUBytes":
		profileTunnel(r, e.i, f, "mtu", e.value)
	case "Local":
		if e.value == "any" || strings.HasSuffix(e.value, "_dynamic") || strings.HasPrefix(e.value, "dhcp") {
			f.Local = f.Mode.AnyAddr()
			return
		}
		profileTunnel(r, e.i, f, "local", e.value)
	case "Key":
		f.InputKey = in.key(e)
		f.OutputKey = gre.CloneKey(f.InputKey)
	case "InputKey":
		f.InputKey = in.key(e)
	case "OutputKey":
		f.OutputKey = in.key(e)
	case "TOS":
		if f.Mode.IPv6Outer() {
			r.Skip(e.i, "it has no effect on a tunnel over IPv6")
			return
		}
		profileTunnel(r, e.i, f, "tos", e.value)
	case "DiscoverPathMTU":
		f.NoPMTUD = !isYes(e.value)
	case "EncapsulationLimit":
		r.Skip(e.i, "it has no effect on tunnels of GRE")
	case "IgnoreDontFragment":
		f.Link.IgnoreDF = isYes(e.value)
	case "SerializeTunneledPackets":
		f.Link.Sequence = isYes(e.value)
	case "MACAddress":
		if e.value != "none" {
			r.SetMAC(e.i, f, e.value)
		}
	case "External", "FooOverUDP":
		if isYes(e.value) {
			f.Refuse = e.name + ": NetworkManager's tunnels have no such setting"
			r.Refuse(e.i, "%s", f.Refuse)
		}
	default:
		if property := networkdTunnel()[e.name]; property != "" {
			profileTunnel(r, e.i, f, property, e.value)
			return
		}
		r.Refuse(e.i, "%s is not read", notation.Word(e.name))
	}
}

// part reads a section of a .network file.
func (in *networkdInput) part(part []iniEntry) {
	r, name := in.r, part[0].name
	part = part[1:]
	f := r.Tunnel(name)
	if f == nil {
		in.foreign(name, part)
		return
	}
	for _, e := range part {
		r.Take(e.i)
	}
	switch part[0].section {
	case "Match":
	case "Link":
		in.link(f, part)
	case "Network":
		in.addresses(f, part)
	case "Address":
		in.address(f, part)
	case "Route":
		in.route(f, part)
	case "RoutingPolicyRule":
		in.rule(f, part)
	default:
		for _, e := range part {
			r.Refuse(e.i, "[%s] is not read", e.section)
		}
	}
}

// foreign reads a section about another interface: its networks are behind this host, and it may be
// a tunnel's parent.
func (in *networkdInput) foreign(name string, part []iniEntry) {
	for _, e := range part {
		switch f := in.r.Tunnel(e.value); {
		case e.name == "Tunnel" && f != nil:
			f.Parent = name
			in.r.Take(e.i)
			continue
		case e.name == "Address":
			if p, err := netip.ParsePrefix(e.value); err == nil {
				in.r.Networks = append(in.r.Networks, p)
			}
		}
		in.r.Skip(e.i, "it is about %s, which is no tunnel of this input", notation.Word(name))
	}
}

func (in *networkdInput) link(f *notation.Found, part []iniEntry) {
	for _, e := range part[1:] {
		switch e.name {
		case "ActivationPolicy":
			f.Autoconnect = e.value != "manual" && e.value != "always-down" && e.value != "down"
		case "MTUBytes":
			profileTunnel(in.r, e.i, f, "mtu", e.value)
		case "MACAddress":
			in.r.SetMAC(e.i, f, e.value)
		case "Multicast":
			networkdMulticast(in.r, f, e)
		default:
			in.r.Skip(e.i, "NetworkManager has its own way with %s", notation.Word(e.name))
		}
	}
}

// networkdMulticast reads the device's flag, which Ethernet devices have by themselves.
func networkdMulticast(r *notation.Reading, f *notation.Found, e iniEntry) {
	switch on := isYes(e.value); {
	case !f.Mode.Ethernet():
		f.Link.Multicast = on
	case !on:
		r.Refuse(e.i, "nmgre takes the flag MULTICAST from no Ethernet device")
	}
}

func (in *networkdInput) addresses(f *notation.Found, part []iniEntry) {
	for _, e := range part[1:] {
		switch e.name {
		case "Address":
			iproute.Inner(in.r, e.i, f, e.value, "")
		case "Gateway":
			section := "ipv4"
			if strings.Contains(e.value, ":") {
				section = "ipv6"
			}
			profileRoute(in.r, e.i, f, []string{defaultOf(section), e.value})
		case "IPForward", "IPv4Forwarding", "IPForwarding":
			f.Forward = e.value == "ipv4" || isYes(e.value)
		case "Bridge":
			in.r.SetPort(e.i, f, e.value)
		case "Bond", "VRF", "BatmanAdvanced":
			in.r.Refuse(e.i, "nmgre makes a tunnel the port of a bridge only")
		case "IPMasquerade":
			in.r.Refuse(e.i, "nmgre's SNAT is for one destination: give it with --snat")
		default:
			in.r.Skip(e.i, "NetworkManager has its own way with %s", notation.Word(e.name))
		}
	}
}

func (in *networkdInput) address(f *notation.Found, part []iniEntry) {
	own, peer, at := "", "", part[0].i
	for _, e := range part[1:] {
		switch e.name {
		case "Address":
			own, at = e.value, e.i
		case "Peer":
			peer = e.value
		default:
			in.r.Skip(e.i, "NetworkManager has its own way with %s", notation.Word(e.name))
		}
	}
	iproute.Inner(in.r, at, f, own, peer)
}

// networkdRules are networkd's names of the words of `ip rule`.
var networkdRules = sync.OnceValue(func() map[string]string {
	return map[string]string{"From": "from", "To": "to", "Table": "table", "Priority": "priority", "FirewallMark": "fwmark", "IncomingInterface": "iif",
		"OutgoingInterface": "oif", "TypeOfService": "tos", "IPProtocol": "ipproto", "SourcePort": "sport", "DestinationPort": "dport"}
})

func (in *networkdInput) rule(f *notation.Found, part []iniEntry) {
	var words []string
	for _, e := range part[1:] {
		if word := networkdRules()[e.name]; word != "" {
			words = append(words, word, e.value)
			continue
		}
		in.r.Refuse(e.i, "%s is not read", notation.Word(e.name))
	}
	iproute.New(in.r).Rule(part[0].i, words, f.Name, false)
}

// networkdRoutes are networkd's names of the words of a route.
var networkdRoutes = sync.OnceValue(func() map[string]string {
	return map[string]string{"Gateway": "via", "Metric": "metric", "Table": "table", "PreferredSource": "src", "MTUBytes": "mtu", "Scope": "scope", "Source": "from",
		"InitialCongestionWindow": "initcwnd", "InitialAdvertisedReceiveWindow": "initrwnd", "TCPAdvertisedMaximumSegmentSize": "advmss"}
})

func (in *networkdInput) route(f *notation.Found, part []iniEntry) {
	at, destination, six := part[0].i, "", false
	spec := []string{""}
	for _, e := range part[1:] {
		six = six || e.name == "Gateway" && strings.Contains(e.value, ":")
		switch word := networkdRoutes()[e.name]; {
		case e.name == "Destination":
			at, destination = e.i, e.value
		case e.name == "GatewayOnLink" || e.name == "GatewayOnlink":
			if isYes(e.value) {
				spec = append(spec, "onlink")
			}
		case e.name == "Type" && e.value != "unicast":
			spec[0] = e.value + " "
		case e.name == "Type":
		case word == "" || strings.HasPrefix(e.value, "_"):
			in.r.Refuse(e.i, "%s is not read", notation.Word(e.name+"="+e.value))
		default:
			spec = append(spec, word, e.value)
		}
	}
	switch {
	case destination != "":
	case six:
		destination = "::/0"
	default:
		destination = "0.0.0.0/0"
	}
	spec[0] += destination
	spec, table := in.r.Numbered(spec)
	route, err := in.r.Names.Parse(strings.Join(spec, " "))
	if err != nil {
		in.r.RefuseErr(at, err)
		return
	}
	f.Routes = append(f.Routes, route)
	in.r.Miss(f, at, "route", table)
}
