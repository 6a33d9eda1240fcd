package document

import (
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"nmgre/nm"
	"nmgre/routes"
	"nmgre/routes/fault"
)

// Options are the facts of a host that the reading of a document depends on.
type Options struct {
	Names routes.Names // of tables and the like, as iproute2 has them on the host
}

// Document says which tunnels are wanted.
type Document struct {
	// Name tells several documents for one host apart: only the tunnels that were made from one of
	// the same name are pruned. It is [DefaultName] where none is given.
	Name string

	opts     Options
	tunnels  []Tunnel // of the host that applies the document
	hosts    []host
	defaults settings
	links    []link
	joined   []joined // the pairs of hosts, sorted by their age
	byHost   [][]int  // the places in joined, by host
	pools    []netip.Prefix
}

// DefaultName is the name of a document that has none.
const DefaultName = "default"

// Tunnel is a tunnel of one host as the document wants it. Its Remote may be undecided where it has
// a PeerName, its Local and its MTU as in [nm.Tunnel].
type Tunnel struct {
	nm.Tunnel
	Absent bool // it must not be there; only its name counts
	Line   int  // of the document, from which it comes
	Far    string
}

// setting is a field with its values.
type setting struct {
	values []string
	line   int
}

// settings are fields of a tunnel, by their places in fields.
type settings map[int]setting

// over returns s with those of the settings that t has instead.
func (s settings) over(t settings) settings {
	out := make(settings, len(s)+len(t))
	ignoreDF := slices.Equal(t[fieldIndex()["ignore-df"]].values, []string{"true"})
	for i, v := range s {
		// ignore-df decides these fields, and not the defaults
		if ignoreDF && (fields[i].name == "ttl" || fields[i].name == "no-pmtud") {
			continue
		}
		out[i] = v
	}
	for i, v := range t {
		out[i] = v
	}
	return out
}

// has says whether a field is given.
func (s settings) has(name string) bool {
	_, ok := s[fieldIndex()[name]]
	return ok
}

// names returns the names of the fields, with more. Those of one end alone are left out if shared
// is set.
func names(shared bool, more ...string) []string {
	for _, f := range fields {
		if !shared || !f.own {
			more = append(more, f.name)
		}
	}
	return more
}

// topFields are those of the whole document.
var topFields = []string{"version", "name", "defaults", "tunnels", "hosts", "pool", "key-pool", "links"}

