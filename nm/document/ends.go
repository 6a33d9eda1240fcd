package document

import (
	"errors"
	"net/netip"
	"slices"

	"nmgre/nm"
	"nmgre/nm/mesh"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
)

// Tunnels returns the tunnels of a host, sorted as the document has them. A document without hosts
// is for any host. It fails with [fault.ErrInvalid] if the document has hosts, and this is none of
// them, or if a tunnel is not possible.
func (d *Document) Tunnels(name string) ([]Tunnel, error) {
	if len(d.hosts) == 0 {
		return d.tunnels, nil
	}
	at := slices.IndexFunc(d.hosts, func(h host) bool { return h.name == name })
	if at < 0 {
		return nil, fault.Invalid("host", Nearest(name, "hosts", d.Hosts())+"; or give --host NAME", "the document has no host %s", quoted(name))
	}
	p := &parser{opts: d.opts, seen: make(map[string]bool)}
	tunnels := slices.Clone(d.hosts[at].tunnels)
	lines := make(map[string]int)
	for _, t := range tunnels {
		lines[t.Name] = t.Line
	}
	protos := make(map[int]proto)
	for _, i := range d.byHost[at] {
		t := p.end(d, at, d.joined[i], protos)
		if p.named(t, t.Line, lines) {
			tunnels = append(tunnels, t)
		}
	}
	if len(tunnels) > maxTunnels {
		p.refuse(d.hosts[at].line, "hosts", "", "a host has at most %d tunnels, and these are %d", maxTunnels, len(tunnels))
	}
	return tunnels, p.err()
}

// maxToldEnds is how many problems of ends are in an error. A person does not read more.
const maxToldEnds = 20

// CheckEnds returns the errors of [Document.Tunnels] for every host, each with the host's name. An
// error that an earlier host has as well is left out, and so are those after the first twenty.
func (d *Document) CheckEnds() error {
	var told []error
	seen := make(map[string]bool)
	for _, host := range d.Hosts() {
		_, err := d.Tunnels(host)
		for _, one := range fault.Split(err) {
			if seen[one.Error()] {
				continue
			}
			seen[one.Error()] = true
			told = append(told, &fault.Error{What: "host " + fault.Printable(host), Err: one})
			if len(told) == maxToldEnds {
				return errors.Join(told...)
			}
		}
	}
	return errors.Join(told...)
}

// proto has the settings that all ends of a host's part of one link share.
type proto struct {
	tunnel nm.Tunnel
	set    settings
}

// proto reads the settings that a host's ends of a link share.
func (p *parser) proto(d *Document, at int, link int, known map[int]proto) proto {
	if one, ok := known[link]; ok {
		return one
	}
	one := proto{nm.NewTunnel(), d.defaults.over(d.hosts[at].set).over(d.links[link].set)}
	if end := d.links[link].ends[at]; end != nil {
		one.set = one.set.over(end)
	}
	p.into(&one.tunnel, one.set)
	known[link] = one
	return one
}

// end makes one end of a link.
func (p *parser) end(d *Document, at int, j joined, protos map[int]proto) Tunnel {
	l, own, far := d.links[j.link], &d.hosts[at], &d.hosts[j.Other(at)]
	shared := p.proto(d, at, j.link, protos)
	t := Tunnel{Tunnel: shared.tunnel, Absent: l.absent, Line: l.line, Far: far.name}
	if t.Name == "" {
		t.Name = mesh.DeviceName(far.name)
	}
	if t.Absent {
		return t
	}
	t.PeerName, t.Remote = far.peer.PeerName, far.peer.Remote
	if !shared.set.has("local") {
		p.ownLocal(&t, own)
	}
	if !shared.set.has("addresses") {
		t.Addresses = d.innerAddresses(at, j)
	}
	if j.key != nil {
		t.InputKey, t.OutputKey = gre.CloneKey(j.key), gre.CloneKey(j.key)
	}
	if !shared.set.has("routes") {
		t.Routes = routesTo(d.networksBehind(at, j), l.metric)
	}
	if l.hub == at && !shared.set.has("forward") { // or the others would not reach each other
		t.Forward = slices.ContainsFunc(t.Addresses, func(p netip.Prefix) bool { return p.Addr().Is4() })
	}
	if len(t.Addresses) == 0 && t.Controller == "" {
		p.refuse(l.line, "addresses", "give pool: 172.31.0.0/16, or addresses to the link", "the link between %s and %s has no inner addresses", own.name, far.name)
		return t
	}
	if len(p.errs) == 0 {
		p.check(t.Tunnel, shared.set, l.line)
	}
	return t
}

// ownLocal decides the local address: the host's own, or the one by which others reach it.
func (p *parser) ownLocal(t *Tunnel, own *host) {
	if own.local != "" {
		if err := readLocal(p, &t.Tunnel, []string{own.local}); err != nil {
			p.add(own.line, "local", err)
		}
		return
	}
	t.Local = own.peer.Remote // none where others reach it by its name
	if own.peer.PeerName != "" {
		t.Local = netip.Addr{}
	}
}

// innerAddresses are this end's: those of the link, or those allotted to it.
func (d *Document) innerAddresses(at int, j joined) []netip.Prefix {
	if l := d.links[j.link]; l.addresses != nil {
		return []netip.Prefix{l.addresses[slices.Index(l.hosts, at)]}
	}
	side := 0
	if at == j.B {
		side = 1
	}
	var list []netip.Prefix
	for _, family := range j.addresses {
		if family[side].IsValid() {
			list = append(list, family[side])
		}
	}
	return list
}

// networksBehind are the networks that the tunnel leads to: those of the far host, and from the end
// of a star those of all its other hosts, with the pool, which has their inner addresses. A network
// that this end's host has itself is none of them.
func (d *Document) networksBehind(at int, j joined) []netip.Prefix {
	l, far := d.links[j.link], j.Other(at)
	var list []netip.Prefix
	add := func(n netip.Prefix) {
		if !slices.Contains(list, n) && !d.hosts[at].isOwn(n) {
			list = append(list, n)
		}
	}
	for _, n := range d.hosts[far].networks {
		add(n)
	}
	if l.hub != far {
		return list
	}
	for _, other := range l.hosts {
		if other == at || other == far {
			continue
		}
		for _, n := range d.hosts[other].networks {
			add(n)
		}
	}
	if len(l.hosts) > 2 {
		list = append(list, d.pools...)
	}
	return list
}
