package linux

import (
	"net/netip"
	"path"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// readNmcli reads a script with `nmcli connection add` and `modify`, and the other commands of such
// a script.
func readNmcli(r *notation.Reading) {
	s := iproute.New(r)
	s.Own = func(c *shell.Command) bool {
		words := c.Words
		if words[0] == "sudo" {
			words = words[1:]
		}
		if len(words) == 0 || path.Base(words[0]) != "nmcli" {
			return false
		}
		nmcliCommand(r, c.First, words[1:])
		return true
	}
	s.Read()
}

// nmcliCommand reads the words behind nmcli.
func nmcliCommand(r *notation.Reading, i int, words []string) {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		if option := strings.TrimLeft(words[0], "-"); (option == "f" || option == "w" || option == "wait" || option == "g" || option == "m") && len(words) > 1 {
			words = words[1:]
		}
		words = words[1:]
	}
	if len(words) < 2 || !strings.HasPrefix("connection", words[0]) {
		r.Skip(i, "it makes no profile")
		return
	}
	verb, rest := words[1], words[2:]
	switch {
	case verb != "" && strings.HasPrefix("add", verb):
		nmcliAdd(r, i, rest)
	case verb != "" && strings.HasPrefix("modify", verb):
		nmcliModify(r, i, rest)
	default:
		r.Skip(i, "nmgre brings the tunnel up by itself")
	}
}

// nmcliPairs joins the words of nmcli to properties with their values: shortened ones of its own,
// and SETTING.PROPERTY.
func nmcliPairs(words []string) (pairs [][2]string, odd string) {
	for at := 0; at < len(words); at += 2 {
		if words[at] == "--" || words[at] == "save" {
			continue
		}
		if at+1 == len(words) {
			return pairs, words[at]
		}
		pairs = append(pairs, [2]string{words[at], words[at+1]})
	}
	return pairs, ""
}

// nmcliAliases are the words of `nmcli connection add` that stand for properties.
var nmcliAliases = sync.OnceValue(func() map[string]string {
	return map[string]string{"type": "connection.type", "con-name": "connection.id", "ifname": "connection.interface-name", "autoconnect": "connection.autoconnect",
		"mode": "ip-tunnel.mode", "remote": "ip-tunnel.remote", "local": "ip-tunnel.local", "dev": "ip-tunnel.parent", "ip4": "+ipv4.addresses", "ip6": "+ipv6.addresses", "mtu": "ip-tunnel.mtu", "master": "connection.master", "controller": "connection.controller",
		"slave-type": "connection.slave-type", "port-type": "connection.port-type"}
})

func nmcliAdd(r *notation.Reading, i int, words []string) {
	pairs, odd := nmcliPairs(words)
	if odd != "" {
		r.Refuse(i, "it ends after %s", notation.Word(odd))
		return
	}
	values := map[string]string{}
	for _, pair := range pairs {
		values[nmcliProperty(pair[0])] = pair[1]
	}
	name := values["connection.interface-name"]
	if t := values["connection.type"]; t != "ip-tunnel" {
		r.Skip(i, "a profile of type %s is no tunnel", notation.Word(t))
		return
	}
	if _, err := gre.ParseMode(profileMode(values["ip-tunnel.mode"])); err != nil {
		r.Skip(i, "the mode %s is no GRE tunnel", notation.Word(values["ip-tunnel.mode"]))
		return
	}
	if name == "" || name == "*" {
		name = values["connection.id"]
	}
	if !routes.IsDevice(name) {
		r.Refuse(i, "ifname %s cannot be a device's name", notation.Word(name))
		return
	}
	f := nmcliPlace(r, i, name, values)
	if f == nil {
		return
	}
	f.Up, f.TTLSet = true, values["ip-tunnel.ttl"] != ""
	r.Take(i)
	for _, pair := range pairs {
		nmcliSet(r, i, f, nmcliProperty(pair[0]), pair[1])
	}
	if !f.Remote.IsValid() {
		f.Refuse = "remote: the profile has no far end"
		r.Refuse(i, "%s", f.Refuse)
	}
}

