package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/firewalls"
	"nmgre/routes/gateway/legacy"
	"nmgre/routes/keep"
)

// OuterRules returns the chains of other programs that drop the outer packets of a tunnel, and the
// NAT rules that match them. It walks the rules with the first packet of a connection, and with one
// of a connection that both ends have used. It cannot read the rules of iptables-legacy, and tells
// that there are some. It fails with ErrNotPermitted without root, and with ErrInvalid for
// addresses that are not of one family.
func (g *Gateway) OuterRules(ctx context.Context, p keep.OuterPackets) (keep.OuterRules, error) {
	if err := checkOuter(p); err != nil {
		return keep.OuterRules{}, err
	}
	s, err := newSurvey(ctx)
	if err == nil {
		defer s.close()
	}
	return outerRules(ctx, s, err, p)
}

// checkOuter refuses addresses that are not of one family.
func checkOuter(p keep.OuterPackets) error {
	if !p.Remote.IsValid() || hasAddress(p.Local) && p.Local.Is4() != p.Remote.Is4() {
		return fault.Invalid("remote", "", "no outer addresses of one family: %v and %v", p.Local, p.Remote)
	}
	return nil
}

// outerRules looks for them in the survey, unless that failed with err.
func outerRules(ctx context.Context, s *survey, err error, p keep.OuterPackets) (keep.OuterRules, error) {
	if err != nil && !errors.Is(err, fault.ErrUnsupported) {
		return keep.OuterRules{}, err
	}
	var rules keep.OuterRules
	if err == nil { // else there is no nftables, and it has no rules
		for _, out := range []bool{false, true} {
			w := newPassage(s, p, out)
			if err := w.run(ctx); err != nil {
				return keep.OuterRules{}, err
			}
			add(&rules, w.rules)
		}
	}
	add(&rules, legacy.Rules(p))
	return rules, nil
}

func add(to *keep.OuterRules, more keep.OuterRules) {
	to.Obstacles = append(to.Obstacles, more.Obstacles...)
	to.Rewrites = append(to.Rewrites, more.Rewrites...)
}

func hasAddress(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() }

// passage is the way of a tunnel's outer packets through the host's chains, in one direction.
type passage struct {
	*survey
	keep.OuterPackets
	out          bool
	first, later *outer // the first packet of a connection, and one of a connection in use
	// settled says for the destination and for the source that NAT leaves it as it is.
	settled map[bool]bool
	rules   keep.OuterRules
}

func newPassage(s *survey, p keep.OuterPackets, out bool) *passage {
	w := &passage{survey: s, OuterPackets: p, out: out, settled: make(map[bool]bool)}
	packet := func(reply bool) *outer {
		from, to := p.Remote, p.Local
		if out {
			from, to = p.Local, p.Remote
		}
		o := newOuter(from, to, p.Remote.Is4())
		o.out, o.reply = out, reply
		return o
	}
	w.first, w.later = packet(false), packet(true)
	return w
}

// hook is the place of a base chain on a packet's way.
type hook struct {
	name string
	rank int
	out  bool // packets that leave pass it
	// early says that it comes before the connection tracking.
	early bool
	// some says that only packets of some devices pass it.
	some bool
}

// hookOf returns the hook of a base chain; false for a hook that outer packets do not pass.
func hookOf(c *nftables.Chain) (h hook, ok bool) {
	number := *c.Hooknum
	if c.Table.Family == nftables.TableFamilyNetdev {
		h = hook{name: "ingress", early: true, some: true}
		if number == *nftables.ChainHookEgress {
			h = hook{name: "egress", rank: 5, out: true, some: true}
		}
		return h, number <= *nftables.ChainHookEgress
	}
	const conntrack = -200 // NF_IP_PRI_CONNTRACK
	early := c.Priority != nil && *c.Priority < conntrack
	const inetIngress = 5 // NF_INET_INGRESS
	switch number {
	case inetIngress:
		return hook{name: "ingress", early: true, some: true}, true
	case *nftables.ChainHookPrerouting:
		return hook{name: "prerouting", rank: 1, early: early}, true
	case *nftables.ChainHookInput:
		return hook{name: "input", rank: 2}, true
	case *nftables.ChainHookOutput:
		return hook{name: "output", rank: 3, out: true, early: early}, true
	case *nftables.ChainHookPostrouting:
		return hook{name: "postrouting", rank: 4, out: true}, true
	}
	return hook{}, false
}

// station is a base chain with its hook.
type station struct {
	hook
	base *nftables.Chain
}

