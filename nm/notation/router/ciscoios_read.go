package router

import (
	"net/netip"
	"strconv"
	"strings"

	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// iosInput is the output of show running-config while it is read.
type iosInput struct {
	r          *notation.Reading
	interfaces map[string]netip.Addr // the first IPv4 address of each interface
	f          *notation.Found       // of the section that is read
	name       string                // of the interface that is read
	outer      map[string]bool       // interfaces that a tunnel is sent from
	networks   map[string][]netip.Prefix
	tunnels    map[string]*notation.Found
}

// readCiscoIOS reads the interfaces and the static routes of a configuration.
func readCiscoIOS(r *notation.Reading) {
	in := &iosInput{r: r, interfaces: map[string]netip.Addr{}, outer: map[string]bool{}, networks: map[string][]netip.Prefix{}, tunnels: map[string]*notation.Found{}}
	for i := range r.Lines {
		text := strings.TrimRight(r.Lines[i].Text, " \t")
		words := strings.Fields(text)
		if len(words) == 0 || words[0][0] == '!' {
			continue
		}
		if text[0] == ' ' || text[0] == '\t' {
			in.below(i, words)
			continue
		}
		in.f, in.name = nil, ""
		in.top(i, words)
	}
	r.Later(func() {
		for name, list := range in.networks {
			if !in.outer[name] {
				r.Networks = append(r.Networks, list...)
			}
		}
	})
}

// top reads a line that begins a section, or stands alone.
func (in *iosInput) top(i int, words []string) {
	switch {
	case words[0] == "interface" && len(words) > 1:
		in.begin(i, strings.Join(words[1:], ""))
	case len(words) > 2 && words[0] == "ip" && words[1] == "route":
		in.route4(i, words[2:])
	case len(words) > 2 && words[0] == "ipv6" && words[1] == "route":
		in.route6(i, words[2:])
	default:
		in.r.Skip(i, "it is no part of a tunnel")
	}
}

// begin begins the section of an interface. Its name may be shortened: Tu0 is Tunnel0.
func (in *iosInput) begin(i int, name string) {
	in.name = strings.ToLower(name)
	stem := strings.TrimRight(in.name, "0123456789")
	if len(stem) < 2 || !strings.HasPrefix("tunnel", stem) || stem == in.name {
		in.r.Skip(i, "it is no tunnel")
		return
	}
	number := in.name[len(stem):]
	in.name = "tunnel" + number
	device := "tun" + number
	if !routes.IsDevice(device) {
		in.r.Refuse(i, "%s cannot be a device's name", notation.Word(device))
		return
	}
	f, fresh := in.r.Add(device, i)
	if !fresh {
		in.r.Refuse(i, "line %d has it already", in.r.Lines[f.At].N)
		return
	}
	in.f, in.tunnels[in.name] = f, f
	f.Up = true
	in.r.Take(i)
	in.r.Later(func() { in.complete(f) })
}

// complete checks a tunnel when everything was read.
func (in *iosInput) complete(f *notation.Found) {
	if f.Refuse == "" && !f.Remote.IsValid() {
		f.Refuse = "tunnel destination: it has none, and NetworkManager needs the far end's address"
	}
	if f.Refuse != "" {
		in.r.Refuse(f.At, "%s", f.Refuse)
	}
}

// below reads a line of a section.
func (in *iosInput) below(i int, words []string) {
	switch {
	case in.f != nil:
		in.r.Take(i)
		in.tunnel(i, words)
	case in.name != "":
		in.other(words)
		in.r.Skip(i, "it is of an interface that is no tunnel")
	default:
		in.r.Skip(i, "it is no part of a tunnel")
	}
}

// other keeps the addresses of an interface that is no tunnel.
func (in *iosInput) other(words []string) {
	if len(words) < 3 || words[0] != "ip" && words[0] != "ipv6" || words[1] != "address" {
		return
	}
	p, err := netip.ParsePrefix(words[2])
	ok := err == nil
	if words[0] == "ip" && len(words) > 3 {
		p, ok = notation.ByMask(parseAddr(words[2]), parseAddr(words[3]))
	}
	if !ok {
		return
	}
	if !in.interfaces[in.name].IsValid() {
		in.interfaces[in.name] = p.Addr()
	}
	if !p.IsSingleIP() {
		in.networks[in.name] = append(in.networks[in.name], p)
	}
}

// tunnel reads a line of a tunnel's section.
func (in *iosInput) tunnel(i int, words []string) {
	f, r := in.f, in.r
	value := words[len(words)-1]
	switch line := strings.Join(words, " "); {
	case words[0] == "description" || words[0] == "bandwidth" || words[0] == "delay" || words[0] == "load-interval":
		r.Skip(i, "it is no part of a tunnel")
	case line == "no shutdown" || strings.HasPrefix(line, "no keepalive") || line == "tunnel path-mtu-discovery" || line == "tunnel mode gre ip" || strings.HasPrefix(line, "no ip redirects") || line == "no ip address":
	case line == "shutdown":
		f.Autoconnect = false
	case line == "tunnel mode gre ipv6":
		f.Mode = gre.ModeIP6GRE
	case strings.HasPrefix(line, "tunnel mode"):
		f.Refuse = "mode: " + notation.Word(line) + " is no GRE tunnel to one far end"
		r.Refuse(i, "%s", f.Refuse)
	case strings.HasPrefix(line, "ip address ") && len(words) >= 4:
		in.address(i, f, words[2], words[3])
	case strings.HasPrefix(line, "ipv6 address ") && len(words) >= 3:
		in.address6(i, f, words[2])
	case strings.HasPrefix(line, "ip mtu "), strings.HasPrefix(line, "ipv6 mtu "):
		f.MTU = in.number(i, "mtu", value, 68, 65535)
	case strings.HasPrefix(line, "ip tcp adjust-mss"), strings.HasPrefix(line, "ipv6 tcp adjust-mss"):
		f.ClampMSS = true
		r.Lines[i].Why = "as --clamp-mss: to the MTU"
	case strings.HasPrefix(line, "keepalive"):
		r.Refuse(i, "Linux answers no keepalives: take it out at the router, or the tunnel goes down there")
	case words[0] == "tunnel" && len(words) >= 2:
		in.tunnelWord(i, f, words[1], append(words[2:], "")[:max(1, len(words)-2)])
	default:
		r.Refuse(i, "%s is not read", notation.Word(line))
	}
}

// tunnelWord reads a line that begins with tunnel.
func (in *iosInput) tunnelWord(i int, f *notation.Found, word string, values []string) {
	r, value := in.r, values[0]
	switch word {
	case "source":
		if a := parseAddr(value); a.IsValid() {
			f.Local = a
			in.source(a)
			return
		}
		in.sourceInterface(i, f, strings.ToLower(strings.Join(values, "")))
	case "destination":
		if f.Remote = parseAddr(value); !f.Remote.IsValid() {
			r.Refuse(i, "tunnel destination %s is not an IP address", notation.Word(value))
		}
	case "key":
		key, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			r.Refuse(i, "tunnel key %s is not a number of 32 bits, which a GRE key is: the tunnel is taken without it", notation.Word(value))
			return
		}
		k := gre.Key(key)
		f.InputKey, f.OutputKey = &k, gre.CloneKey(&k)
	case "ttl":
		if n := in.number(i, "ttl", value, 1, 255); n != 0 {
			f.TTL, f.TTLSet = uint8(n), true //nolint:gosec // at most 255
		}
	case "tos":
		f.TOS = uint8(in.number(i, "tos", value, 0, 255)) //nolint:gosec // at most 255
	case "checksum":
		f.Link.Checksum = true
	case "sequence-datagrams":
		f.Link.Sequence = true
	case "protection":
		f.Refuse = "tunnel " + word + ": NetworkManager's tunnels have no such setting"
		r.Refuse(i, "%s", f.Refuse)
	default:
		r.Refuse(i, "tunnel %s is not read", notation.Word(word))
	}
}

