package routes

import (
	"net/netip"
	"slices"

	"nmgre/routes/fault"
)

// MaxSpec bounds a route SPEC, in bytes: a multipath route over hundreds of tunnels still fits.
const MaxSpec = 16 << 10

// Parse reads a route SPEC: the words of `ip route` without `dev`, such as "10.10.2.0/24 via
// 172.16.0.2 metric 50", with the meaning that iproute2's iproute.c gives them. It takes synonyms
// (priority, realm, dsfield) and words that are shortened and still clear; numbers as iproute2 does
// (0x10 is 16, 010 is 8); networks such as 10.1/16 and 10.1.0.0/255.255.0.0; and times such as
// 300ms, 1.5s, or a number in the kernel's unit. It knows the names that every host has;
// [Names.Parse] knows those of one host.
//
// However a route is written, the result is the same: the default table and scope, a TOS, realm or
// metric of 0, and a source of any are absent, since they make no difference to the kernel.
//
// Parse refuses the words that nmgre decides itself (dev, proto); those that it does not have (as,
// vrf, and other encaps than ip, ip6, mpls and seg6); and routes that make no sense or that the
// kernel would refuse on every host. Errors are [fault.ErrInvalid] for the field "route". They name
// the word that is wrong, with a hint that shows the right form.
func Parse(spec string) (Route, error) {
	return Names{}.Parse(spec)
}

// MustParse reads a SPEC that is known to be right, such as a test's; it panics on any other.
func MustParse(spec string) Route {
	r, err := Parse(spec)
	if err != nil {
		panic(err)
	}
	return r
}

// Parse is [Parse] with the names of a host.
func (n Names) Parse(spec string) (Route, error) {
	p := Parser{Names: n}
	if err := p.Read(spec); err != nil {
		return Route{}, err
	}
	return p.Route, nil
}

// Parser reads one SPEC after another. The zero value is ready for use.
type Parser struct {
	Names Names // the names of the host
	spec  string
	rest  int // where in spec the words begin that are not read yet
	at    int // how many words are read

	Route    Route               // the result of Read
	family   int                 // of the addresses so far, in bits; 0 while there are none
	hasDst   bool                // the destination is read
	everyDst bool                // the destination is everything, of a family that the rest will tell
	given    [maxRouteWords]bool // the words of routeWords in the SPEC
}

const routeHint = "a route is written as for `ip route`: 10.10.2.0/24 [via ADDRESS] [src ADDRESS] [metric N] [table N] [mtu [lock] N] [onlink]"

// Read reads a SPEC into p.Route, as [Parse] does. p.Route shares no memory with the SPEC.
func (p *Parser) Read(spec string) error {
	if len(spec) > MaxSpec {
		return fault.Invalid("route", "write one route at a time", "the route is longer than %d bytes", MaxSpec)
	}
	*p = Parser{Names: p.Names, spec: spec}
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
	if len(spec) > MaxSpec/2 && len(p.Route.String()) > MaxSpec { // Read could not read that again
		return fault.Invalid("route", "write fewer nexthops", "the route is longer than %d bytes", MaxSpec)
	}
	return nil
}

// attribute reads the destination, or the attribute that begins with word.
func (p *Parser) attribute(word string) error {
	if word == "to" {
		return p.to()
	}
	i, known := findRouteWord(word)
	if !known {
		return p.destination(word)
	}
	if p.given[i] {
		return p.bad("give it once", "%s is there twice", fault.Printable(word))
	}
	p.given[i] = true
	return routeWords[i].read(p, word)
}

// to reads the destination after the word "to". A type may stand between the two.
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

// dstText returns the destination for a hint.
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
		return p.bad("write only the words that come after ip route add", "\"%s\" is no part of a route", word)
	}
	p.Route.Dst, err = p.prefix(word, "destination")
	p.hasDst, p.everyDst = true, !p.Route.Dst.IsValid()
	return err
}

// proposed are the words that are proposed in place of an unknown one.
var proposed = []string{"via", "src", "metric", "table", "mtu", "onlink", "tos", "scope", "realms", "from", "expires", "pref", "advmss", "rtt", "window", "hoplimit", "initcwnd", "congctl", "encap",
	"nexthop", "nhid", "blackhole", "unreachable", "prohibit", "throw", "local", "broadcast", "multicast", "default"}

// strange returns the error about a word that has no meaning in its place.
func (p *Parser) strange(word string) error {
	if _, network := parsePrefix(word); network || isEverything(word) {
		return p.bad("write one route at a time", "%.80s is a second destination", word)
	}
	return p.bad(fault.DidYouMean(fault.Nearest(word, proposed), routeHint), "\"%.80s\" is not known", fault.Printable(word))
}

// isCommand reports whether a word begins a command rather than a route.
func isCommand(word string) bool {
	return slices.Contains([]string{"ip", "sudo", "route", "add", "append", "change", "replace", "prepend", "del", "delete"}, word)
}

// settle makes the default table and scope absent, so that equal routes are equal.
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

// everything returns the destination of a default route.
func everything(ipv6 bool) netip.Prefix {
	if ipv6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// refused returns the first of the route's problems.
func (p *Parser) refused() error {
	for _, problem := range p.Route.check() {
		return fault.Invalid("route", problem.hint, "%s", problem.what)
	}
	return nil
}

// word takes the next word, which is empty at the end. Spaces part words as in a shell.
func (p *Parser) word() string {
	spec, start := p.spec, p.rest
	for start < len(spec) && IsSpace(spec[start]) {
		start++
	}
	end := start
	for end < len(spec) && (spec[end] > ' ' || !IsSpace(spec[end])) { // nearly all are above
		end++
	}
	p.rest = end
	if end > start {
		p.at++
	}
	return spec[start:end]
}

// IsSpace reports whether c parts the words of a SPEC.
func IsSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// peek returns the next word without taking it.
func (p *Parser) peek() string {
	rest, at := p.rest, p.at
	word := p.word()
	p.rest, p.at = rest, at
	return word
}

// accept takes the next word if it is word, and reports whether it was.
func (p *Parser) accept(word string) bool {
	if p.peek() != word {
		return false
	}
	p.word()
	return true
}

// next takes the next word. If there is none, its error names the expected thing, and the word
// before it unless after is empty.
func (p *Parser) next(expected, after string) (string, error) {
	word := p.word()
	if word != "" {
		return word, nil
	}
	if after != "" {
		expected += " after " + after
	}
	return "", p.ends(expected)
}

// ends returns the error about a SPEC that ends too early.
func (p *Parser) ends(expected string) error {
	return fault.Invalid("route", routeHint, "%s is missing", expected)
}

// bad returns an error about the word that was read last.
func (p *Parser) bad(hint, format string, args ...any) error {
	return fault.Invalid("route", hint, format, args...)
}
