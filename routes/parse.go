package routes

import (
	"fmt"
	"net/netip"
	"slices"

	"nmgre/routes/fault"
)

// MaxSpec bounds a route SPEC, in bytes: a multipath route over hundreds of tunnels still fits.
const MaxSpec = 16 << 10

// ParseRoute reads a route SPEC: `ip route`'s own words without `dev`, such as "10.10.2.0/24 via
// 172.16.0.2 metric 50", with the meaning that iproute2's iproute.c gives them. That goes for
// synonyms (priority, realm, dsfield) and words that are shortened and still clear, for numbers
// (0x10 is 16, and 010 is 8), networks (10.1/16, 10.1.0.0/255.255.0.0) and times (300ms, 1.5s, or a
// number in the kernel's unit). It knows the names that every host has; [RouteNames.Parse] knows
// more.
//
// Equal routes are equal Routes however they are written: the defaults of table and scope, a TOS,
// realm or metric of 0, and a source of any are absent, since they are the same to the kernel.
//
// Not read is what nmgre decides itself (dev, proto), and what it does not have: `as`, `vrf`, and
// the encaps other than ip, ip6, mpls and seg6. Refused is also what makes no sense, or what the
// kernel would refuse on every host. Errors are [ErrInvalid] for the field "route", and say which
// word they are about, and what would be right.
func Parse(spec string) (Route, error) {
	return Names{}.Parse(spec)
}

// MustParseRoute reads a SPEC that is known to be right, such as a test's; it panics on any other.
func MustParseRoute(spec string) Route {
	r, err := Parse(spec)
	if err != nil {
		panic(err)
	}
	return r
}

// Parse reads a route SPEC, as [ParseRoute] does, with the names that n has besides.
func (n Names) Parse(spec string) (Route, error) {
	p := Parser{Names: n}
	if err := p.Read(spec); err != nil {
		return Route{}, err
	}
	return p.Route, nil
}

// Parser walks through the words of one SPEC.
type Parser struct {
	Names Names
	spec  string
	rest  int // where in spec the words begin that are not read yet
	at    int // how many words are read

	Route    Route // that was read
	family   int   // of the addresses so far, in bits; 0 while there are none
	hasDst   bool  // the destination is read,
	everyDst bool  // and is everything, of a family that the rest will tell
	// where the words of routeWords stand, from 1; 0 for those that do not
	where  [maxRouteWords]uint16
	dstAt  uint16
	hopsAt []uint16 // where the nexthops begin
}

const routeHint = "a route is written as for `ip route`: 10.10.2.0/24 [via ADDRESS] [src ADDRESS] [metric N] [table N] [mtu [lock] N] [onlink]"

// Read reads a SPEC into p.r. The parser can be used again.
func (p *Parser) Read(spec string) error {
	if len(spec) > MaxSpec {
		return fault.Invalid("route", "write one route at a time", "the route is longer than %d bytes", MaxSpec)
	}
	*p = Parser{Names: p.Names, spec: spec, hopsAt: p.hopsAt[:0]}
	for word := p.word(); word != ""; word = p.word() {
		if err := p.attribute(word); err != nil {
			return err
		}
	}
	if !p.hasDst {
		return p.ends("a destination")
	}
	p.settle()
	if err := p.refused(); err != nil {
		return err
	}
	if len(spec) > MaxSpec/2 && len(p.Route.String()) > MaxSpec { // which nobody could read again
		return fault.Invalid("route", "write fewer nexthops", "the route is longer than %d bytes", MaxSpec)
	}
	return nil
}

// attribute reads what begins with a word: the destination, or an attribute with its value.
func (p *Parser) attribute(word string) error {
	if word == "to" {
		return p.to()
	}
	i, known := findRouteWord(word)
	if !known {
		return p.destination(word)
	}
	if p.where[i] != 0 {
		return p.bad("give it once", "%s is there twice", fault.Printable(word))
	}
	p.where[i] = uint16(p.at) //nolint:gosec // below maxSpec
	return routeWords[i].read(p, word)
}