// nmcliPlace returns the tunnel for a profile. A second one of a name is either the other end, or a
// copy.
func nmcliPlace(r *notation.Reading, i int, name string, values map[string]string) *notation.Found {
	f, fresh := r.Add(name, i)
	if fresh {
		return f
	}
	remote, local := values["ip-tunnel.remote"], values["ip-tunnel.local"]
	switch {
	case f.Remote.String() == local && f.Local.String() == remote:
		return r.Again(name, i)
	case f.Remote.String() == remote && f.Local.String() == local:
		r.Refuse(i, "it is a copy of line %d: at the other end, local and remote change places", r.Lines[f.At].N)
	default:
		r.Refuse(i, "line %d has %s already", r.Lines[f.At].N, notation.Word(name))
	}
	return nil
}

func nmcliProperty(word string) string {
	if full := nmcliAliases()[word]; full != "" {
		return full
	}
	return word
}

func nmcliModify(r *notation.Reading, i int, words []string) {
	for len(words) > 0 && (strings.HasPrefix(words[0], "--") || words[0] == "id") {
		words = words[1:]
	}
	if len(words) == 0 {
		r.Refuse(i, "it names no profile")
		return
	}
	f := r.Tunnel(words[0])
	if f == nil {
		r.Skip(i, "%s is no tunnel of this input", notation.Word(words[0]))
		return
	}
	pairs, odd := nmcliPairs(words[1:])
	if odd != "" {
		r.Refuse(i, "it ends after %s", notation.Word(odd))
		return
	}
	r.Take(i)
	for _, pair := range pairs {
		nmcliSet(r, i, f, nmcliProperty(pair[0]), pair[1])
	}
}

// nmcliSet sets one property of a profile. A property that is no part of a tunnel is not needed.
func nmcliSet(r *notation.Reading, i int, f *notation.Found, property, value string) {
	add := strings.HasPrefix(property, "+")
	property = strings.TrimPrefix(property, "+")
	switch property {
	case "connection.type", "connection.id", "connection.interface-name", "ipv4.method", "ipv6.method", "ip-tunnel.mode":
		if property == "ip-tunnel.mode" {
			f.Mode, _ = gre.ParseMode(profileMode(value))
		}
	case "connection.zone":
		f.Zone = value
	case "connection.autoconnect":
		f.Autoconnect = value != "no" && value != "false" && value != "off" && value != "0"
	case "ipv4.addresses", "ipv6.addresses":
		if !add {
			f.Addresses = dropFamily(f.Addresses, property == "ipv4.addresses")
		}
		for _, text := range splitList(value) {
			iproute.Inner(r, i, f, text, "")
		}
	case "ipv4.routes", "ipv6.routes":
		for _, text := range strings.Split(value, ",") {
			profileRoute(r, i, f, strings.Fields(text))
		}
	case "ipv4.routing-rules", "ipv6.routing-rules":
		for _, text := range strings.Split(value, ",") {
			profileRule(r, i, f, text, property == "ipv6.routing-rules")
		}
	case "connection.master", "connection.controller":
		r.SetPort(i, f, value)
	case "connection.slave-type", "connection.port-type":
		profilePort(r, i, f, value)
	case "802-3-ethernet.cloned-mac-address", "ethernet.cloned-mac-address":
		r.SetMAC(i, f, value)
	case "ipv4.forwarding":
		f.Forward = value == "yes" || value == "1" || value == "true"
	default:
		if name, found := strings.CutPrefix(property, "ip-tunnel."); found {
			profileTunnel(r, i, f, name, value)
			return
		}
		r.Lines[i].Why = join(r.Lines[i].Why, "without "+fault.Printable(property)+", which is no part of a tunnel")
	}
}

func join(a, b string) string {
	if a == "" || len(a) > 400 {
		return b
	}
	return a + "; " + b
}

func dropFamily(list []netip.Prefix, four bool) []netip.Prefix {
	var rest []netip.Prefix
	for _, p := range list {
		if p.Addr().Is4() != four {
			rest = append(rest, p)
		}
	}
	return rest
}
