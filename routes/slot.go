package routes

import (
	"net/netip"
	"slices"
)

// Slot is the part of a route by which the kernel tells routes apart: it holds one route in each.
// It has no pointer, so that very many are compared fast.
type Slot struct {
	Metric    int64 // -1 for the default of NetworkManager or the kernel
	table     uint32
	dst, from PrefixKey
	TOS       uint8
}

// PrefixKey is a [netip.Prefix] without a zone, as a key that is plain bytes.
type PrefixKey struct {
	addr   [16]byte
	family uint8 // 4, 6, or 0 for no prefix
	bits   uint8
}

// KeyOf returns the key of a prefix. Prefixes have the same key if they are the same.
func KeyOf(p netip.Prefix) PrefixKey {
	if !p.IsValid() {
		return PrefixKey{}
	}
	k := PrefixKey{p.Addr().As16(), 6, uint8(p.Bits())} //nolint:gosec // at most 128
	if p.Addr().Is4() {
		k.family = 4
	}
	return k
}

// Slot returns the route's slot.
func (r *Route) Slot() Slot {
	s := Slot{-1, r.TableOrMain(), KeyOf(r.Dst), KeyOf(r.From), r.TOS}
	if r.Metric != nil {
		s.Metric = int64(*r.Metric)
	}
	return s
}

// Equal reports whether the two are the same in every word that [Route.String] writes. A table that
// is named is the same as the default one, and a metric of 0 the same as none.
func (r *Route) Equal(o *Route) bool {
	return r.Type == o.Type && r.Dst == o.Dst && r.From == o.From && r.TOS == o.TOS && r.Via == o.Via && r.Src == o.Src && r.TableOrMain() == o.TableOrMain() &&
		r.OnLink == o.OnLink && r.MTU == o.MTU && r.MTULock == o.MTULock && r.Realms == o.Realms && r.Expires == o.Expires && r.Pref == o.Pref &&
		r.NexthopID == o.NexthopID && equal(r.Metric, o.Metric) && equal(r.Scope, o.Scope) && equal(r.TTLPropagate, o.TTLPropagate) &&
		r.Metrics.equal(o.Metrics) && r.Encap.equal(o.Encap) && slices.EqualFunc(r.Nexthops, o.Nexthops, Nexthop.equal)
}

func (n Nexthop) equal(o Nexthop) bool {
	return n.Via == o.Via && n.Dev == o.Dev && n.Weight == o.Weight && n.OnLink == o.OnLink && n.Realms == o.Realms && n.Encap.equal(o.Encap)
}

func (m *Metrics) equal(o *Metrics) bool {
	if m == o {
		return true
	}
	var none Metrics
	if m == nil {
		m = &none
	}
	if o == nil {
		o = &none
	}
	return m.Values == o.Values && m.Lock == o.Lock && m.CongCtl == o.CongCtl
}

func (e *Encap) equal(o *Encap) bool {
	if e == nil || o == nil {
		return e == o
	}
	return e.Type == o.Type && equal(e.ID, o.ID) && e.Dst == o.Dst && e.Src == o.Src && equal(e.TOS, o.TOS) && equal(e.TTL, o.TTL) &&
		e.Key == o.Key && e.Csum == o.Csum && e.Seq == o.Seq && slices.Equal(e.Labels, o.Labels) && e.Mode == o.Mode &&
		slices.Equal(e.Segments, o.Segments) && e.HMAC == o.HMAC
}

// equal reports whether *a and *b are equal, or both pointers nil.
func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// EqualLists reports whether the lists have the same routes, by [Route.Equal], in the same order.
func EqualLists(a, b []Route) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true // very long lists are shared rather than copied
	}
	for i := range a {
		if !a[i].Equal(&b[i]) {
			return false
		}
	}
	return true
}

// Matches reports whether o is one of the routes that r names when it is given to delete them. As
// for `ip route del`, a word that r does not have may be anything in o.
func (r Route) Matches(o Route) bool {
	return r.Dst == o.Dst && r.From == o.From && r.TOS == o.TOS && r.TableOrMain() == o.TableOrMain() &&
		(r.Type == TypeUnicast || r.Type == o.Type) &&
		(r.Metric == nil || o.Metric != nil && *r.Metric == *o.Metric) &&
		(!r.Via.IsValid() || r.Via == o.Via)
}