// source marks the interface that has a tunnel's source address as one that leads outside.
func (in *iosInput) source(a netip.Addr) {
	in.r.Later(func() {
		for name, list := range in.networks {
			for _, p := range list {
				if p.Addr() == a {
					in.outer[name] = true
				}
			}
		}
	})
}

// sourceInterface takes the address of an interface as the source, when it is known.
func (in *iosInput) sourceInterface(i int, f *notation.Found, name string) {
	in.r.Later(func() {
		a := in.interfaces[name]
		if !a.IsValid() {
			f.Refuse = "tunnel source: the address of " + notation.Word(name) + " is not in the input"
			in.r.Refuse(i, "%s", f.Refuse)
			return
		}
		f.Local, in.outer[name] = a, true
		in.r.Lines[i].Why = "which has " + a.String()
	})
}

func (in *iosInput) number(i int, name, text string, low, high uint64) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < low || n > high {
		in.r.Refuse(i, "%s %s is not a number from %d to %d", name, notation.Word(text), low, high)
		return 0
	}
	return uint32(n) //nolint:gosec // of 32 bits
}

func (in *iosInput) address(i int, f *notation.Found, own, mask string) {
	p, ok := notation.ByMask(parseAddr(own), parseAddr(mask))
	if !ok {
		in.r.Refuse(i, "%s %s are no address and netmask", notation.Word(own), notation.Word(mask))
		return
	}
	f.Addresses = append(f.Addresses, p)
}

