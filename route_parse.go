package nmgre

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxSpec bounds a route SPEC, in bytes: a multipath route over hundreds of tunnels still fits.
const maxSpec = 16 << 10

// tableNames are the tables that every Linux host has by name.
var tableNames = map[string]uint32{"main": MainTable, "local": 255, "default": 253}

// ParseRoute reads a route SPEC: `ip route`'s own words without `dev`, such as "10.10.2.0/24 via 172.16.0.2 metric 50". It knows the
// words unicast, via, src, metric (priority, preference), table, mtu [lock], onlink and, for a multipath route, nexthop with via,
// dev, weight and onlink. Errors are [ErrInvalid] for the field "route", and say which word they are about.
func ParseRoute(spec string) (Route, error) {
	if len(spec) > maxSpec {
		return Route{}, invalid("route", "write one route at a time", "the route is longer than %d bytes", maxSpec)
	}
	p := routeParser{words: strings.Fields(spec)}
	r, err := p.parse()
	if err == nil {
		for _, problem := range r.problems() {
			return Route{}, problem
		}
		return r, nil
	}
	return Route{}, err
}

// routeParser walks through the words of one SPEC.
type routeParser struct {
	words []string
	at    int // index of the word that is read next
}

const routeHint = "a route is written as for `ip route`: 10.10.2.0/24 [via ADDRESS] [src ADDRESS] [metric N] [table N] [mtu [lock] N] [onlink]"

func (p *routeParser) parse() (r Route, err error) {
	if p.peek() == "unicast" {
		p.at++
	}
	dst, err := p.next("a destination")
	if err != nil {
		return r, err
	}
	isDefault := dst == "default"
	if !isDefault {
		if r.Dst, err = p.prefix(dst); err != nil {
			return r, err
		}
	}
	for p.at < len(p.words) {
		if err := p.attribute(&r); err != nil {
			return r, err
		}
	}
	if isDefault {
		r.Dst = defaultFor(r)
	}
	return r, nil
}

// defaultFor returns the default route's destination in the family of its gateways, IPv4 if there are none.
func defaultFor(r Route) netip.Prefix {
	family := r.Via
	for _, hop := range r.Nexthops {
		if !family.IsValid() {
			family = hop.Via
		}
	}
	if !family.IsValid() {
		family = r.Src
	}
	if family.Is6() {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// attribute reads one word with its value into r.
func (p *routeParser) attribute(r *Route) (err error) {
	switch word, _ := p.next("a word"); word {
	case "via":
		r.Via, err = p.addr(word)
	case "src":
		r.Src, err = p.addr(word)
	case "metric", "priority", "preference":
		var metric uint32
		metric, err = p.number(word, 0, 1<<32-1)
		r.Metric = &metric
	case "table":
		r.Table, err = p.table()
	case "mtu":
		err = p.mtu(r)
	case "onlink":
		r.OnLink = true
	case "nexthop":
		var hop Nexthop
		hop, err = p.nexthop()
		r.Nexthops = append(r.Nexthops, hop)
	case "dev", "oif":
		err = p.bad("leave it out: the route leads into the tunnel", "%.80q does not belong here", word)
	default:
		err = p.bad(routeHint, "\"%.80s\" is not known", Printable(word))
	}
	return err
}

func (p *routeParser) mtu(r *Route) (err error) {
	if p.peek() == "lock" {
		p.at++
		r.MTULock = true
	}
	r.MTU, err = p.number("mtu", minMTU4, 0xffff)
	return err
}

// table reads a table's number or name. The main table is 0 however it is named, so that equal routes are equal.
func (p *routeParser) table() (n uint32, err error) {
	n, named := tableNames[p.peek()]
	if named {
		p.at++
	} else {
		n, err = p.number("table", 1, 1<<32-1)
	}
	if n == MainTable {
		n = 0
	}
	return n, err
}

// nexthop reads the words after "nexthop", up to the next one or the end.
func (p *routeParser) nexthop() (hop Nexthop, err error) {
	for err == nil && p.at < len(p.words) && p.peek() != "nexthop" {
		switch word, _ := p.next("a word"); word {
		case "via":
			hop.Via, err = p.addr(word)
		case "dev", "oif":
			hop.Dev, err = p.next("an interface's name after " + word)
			if err == nil && (len(hop.Dev) > maxName || Printable(hop.Dev) != hop.Dev) {
				err = p.bad("an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", Printable(hop.Dev))
			}
		case "weight":
			var weight uint32
			weight, err = p.number(word, 1, 256)
			hop.Weight = uint16(weight) //nolint:gosec // 1 to 256
		case "onlink":
			hop.OnLink = true
		default:
			err = p.bad("write the nexthops last, each as: nexthop [via ADDRESS] [dev NAME] [weight N] [onlink]", "\"%.80s\" is not known in a nexthop", Printable(word))
		}
	}
	return hop, err
}

// prefix reads a destination; one without a length is a host.
func (p *routeParser) prefix(word string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(word); err == nil && a.Zone() == "" && !a.Is4In6() {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	dst, err := netip.ParsePrefix(word)
	if err != nil || dst.Addr().Is4In6() {
		return dst, p.bad("write the destination as 10.10.2.0/24, 2001:db8::/32 or default", "\"%.80s\" is no destination", Printable(word))
	}
	if masked := dst.Masked(); masked != dst {
		return dst, p.bad(fmt.Sprintf("the network is %s; a single host is %s", masked, dst.Addr()), "%s has bits behind its length", dst)
	}
	return dst, nil
}

func (p *routeParser) addr(after string) (netip.Addr, error) {
	word, err := p.next("an address after " + after)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := netip.ParseAddr(word)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return a, p.bad("write it as 172.16.0.2 or 2001:db8::2", "\"%.80s\" after %s is no address", Printable(word), after)
	}
	return a, nil
}

func (p *routeParser) number(after string, low, high uint32) (uint32, error) {
	word, err := p.next("a number after " + after)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(word, 10, 32)
	if err != nil || uint32(n) < low || uint32(n) > high {
		return 0, p.bad(fmt.Sprintf("%s takes %d to %d", after, low, high), "\"%.80s\" after %s is not possible", Printable(word), after)
	}
	return uint32(n), nil
}

// peek returns the next word, "" at the end.
func (p *routeParser) peek() string {
	if p.at < len(p.words) {
		return p.words[p.at]
	}
	return ""
}

// next takes the next word; what says what was expected when there is none.
func (p *routeParser) next(what string) (string, error) {
	if p.at == len(p.words) {
		return "", invalid("route", routeHint, "it ends where %s should be", what)
	}
	p.at++
	return p.words[p.at-1], nil
}

// bad makes the error about the word that was read last.
func (p *routeParser) bad(hint, format string, args ...any) error {
	return invalid("route", hint, "word %d: %s", p.at, fmt.Sprintf(format, args...))
}