// stations returns the base chains in the order in which packets pass them.
func (p *passage) stations() (list []station) {
	for _, c := range p.chains {
		if !p.isBase(c) || !slices.Contains([]nftables.TableFamily{p.first.family, nftables.TableFamilyINet, nftables.TableFamilyNetdev}, c.Table.Family) {
			continue
		}
		if h, ok := hookOf(c); ok && h.out == p.out {
			list = append(list, station{h, c})
		}
	}
	slices.SortStableFunc(list, func(a, b station) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(priorityOf(a.base), priorityOf(b.base)))
	})
	return list
}

func priorityOf(c *nftables.Chain) nftables.ChainPriority {
	if c.Priority == nil {
		return 0
	}
	return *c.Priority
}

// run takes both packets through one chain after the other.
func (p *passage) run(ctx context.Context) error {
	for _, at := range p.stations() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if at.base.Type == nftables.ChainTypeNAT {
			p.translate(at)
			continue
		}
		p.filter(at)
	}
	return ctx.Err() // a socket that has no time left reads no rules
}

// filter notes the chain if it drops one of the packets.
func (p *passage) filter(at station) {
	first, firstWalk := p.walk(at, p.first)
	later, laterWalk := p.walk(at, p.later)
	switch {
	case first == dropped:
		p.obstacle(at, firstWalk, later != dropped)
	case later == dropped:
		p.obstacle(at, laterWalk, false)
	}
}

// translate notes the chain if it drops the first packet, or has NAT for it. Other packets do not
// pass such chains, nor do those that are not tracked.
func (p *passage) translate(at station) {
	if p.first.untracked == yes {
		return
	}
	f, w := p.walk(at, p.first)
	w.perhaps = w.perhaps || p.first.untracked == unsure
	switch {
	case f == dropped:
		p.obstacle(at, w, true)
	case f == accepted && w.nat != nil:
		p.rewrite(at, w, w.nat, w.by)
	case w.guess != nil:
		w.perhaps = true
		p.rewrite(at, w, w.guess, w.guess.by)
	}
}

// walk takes a packet through a chain.
func (p *passage) walk(at station, o *outer) (fate, *walk) {
	in, out := p.Dev, ""
	if p.out {
		in, out = "", p.Dev
		if at.name == "postrouting" {
			in = p.Tunnel // since Linux 5.7
		}
	}
	o.early = at.early
	w := &walk{packet: packet{in, out, p.indexes[in], p.indexes[out], o.family}, outer: o, perhaps: at.some}
	return p.survey.run(at.base, w), w
}

// obstacle notes a chain that drops.
func (p *passage) obstacle(at station, w *walk, onlyNew bool) {
	r := p.ruling(at, w, w.by)
	r.What = p.words().Drops(at.base, r, onlyNew)
	switch {
	case at.some: // the library does not say which devices
		r.What += ", if it is a chain of their device"
	case r.Perhaps:
		r.What += ", unless one of its more specific rules accepts them"
	}
	r.Hint = p.words().Accepting(at.base, r)
	p.rules.Obstacles = append(p.rules.Obstacles, keep.OuterObstacle{Ruling: r, Out: p.out, OnlyNew: onlyNew})
}

// rewrite notes a NAT rule, unless the address stays as it is: by this rule, or by one before it,
// since the kernel carries out the first.
func (p *passage) rewrite(at station, w *walk, b *binding, rule place) {
	if b.source {
		b.resolve(p.Dev, p.Remote)
	}
	was, known := p.first.address(b.source)
	if known && b.keeps(was) {
		p.settled[b.source] = p.settled[b.source] || !w.perhaps
		return
	}
	if p.settled[b.source] {
		return
	}
	r := p.ruling(at, w, rule)
	to := b.min
	if b.min != b.max {
		to = netip.Addr{}
	}
	change := firewalls.NAT{Source: b.source, Masquerade: b.masquerade, To: to}
	if known {
		change.Was = was
	}
	r.What = p.words().Changes(at.base, r, change)
	if r.Perhaps {
		r.What += ", unless another rule comes first"
	}
	if !known || b.masquerade && !to.IsValid() { // it may be the same address
		r.Perhaps = true
	}
	r.Hint = p.words().Sparing(at.base, r, b.source)
	p.rules.Rewrites = append(p.rules.Rewrites, keep.OuterRewrite{Ruling: r, Out: p.out, To: to})
}

// ruling returns the facts of a rule, or of the policy of a base chain.
func (p *passage) ruling(at station, w *walk, rule place) keep.Ruling {
	r := firewalls.RulingOf(at.base, p.neighbours(at.base), w.chains)
	r.Hook, r.Perhaps = at.name, w.perhaps
	if rule.chain != "" {
		r.Chain, r.Handle = fault.Printable(rule.chain), rule.handle
	}
	return r
}

// words has the texts about the packets.
func (p *passage) words() firewalls.Outer {
	return firewalls.Outer{OuterPackets: p.OuterPackets, Out: p.out}
}
