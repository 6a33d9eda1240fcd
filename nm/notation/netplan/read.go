package netplan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"nmgre/nm/notation"
	"nmgre/nm/notation/iproute"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// document is a file while it is read.
type document struct {
	r    *notation.Reading
	from int // the index of the file's first line
	to   int // the index behind its last line
}

// read reads the files of netplan, one behind another.
func read(r *notation.Reading) {
	for i := 0; i < len(r.Lines); {
		file, end := r.Lines[i].File, i
		for end < len(r.Lines) && r.Lines[end].File == file && (end == i || strings.TrimSpace(r.Lines[end].Text) != "---") {
			end++
		}
		d := &document{r: r, from: i, to: end}
		d.read()
		i = end
	}
}

// The YAML library takes about nodeBytes for each node. A text that could have more nodes than fit
// into memoryFactor times its length is not read.
const (
	nodeBytes    = 400
	memoryFactor = 48
	spare        = 64 << 10
)

func (d *document) read() {
	var b strings.Builder
	nodes := 0
	for _, line := range d.r.Lines[d.from:d.to] {
		b.WriteString(line.Text + "\n")
		nodes += 1 + strings.Count(line.Text, ",") + strings.Count(line.Text, ":") + strings.Count(line.Text, "[") + strings.Count(line.Text, "{") + strings.Count(line.Text, "- ") + strings.Count(line.Text, "?")
	}
	text := b.String()
	if nodes*nodeBytes > memoryFactor*len(text)+spare {
		d.r.Refuse(d.from, "it has far too many values for its length")
		return
	}
	var root yaml.Node
	if err := parse(text, &root); err != nil {
		d.r.Refuse(d.from, "it is no YAML: %s", notation.Word(err.Error()))
		return
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return
	}
	for _, pair := range d.pairs(root.Content[0]) {
		if pair.key != "network" {
			d.refuse(pair.node, "%s is no part of netplan", notation.Word(pair.key))
			continue
		}
		d.take(pair.at)
		d.network(pair.node)
	}
}

// parse reads YAML. The library panics about some wrong texts.
func parse(text string, into *yaml.Node) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return yaml.Unmarshal([]byte(text), into)
}

// pair is an entry of a mapping.
type pair struct {
	key  string
	at   *yaml.Node // the key's place
	node *yaml.Node
}

// pairs returns the entries of a mapping. Anchors are not followed.
func (d *document) pairs(n *yaml.Node) []pair {
	if n.Kind != yaml.MappingNode {
		if n.Kind != yaml.ScalarNode || n.Value != "" {
			d.refuse(n, "it should be a mapping")
		}
		return nil
	}
	var list []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		list = append(list, pair{n.Content[i].Value, n.Content[i], n.Content[i+1]})
	}
	return list
}

// line is the index of the line of a node.
func (d *document) line(n *yaml.Node) int {
	return min(max(d.from+n.Line-1, d.from), d.to-1)
}

func (d *document) take(n *yaml.Node) { d.r.Take(d.line(n)) }

// each visits the lines of a node and all below it.
func (d *document) each(n *yaml.Node, depth int, do func(i int)) {
	do(d.line(n))
	for _, below := range n.Content {
		if depth < 20 {
			d.each(below, depth+1, do)
		}
	}
}

// skip marks a node, and all below it, as not needed.
func (d *document) skip(key, n *yaml.Node, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	d.r.Skip(d.line(key), "%s", why)
	d.each(n, 0, func(i int) {
		if i != d.line(key) {
			d.r.Skip(i, "%s", why)
		}
	})
}

func (d *document) refuse(n *yaml.Node, format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	d.each(n, 0, func(i int) { d.r.Refuse(i, "%s", why) })
}

// network reads the entries below network.
func (d *document) network(n *yaml.Node) {
	for _, p := range d.pairs(n) {
		switch p.key {
		case "version", "renderer":
			d.skip(p.at, p.node, "NetworkManager has the tunnel now")
		case "tunnels":
			d.take(p.at)
			for _, t := range d.pairs(p.node) {
				d.tunnel(t)
			}
		case "ethernets", "bonds", "bridges", "vlans", "wifis", "dummy-devices":
			d.others(p)
		default:
			d.skip(p.at, p.node, "%s is no part of a tunnel", p.key)
		}
	}
}

