package rule

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
)

// MaxSpec bounds a rule SPEC, in bytes.
const MaxSpec = 1024

// Parse reads a rule SPEC: the words of `ip rule`, such as "from 10.0.0.2 table 100", with the
// meaning that iproute2 gives them. It takes synonyms (lookup, dev, pref, order, dsfield) and words
// that are shortened and still clear. It knows the names that every host has; [ParseWith] takes
// those of one host.
//
// However a rule is written, the result is the same: a network is masked, and a rule without an
// action looks up the table main. A rule is of the family of its addresses, otherwise of IPv4:
// "from ::/0" makes it one of IPv6.
//
// Parse refuses the words that nmgre decides itself (protocol), and those that it does not have
// (goto, nop, realms, l3mdev, tun_id, nat). Errors are [fault.ErrInvalid] for the field "rule".
// They name the word that is wrong, with a hint that shows the right form.
func Parse(spec string) (Rule, error) { return ParseWith(routes.Names{}, spec) }

// ParseWith is [Parse] with the names of a host.
func ParseWith(names routes.Names, spec string) (Rule, error) {
	if len(spec) > MaxSpec {
		return Rule{}, fault.Invalid("rule", "write one rule at a time", "the rule is longer than %d bytes", MaxSpec)
	}
	p := parser{names: names, words: wordsOf(spec), seen: make([]string, 0, 8)}
	for p.at < len(p.words) {
		if err := p.attribute(p.next()); err != nil {
			return Rule{}, err
		}
	}
	if len(p.words) == 0 {
		return Rule{}, fault.Invalid("rule", ruleHint, "word 1: it ends where a condition should be")
	}
	if err := p.settle(); err != nil {
		return Rule{}, err
	}
	return p.rule, nil
}

// MustParse reads a SPEC that is known to be right, such as a test's; it panics on any other.
func MustParse(spec string) Rule {
	r, err := Parse(spec)
	if err != nil {
		panic(err)
	}
	return r
}

const ruleHint = "a rule is written as for `ip rule`: from 10.0.0.2 table 100 [to NETWORK] [iif DEV] [fwmark N/MASK] [priority N]"

// wordsOf parts the words of a SPEC, as a shell does.
func wordsOf(spec string) []string {
	return strings.FieldsFunc(spec, func(c rune) bool { return c < 128 && routes.IsSpace(byte(c)) })
}

// parser reads one SPEC.
type parser struct {
	names routes.Names
	words []string
	at    int      // how many words are read
	seen  []string // the names of the fields that are set
	rule  Rule
	// family is the family of the addresses so far, in bits; 0 while there are none
	family int
}

// next takes the next word, which is empty at the end.
func (p *parser) next() string {
	p.at++
	if p.at > len(p.words) {
		return ""
	}
	return p.words[p.at-1]
}

// bad returns an error about the word that was read last.
func (p *parser) bad(hint, format string, args ...any) error {
	return fault.Invalid("rule", hint, format, args...)
}

// value takes the word after a word.
func (p *parser) value(after, expected string) (string, error) {
	word := p.next()
	if word == "" {
		return "", p.bad(ruleHint, "%s after %s is missing", expected, after)
	}
	return word, nil
}

// impossible returns the error about a value.
func (p *parser) impossible(word, after, hint string) error {
	return p.bad(hint, "\"%.80s\" after %s is not possible", fault.Printable(word), after)
}

// attribute reads the attribute that begins with word.
func (p *parser) attribute(word string) error {
	name := nameOf(word)
	if word == "type" { // iproute2 takes it before an action
		action, err := p.value("type", "an action")
		if err != nil {
			return err
		}
		if name = nameOf(action); name != "action" && name != "unicast" {
			return p.impossible(action, "type", "the actions are lookup TABLE, blackhole, unreachable and prohibit")
		}
		word = action
	}
	read := readers[name]
	if read == nil {
		return p.strange(name, word)
	}
	if slices.Contains(p.seen, name) {
		return p.bad("give it once", "%s is there twice", fault.Printable(word))
	}
	p.seen = append(p.seen, name)
	return read(p, word)
}

// strange returns the error about a word, with its whole name, that has no meaning in its place.
func (p *parser) strange(name, word string) error {
	if why := refusedWords()[name]; why != "" {
		return p.bad(why, "\"%s\" does not belong here", fault.Printable(word))
	}
	if _, network := routes.Network(word); network {
		return p.bad("write from "+word+", or to "+word, "\"%.80s\" stands alone", fault.Printable(word))
	}
	return p.bad(fault.DidYouMean(fault.Nearest(word, slices.Sorted(maps.Keys(synonyms()))), ruleHint), "\"%.80s\" is not known", fault.Printable(word))
}

// settle fills in the defaults, and refuses fields that make no sense together.
func (p *parser) settle() error {
	r := &p.rule
	r.IPv6 = p.family == 128
	lookup := !slices.Contains(p.seen, "action")
	if lookup && r.Table == 0 {
		r.Table = routes.MainTable
	}
	width := 32
	if r.IPv6 {
		width = 128
	}
	switch {
	case !lookup && r.Table != 0:
		return fault.Invalid("rule", "write either a table, or "+r.Action.String(), "a rule that looks up a table and is %s", r.Action)
	case !lookup && (r.SuppressLength != 0 || r.SuppressGroup != 0):
		return fault.Invalid("rule", "leave out the suppress_ words, or name a table", "%s looks up no routes that could be suppressed", r.Action)
	case int(r.SuppressLength) > width+1:
		return fault.Invalid("rule", fmt.Sprintf("it takes 0 to %d for this family", width), "suppress_prefixlength %d is longer than an address", r.SuppressLength-1)
	case !r.IPv6 && r.TOS&^MaxTOS4 != 0:
		return fault.Invalid("rule", "it takes the bits 0x1c: 0x04 to 0x1c; for other packets set a mark, and write fwmark", "tos %#02x is more than the kernel's rules of IPv4 can compare", r.TOS)
	case r.Not && !r.Conditions():
		return fault.Invalid("rule", "name the packets that it is not for: not from 10.0.0.2", "\"not\" without a condition fits no packet")
	}
	return nil
}

// MaxTOS4 has the bits of a TOS that rules of IPv4 compare (IPTOS_TOS_MASK without those of ECN).
const MaxTOS4 = 0x1c

// prefix reads a network after from or to. For all addresses it returns the zero Prefix.
func (p *parser) prefix(after string) (netip.Prefix, error) {
	word, err := p.value(after, "a network")
	if err != nil || word == "all" || word == "any" || word == "default" {
		return netip.Prefix{}, err
	}
	n, ok := routes.Network(word)
	if !ok {
		return n, p.bad("write it as 10.0.0.2, 10.10.0.0/16, 2001:db8::/32 or all", "\"%.80s\" after %s is no network", fault.Printable(word), after)
	}
	if p.family != 0 && p.family != n.Addr().BitLen() {
		return n, p.bad("from and to are of one family; write a rule for each", "%s is of another family than the address before it", n)
	}
	p.family = n.Addr().BitLen()
	if n.Bits() == 0 {
		return netip.Prefix{}, nil
	}
	return n.Masked(), nil
}
