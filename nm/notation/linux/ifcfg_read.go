package linux

import (
	"cmp"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/nm/notation/shell"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// ifcfgInput is the files of network-scripts while they are read.
type ifcfgInput struct {
	r      *notation.Reading
	script *iproute.Script
	blocks []*ifcfgBlock
	nicks  map[string]string // the devices of ifcfg files that are not named after them
}

// ifcfgBlock is the variables of one ifcfg file.
type ifcfgBlock struct {
	values map[string]string
	at     map[string]int // the lines of the variables
	begins int
}

func (b *ifcfgBlock) get(name string) (string, int) { return b.values[name], b.at[name] }

// readIfcfg reads ifcfg-, keys-, route-, route6-, rule- and rule6- files, and ifcfg files that
// stand one behind another. Nothing of them is run.
func readIfcfg(r *notation.Reading) {
	in := &ifcfgInput{r: r, script: iproute.New(r), nicks: map[string]string{}}
	for i := 0; i < len(r.Lines); {
		file, end := r.Lines[i].File, i
		for end < len(r.Lines) && r.Lines[end].File == file {
			end++
		}
		in.file(path.Base(file), i, end)
		i = end
	}
	for _, b := range in.blocks {
		in.tunnel(b)
	}
	for i := 0; i < len(r.Lines); { // routes need their tunnels
		file, end := r.Lines[i].File, i
		for end < len(r.Lines) && r.Lines[end].File == file {
			end++
		}
		in.routes(path.Base(file), i, end)
		i = end
	}
}

// file reads a file of variables.
func (in *ifcfgInput) file(name string, from, to int) {
	switch {
	case isRouteFile(name):
		return
	case strings.HasPrefix(name, "keys-"):
		in.assignments(from, to, in.last())
	default:
		in.assignments(from, to, nil)
		if nick, named := strings.CutPrefix(name, "ifcfg-"); named && in.last() != nil {
			in.nicks[nick] = in.last().values["DEVICE"]
		}
	}
}

// isRouteFile says whether a file has routes or rules, by its name.
func isRouteFile(name string) bool {
	kind, _, found := strings.Cut(name, "-")
	return found && (kind == "route" || kind == "route6" || kind == "rule" || kind == "rule6") || strings.HasSuffix(name, ".route")
}

func (in *ifcfgInput) last() *ifcfgBlock {
	if len(in.blocks) == 0 {
		return nil
	}
	return in.blocks[len(in.blocks)-1]
}

// assignments reads the variables of a file into a block. A second DEVICE begins a second block.
func (in *ifcfgInput) assignments(from, to int, b *ifcfgBlock) {
	shell.Split(in.r.Lines[from:to], nil, func(command *shell.Command) {
		i := from + command.First
		for n := command.First + 1; n <= command.Last; n++ {
			in.r.Take(from + n)
		}
		if command.Bad != "" || command.Frame {
			in.r.Refuse(i, "%s", cmp.Or(command.Bad, "it is a word of a shell, and nothing of the input is run"))
			return
		}
		if command.Assigned == nil {
			in.strange(i, command, b)
			return
		}
		for _, pair := range command.Assigned {
			if b == nil || pair[0] == "DEVICE" && b.values["DEVICE"] != "" {
				b = &ifcfgBlock{values: map[string]string{}, at: map[string]int{}, begins: i}
				in.blocks = append(in.blocks, b)
			}
			b.values[pair[0]], b.at[pair[0]] = pair[1], i
		}
	})
}

// strange reads a line of an ifcfg file that assigns nothing: mostly a route that somebody has
// copied from `ip route`.
func (in *ifcfgInput) strange(i int, c *shell.Command, b *ifcfgBlock) {
	if _, isRoute := parsePrefix(c.Words[0]); !isRoute || b == nil {
		in.r.Refuse(i, "%s assigns no variable, and nothing of the input is run", notation.Word(strings.Join(c.Words, " ")))
		return
	}
	words := c.Words
	in.r.Later(func() { in.script.Route(i, words, b.values["DEVICE"], false) })
}

func parsePrefix(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, true
	}
	a, err := netip.ParseAddr(text)
	return routes.HostPrefix(a), err == nil
}