func (in *iosInput) address6(i int, f *notation.Found, own string) {
	p, err := netip.ParsePrefix(own)
	if err != nil {
		in.r.Refuse(i, "%s is no address with a prefix length", notation.Word(own))
		return
	}
	f.Addresses = append(f.Addresses, p)
}

// route4 reads ip route NETWORK MASK [INTERFACE] [GATEWAY] ...
func (in *iosInput) route4(i int, words []string) {
	if len(words) < 3 {
		in.r.Refuse(i, "it ends too early")
		return
	}
	p, ok := notation.ByMask(parseAddr(words[0]), parseAddr(words[1]))
	if !ok {
		in.r.Refuse(i, "%s %s are no network and netmask", notation.Word(words[0]), notation.Word(words[1]))
		return
	}
	in.route(i, p, words[2:])
}

func (in *iosInput) route6(i int, words []string) {
	p, err := netip.ParsePrefix(words[0])
	if err != nil || len(words) < 2 {
		in.r.Refuse(i, "%s is no network", notation.Word(words[0]))
		return
	}
	in.route(i, p, words[1:])
}

// route adds a route to the tunnel that it names, or to which its gateway belongs.
func (in *iosInput) route(i int, dst netip.Prefix, words []string) {
	in.r.Later(func() {
		var f *notation.Found
		gateway := parseAddr(words[0])
		rest := words[1:]
		if !gateway.IsValid() {
			name := strings.ToLower(words[0])
			if len(rest) > 0 && isDigits(rest[0]) && !isDigits(name[len(name)-1:]) { // Tunnel 0
				name, rest = name+rest[0], rest[1:]
			}
			f = in.tunnels[name]
			if len(rest) > 0 {
				if gateway = parseAddr(rest[0]); gateway.IsValid() {
					rest = rest[1:]
				}
			}
		} else {
			f = in.r.Toward(gateway)
		}
		if f == nil {
			in.r.Skip(i, "it leads into no tunnel of this input")
			return
		}
		f.Routes = append(f.Routes, routes.Route{Dst: dst.Masked(), Via: gateway})
		in.r.Take(i)
		if len(rest) > 0 {
			in.r.Lines[i].Why = "without " + notation.Word(strings.Join(rest, " "))
		}
	})
}
