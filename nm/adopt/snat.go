package adopt

import (
	"cmp"
	"net/netip"
	"slices"

	"nmgre/routes/fault"
	"nmgre/routes/keep"
	"nmgre/routes/kernel"
)

// candidate is a NAT rule about packets of the tunnel, and nmgre's SNAT that is for them.
type candidate struct {
	at   int // its index
	rule kernel.NATRule
	snat keep.SNAT
	why  string // why nmgre's does not do the same; empty if it does
}

// nat reads the rules that give packets of the tunnel another source.
func (r *reader) nat() {
	if r.b.NATErr != nil {
		r.part(Stays, "the rules could not be read: "+fault.Printable(r.b.NATErr.Error()), "SNAT")
	}
	for _, c := range r.decided(r.f.Tunnel.InnerNetworks()) {
		r.natPart(c)
	}
}

// decided returns the rules about packets from the inner networks, with a reason where one stays.
func (r *reader) decided(inner []netip.Prefix) []candidate {
	list := r.candidates(inner)
	for range list { // a rule that stays may let others stay
		for i := range list {
			if c := &list[i]; c.why == "" {
				c.why = cmp.Or(onlySome(*c, list, inner), comesAfter(*c, list[:i]))
			}
		}
	}
	return list
}

// candidates returns the rules about packets of the tunnel.
func (r *reader) candidates(inner []netip.Prefix) (list []candidate) {
	for i, n := range r.b.NAT {
		if n.Unread {
			r.part(Stays, n.Odd, "SNAT of %s", fault.Printable(n.Where))
			continue
		}
		about := n.Out == r.b.Link.Name || n.In == r.b.Link.Name
		if about || slices.ContainsFunc(inner, func(p netip.Prefix) bool { return overlap(n.From, p) && n.From.IsValid() }) {
			s, why := r.snat(n, inner)
			list = append(list, candidate{i, n, s, why})
		}
	}
	return list
}

// onlySome says why c cannot become nmgre's SNAT, which is for the packets of every inner network:
// there is one that neither c nor a rule like it is for.
func onlySome(c candidate, list []candidate, inner []netip.Prefix) string {
	for _, p := range inner {
		if p.Addr().Is4() != c.rule.From.Addr().Is4() {
			continue
		}
		if !slices.ContainsFunc(list, func(o candidate) bool { return o.why == "" && o.snat == c.snat && isFor(o.rule.From, p) }) {
			return "it is for packets from " + c.rule.From.String() + ", and nmgre's SNAT is for those from " + p.String() + " as well"
		}
	}
	return ""
}

// isFor says whether a rule for packets from one network is for all of the far end in another.
// There is one far end in a network of two hosts.
func isFor(from, network netip.Prefix) bool {
	const hosts = 2 // bits
	return from == network || network.Contains(from.Addr()) && network.Addr().BitLen()-network.Bits() <= hosts
}

// comesAfter says why c is for fewer packets than nmgre's SNAT: a rule for the same packets comes
// before c now, and would come after it. It does if it stays, since nmgre's rules come first, or if
// its own SNAT is for as many destinations or more, since nmgre's narrowest rule comes first.
func comesAfter(c candidate, before []candidate) string {
	if slices.ContainsFunc(before, func(o candidate) bool {
		other := o.why != "" || o.snat != c.snat && o.snat.Dst.Bits() <= c.snat.Dst.Bits()
		return other && overlap(o.rule.From, c.rule.From) && overlap(o.rule.To, c.rule.To)
	}) {
		return "a rule before it is for the same packets"
	}
	return ""
}

// overlap says whether two networks have an address in common; the zero Prefix is every address.
func overlap(a, b netip.Prefix) bool { return !a.IsValid() || !b.IsValid() || a.Overlaps(b) }

func (r *reader) natPart(c candidate) {
	what := fault.Printable(c.rule.Where) + ": " + fault.Printable(c.rule.Text)
	if c.why != "" {
		r.part(Stays, c.why, "SNAT %s", what)
		return
	}
	if !slices.Contains(r.f.Tunnel.SNAT, c.snat) {
		r.f.Tunnel.SNAT = append(r.f.Tunnel.SNAT, c.snat)
	}
	r.f.NAT = append(r.f.NAT, c.at)
	r.part(Taken, "as --snat "+c.snat.String(), "SNAT %s", what)
}

// snat returns nmgre's SNAT that does the same as a rule, or why there is none.
func (r *reader) snat(n kernel.NATRule, inner []netip.Prefix) (s keep.SNAT, why string) {
	dev := r.b.Link.Name
	within := slices.ContainsFunc(inner, func(p netip.Prefix) bool {
		return n.From.IsValid() && p.Contains(n.From.Addr()) && n.From.Bits() >= p.Bits()
	})
	switch {
	case n.Odd != "":
		return s, "it has " + fault.Printable(n.Odd) + ", which nmgre's SNAT has not"
	case n.Out == dev && !n.NotOut:
		return s, "it is for packets into the tunnel, and nmgre's SNAT is for packets out of it"
	case !n.From.IsValid():
		return s, "it is for packets from everywhere, and nmgre's SNAT is for packets from the tunnel's inner networks"
	case !within:
		return s, "it is for packets from " + n.From.String() + ", which is more than an inner network of the tunnel"
	case !n.To.IsValid() && n.Out != "" && n.Out != dev:
		return s, "it is for packets to everywhere out of " + fault.Printable(n.Out) + ", and nmgre's SNAT is for a destination"
	}
	s = keep.SNAT{Dst: n.To, Source: n.Source}
	if !n.To.IsValid() {
		s.Dst = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if n.From.Addr().Is6() {
			s.Dst = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	}
	if _, err := keep.ParseSNAT(s.String()); err != nil {
		return s, fault.Printable(err.Error())
	}
	return s, ""
}