// ifcfgGeneric are the variables that NetworkManager's defaults, or nmgre, make needless.
var ifcfgGeneric = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"BOOTPROTO": "the inner addresses are static anyway", "NM_CONTROLLED": "NetworkManager has the tunnel now", "USERCTL": "polkit decides who may bring a tunnel up and down",
		"HOTPLUG": "a tunnel is not plugged in", "NAME": "the profile is named after the interface", "IPV6INIT": "NetworkManager does IPv6 where there is an address", "NOZEROCONF": "NetworkManager has no zeroconf",
		"LINKSTATUS": "a tunnel has no link to watch", "NOROUTESET": "nmgre sets the routes that are given", "DEFROUTE": "nmgre sets the routes that are given", "UUID": "a new profile has a new UUID",
		"PEERDNS": "a tunnel brings no DNS", "IPV6_AUTOCONF": "a tunnel has no router advertisements", "IPV6_DEFROUTE": "nmgre sets the routes that are given", "IPV6_FAILURE_FATAL": "the addresses are static",
		"IPV4_FAILURE_FATAL": "the addresses are static", "PROXY_METHOD": "a tunnel has no proxy", "BROWSER_ONLY": "a tunnel has no proxy", "IPV6_PRIVACY": "the addresses are static",
	}
})

// tunnel makes the tunnel of a block.
func (in *ifcfgInput) tunnel(b *ifcfgBlock) {
	r := in.r
	kind, at := b.get("TYPE")
	mode := map[string]gre.Mode{"GRE": gre.ModeGRE, "GRE6": gre.ModeIP6GRE}[strings.ToUpper(kind)]
	name, _ := b.get("DEVICE")
	if mode == 0 {
		in.foreign(b, kind)
		return
	}
	if !routes.IsDevice(name) || name == "gre0" || name == "ip6gre0" {
		for _, i := range b.at {
			r.Refuse(i, "DEVICE %s cannot be a tunnel's name", notation.Word(name))
		}
		return
	}
	f := in.place(b, name)
	if f == nil {
		return
	}
	f.Mode, f.Up = mode, true
	for _, variable := range slices.Sorted(maps.Keys(b.at)) {
		in.variable(f, variable, b.values[variable], b.at[variable])
	}
	in.inner(f, b)
	if !f.Remote.IsValid() {
		f.Refuse = "PEER_OUTER_IPADDR: NetworkManager needs the far end's address, and without one this is a tunnel with many far ends"
		r.Refuse(at, "%s", f.Refuse)
	}
}

// foreign keeps the network of an interface that is no tunnel.
func (in *ifcfgInput) foreign(b *ifcfgBlock, kind string) {
	for variable, i := range b.at {
		in.r.Skip(i, "%s is of an interface of type %s, which is no GRE tunnel", variable, notation.Word(kind))
	}
	own, err := netip.ParseAddr(b.values["IPADDR"])
	if err != nil {
		return
	}
	if p, ok := parsePrefix(b.values["IPADDR"] + "/" + b.values["PREFIX"]); ok {
		in.r.Networks = append(in.r.Networks, p)
	} else if mask, err := netip.ParseAddr(b.values["NETMASK"]); err == nil {
		if p, ok := notation.ByMask(own, mask); ok {
			in.r.Networks = append(in.r.Networks, p)
		}
	}
}

// place returns where the tunnel of a block is kept. A second one of a name is either the other
// end, or a copy.
func (in *ifcfgInput) place(b *ifcfgBlock, name string) *notation.Found {
	f, fresh := in.r.Add(name, b.begins)
	if fresh {
		return f
	}
	local, remote := b.values["MY_OUTER_IPADDR"], b.values["PEER_OUTER_IPADDR"]
	if f.Remote.IsValid() && (f.Remote.String() == local || f.Local.String() == remote) {
		return in.r.Again(name, b.begins)
	}
	for _, i := range b.at {
		in.r.Refuse(i, "%s is in line %d already", name, in.r.Lines[f.At].N)
	}
	return nil
}

// variable reads one variable of a tunnel.
func (in *ifcfgInput) variable(f *notation.Found, name, value string, i int) {
	r := in.r
	r.Take(i)
	switch name {
	case "DEVICE", "TYPE", "MY_INNER_IPADDR", "PEER_INNER_IPADDR":
	case "MY_OUTER_IPADDR":
		if value != "" {
			f.Local = outerOf(r, i, name, value)
		}
	case "PEER_OUTER_IPADDR":
		if value != "" {
			f.Remote = outerOf(r, i, name, value)
		}
	case "KEY":
		f.InputKey = keyOf(r, i, name, value)
		f.OutputKey = gre.CloneKey(f.InputKey)
	case "TTL":
		if value == "inherit" {
			f.TTL, f.TTLSet = 0, true
		} else {
			profileTunnel(r, i, f, "ttl", value)
		}
	case "MTU":
		profileTunnel(r, i, f, "mtu", value)
	case "ONBOOT":
		f.Autoconnect = !strings.EqualFold(value, "no")
	case "IPV6ADDR", "IPV6ADDR_SECONDARIES":
		for _, text := range splitList(value) {
			iproute.Inner(r, i, f, text, "")
		}
	case "ZONE":
		f.Zone = value
	case "IPADDR", "PREFIX", "NETMASK", "GATEWAY":
		r.Skip(i, "ifup-tunnel does not read %s: an inner address is MY_INNER_IPADDR", name)
	default:
		if why := ifcfgGeneric()[name]; why != "" {
			r.Skip(i, "%s", why)
			return
		}
		r.Skip(i, "ifup-tunnel does not read %s", notation.Word(name))
	}
}

