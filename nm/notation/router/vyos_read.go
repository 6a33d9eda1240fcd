package router

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// vyosInput is set commands while they are read.
type vyosInput struct{ r *notation.Reading }

// readVyOS reads the set commands of VyOS, as `show configuration commands` prints them.
func readVyOS(r *notation.Reading) {
	in := &vyosInput{r}
	shell.Split(r.Lines, nil, func(c *shell.Command) {
		words := c.Words
		switch {
		case c.Bad != "" || len(words) == 0:
			r.Refuse(c.First, "it is no set command")
		case words[0] == "configure" || words[0] == "commit" || words[0] == "save" || words[0] == "exit":
			r.Skip(c.First, "it makes no tunnel")
		case words[0] != "set" || len(words) < 3:
			r.Refuse(c.First, "it is no set command")
		case words[1] == "interfaces" && words[2] == "tunnel" && len(words) > 4:
			in.tunnel(c.First, words[3], slices.Clone(words[4:]))
		case words[1] == "interfaces":
			in.other(c.First, words[2:])
		case words[1] == "protocols" && words[2] == "static" && len(words) > 6:
			in.static(c.First, slices.Clone(words[3:]))
		case words[1] == "nat":
			r.Refuse(c.First, "address translation is not read: give it with --snat")
		default:
			r.Skip(c.First, "it is no part of a tunnel")
		}
	})
	r.Later(in.complete)
}

// complete checks the tunnels when everything was read.
func (in *vyosInput) complete() {
	for _, f := range in.r.Tunnels {
		if f.Mode == 0 && f.Refuse == "" {
			f.Refuse = "encapsulation: the input does not say it"
		}
		if !f.Remote.IsValid() && f.Refuse == "" {
			f.Refuse = "remote: the input does not say it, and NetworkManager needs the far end's address"
		}
		switch {
		case f.Refuse == "skip":
			in.r.Drop(f)
		case f.Refuse != "":
			in.r.Refuse(f.At, "%s", f.Refuse)
		}
	}
}

// other keeps the networks of interfaces that are no tunnels.
func (in *vyosInput) other(i int, words []string) {
	if n := len(words); n >= 4 && words[n-3] == "member" && words[n-2] == "interface" {
		in.r.ListedPort(i, words[n-1], words[n-4])
	}
	for at, word := range words {
		if p, err := netip.ParsePrefix(words[len(words)-1]); err == nil && word == "address" && at == len(words)-2 {
			in.r.Networks = append(in.r.Networks, p)
		}
	}
	in.r.Skip(i, "it is about an interface that is no tunnel")
}

// tunnel reads a setting of a tunnel.
func (in *vyosInput) tunnel(i int, name string, words []string) {
	r := in.r
	if !routes.IsDevice(name) {
		r.Refuse(i, "%s cannot be a device's name", notation.Word(name))
		return
	}
	f, fresh := r.Add(name, i)
	if fresh {
		f.Mode, f.Up = 0, true
	}
	r.Take(i)
	value := words[len(words)-1]
	switch line := strings.Join(words[:len(words)-1], " "); line {
	case "encapsulation":
		mode, err := gre.ParseMode(strings.Replace(value, "gre-bridge", "gretap", 1))
		if err != nil {
			r.Skip(i, "the encapsulation %s is no GRE tunnel", notation.Word(value))
			f.Refuse = "skip"
			return
		}
		f.Mode = mode
	case "source-address", "local-ip":
		f.Local = in.outer(i, line, value)
	case "remote", "remote-ip":
		f.Remote = in.outer(i, line, value)
	case "source-interface":
		f.Parent = value
	case "address":
		iproute.Inner(r, i, f, value, "")
	case "mtu":
		f.MTU = in.number(i, line, value, 65535)
	case "ip adjust-mss", "ipv6 adjust-mss":
		f.ClampMSS = true
		r.Lines[i].Why = "as --clamp-mss: to the MTU"
	case "description":
		r.Skip(i, "it is no part of a tunnel")
	case "":
		in.flag(i, f, value)
	default:
		in.parameter(i, f, line, value)
	}
}

