package document

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"nmgre/nm"
	"nmgre/nm/mesh"
	"nmgre/nm/resolve"
	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// host is one of the named hosts.
type host struct {
	name     string
	line     int
	peer     nm.Tunnel      // has the outer address by which others reach it, or its name
	local    string         // its own outer address; empty for the one by which others reach it
	networks []netip.Prefix // behind it
	set      settings       // of its end of each link
	tunnels  []Tunnel       // to hosts that have no name here
}

// link is an entry of links: a pair of hosts, a star, or a full mesh.
type link struct {
	line      int
	hosts     []int
	hub       int // of a star; -1 for none
	between   bool
	absent    bool
	metric    *uint32 // of the routes to the networks
	set       settings
	addresses []netip.Prefix   // of the two hosts of between, in their order; nil for those of the pool
	ends      map[int]settings // by host; of between alone
}

// joined is a pair of hosts with the link that joins them, and its addresses and key.
type joined struct {
	mesh.Pair
	link      int
	addresses [2][2]netip.Prefix // by family, of A and of B
	key       *gre.Key
}

// hostFields are those of a host, besides those of a tunnel that its ends may share.
var hostFields = []string{"outer", "local", "networks", "tunnels"}

// readHosts reads the mapping of hosts.
func (p *parser) readHosts(d *Document, from pair) {
	list := p.pairs(from.node, "hosts", nil)
	if len(list) > maxHosts {
		p.refuse(from.line, "hosts", "", "a document has at most %d hosts, and these are %d", maxHosts, len(list))
		return
	}
	for _, one := range list {
		if !IsHost(one.key) {
			p.refuse(one.line, "hosts", "use up to 253 letters, digits, '-', '_' and '.'", "%s is no name of a host", quoted(one.key))
			continue
		}
		d.hosts = append(d.hosts, p.host(d, one))
	}
}

// IsHost says whether a text can be the name of a host in a document.
func IsHost(name string) bool {
	return len(name) > 0 && len(name) <= 253 && name[0] != '-' && strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.", r)
	}) < 0
}

func (p *parser) host(d *Document, from pair) host {
	h := host{name: from.key, line: from.line}
	list := p.pairs(from.node, "the host "+from.key, names(true, hostFields...))
	h.set = p.settings(slices.DeleteFunc(slices.Clone(list), func(one pair) bool { return slices.Contains(hostFields, one.key) }))
	p.tunnel(d.defaults, h.set, from.line, false)
	for _, one := range list {
		switch one.key {
		case "outer":
			p.outer(&h, one)
		case "local":
			p.local(&h, one)
		case "networks":
			h.networks = p.prefixes(one)
		case "tunnels":
			h.tunnels = p.tunnels(one, d.defaults)
		}
	}
	if from.node.Kind == yaml.MappingNode && !slices.ContainsFunc(list, func(one pair) bool { return one.key == "outer" }) {
		p.refuse(from.line, "outer", "give the address by which the others reach it, such as outer: 203.0.113.2", "the host %s has no outer address", from.key)
	}
	return h
}

// outer reads the address by which the others reach a host, or its name.
func (p *parser) outer(h *host, one pair) {
	v, ok := p.value(one.node, one.key)
	if !ok {
		return
	}
	asked, isName, err := resolve.Parse(v)
	if err == nil && isName {
		h.peer.PeerName, h.peer.Remote = asked.Name, asked.Chosen
		return
	}
	if err == nil {
		h.peer.Remote, err = parseAddr(one.key, v, "give the address by which the others reach it, such as 203.0.113.2, or its name")
	}
	if err != nil {
		p.add(one.line, one.key, err)
	}
}

func (p *parser) local(h *host, one pair) {
	v, ok := p.value(one.node, one.key)
	if !ok {
		return
	}
	if err := readLocal(p, &nm.Tunnel{Mode: gre.ModeGRE}, []string{v}); err != nil {
		p.add(one.line, one.key, err)
	}
	h.local = v
}

// prefixes reads a list of networks.
func (p *parser) prefixes(one pair) []netip.Prefix {
	var list []netip.Prefix
	for _, item := range p.items(one.node, one.key, false) {
		v, ok := p.value(item, one.key)
		if !ok {
			continue
		}
		n, err := netip.ParsePrefix(v)
		switch {
		case err != nil || n.Addr().Is4In6():
			p.refuse(item.Line, one.key, "write it as 10.1.0.0/24", "%s is no network", quoted(v))
		case n.Masked() != n:
			p.refuse(item.Line, one.key, "the network is "+n.Masked().String(), "%s has host bits set", n)
		default:
			list = append(list, n)
		}
	}
	return list
}