// others keeps the networks of interfaces that are no tunnels.
func (d *document) others(p pair) {
	for _, device := range d.pairs(p.node) {
		for _, setting := range d.pairs(device.node) {
			if setting.key == "interfaces" && p.key == "bridges" {
				d.ports(device.key, setting.node)
			}
			if setting.key != "addresses" {
				continue
			}
			for _, a := range setting.node.Content {
				if p, err := netip.ParsePrefix(a.Value); err == nil {
					d.r.Networks = append(d.r.Networks, p)
				}
			}
		}
	}
	d.skip(p.at, p.node, "it is about interfaces that are no tunnels")
}

// ports makes tunnels the ports of a bridge that lists them.
func (d *document) ports(bridge string, list *yaml.Node) {
	for _, port := range list.Content {
		d.r.ListedPort(d.line(port), port.Value, bridge)
	}
}

// value returns a scalar of a mapping.
func value(n *yaml.Node, key string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key && n.Content[i+1].Kind == yaml.ScalarNode {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// tunnel makes a tunnel.
func (d *document) tunnel(t pair) {
	at := d.line(t.at)
	mode, err := gre.ParseMode(value(t.node, "mode"))
	switch {
	case t.node.Kind != yaml.MappingNode:
		d.refuse(t.node, "a tunnel is a mapping")
		return
	case err != nil:
		d.skip(t.at, t.node, "the mode %s is no GRE tunnel", notation.Word(value(t.node, "mode")))
		return
	case !routes.IsDevice(t.key):
		d.refuse(t.at, "%s cannot be a device's name", notation.Word(t.key))
		return
	}
	f, fresh := d.r.Add(t.key, at)
	if !fresh && f.Remote.String() == value(t.node, "local") {
		f, fresh = d.r.Again(t.key, at), true
	}
	if !fresh {
		d.refuse(t.at, "line %d has %s already", d.r.Lines[f.At].N, notation.Word(t.key))
		return
	}
	f.Mode, f.Up = mode, true
	d.take(t.at)
	for _, setting := range d.pairs(t.node) {
		d.each(setting.node, 0, d.r.Take)
		d.take(setting.at)
		d.setting(f, setting)
	}
	if !f.Remote.IsValid() {
		f.Refuse = "remote: NetworkManager needs the far end's address"
		d.r.Refuse(at, "%s", f.Refuse)
	}
}

// setting reads a setting of a tunnel.
func (d *document) setting(f *notation.Found, s pair) {
	switch s.key {
	case "mode":
	case "local":
		f.Local = d.address(s)
	case "remote":
		f.Remote = d.address(s)
	case "ttl":
		if n := d.number(s, 255); n != 0 {
			f.TTL, f.TTLSet = uint8(n), true //nolint:gosec // at most 255
		}
	case "mtu":
		f.MTU = d.number(s, 65535)
	case "key", "keys":
		d.keys(f, s)
	case "addresses":
		d.addresses(f, s)
	case "routes":
		for _, r := range s.node.Content {
			d.route(f, r)
		}
	case "gateway4", "gateway6":
		family := "0.0.0.0/0"
		if s.key == "gateway6" {
			family = "::/0"
		}
		d.add(f, s.node, family+" via "+s.node.Value)
	case "macaddress":
		d.r.SetMAC(d.line(s.node), f, s.node.Value)
	case "networkmanager":
		d.passthrough(f, s)
	case "routing-policy":
		for _, r := range s.node.Content {
			d.rule(f, r)
		}
	default:
		d.skip(s.at, s.node, "%s is no part of a tunnel", s.key)
	}
}

func (d *document) address(s pair) netip.Addr {
	a, err := netip.ParseAddr(s.node.Value)
	if err != nil {
		d.refuse(s.node, "%s %s is not an IP address", s.key, notation.Word(s.node.Value))
	}
	return a
}

func (d *document) number(s pair, most uint64) uint32 {
	n, err := strconv.ParseUint(s.node.Value, 10, 32)
	if err != nil || n > most {
		d.refuse(s.node, "%s %s is not a number from 0 to %d", s.key, notation.Word(s.node.Value), most)
		return 0
	}
	return uint32(n) //nolint:gosec // of 32 bits
}

// keys reads key: K, or key: {input: K, output: K}.
func (d *document) keys(f *notation.Found, s pair) {
	if s.node.Kind == yaml.ScalarNode {
		f.InputKey = d.key(s)
		f.OutputKey = gre.CloneKey(f.InputKey)
		return
	}
	for _, p := range d.pairs(s.node) {
		switch p.key {
		case "input":
			f.InputKey = d.key(p)
		case "output":
			f.OutputKey = d.key(p)
		default:
			d.refuse(p.node, "%s is no key of a GRE tunnel", notation.Word(p.key))
		}
	}
}

func (d *document) key(s pair) *gre.Key {
	key, err := gre.ParseKey(s.node.Value)
	if err != nil {
		d.refuse(s.node, "%s %s is not a number of 32 bits, which a GRE key is: the tunnel is taken without it", s.key, notation.Word(s.node.Value))
		return nil
	}
	return &key
}

// addresses reads a list of addresses, each alone or with its options.
func (d *document) addresses(f *notation.Found, s pair) {
	for _, a := range s.node.Content {
		if a.Kind == yaml.MappingNode && len(a.Content) > 0 {
			a = a.Content[0]
		}
		iproute.Inner(d.r, d.line(a), f, a.Value, "")
	}
}

// passthrough reads the properties that netplan hands to NetworkManager.
func (d *document) passthrough(f *notation.Found, s pair) {
	for _, p := range d.pairs(s.node) {
		if p.key != "passthrough" {
			d.skip(p.at, p.node, "a new profile has its own %s", p.key)
			continue
		}
		for _, property := range d.pairs(p.node) {
			switch property.key {
			case "ip-tunnel.mtu":
				f.MTU = d.number(property, 65535)
			case "ip-tunnel.encapsulation-limit":
				f.EncapLimit = uint8(d.number(property, 255)) //nolint:gosec // at most 255
			default:
				d.refuse(property.node, "%s is not read", notation.Word(property.key))
			}
		}
	}
}

// route reads an entry of routes.
func (d *document) route(f *notation.Found, n *yaml.Node) {
	words := map[string]string{"via": "via", "metric": "metric", "table": "table", "from": "src", "mtu": "mtu", "advertised-mss": "advmss", "congestion-window": "initcwnd", "advertised-receive-window": "initrwnd"}
	to, kind, spec := "", "", []string(nil)
	for _, p := range d.pairs(n) {
		switch word := words[p.key]; {
		case p.key == "to":
			to = p.node.Value
		case p.key == "type" && p.node.Value != "unicast":
			kind = p.node.Value + " "
		case p.key == "type" || p.key == "scope" && (p.node.Value == "link" || p.node.Value == "global"):
		case p.key == "scope":
			spec = append(spec, "scope", p.node.Value)
		case p.key == "on-link":
			if p.node.Value == "true" || p.node.Value == "yes" {
				spec = append(spec, "onlink")
			}
		case word == "":
			d.refuse(p.node, "%s is not read", notation.Word(p.key))
		default:
			spec = append(spec, word, p.node.Value)
		}
	}
	if to == "default" && strings.Contains(strings.Join(spec, " "), ":") {
		to = "::/0"
	}
	d.add(f, n, strings.TrimSpace(kind+to+" "+strings.Join(spec, " ")))
}

// ruleWords are netplan's names of the words of `ip rule`.
var ruleWords = sync.OnceValue(func() map[string]string {
	return map[string]string{"from": "from", "to": "to", "table": "table", "priority": "priority", "mark": "fwmark", "type-of-service": "tos"}
})

// rule reads an entry of routing-policy.
func (d *document) rule(f *notation.Found, n *yaml.Node) {
	var words []string
	for _, p := range d.pairs(n) {
		if word := ruleWords()[p.key]; word != "" {
			words = append(words, word, p.node.Value)
			continue
		}
		d.refuse(p.node, "%s is not read", notation.Word(p.key))
	}
	iproute.New(d.r).Rule(d.line(n), words, f.Name, false)
}

func (d *document) add(f *notation.Found, n *yaml.Node, spec string) {
	r, err := d.r.Names.Parse(spec)
	if err != nil {
		d.r.RefuseErr(d.line(n), err)
		return
	}
	f.Routes = append(f.Routes, r)
}