func (in *vyosInput) flag(i int, f *notation.Found, word string) {
	switch word {
	case "disable":
		f.Autoconnect = false
		return
	case "enable-multicast":
		f.Link.Multicast = true
		return
	}
	in.r.Refuse(i, "%s is not read", notation.Word(word))
}

// parameter reads a line below parameters.
func (in *vyosInput) parameter(i int, f *notation.Found, line, value string) {
	r := in.r
	switch line {
	case "parameters ip key":
		key, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			r.Refuse(i, "key %s is not a number of 32 bits, which a GRE key is: the tunnel is taken without it", notation.Word(value))
			return
		}
		k := gre.Key(key)
		f.InputKey, f.OutputKey = &k, gre.CloneKey(&k)
	case "parameters ip ttl", "parameters ipv6 hoplimit":
		f.TTL, f.TTLSet = uint8(in.number(i, "ttl", value, 255)), true //nolint:gosec // at most 255
	case "parameters ip tos", "parameters ipv6 tclass": // ip takes both for hexadecimal
		if value == "inherit" {
			f.TOS = 1
			return
		}
		f.TOS = uint8(in.number(i, "tos", "0x"+strings.TrimPrefix(value, "0x"), 255)) //nolint:gosec // at most 255
	case "parameters ipv6 encaplimit":
		if value == "none" {
			f.SetEncapLimit(0)
			return
		}
		f.EncapLimit = uint8(in.number(i, "encaplimit", value, 255)) //nolint:gosec // at most 255
	case "parameters ipv6 flowlabel":
		f.FlowLabel = in.number(i, "flowlabel", value, 0xfffff)
	case "parameters ip":
		in.word(i, f, value)
	default:
		r.Refuse(i, "%s is not read", notation.Word(line))
	}
}

// word reads a parameter without a value.
func (in *vyosInput) word(i int, f *notation.Found, word string) {
	switch word {
	case "no-pmtu-discovery":
		f.NoPMTUD = true
	case "ignore-df":
		f.Link.IgnoreDF = true
	default:
		in.r.Refuse(i, "%s is not read", notation.Word(word))
	}
}

func (in *vyosInput) outer(i int, name, value string) netip.Addr {
	a, err := netip.ParseAddr(value)
	if err != nil {
		in.r.Refuse(i, "%s %s is not an IP address", name, notation.Word(value))
	}
	return a
}

func (in *vyosInput) number(i int, name, text string, most uint64) uint32 {
	n, err := strconv.ParseUint(text, 0, 32)
	if err != nil || n > most {
		in.r.Refuse(i, "%s %s is not a number from 0 to %d", name, notation.Word(text), most)
		return 0
	}
	return uint32(n) //nolint:gosec // of 32 bits
}

// static reads a static route: route D next-hop A, route D interface tunN, and the older
// interface-route D next-hop-interface tunN.
func (in *vyosInput) static(i int, words []string) {
	p, err := netip.ParsePrefix(words[1])
	if err != nil {
		in.r.Refuse(i, "%s is no network", notation.Word(words[1]))
		return
	}
	in.r.Later(func() {
		var f *notation.Found
		r := routes.Route{Dst: p.Masked()}
		switch words[2] {
		case "next-hop":
			if r.Via = parseAddr(words[3]); r.Via.IsValid() {
				f = in.r.Toward(r.Via)
			}
		case "interface", "next-hop-interface":
			f = in.r.Tunnel(words[3])
		}
		if f == nil {
			in.r.Skip(i, "it leads into no tunnel of this input")
			return
		}
		if len(words) > 4 {
			in.r.Refuse(i, "%s is not read: the route is taken without", notation.Word(strings.Join(words[4:], " ")))
		} else {
			in.r.Take(i)
		}
		if !slices.ContainsFunc(f.Routes, func(o routes.Route) bool { return o.Dst == r.Dst }) {
			f.Routes = append(f.Routes, r)
		}
	})
}