// readLinks reads the links, and allots addresses and keys from the pools to each pair.
func (p *parser) readLinks(d *Document, top map[string]pair) {
	if len(p.errs) > 0 {
		return // links are about hosts
	}
	if one, ok := top["links"]; ok {
		for _, item := range p.items(one.node, "links", true) {
			d.links = append(d.links, p.link(d, item))
		}
	}
	if len(p.errs) == 0 && p.join(d) {
		p.allot(d, top)
	}
}

// linkFields are those of a link, besides those of a tunnel that its ends share.
var linkFields = []string{"between", "star", "full", "hosts", "addresses", "metric", "state", "ends"}

func (p *parser) link(d *Document, node *yaml.Node) link {
	l := link{line: node.Line, hub: -1}
	list := p.pairs(node, "a link", names(true, linkFields...))
	if node.Kind != yaml.MappingNode {
		return l
	}
	own := make(map[string]pair)
	for _, one := range list {
		if slices.Contains(linkFields, one.key) {
			own[one.key] = one
		}
	}
	l.set = p.settings(slices.DeleteFunc(slices.Clone(list), func(one pair) bool { return slices.Contains(linkFields, one.key) }))
	p.tunnel(d.defaults, l.set, l.line, false)
	l.absent = p.absent(list)
	if one, ok := own["metric"]; ok {
		if v, ok := p.value(one.node, "metric"); ok {
			if err := readNumber("metric", v, 0, 1<<32-1, "", 0, func(n uint32) { l.metric = &n }); err != nil {
				p.add(one.line, "metric", err)
			}
		}
	}
	p.who(d, &l, own)
	return l
}

// who reads which hosts a link joins.
func (p *parser) who(d *Document, l *link, own map[string]pair) {
	const hint = "give one of between: [paris, rome], star: paris, and full: all"
	kinds := 0
	for _, name := range []string{"between", "star", "full"} {
		if _, ok := own[name]; ok {
			kinds++
		}
	}
	if kinds != 1 {
		p.refuse(l.line, "", hint, "a link has exactly one of between, star and full, and this one has %d", kinds)
		return
	}
	if one, ok := own["hosts"]; ok {
		l.hosts = p.hostList(d, one)
	} else {
		l.hosts = everyHost(d)
	}
	switch {
	case own["between"].node != nil:
		p.between(d, l, own)
		return
	case own["star"].node != nil:
		if hubs := p.hostList(d, own["star"]); len(hubs) == 1 {
			l.hub = hubs[0]
		} else if len(p.errs) == 0 {
			p.refuse(own["star"].line, "star", "give one hub; a second star is a link of its own", "a star has one hub")
		}
	default:
		p.full(d, l, own)
	}
	for _, name := range []string{"addresses", "ends"} {
		if one, ok := own[name]; ok {
			p.refuse(one.line, name, "give that pair a link of its own: between: [paris, rome]", "it is for the two ends of between alone")
		}
	}
}

// full reads the hosts of a full mesh: all, or a list.
func (p *parser) full(d *Document, l *link, own map[string]pair) {
	one := own["full"]
	if one.node.Kind == yaml.ScalarNode && (one.node.Value == "all" || one.node.Value == "true") {
		return
	}
	if other, ok := own["hosts"]; ok {
		p.refuse(other.line, "hosts", "write full: all beside it", "full lists hosts already")
	}
	l.hosts = p.hostList(d, one)
}

func everyHost(d *Document) []int {
	list := make([]int, len(d.hosts))
	for i := range list {
		list[i] = i
	}
	return list
}

// hostList reads names of hosts.
func (p *parser) hostList(d *Document, one pair) []int {
	var list []int
	for _, item := range p.items(one.node, one.key, false) {
		name, ok := p.value(item, one.key)
		if !ok {
			continue
		}
		i := slices.IndexFunc(d.hosts, func(h host) bool { return h.name == name })
		switch {
		case i < 0:
			p.refuse(item.Line, one.key, Nearest(name, "hosts", d.Hosts()), "there is no host %s", quoted(name))
		case slices.Contains(list, i):
			p.refuse(item.Line, one.key, "name each host once", "%s stands twice", name)
		default:
			list = append(list, i)
		}
	}
	return list
}