// to reads the destination behind its own word. A type may stand between the two.
func (p *Parser) to() error {
	word, err := p.next("a destination", "")
	if err != nil {
		return err
	}
	if i, known := findRouteWord(word); known && i >= len(routeWords)-len(typeWords) {
		return p.attribute(word)
	}
	return p.destination(word)
}

// dstText is the destination in a hint.
func (p *Parser) dstText() string {
	if p.everyDst {
		return "default"
	}
	return p.Route.Dst.String()
}

// destination reads the destination itself.
func (p *Parser) destination(word string) (err error) {
	switch {
	case p.hasDst:
		return p.strange(word)
	case p.at == 1 && isCommand(word):
		return p.bad("write just what comes after ip route add", "\"%s\" is no part of a route", word)
	}
	p.Route.Dst, err = p.prefix(word, "destination")
	p.hasDst, p.everyDst = true, !p.Route.Dst.IsValid()
	p.dstAt = uint16(p.at) //nolint:gosec // below maxSpec
	return err
}

// strange is the error about a word that has no meaning where it is.
func (p *Parser) strange(word string) error {
	if _, network := parsePrefix(word); network || isEverything(word) {
		return p.bad("write one route at a time", "%.80s is a second destination", word)
	}
	return p.bad(routeHint, "\"%.80s\" is not known", fault.Printable(word))
}

// isCommand says whether a word begins a command rather than a route.
func isCommand(word string) bool {
	return slices.Contains([]string{"ip", "sudo", "route", "add", "append", "change", "replace", "prepend", "del", "delete"}, word)
}

// settle makes equal routes equal: what is the default is absent.
func (p *Parser) settle() {
	r := &p.Route
	if p.everyDst {
		r.Dst = everything(p.family == 128)
	}
	if r.Table == r.DefaultTable() {
		r.Table = 0
	}
	if r.Scope != nil && r.Dst.Addr().Is4() {
		given := *r.Scope
		if r.Scope = nil; r.ScopeOrDefault() != given {
			r.Scope = &given
		}
	}
}

// everything is the destination of a default route.
func everything(ipv6 bool) netip.Prefix {
	if ipv6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// refused is the first of the route's problems, with the place of the word that it is about.
func (p *Parser) refused() error {
	for _, problem := range p.Route.check() {
		return fault.Invalid("route", problem.hint, "word %d: %s", p.place(problem), problem.what)
	}
	return nil
}

// place returns where the word is that a problem is about.
func (p *Parser) place(problem routeProblem) uint16 {
	at := p.dstAt
	if problem.hop >= 0 && problem.hop < len(p.hopsAt) {
		at = p.hopsAt[problem.hop]
	} else if i, known := routeWordIndex[problem.word]; known && p.where[i] != 0 {
		at = p.where[i]
	}
	return at
}

// word takes the next word; it is empty at the end. Words are parted as a shell parts them.
func (p *Parser) word() string {
	spec, start := p.spec, p.rest
	for start < len(spec) && IsSpace(spec[start]) {
		start++
	}
	end := start
	for end < len(spec) && !IsSpace(spec[end]) {
		end++
	}
	p.rest = end
	if end > start {
		p.at++
	}
	return spec[start:end]
}

func IsSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// peek returns the next word without taking it.
func (p *Parser) peek() string {
	rest, at := p.rest, p.at
	word := p.word()
	p.rest, p.at = rest, at
	return word
}

// accept takes the next word if it is the one.
func (p *Parser) accept(word string) bool {
	if p.peek() != word {
		return false
	}
	p.word()
	return true
}

// next takes the next word; when there is none the error says what was expected, after which word
// if that is not empty.
func (p *Parser) next(what, after string) (string, error) {
	word := p.word()
	if word != "" {
		return word, nil
	}
	if after != "" {
		what += " after " + after
	}
	return "", p.ends(what)
}

// ends is the error about a word that is not there.
func (p *Parser) ends(what string) error {
	return fault.Invalid("route", routeHint, "word %d: it ends where %s should be", p.at+1, what)
}

// bad makes the error about the word that was read last.
func (p *Parser) bad(hint, format string, args ...any) error {
	return fault.Invalid("route", hint, "word %d: %s", p.at, fmt.Sprintf(format, args...))
}