// Parse reads a document. Its errors are [fault.ErrInvalid], joined, each with its line, and at
// most twenty.
func Parse(text string, opts Options) (*Document, error) {
	root, err := tree(text)
	if err != nil {
		return nil, err
	}
	p := &parser{opts: opts, seen: make(map[string]bool)}
	if !p.plain(root, 0) {
		return nil, p.err()
	}
	d := &Document{Name: DefaultName, opts: opts, defaults: settings{}}
	top := make(map[string]pair)
	for _, one := range p.pairs(root, "the document", topFields) {
		top[one.key] = one
	}
	if len(top) > 0 || p.err() == nil { // an empty mapping has no tunnels either
		p.document(d, root, top)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return d, nil
}

// document reads the fields of the whole document, in the order in which they depend on each other.
func (p *parser) document(d *Document, root *yaml.Node, top map[string]pair) {
	if one, ok := top["version"]; ok {
		if v, ok := p.value(one.node, "version"); ok && v != "1" {
			p.refuse(one.line, "version", "this nmgre reads version: 1", "%s is not known", quoted(v))
		}
	}
	if one, ok := top["name"]; ok {
		d.Name = p.documentName(one)
	}
	if one, ok := top["defaults"]; ok {
		d.defaults = p.settings(p.pairs(one.node, "defaults", names(true)))
		p.tunnel(settings{}.over(d.defaults), settings{}, one.line, false)
	}
	tunnels, hasTunnels := top["tunnels"]
	hosts, hasHosts := top["hosts"]
	switch {
	case hasTunnels && hasHosts:
		p.refuse(tunnels.line, "tunnels", "give a host its own tunnels below hosts: NAME: tunnels", "a document has either tunnels or hosts")
	case hasTunnels:
		d.tunnels = p.tunnels(tunnels, d.defaults)
	case hasHosts:
		p.readHosts(d, hosts)
		p.readLinks(d, top)
	case top["links"].node != nil:
		p.refuse(top["links"].line, "links", "name them, with their outer addresses, below hosts", "the document has links, but no hosts")
	default:
		p.refuse(root.Line, "", "give the tunnels of this host below tunnels, or hosts and links; to want no tunnel, write: tunnels: []", "the document has no tunnels")
	}
	if !hasHosts {
		for _, name := range []string{"pool", "key-pool"} {
			if one, ok := top[name]; ok {
				p.refuse(one.line, name, "leave it out, or give hosts and links", "it is for links between hosts")
			}
		}
	}
}

// MaxName bounds the name of a document, in bytes.
const MaxName = 64

func (p *parser) documentName(one pair) string {
	name, ok := p.value(one.node, "name")
	if ok && !IsHost(name) || len(name) > MaxName {
		p.refuse(one.line, "name", "use up to 64 letters, digits, '-', '_' and '.'", "%s is not possible", quoted(name))
	}
	return name
}

// settings reads the fields of a tunnel. Other fields are left out: they are somebody else's.
func (p *parser) settings(list []pair) settings {
	set := make(settings)
	for _, one := range list {
		i, ok := fieldIndex()[one.key]
		if !ok {
			continue
		}
		if values, ok := p.values(&fields[i], one); ok {
			set[i] = setting{values, one.line}
		}
	}
	if key, ok := set[fieldIndex()["key"]]; ok && (set.has("input-key") || set.has("output-key")) {
		p.refuse(key.line, "key", "give either key alone or the other two", "it cannot be combined with input-key or output-key")
	}
	return set
}

// values returns the values of a field.
func (p *parser) values(f *field, one pair) ([]string, bool) {
	if f.form != list {
		v, ok := p.value(one.node, f.name)
		return []string{v}, ok
	}
	var values []string
	complete := true
	items := p.items(one.node, f.name, false)
	for _, item := range items {
		v, ok := p.value(item, f.name)
		values, complete = append(values, v), complete && ok
	}
	return values, complete && (items != nil || one.node.Kind == yaml.SequenceNode)
}

// tunnels reads a list of tunnels.
func (p *parser) tunnels(from pair, defaults settings) []Tunnel {
	var tunnels []Tunnel
	known := append([]string{"state"}, names(false)...)
	items := p.items(from.node, from.key, true)
	if len(items) > maxTunnels {
		p.refuse(from.line, from.key, "", "a host has at most %d tunnels, and these are %d", maxTunnels, len(items))
		return nil
	}
	lines := make(map[string]int)
	for _, item := range items {
		before := len(p.errs)
		list := p.pairs(item, "a tunnel", known)
		if item.Kind != yaml.MappingNode {
			continue
		}
		absent := p.absent(list)
		set := p.settings(list)
		t := p.tunnel(defaults, set, item.Line, !absent && len(p.errs) == before)
		t.Absent, t.Line = absent, item.Line
		if p.named(t, item.Line, lines) {
			tunnels = append(tunnels, t)
		}
	}
	return tunnels
}

// named makes sure that a tunnel has a name, and no other has it.
func (p *parser) named(t Tunnel, line int, lines map[string]int) bool {
	switch {
	case t.Name == "":
		p.refuse(line, "name", "give the interface's name, such as name: gre1", "the tunnel's name is missing")
	case lines[t.Name] > 0:
		p.refuse(line, "name", "give each tunnel a name of its own", "%s is the name of the tunnel in line %d, too", quoted(t.Name), lines[t.Name])
	default:
		lines[t.Name] = line
		return true
	}
	return false
}

// absent reads the state among the fields of a tunnel or a link.
func (p *parser) absent(list []pair) bool {
	for _, one := range list {
		if one.key != "state" {
			continue
		}
		switch v, ok := p.value(one.node, "state"); {
		case ok && v == "absent":
			return true
		case ok && v != "present":
			p.refuse(one.line, "state", fault.Choice(v, "states", []string{"present", "absent"}, map[string]string{"deleted": "absent", "removed": "absent", "up": "present"}), "%s is not possible", quoted(v))
		}
	}
	return false
}

// tunnel reads settings into a new tunnel, and checks it as a whole if check is set.
func (p *parser) tunnel(defaults, own settings, line int, check bool) Tunnel {
	t := Tunnel{Tunnel: nm.NewTunnel(), Line: line}
	set, before := defaults.over(own), len(p.errs)
	p.into(&t.Tunnel, set)
	if check && len(p.errs) == before {
		p.check(t.Tunnel, set, line)
	}
	return t
}

// into writes settings into a tunnel.
func (p *parser) into(t *nm.Tunnel, set settings) {
	for i := range fields {
		if s, ok := set[i]; ok {
			p.read(&fields[i], t, s)
		}
	}
}

// read writes one field into a tunnel.
func (p *parser) read(f *field, t *nm.Tunnel, s setting) {
	values := s.values
	if f.form == list && len(values) == 0 {
		values = []string{none}
	}
	if err := f.read(p, t, values); err != nil {
		p.add(s.line, f.name, err)
	}
}

// placeholder stands for the address of a far end whose name nobody has looked up yet.
func placeholder(t nm.Tunnel) nm.Tunnel {
	if t.PeerName != "" && !t.Remote.IsValid() {
		t.Remote = netip.AddrFrom4([4]byte{192, 0, 2, 254})
		if t.Mode.IPv6Outer() {
			t.Remote = netip.MustParseAddr("2001:db8::fffe")
		}
		if t.Remote == t.Local {
			t.Remote = t.Remote.Prev()
		}
	}
	return t
}

// check adds the problems of a whole tunnel, each with the line of its field.
func (p *parser) check(t nm.Tunnel, set settings, line int) {
	for _, problem := range placeholder(t).Problems() {
		at := line
		if i, ok := fieldIndex()[fieldOf(problem.Field)]; ok {
			if s, ok := set[i]; ok {
				at = s.line
			}
		}
		p.add(at, "", problem)
	}
}
