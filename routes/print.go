package routes

import (
	"net/netip"
	"strconv"
)

// String returns the route as a SPEC in its canonical form. [Parse] reads it back as the same
// route, and it means the same to `ip route`.
func (r Route) String() string { return string(r.AppendSpec(make([]byte, 0, 128), "")) }

// AppendText appends the route's SPEC to b. It never fails.
func (r Route) AppendText(b []byte) ([]byte, error) { return r.AppendSpec(b, ""), nil }

// MarshalText returns the route's SPEC, by which it stands in JSON.
func (r Route) MarshalText() ([]byte, error) { return r.AppendSpec(nil, ""), nil }

// UnmarshalText reads a SPEC, as [Parse] does.
func (r *Route) UnmarshalText(text []byte) (err error) {
	*r, err = Parse(string(text))
	return err
}

// AppendSpec appends the route's SPEC to b. Unless dev is empty, it is added as the device of the
// route and of each nexthop that names none, as `ip route` needs it. An encap is the last of a
// route's own attributes, since other attributes have some of its words. Only the device stands
// after it, since `ip` wants another word there.
func (r *Route) AppendSpec(b []byte, dev string) []byte {
	if r.Type != TypeUnicast {
		b = append(append(b, r.Type.String()...), ' ')
	}
	b = r.appendDst(b)
	own := dev
	if !r.Type.HasDevice() || len(r.Nexthops) > 0 || r.NexthopID != 0 {
		own = ""
	}
	if r.Encap == nil {
		b = appendWord(b, "dev", own)
	}
	if r.From.IsValid() {
		b = appendPrefix(append(b, " from "...), r.From)
	}
	if r.TOS != 0 {
		b = appendTOS(b, "tos", r.TOS)
	}
	b = appendNumber(b, "nhid", r.NexthopID)
	b = appendVia(b, r.Via, r.Dst)
	b = appendAddr(b, "src", r.Src)
	if r.Metric != nil {
		b = strconv.AppendUint(append(b, " metric "...), uint64(*r.Metric), 10)
	}
	if r.Table != r.DefaultTable() {
		b = appendNumber(b, "table", r.Table)
	}
	if r.Scope != nil {
		b = appendWord(b, "scope", r.Scope.String())
	}
	b = r.appendRest(b)
	if r.Encap != nil {
		b = appendWord(r.Encap.appendText(b), "dev", own)
	}
	for i := range r.Nexthops {
		b = r.Nexthops[i].appendText(append(b, ' '), r.Dst, dev)
	}
	return b
}

func (r *Route) appendRest(b []byte) []byte {
	if r.MTU != 0 {
		b = appendNumber(b, lockable("mtu", r.MTULock), r.MTU)
	}
	b = r.Metrics.appendText(b)
	b = appendFlag(b, "onlink", r.OnLink)
	b = appendRealms(b, r.Realms)
	b = appendNumber(b, "expires", r.Expires)
	if r.Pref != 0 {
		b = appendWord(b, "pref", r.Pref.String())
	}
	if r.TTLPropagate != nil {
		b = appendWord(b, "ttl-propagate", map[bool]string{true: "enabled", false: "disabled"}[*r.TTLPropagate])
	}
	return b
}

// appendDst writes "default" only if the rest of the route tells its family to [Parse].
func (r *Route) appendDst(b []byte) []byte {
	if r.Dst.Bits() == 0 && r.tellsFamily() {
		return append(b, "default"...)
	}
	return appendPrefix(b, r.Dst)
}

// tellsFamily reports whether all addresses of the route are of the destination's family. An IPv6
// route must have one, an IPv4 route need not.
func (r *Route) tellsFamily() bool {
	found := r.Dst.Addr().Is4()
	same := true
	see := func(a netip.Addr) {
		if a.IsValid() {
			found, same = true, same && a.Is4() == r.Dst.Addr().Is4()
		}
	}
	see(r.From.Addr())
	see(r.Via)
	see(r.Src)
	for i := range r.Nexthops {
		see(r.Nexthops[i].Via)
	}
	return found && same
}

// String returns the nexthop as in the SPEC of a route of its gateway's family.
func (n Nexthop) String() string {
	return string(n.appendText(nil, netip.PrefixFrom(n.Via, 0), ""))
}

