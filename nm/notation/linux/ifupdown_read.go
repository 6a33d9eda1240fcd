package linux

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// ifupdownInput is /etc/network/interfaces while it is read.
type ifupdownInput struct {
	r      *notation.Reading
	script *iproute.Script
	auto   []string
	iface  string // of the stanza that is read
	method string
	family string
	at     int
	words  []ifupdownWord
}

// ifupdownWord is an option of a stanza.
type ifupdownWord struct {
	i           int
	name, value string
}

// readIfupdown reads the stanzas of ifupdown, ifupdown2 and ifupdown-ng, which have the words of
// the first in common. Commands in them are read as those of a script are.
func readIfupdown(r *notation.Reading) {
	in := &ifupdownInput{r: r, script: iproute.New(r)}
	for i := 0; i < len(r.Lines); i++ {
		first, text := i, strings.TrimSpace(r.Lines[i].Text)
		for strings.HasSuffix(text, "\\") && i+1 < len(r.Lines) {
			i++
			text = strings.TrimSuffix(text, "\\") + strings.TrimSpace(r.Lines[i].Text)
		}
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, _ := strings.Cut(strings.ReplaceAll(text, "\t", " "), " ")
		in.line(first, name, strings.TrimSpace(value))
		for n := first + 1; n <= i; n++ {
			r.Take(n)
		}
	}
	in.end()
	r.Later(func() {
		for _, f := range r.Tunnels {
			f.Autoconnect = slices.Contains(in.auto, f.Name)
		}
	})
}

func (in *ifupdownInput) line(i int, name, value string) {
	switch name {
	case "auto", "allow-auto", "allow-hotplug":
		in.end()
		in.auto = append(in.auto, strings.Fields(value)...)
		in.r.Take(i)
	case "iface":
		in.end()
		in.begin(i, strings.Fields(value))
	case "source", "source-directory", "template", "mapping", "script", "map":
		in.r.Refuse(i, "it needs other files: import them by themselves")
	case "no-auto-down", "no-scripts", "rename":
		in.r.Skip(i, "it makes no tunnel")
	default:
		if in.iface == "" {
			in.r.Refuse(i, "%s stands in no stanza", notation.Word(name))
			return
		}
		in.words = append(in.words, ifupdownWord{i, name, value})
	}
}

func (in *ifupdownInput) begin(i int, words []string) {
	in.r.Take(i)
	if len(words) == 0 {
		in.r.Refuse(i, "iface has no name")
		return
	}
	in.iface, in.method, in.family, in.at, in.words = words[0], "static", "inet", i, nil
	for _, word := range words[1:] {
		switch word {
		case "inet", "inet6":
			in.family = word
		default:
			in.method = word
		}
	}
}

func (in *ifupdownInput) get(names ...string) (string, int) {
	for _, w := range in.words {
		if slices.Contains(names, w.name) {
			return w.value, w.i
		}
	}
	return "", in.at
}

// end makes the tunnel of a stanza, if it has one, and adds its addresses and routes.
func (in *ifupdownInput) end() {
	if in.iface == "" {
		return
	}
	name := in.iface
	for _, w := range in.words {
		if w.name == "pre-up" {
			in.command(w)
		}
	}
	mode, at := in.get("tunnel-mode", "mode")
	if mode != "" && in.r.Tunnel(name) == nil {
		in.tunnel(at, strings.ToLower(mode))
	}
	if f := in.r.Tunnel(name); f != nil {
		f.Up = true
		in.options(f)
	} else {
		in.foreign()
	}
	for _, w := range in.words {
		if w.name == "up" || w.name == "post-up" {
			in.command(w)
		}
	}
	in.iface = ""
}

// command reads the command of a line. IFACE stands for the interface.
func (in *ifupdownInput) command(w ifupdownWord) {
	line := []notation.Line{{Text: w.value}}
	shell.Split(line, map[string]string{"IFACE": in.iface}, func(c *shell.Command) {
		c.First, c.Last = w.i, w.i
		in.script.Command(c)
	})
}

// tunnel makes the tunnel that the words of a stanza describe.
func (in *ifupdownInput) tunnel(at int, word string) {
	mode, err := gre.ParseMode(word)
	if err != nil {
		in.r.Skip(at, "the mode %s is no GRE tunnel", notation.Word(word))
		return
	}
	if !routes.IsDevice(in.iface) {
		in.r.Refuse(in.at, "%s cannot be a device's name", notation.Word(in.iface))
		return
	}
	f, _ := in.r.Add(in.iface, in.at)
	f.Mode = mode
	if mode.IPv6Outer() {
		f.EncapLimit = gre.DefaultEncapLimit
	}
}