// between reads the two hosts of a pair, and the fields of each end.
func (p *parser) between(d *Document, l *link, own map[string]pair) {
	before := len(p.errs)
	l.between, l.hosts = true, p.hostList(d, own["between"])
	if other, ok := own["hosts"]; ok {
		p.refuse(other.line, "hosts", "leave it out", "between names the hosts already")
	}
	if len(l.hosts) != 2 {
		if len(p.errs) == before {
			p.refuse(own["between"].line, "between", "write it as between: [paris, rome]", "a link is between two hosts, and these are %d", len(l.hosts))
		}
		l.hosts = nil
		return
	}
	if one, ok := own["addresses"]; ok {
		l.addresses = p.twoAddresses(one)
	}
	ends, ok := own["ends"]
	if !ok {
		return
	}
	l.ends = make(map[int]settings)
	known := []string{d.hosts[l.hosts[0]].name, d.hosts[l.hosts[1]].name}
	for _, one := range p.pairs(ends.node, "ends", known) {
		host := l.hosts[slices.Index(known, one.key)]
		fields := slices.DeleteFunc(names(false), func(name string) bool { return name == "peer" })
		l.ends[host] = p.settings(p.pairs(one.node, "the end of "+one.key, fields))
		p.tunnel(d.defaults, l.ends[host], one.line, false)
	}
}

// twoAddresses reads the inner addresses of the two hosts of between.
func (p *parser) twoAddresses(one pair) []netip.Prefix {
	var list []netip.Prefix
	for _, item := range p.items(one.node, one.key, true) {
		v, ok := p.value(item, one.key)
		if !ok {
			return nil
		}
		a, err := parseInner(v)
		if err != nil {
			p.add(item.Line, one.key, err)
			return nil
		}
		list = append(list, a)
	}
	if len(list) != 2 || list[0].Masked() != list[1].Masked() || list[0] == list[1] {
		p.refuse(one.line, one.key, "write it as addresses: [172.16.0.0/31, 172.16.0.1/31]", "a link has two addresses of one network, in the order of between")
		return nil
	}
	return list
}

// join makes the list of all pairs. Of several links between the same hosts the one with between
// counts, and else the first.
func (p *parser) join(d *Document) bool {
	of := make(map[mesh.Pair]int)
	for i, l := range d.links {
		for _, pair := range l.pairs() {
			first, known := of[pair]
			switch {
			case !known || l.between && !d.links[first].between:
				of[pair] = i
			case l.between:
				p.refuse(l.line, "between", "give two hosts one link", "%s and %s are joined in line %d already", d.hosts[pair.A].name, d.hosts[pair.B].name, d.links[first].line)
			}
		}
		if len(of) > maxLinks {
			p.refuse(l.line, "links", "", "a document has at most %d pairs of hosts", maxLinks)
			return false
		}
	}
	d.joined, d.byHost = make([]joined, 0, len(of)), make([][]int, len(d.hosts))
	for pair, i := range of {
		d.joined = append(d.joined, joined{Pair: pair, link: i})
	}
	slices.SortFunc(d.joined, func(a, b joined) int { return mesh.Compare(a.Pair, b.Pair) })
	for i, j := range d.joined {
		d.byHost[j.A], d.byHost[j.B] = append(d.byHost[j.A], i), append(d.byHost[j.B], i)
	}
	return len(p.errs) == 0
}

// pairs returns the pairs of hosts that a link joins.
func (l link) pairs() []mesh.Pair {
	switch {
	case l.between && len(l.hosts) == 2:
		return []mesh.Pair{mesh.NewPair(l.hosts[0], l.hosts[1])}
	case l.hub >= 0:
		return mesh.Star(l.hub, l.hosts)
	case l.between:
		return nil
	}
	return mesh.Full(l.hosts)
}

// allot gives each pair its inner addresses and its key.
func (p *parser) allot(d *Document, top map[string]pair) {
	hosts := d.Hosts()
	if one, ok := top["pool"]; ok {
		families := make(map[bool]bool)
		for _, n := range p.prefixes(one) {
			pool, err := mesh.NewPool(n)
			if err == nil && families[n.Addr().Is4()] {
				err = fault.Invalid("pool", "give one network of IPv4, one of IPv6, or one of each", "there are two networks of one family")
			}
			if families[n.Addr().Is4()] = true; err == nil {
				err = d.allotAddresses(hosts, pool)
			}
			if err == nil {
				err = d.clash(pool.Prefix())
			}
			if err != nil {
				p.add(one.line, "pool", err)
			}
		}
	}
	if one, ok := top["key-pool"]; ok {
		low, high, err := p.keyPool(one)
		if err == nil {
			err = d.allotKeys(hosts, low, high)
		}
		if err != nil {
			p.add(one.line, "key-pool", err)
		}
	}
}

// allotAddresses gives each pair without addresses of its own two of the pool.
func (d *Document) allotAddresses(hosts []string, pool mesh.Pool) error {
	taken := make(map[uint64]bool)
	var asking []int
	var pairs []mesh.Pair
	for i, j := range d.joined {
		given := d.givenAddresses(j)
		if given == nil {
			asking, pairs = append(asking, i), append(pairs, j.Pair)
		}
		for _, a := range given {
			if place, ok := pool.Place(a.Addr()); ok {
				taken[place] = true
			}
		}
	}
	places, err := mesh.Allot(hosts, pairs, pool.Places(), taken)
	if err != nil {
		return err
	}
	d.pools = append(d.pools, pool.Prefix())
	family := 0
	if pool.Prefix().Addr().Is6() {
		family = 1
	}
	for n, i := range asking {
		low, high := pool.Network(places[n])
		if j := &d.joined[i]; hosts[j.A] < hosts[j.B] {
			j.addresses[family] = [2]netip.Prefix{low, high}
		} else {
			j.addresses[family] = [2]netip.Prefix{high, low}
		}
	}
	return nil
}