// inner reads the inner addresses. As ifup-tunnel does, it leaves a peer out that is written as the
// outer address is.
func (in *ifcfgInput) inner(f *notation.Found, b *ifcfgBlock) {
	own, at := b.get("MY_INNER_IPADDR")
	peer, peerAt := b.get("PEER_INNER_IPADDR")
	if own == "" {
		return
	}
	if peer != "" && peer == b.values["PEER_OUTER_IPADDR"] {
		in.r.Skip(peerAt, "ifup-tunnel leaves out a peer that is the outer address, since packets would loop")
		peer = ""
	}
	iproute.Inner(in.r, at, f, own, peer)
	if in.r.Lines[at].Fate == notation.NotPossible && peer != "" {
		in.r.Refuse(peerAt, "it belongs to line %d", in.r.Lines[at].N)
	}
}

// routes reads a route file: variables with numbers, or the words behind `ip route add`.
func (in *ifcfgInput) routes(file string, from, to int) {
	if !isRouteFile(file) {
		return
	}
	kind, dev, _ := strings.Cut(file, "-")
	if name, old := strings.CutSuffix(file, ".route"); old {
		kind, dev = "route", name
	}
	dev = cmp.Or(in.nicks[dev], dev)
	lines := in.r.Lines[from:to]
	values := map[string]string{}
	shell.Split(lines, nil, func(c *shell.Command) {
		i := from + c.First
		switch {
		case c.Bad != "" || c.Frame:
			in.r.Refuse(i, "%s", cmp.Or(c.Bad, "it is a word of a shell, and nothing of the input is run"))
		case c.Assigned != nil:
			for _, pair := range c.Assigned {
				values[pair[0]] = pair[1]
				in.numbered(i, dev, values, pair[0])
			}
		case strings.HasPrefix(kind, "rule"):
			in.script.Rule(i, c.Words, dev, kind == "rule6")
		case c.Words[0] == "route" || c.Words[0] == "add":
			in.r.Refuse(i, "%s is no part of a route here: the line is what follows ip route add", c.Words[0])
		default:
			in.script.Route(i, c.Words, dev, kind == "route6")
		}
	})
}

// numbered reads ADDRESSn=, NETMASKn= and GATEWAYn=. A route is added with its last variable, so
// that each has its line.
func (in *ifcfgInput) numbered(i int, dev string, values map[string]string, variable string) {
	number := strings.TrimLeft(variable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if number == "" || strings.Trim(number, "0123456789") != "" {
		in.r.Refuse(i, "%s is no variable of a route file", notation.Word(variable))
		return
	}
	in.r.Take(i)
	if !strings.HasPrefix(variable, "ADDRESS") {
		return
	}
	in.r.Later(func() {
		for n := range 1000 {
			if text := strconv.Itoa(n); text == number {
				break
			} else if values["ADDRESS"+text] == "" {
				in.r.Refuse(i, "network-scripts stop at ADDRESS%d, which is missing, and leave this route out", n)
				return
			}
		}
		own, err := netip.ParseAddr(values["ADDRESS"+number])
		mask, maskErr := netip.ParseAddr(values["NETMASK"+number])
		p, ok := notation.ByMask(own, mask)
		if values["NETMASK"+number] == "" && err == nil {
			p, ok, maskErr = routes.HostPrefix(own), true, nil
		}
		if err != nil || maskErr != nil || !ok {
			in.r.Refuse(i, "ADDRESS%s and NETMASK%s are no network", number, number)
			return
		}
		words := []string{p.Masked().String()}
		if gateway := values["GATEWAY"+number]; gateway != "" {
			words = append(words, "via", gateway)
		}
		in.script.Route(i, words, dev, false)
	})
}