// ifupdownTunnel are the words of a stanza for the properties of NetworkManager.
var ifupdownTunnel = sync.OnceValue(func() map[string]string {
	return map[string]string{"local": "local", "endpoint": "remote", "ttl": "ttl", "tunnel-local": "local", "tunnel-remote": "remote", "tunnel-endpoint": "remote",
		"tunnel-ttl": "ttl", "tunnel-hoplimit": "ttl", "tunnel-physdev": "parent", "tunnel-ikey": "input-key", "tunnel-okey": "output-key", "mtu": "mtu"}
})

// options reads the words of a tunnel's stanza.
func (in *ifupdownInput) options(f *notation.Found) {
	for _, w := range in.words {
		if w.name == "pre-up" || w.name == "up" || w.name == "post-up" {
			continue
		}
		in.r.Take(w.i)
		in.option(f, w)
	}
	if !f.Remote.IsValid() {
		f.Refuse = "remote: NetworkManager needs the far end's address"
		in.r.Refuse(in.at, "%s", f.Refuse)
	}
}

func (in *ifupdownInput) option(f *notation.Found, w ifupdownWord) {
	r := in.r
	switch w.name {
	case "tunnel-mode", "mode", "netmask", "pointopoint", "dstaddr", "broadcast":
	case "address":
		in.address(f, w)
	case "gateway":
		profileRoute(r, w.i, f, []string{defaultOf(map[string]string{"inet": "ipv4", "inet6": "ipv6"}[in.family]), w.value})
	case "key", "tunnel-key":
		f.InputKey = keyOf(r, w.i, w.name, w.value)
		f.OutputKey = gre.CloneKey(f.InputKey)
	case "tunnel-tos":
		profileTunnel(r, w.i, f, "tos", "0x"+strings.TrimPrefix(w.value, "0x"))
	case "tunnel-pmtudisc":
		f.NoPMTUD = !isYes(w.value)
	case "hwaddress":
		r.SetMAC(w.i, f, strings.TrimSpace(strings.TrimPrefix(w.value, "ether ")))
	case "down", "pre-down", "post-down":
		r.Skip(w.i, "NetworkManager takes the tunnel down by itself")
	case "dad-attempts", "accept_ra", "autoconf", "privext", "requires", "use", "inherit", "dns-nameservers", "dns-search", "scope", "metric", "alias":
		r.Skip(w.i, "%s is no part of a tunnel", w.name)
	default:
		property := ifupdownTunnel()[w.name]
		switch {
		case property == "ttl" && (w.value == "inherit" || w.value == "0"):
			f.TTL, f.TTLSet = 0, true
		case property != "":
			profileTunnel(r, w.i, f, property, w.value)
		default:
			r.Refuse(w.i, "%s is not read", notation.Word(w.name))
		}
	}
}

// address reads the address of a stanza, with its netmask and the far end's address.
func (in *ifupdownInput) address(f *notation.Found, w ifupdownWord) {
	own := w.value
	if mask, _ := in.get("netmask"); mask != "" && !strings.Contains(own, "/") {
		own = withMask(own, mask)
	}
	peer, _ := in.get("pointopoint", "dstaddr")
	if peer != "" && strings.Contains(own, "/") && !strings.Contains(peer, "/") {
		if p, err := netip.ParsePrefix(own); err == nil && p.Contains(addrOf(peer)) {
			peer += own[strings.Index(own, "/"):]
		}
	}
	iproute.Inner(in.r, w.i, f, own, peer)
}

// ports makes tunnels the ports of a bridge whose stanza lists them.
func (in *ifupdownInput) ports() {
	list, i := in.get("bridge_ports", "bridge-ports")
	for _, name := range strings.Fields(list) {
		in.r.ListedPort(i, name, in.iface)
	}
}

// foreign keeps the network of an interface that is no tunnel.
func (in *ifupdownInput) foreign() {
	own, _ := in.get("address")
	if mask, _ := in.get("netmask"); mask != "" && !strings.Contains(own, "/") {
		own = withMask(own, mask)
	}
	if p, err := netip.ParsePrefix(own); err == nil && in.iface != "lo" {
		in.r.Networks = append(in.r.Networks, p)
	}
	in.ports()
	in.r.Skip(in.at, "it is about %s, which is no tunnel of this input", notation.Word(in.iface))
	for _, w := range in.words {
		if w.name != "pre-up" && w.name != "up" && w.name != "post-up" {
			in.r.Skip(w.i, "it is about %s, which is no tunnel of this input", notation.Word(in.iface))
		}
	}
}