// givenAddresses are the inner addresses that a link gives itself, those of its ends included.
func (d *Document) givenAddresses(j joined) []netip.Prefix {
	l := d.links[j.link]
	given := slices.Clone(l.addresses)
	for _, end := range l.ends {
		for _, v := range end[fieldIndex()["addresses"]].values {
			if a, err := netip.ParsePrefix(v); err == nil { // a wrong one is an error of its end
				given = append(given, a)
			}
		}
	}
	return given
}

// keyPool reads the lowest and the highest key of the pool.
func (p *parser) keyPool(one pair) (low, high uint64, err error) {
	const hint = "write it as key-pool: 1-65535"
	v, ok := p.value(one.node, "key-pool")
	if !ok {
		return 0, 0, fmt.Errorf("no keys") // the empty value has its error already
	}
	from, to, found := strings.Cut(v, "-")
	low, err = strconv.ParseUint(from, 10, 32)
	high, errHigh := strconv.ParseUint(to, 10, 32)
	if !found || err != nil || errHigh != nil || low > high {
		return 0, 0, fault.Invalid("key-pool", hint, "%s is no range of keys", quoted(v))
	}
	return low, high, nil
}

// allotKeys gives each pair without a key of its own one of the pool.
func (d *Document) allotKeys(hosts []string, low, high uint64) error {
	taken := make(map[uint64]bool)
	var asking []int
	var pairs []mesh.Pair
	for i, j := range d.joined {
		given := d.givenKeys(j)
		if given == nil {
			asking, pairs = append(asking, i), append(pairs, j.Pair)
		}
		for _, v := range given {
			if key, err := gre.ParseKey(v); err == nil && uint64(key) >= low && uint64(key) <= high {
				taken[uint64(key)-low] = true
			}
		}
	}
	places, err := mesh.Allot(hosts, pairs, high-low+1, taken)
	if err != nil {
		return err
	}
	for n, i := range asking {
		key := gre.Key(low + places[n]) //nolint:gosec // at most high, which has 32 bits
		d.joined[i].key = &key
	}
	return nil
}

// givenKeys are the keys that a link gives itself; nil for none.
func (d *Document) givenKeys(j joined) []string {
	l := d.links[j.link]
	var given []string
	for _, set := range []settings{d.defaults, d.hosts[j.A].set, d.hosts[j.B].set, l.set, l.ends[j.A], l.ends[j.B]} {
		for _, name := range []string{"key", "input-key", "output-key"} {
			given = append(given, set[fieldIndex()[name]].values...)
		}
	}
	return given
}

// Hosts returns the names of the hosts, in the order of the document.
func (d *Document) Hosts() []string {
	list := make([]string, len(d.hosts))
	for i, h := range d.hosts {
		list[i] = h.name
	}
	return list
}

// Link is a link between two hosts, for a person to read.
type Link struct {
	Hosts     [2]string
	Addresses [2][]netip.Prefix // of each host
	Key       *gre.Key          // nil for none, or where the ends have keys of their own
	Absent    bool
}

// Links returns all links, the oldest first.
func (d *Document) Links() []Link {
	list := make([]Link, len(d.joined))
	for i, j := range d.joined {
		l := d.links[j.link]
		list[i] = Link{Hosts: [2]string{d.hosts[j.A].name, d.hosts[j.B].name}, Key: j.key, Absent: l.absent}
		for _, family := range j.addresses {
			if family[0].IsValid() {
				list[i].Addresses[0], list[i].Addresses[1] = append(list[i].Addresses[0], family[0]), append(list[i].Addresses[1], family[1])
			}
		}
		if l.addresses != nil {
			a, b := l.addresses[0], l.addresses[1]
			if l.hosts[0] != j.A {
				a, b = b, a
			}
			list[i].Addresses = [2][]netip.Prefix{{a}, {b}}
		}
	}
	return list
}

// routesTo are the routes into a tunnel that lead to networks.
func routesTo(networks []netip.Prefix, metric *uint32) []routes.Route {
	list := make([]routes.Route, len(networks))
	for i, n := range networks {
		list[i] = routes.Route{Dst: n}
		if metric != nil {
			own := *metric
			list[i].Metric = &own
		}
	}
	return list
}
