package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"nmgre/routes/fault"
	"nmgre/routes/gateway/conntrack"
	"nmgre/routes/gateway/firewalls"
	"nmgre/routes/keep"
)

// RuleCounters returns how many packets each rule of want has taken, as the kernel counts them: 0
// for a rule that nmgre's tables do not have. It fails with ErrNotPermitted without root.
func (g *Gateway) RuleCounters(ctx context.Context, want []keep.Rule) ([]uint64, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, failed("read nmgre's rules", err)
	}
	have, err := read(conn)
	if err != nil {
		return nil, err
	}
	taken := make(map[string]uint64)
	for _, st := range have {
		for _, t := range st.rules {
			taken[t.key()] = t.packets()
		}
	}
	counts := make([]uint64, len(want))
	for i, r := range want {
		for _, t := range rulesOf(r) {
			counts[i] += taken[t.key()]
		}
	}
	return counts, nil
}

// packets returns the value of the rule's counter.
func (t text) packets() (n uint64) {
	for _, e := range t.exprs {
		if c, ok := e.(*expr.Counter); ok {
			n += c.Packets
		}
	}
	return n
}

// Translations returns the NAT rules of other programs that take packets which an SNAT rule of
// nmgre's is for, and the sources that such packets have got. It cannot read the rules of
// iptables-legacy. It fails with ErrNotPermitted without root.
func (g *Gateway) Translations(ctx context.Context, p keep.Passing) (keep.Translations, error) {
	s, err := newSurvey(ctx)
	if errors.Is(err, fault.ErrUnsupported) {
		return keep.Translations{}, nil
	}
	if err != nil {
		return keep.Translations{}, err
	}
	defer s.close()
	t := translator{passage: &passage{survey: s, out: true}, Passing: p}
	found := keep.Translations{Others: t.others()}
	if found.Sources, err = conntrack.Sources(p.From, p.To); err != nil {
		return keep.Translations{}, failed("read the tracked connections", err)
	}
	return found, ctx.Err() // a socket that has no time left reads no rules
}

// translator looks for the NAT rules that take a packet on its way out.
type translator struct {
	*passage
	keep.Passing
	old bool // nmgre's chain has not its place yet: an older nmgre has made it
}

// others returns the rules that give the packet another source. It ends with the first rule that
// surely decides.
func (t *translator) others() (list []keep.OuterRewrite) {
	chains := t.postrouting()
	own := slices.IndexFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == tableName })
	t.old = own >= 0 && priorityOf(chains[own]) != snatPriority
	for i, base := range chains {
		if i == own {
			continue
		}
		behind := own >= 0 && i > own
		if behind && priorityOf(base) > priorityOf(chains[own]) {
			return list
		}
		other, decides, same := t.takes(base)
		if other != nil && !same {
			other.Perhaps = other.Perhaps || behind
			list = append(list, *other)
		}
		if decides && !behind {
			return list
		}
	}
	return list
}

// postrouting returns the NAT chains of the hook, nmgre's included, in the order in which packets
// pass them: of those with one priority the kernel puts the later one in front of the others.
func (t *translator) postrouting() (list []*nftables.Chain) {
	families := []nftables.TableFamily{nftables.TableFamilyIPv4, nftables.TableFamilyINet}
	if t.From.Is6() {
		families[0] = nftables.TableFamilyIPv6
	}
	for _, c := range slices.Backward(t.chains) {
		if c.Table != nil && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookPostrouting && c.Type == nftables.ChainTypeNAT &&
			slices.Contains(families, c.Table.Family) && !t.isDormant(c.Table) {
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b *nftables.Chain) int { return cmp.Compare(priorityOf(a), priorityOf(b)) })
	return list
}

// forwardable are the protocols of which most forwarded packets are.
var forwardable = []struct {
	number byte
	name   string
}{{unix.IPPROTO_TCP, "TCP"}, {unix.IPPROTO_UDP, "UDP"}, {unix.IPPROTO_ICMP, "ICMP"}, {unix.IPPROTO_ICMPV6, "ICMPv6"}}

// takes returns the NAT rule of a chain that takes the packet, or nil. decides says that it surely
// does, and same that the packet gets the source that it is to get. A rule that surely takes
// forwarded packets of one protocol takes them, and does not decide about others.
func (t *translator) takes(base *nftables.Chain) (other *keep.OuterRewrite, decides, same bool) {
	if t.Echo {
		return t.takesOf(base, echoOf(t.From))
	}
	other, decides, same = t.takesOf(base, 0)
	for _, p := range forwardable {
		if other == nil || !other.Perhaps || same {
			break
		}
		if of, sure, right := t.takesOf(base, p.number); sure && !right {
			of.What += " (" + p.name + ")"
			return of, false, false
		}
	}
	return other, decides, same
}

// echoOf returns the protocol of an echo request from an address.
func echoOf(from netip.Addr) byte {
	if from.Is6() {
		return unix.IPPROTO_ICMPV6
	}
	return unix.IPPROTO_ICMP
}

// takesOf is takes for a packet of an IP protocol; 0 if that is not known.
func (t *translator) takesOf(base *nftables.Chain, protocol byte) (other *keep.OuterRewrite, decides, same bool) {
	at, o := station{hook{name: "postrouting", out: true}, base}, newPacket(t.From, t.To, t.From.Is4())
	o.out, o.transit, o.marked, o.protocol = true, t.In != "", true, protocol
	if protocol != 0 && t.From.Is4() {
		o.put(9, protocol)
	}
	w := &walk{packet: packet{t.In, t.Out, t.indexes[t.In], t.indexes[t.Out], o.family}, outer: o}
	fate := t.survey.run(base, w)
	b, rule, sure := w.nat, w.by, fate == accepted && w.nat != nil && w.guess == nil && !w.perhaps
	if w.guess != nil {
		b, rule = w.guess, w.guess.by
	}
	if b == nil || fate != accepted && w.guess == nil || !b.source {
		return nil, false, false
	}
	b.resolve(t.Out, t.To)
	r := t.ruling(at, w, rule)
	r.Perhaps = !sure
	to := b.min
	if b.min != b.max {
		to = netip.Addr{}
	}
	snat := firewalls.SNAT{Passing: t.Passing}
	r.What = snat.Taken(base, r, b.masquerade, to)
	if r.Hint = snat.Exempting(base, r); t.old && priorityOf(base) > snatPriority { // nmgre moves its chain
		r.Hint = "sudo nmgre up " + fault.Operand(t.Rule.Dev)
	}
	return &keep.OuterRewrite{Ruling: r, Out: true, To: to}, sure, to.IsValid() && to == t.wanted()
}

// wanted returns the source that nmgre's rule gives; the zero Addr if it is not known.
func (t *translator) wanted() netip.Addr {
	own := &binding{source: true, masquerade: true}
	if source := t.Rule.SNAT.Source; source.IsValid() {
		return source
	}
	own.resolve(t.Out, t.To)
	return own.min
}