func (n *Nexthop) appendText(b []byte, dst netip.Prefix, dev string) []byte {
	b = appendVia(append(b, "nexthop"...), n.Via, dst)
	if n.Encap != nil {
		b = n.Encap.appendText(b)
	}
	if n.Dev != "" {
		dev = n.Dev
	}
	b = appendWord(b, "dev", dev)
	b = appendNumber(b, "weight", uint32(n.Weight))
	b = appendFlag(b, "onlink", n.OnLink)
	return appendRealms(b, n.Realms)
}

// String returns iproute2's word for the preference.
func (p Pref) String() string {
	for name, pref := range prefNames {
		if pref == p {
			return name
		}
	}
	return strconv.Itoa(int(p) - 1)
}

// String returns iproute2's word for the scope, or its number.
func (s Scope) String() string {
	for name, scope := range scopeNames {
		if scope == uint32(s) {
			return name
		}
	}
	return strconv.Itoa(int(s))
}

// appendText appends the metrics in a SPEC's form. m may be nil.
func (m *Metrics) appendText(b []byte) []byte {
	if m == nil {
		return b
	}
	for i := range metricWords {
		w := &metricWords[i]
		if value, ok := m.Get(w.metric); ok && value != 0 {
			b = w.appendText(b, value, w.mayLock && m.Locked(w.metric))
		}
	}
	if mask, ok := m.Get(MetricFeatures); ok && mask != 0 {
		b = append(b, " features"...)
		for _, f := range features {
			b = appendFlag(b, f.name, mask&f.bit != 0)
		}
	}
	return appendWord(b, lockable("congctl", m.Locked(MetricCongCtl)), m.CongCtl)
}

// appendText appends a metric with its value. A time of whole milliseconds is written with the
// unit.
func (w *metricWord) appendText(b []byte, value uint32, lock bool) []byte {
	word := lockable(w.name(), lock)
	if w.units == 0 || value%w.units != 0 {
		return appendNumber(b, word, value)
	}
	return append(appendNumber(b, word, value/w.units), "ms"...)
}

func lockable(word string, lock bool) string {
	if lock {
		return word + " lock"
	}
	return word
}

// appendPrefix appends a network, without the length if it is a host.
func appendPrefix(b []byte, p netip.Prefix) []byte {
	if p.IsSingleIP() {
		return p.Addr().AppendTo(b)
	}
	return p.AppendTo(b)
}

// appendVia appends a gateway, with its family where it is not the destination's.
func appendVia(b []byte, via netip.Addr, dst netip.Prefix) []byte {
	word := "via"
	if via.IsValid() && via.Is4() != dst.Addr().Is4() {
		word = "via inet6"
		if via.Is4() {
			word = "via inet"
		}
	}
	return appendAddr(b, word, via)
}

func appendAddr(b []byte, word string, a netip.Addr) []byte {
	if !a.IsValid() {
		return b
	}
	return a.AppendTo(append(append(append(b, ' '), word...), ' '))
}

// appendNumber appends a word and its number, unless the number is 0.
func appendNumber(b []byte, word string, n uint32) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendUint(append(append(append(b, ' '), word...), ' '), uint64(n), 10)
}

// appendWord appends a word and its value, unless the value is empty.
func appendWord(b []byte, word, value string) []byte {
	if value == "" {
		return b
	}
	return append(append(append(append(b, ' '), word...), ' '), value...)
}

func appendFlag(b []byte, word string, set bool) []byte {
	if !set {
		return b
	}
	return append(append(b, ' '), word...)
}

// appendTOS appends a word and a TOS byte as iproute2 shows it.
func appendTOS(b []byte, word string, tos uint8) []byte {
	b = append(append(append(b, ' '), word...), " 0x"...)
	if tos < 0x10 {
		b = append(b, '0')
	}
	return strconv.AppendUint(b, uint64(tos), 16)
}

// appendRealms appends realms in a form that iproute2 reads too: it takes realms above 255 only as
// one number.
func appendRealms(b []byte, realms Realms) []byte {
	from, to := uint32(realms>>16), uint32(realms&0xffff)
	switch {
	case from == 0:
		return appendNumber(b, "realm", to)
	case from > 255 || to > 255:
		return strconv.AppendUint(append(b, " realms 0x"...), uint64(realms), 16)
	}
	return strconv.AppendUint(append(appendNumber(b, "realms", from), '/'), uint64(to), 10)
}
