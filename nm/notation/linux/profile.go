package linux

import (
	"net/netip"
	"strconv"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes/gre"
	"nmgre/routes/rule"
)

// profileTunnel sets a property of NetworkManager's ip-tunnel setting.
func profileTunnel(r *notation.Reading, i int, f *notation.Found, name, value string) {
	wrong := false
	number := func(most uint64) uint64 {
		n, err := strconv.ParseUint(value, 0, 32)
		if wrong = err != nil || n > most; wrong {
			r.Refuse(i, "%s %s is not a number from 0 to %d", name, notation.Word(value), most)
			return 0
		}
		return n
	}
	switch name {
	case "remote":
		f.Remote = outerOf(r, i, name, value)
	case "local":
		if value != "" {
			f.Local = outerOf(r, i, name, value)
		}
	case "parent":
		f.Parent = value
	case "input-key":
		f.InputKey = keyOf(r, i, name, value)
	case "output-key":
		f.OutputKey = keyOf(r, i, name, value)
	case "ttl":
		if n := number(255); !wrong {
			f.TTL, f.TTLSet = uint8(n), true //nolint:gosec // at most 255
		}
	case "tos":
		f.TOS = uint8(number(255)) //nolint:gosec // at most 255
	case "mtu":
		f.MTU = uint32(number(65535)) //nolint:gosec // at most 65535
	case "path-mtu-discovery":
		f.NoPMTUD = value == "no" || value == "false" || value == "0"
	case "encapsulation-limit":
		f.EncapLimit = uint8(number(255)) //nolint:gosec // at most 255
	case "flow-label":
		f.FlowLabel = uint32(number(0xfffff)) //nolint:gosec // 20 bits
	case "flags":
		flags, err := gre.ParseFlags(value)
		if err != nil {
			r.RefuseErr(i, err)
		}
		f.Flags = flags
	default:
		r.Refuse(i, "ip-tunnel has no property %s", notation.Word(name))
	}
}

// profilePort reads the kind of device that a profile is a port of.
func profilePort(r *notation.Reading, i int, f *notation.Found, kind string) {
	if kind == "bridge" || kind == "" {
		return
	}
	r.Refuse(i, "nmgre makes a tunnel the port of a bridge only, not of a %s", notation.Word(kind))
	r.Later(func() { r.SetPort(i, f, "") }) // the device itself may come behind
}

// outerOf reads an outer address.
func outerOf(r *notation.Reading, i int, name, value string) netip.Addr {
	a, err := netip.ParseAddr(value)
	if err != nil {
		r.Refuse(i, "%s %s is not an IP address", name, notation.Word(value))
	}
	return a
}

// keyOf reads a key. A word is no key.
func keyOf(r *notation.Reading, i int, name, value string) *gre.Key {
	if value == "" {
		return nil
	}
	key, err := gre.ParseKey(value)
	if err != nil {
		r.Refuse(i, "%s %s is not a number of 32 bits, which a GRE key is: the tunnel is taken without it", name, notation.Word(value))
		return nil
	}
	return &key
}

// profileRoute reads DEST [GATEWAY] [METRIC] [NAME=VALUE]... of a profile.
func profileRoute(r *notation.Reading, i int, f *notation.Found, words []string) {
	if len(words) == 0 {
		return
	}
	spec := []string{words[0]}
	for at, word := range words[1:] {
		name, value, attribute := strings.Cut(word, "=")
		switch {
		case attribute && (name == "onlink" || strings.HasPrefix(name, "lock-")):
			if on := value == "true" || value == "1"; on && name == "onlink" {
				spec = append(spec, "onlink")
			} else if on {
				r.Refuse(i, "%s is not read: give the route with nmgre route add", notation.Word(name))
			}
		case attribute && name == "type":
			spec = append([]string{value}, spec...)
		case attribute:
			spec = append(spec, name, value)
		case at == 0 && (strings.Contains(word, ".") || strings.Contains(word, ":")):
			if a, err := netip.ParseAddr(word); err == nil && a.IsUnspecified() {
				continue
			}
			spec = append(spec, "via", word)
		default:
			spec = append(spec, "metric", word)
		}
	}
	route, err := r.Names.Parse(strings.Join(spec, " "))
	if err != nil {
		r.RefuseErr(i, err)
		return
	}
	f.Routes = append(f.Routes, route)
}

// profileRule reads a rule of the routing policy in nmcli's words, which are those of ip rule.
func profileRule(r *notation.Reading, i int, f *notation.Found, text string, six bool) {
	read, err := rule.ParseWith(r.Names, text)
	if err != nil {
		r.RefuseErr(i, err)
		return
	}
	read.IPv6 = read.IPv6 || six && !read.From.IsValid() && !read.To.IsValid()
	f.Rules = append(f.Rules, read)
}

func profileMode(value string) string {
	for mode, number := range profileModes {
		if value == strconv.Itoa(number) {
			return mode.String()
		}
	}
	return value
}

// defaultOf is the destination of a default route.
func defaultOf(section string) string {
	if section == "ipv6" {
		return "::/0"
	}
	return "0.0.0.0/0"
}

// profileModes are the numbers of NMIPTunnelMode.
var profileModes = map[gre.Mode]int{gre.ModeGRE: 2, gre.ModeIP6GRE: 8, gre.ModeGRETAP: 10, gre.ModeIP6GRETAP: 11}

// profileReasons are the reasons for the fields that no profile has.
func profileReasons() map[string]string {
	all := map[string]string{"route": whyProfileRoute, "snat": whyProfile, "clamp-mss": whyProfile, "rule": whyProfileRule, "forward": "NetworkManager has it since 1.54 only"}
	for _, name := range gre.LinkOptionNames() {
		all[name] = whyProfile
	}
	return all
}

const (
	whyInterface    = "a bridge is named by its interface"
	whyProfile      = "a profile has no words for it, and nmgre has root keep it"
	whyProfileRule  = "a profile has no words for them, or is slow with so many, and nmgre has root keep them"
	whyProfileRoute = "a profile has no words for them, and nmgre has root keep such a route"
)
