package nmgre

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// String returns the route as a SPEC in its canonical form, which [ParseRoute] reads back as the same route.
func (r Route) String() string {
	words := []string{r.dstText()}
	add := func(word, value string) { words = append(words, word, value) }
	if r.Via.IsValid() {
		add("via", r.Via.String())
	}
	if r.Src.IsValid() {
		add("src", r.Src.String())
	}
	if r.Metric != nil {
		add("metric", strconv.FormatUint(uint64(*r.Metric), 10))
	}
	if r.Table != 0 && r.Table != MainTable {
		add("table", strconv.FormatUint(uint64(r.Table), 10))
	}
	if r.MTU != 0 {
		word := "mtu"
		if r.MTULock {
			word = "mtu lock"
		}
		add(word, strconv.FormatUint(uint64(r.MTU), 10))
	}
	if r.OnLink {
		words = append(words, "onlink")
	}
	for _, hop := range r.Nexthops {
		words = append(words, hop.String())
	}
	return strings.Join(words, " ")
}

// dstText writes "default" only where the rest of the route tells the family, as the reader needs it.
func (r Route) dstText() string {
	if r.Dst.Bits() == 0 && defaultFor(r) == r.Dst {
		return "default"
	}
	if r.Dst.IsSingleIP() {
		return r.Dst.Addr().String()
	}
	return r.Dst.String()
}

// String returns the nexthop as it stands in a SPEC.
func (n Nexthop) String() string {
	words := []string{"nexthop"}
	if n.Via.IsValid() {
		words = append(words, "via", n.Via.String())
	}
	if n.Dev != "" {
		words = append(words, "dev", n.Dev)
	}
	if n.Weight != 0 {
		words = append(words, "weight", strconv.Itoa(int(n.Weight)))
	}
	if n.OnLink {
		words = append(words, "onlink")
	}
	return strings.Join(words, " ")
}

// MarshalText lets a route stand as its SPEC in JSON.
func (r Route) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (r *Route) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRoute(string(text))
	return err
}

// problems returns what is wrong with the route by itself.
func (r Route) problems() []*Error {
	if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() {
		return []*Error{invalid("route", routeHint, "the destination is missing, or has bits behind its length")}
	}
	var problems []*Error
	bad := func(hint, format string, args ...any) {
		problems = append(problems, invalid("route", hint, "%s: %s", r.Dst, fmt.Sprintf(format, args...)))
	}
	if r.Dst.Addr().IsMulticast() {
		bad("routes into a tunnel lead to hosts and networks", "a multicast destination")
	}
	for _, a := range append([]netip.Addr{r.Via, r.Src}, viasOf(r.Nexthops)...) {
		if a.IsValid() && a.Is4() != r.Dst.Addr().Is4() {
			bad("the destination, via and src are of one family", "%s is of another family", a)
		} else if a.IsValid() && (a.IsUnspecified() || a.IsMulticast()) {
			bad("give a host's address", "%s is no host", a)
		}
	}
	if r.OnLink && !r.Via.IsValid() {
		bad("onlink says that via is on the link: give a via, or leave it out", "onlink without via")
	}
	if r.MTULock && r.MTU == 0 {
		bad("write mtu lock N", "an mtu is locked but not given")
	}
	if r.Table == 255 {
		bad("use the main table, or one of your own", "table local is the kernel's own")
	}
	return append(problems, r.nexthopProblems()...)
}

func (r Route) nexthopProblems() []*Error {
	var problems []*Error
	bad := func(hint, what string) {
		problems = append(problems, invalid("route", hint, "%s: %s", r.Dst, what))
	}
	switch {
	case len(r.Nexthops) == 1:
		bad("write it without the word nexthop, or add another nexthop", "one nexthop is no multipath route")
	case len(r.Nexthops) > 0 && r.Via.IsValid():
		bad("write each gateway as: nexthop via ADDRESS", "via beside nexthop")
	}
	for _, hop := range r.Nexthops {
		if hop.OnLink && !hop.Via.IsValid() {
			bad("onlink says that via is on the link: give a via, or leave it out", "onlink without via in a nexthop")
		}
		if hop.Weight > 256 {
			bad("a weight is 1 to 256", "a weight out of range")
		}
	}
	return problems
}

func viasOf(hops []Nexthop) []netip.Addr {
	vias := make([]netip.Addr, len(hops))
	for i, hop := range hops {
		vias[i] = hop.Via
	}
	return vias
}

// sameSlot says whether the kernel would hold just one of the two: same destination, table and metric.
func (r Route) sameSlot(o Route) bool {
	return r.Dst == o.Dst && r.TableOrMain() == o.TableOrMain() &&
		(r.Metric == nil) == (o.Metric == nil) && (r.Metric == nil || *r.Metric == *o.Metric)
}
