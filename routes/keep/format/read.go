// Package format is the text of root's file about a tunnel, which a person can read and edit: it is
// read as a whole, or without the routes and rules that do not matter, and written.
//
// Begin with [Parse] and [Write].
package format

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"nmgre/routes"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/ident"
	"nmgre/routes/keep"
	"nmgre/routes/list"
	"nmgre/routes/rule"
)

// maxKeptLines bounds a file. No list of routes comes near it.
const maxKeptLines = 2_000_000

// maxPolicy bounds the rules of a file. Their priorities are in the way of each other long before.
const maxPolicy = 20_000

// keptVersion is the version of the format, the first line of a file.
const keptVersion = "1"

// errManyBadLines ends the reading of a file that is not one of nmgre's.
var errManyBadLines = errors.New("more than 1000 lines of it cannot be read")

// Parse reads the text that [Write] wrote, and that a person may have edited. A line
// that it cannot read goes into Bad. It fails with [fault.ErrInvalid] for another kind of file, and
// for one of a later version.
func Parse(r io.Reader) (keep.Kept, error) {
	reader := &list.Reader{Unnumbered: true}
	defer reader.Close()
	p := keptParser{seen: make(map[string]bool), routes: reader}
	lines := newLines(r)
	if file, ok := r.(io.ReadSeeker); ok {
		n, rules, err := countLines(file, lines)
		if err != nil {
			return p.end(err)
		}
		reader.Expect(n)
		p.expectRules(rules)
	}
	return p.parse(lines)
}

// ParseKnown reads the text as [Parse] does, but returns no routes. has tells which of the
// routes of the list of have a line. No two of that list may be in one slot.
func ParseKnown(r io.Reader, of []routes.Route) (k keep.Kept, has []bool, err error) {
	marker := list.NewMarker(of)
	p := keptParser{seen: make(map[string]bool), routes: marker}
	k, err = p.parse(newLines(r))
	if marker.Lines() > 0 {
		k = k.Omitting(false)
	}
	return k, marker.Marks(), err
}

func newLines(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, routes.MaxSpec+64) }

// parse reads all lines.
func (p *keptParser) parse(lines *bufio.Reader) (keep.Kept, error) {
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		tooLong := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !tooLong && (err != io.EOF || len(line) == 0) { //nolint:errorlint // bufio returns it as it is
			return p.end(err)
		}
		if n > maxKeptLines {
			return keep.Kept{}, fault.Invalid("", "", "the file has more than %d lines", maxKeptLines)
		}
		if skipped, err := p.skip(line); err != nil {
			return keep.Kept{}, err
		} else if !tooLong && (skipped || p.plain(n, line)) {
			continue
		}
		if err := p.line(n, string(line), tooLong); err != nil {
			return keep.Kept{}, &fault.Error{Kind: fault.ErrInvalid, Err: err}
		}
		if tooLong {
			skipLine(lines)
		}
	}
}

// plain takes a line with a plain route or rule, as nearly all of a long file are. It makes no
// string of it. It reports false for any other line, and does nothing then.
func (p *keptParser) plain(n int, line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if text, isRoute := bytes.CutPrefix(line, []byte("route ")); isRoute {
		return p.seen["version"] && p.routes.AddPlain(n, text)
	}
	text, isRule := bytes.CutPrefix(line, []byte("rule "))
	if !isRule || !p.seen["version"] {
		return false
	}
	r, ok := rule.Plain(text)
	return ok && p.addRule(r) == nil
}

// skipLine reads the rest of a line that is longer than the buffer. An error that ends it is met
// again by the next read.
func skipLine(r *bufio.Reader) {
	for {
		if _, err := r.ReadSlice('\n'); !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// countLines returns how many lines are routes, list.MaxRoom at most, and how many are rules of the
// routing policy, maxPolicy at most. It goes back to the beginning of the file. A long list then
// need not be moved while it grows. A file that cannot go back, such as a pipe, is not read: there
// are none then.
func countLines(file io.ReadSeeker, lines *bufio.Reader) (n, rules int, err error) {
	begin, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, 0, nil
	}
	for n < list.MaxRoom {
		line, err := lines.ReadSlice('\n')
		switch {
		case bytes.HasPrefix(line, []byte("route ")):
			n++
		case bytes.HasPrefix(line, []byte("rule ")):
			rules = min(rules+1, maxPolicy)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			break
		}
	}
	_, err = file.Seek(begin, io.SeekStart)
	lines.Reset(file)
	return n, rules, err
}

// expectRules makes room for n rules of the routing policy.
func (p *keptParser) expectRules(n int) {
	if n > 0 {
		p.kept.Policy, p.places = make([]rule.Rule, 0, n), make(map[place]bool, n)
	}
}

// end returns the lines that were read, after the error that ended the reading.
func (p *keptParser) end(err error) (keep.Kept, error) {
	if err != io.EOF { //nolint:errorlint // bufio returns it as it is
		return keep.Kept{}, &fault.Error{Kind: fault.ErrInvalid, What: "the file cannot be read", Err: err}
	}
	if !p.seen["version"] {
		return keep.Kept{}, fault.Invalid("", "", "the file has no line \"version %s\"", keptVersion)
	}
	read, bad := p.routes.Finish()
	k := p.kept
	k.Routes, k.Bad = read.Routes, append(k.Bad, bad...)
	if len(k.Policy) == 0 {
		k.Policy = nil // the room was for lines that are wrong
	}
	slices.SortStableFunc(k.Bad, func(a, b list.BadLine) int { return cmp.Compare(a.Line, b.Line) })
	if len(k.Bad) > list.MaxBadLines {
		return keep.Kept{}, &fault.Error{Kind: fault.ErrInvalid, Err: errManyBadLines}
	}
	return k, nil
}

// keptParser reads a file line by line.
type keptParser struct {
	kept   keep.Kept
	seen   map[string]bool    // first words of lines that may stand once only
	places map[place]bool     // of the rules of the routing policy
	policy map[rule.Rule]bool // those rules, once two have one place
	// see [ParseBrief]; nil for a file that is read as a whole
	isDown func(dev string) bool
	omits  bool // routes or rules were skipped
	routes interface {
		Add(n int, text string)
		AddPlain(n int, text []byte) bool
		Finish() (list.List, []list.BadLine)
	}
}

// line reads the line with the number n. Its error is about the whole file; one about the line
// alone goes into Bad.
func (p *keptParser) line(n int, text string, tooLong bool) error {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return nil
	}
	word, rest := text, ""
	if at := strings.IndexAny(text, " \t"); at > 0 {
		word, rest = text[:at], strings.TrimSpace(text[at:])
	}
	if word == "version" && rest != keptVersion {
		return &fault.Error{What: fmt.Sprintf("line %d: version \"%.40s\" is another nmgre's", n, fault.Printable(rest)), Hint: "use the nmgre that wrote it"}
	}
	if !p.seen["version"] && word != "version" {
		return &fault.Error{What: fmt.Sprintf("line %d: it does not begin with \"version %s\"", n, keptVersion)}
	}
	var err error
	switch {
	case tooLong:
		err = fault.Invalid("", "write one route at a time", "it is longer than %d bytes", routes.MaxSpec)
	case word == "route":
		p.routes.Add(n, rest)
	default:
		err = p.subject(word, rest)
	}
	if err != nil {
		p.kept.Bad = append(p.kept.Bad, list.BadLine{Line: n, Err: err})
	}
	if len(p.kept.Bad) > list.MaxBadLines {
		return errManyBadLines
	}
	return nil
}

// subject reads the rest of a line whose first word is not route.
func (p *keptParser) subject(word, rest string) error {
	switch word {
	case "rule":
		return p.rule(rest)
	case "snat":
		return p.snat(rest)
	case "inner":
		return p.inner(rest)
	}
	if p.seen[word] {
		return fault.Invalid("", "remove one of them", "a second line \"%.40s\"", fault.Printable(word))
	}
	if err := p.single(word, rest); err != nil {
		return err
	}
	p.seen[word] = true
	return nil
}

// single reads a line that may stand once only.
func (p *keptParser) single(word, rest string) error {
	k := &p.kept
	switch word {
	case "version":
	case "uuid":
		if !ident.IsUUID(rest) {
			return fault.Invalid("", "it is the UUID of the profile", "\"%.80s\" is no UUID", fault.Printable(rest))
		}
		k.UUID = rest
	case "interface":
		if !routes.IsDevice(rest) {
			return badDevice(rest)
		}
		k.Name = rest
	case "remote":
		a, err := netip.ParseAddr(rest)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			return fault.Invalid("", "it is the far end's outer address", "\"%.80s\" is no address", fault.Printable(rest))
		}
		k.Remote = a
	case "follow":
		if !ident.IsHostName(rest) {
			return fault.Invalid("", "it is the name of the far end, such as gw.example.org", "\"%.80s\" is not the name of a host", fault.Printable(rest))
		}
		k.PeerName = rest
	case "forward":
		return p.forward(strings.Fields(rest))
	case "clamp-mss", "pin":
		if rest != "" {
			return fault.Invalid("", "the word stands alone", "\"%.80s\" after %s", fault.Printable(rest), word)
		}
		k.ClampMSS, k.Pin = k.ClampMSS || word == "clamp-mss", k.Pin || word == "pin"
	case "link":
		options, err := gre.ParseLinkOptions(rest)
		if err != nil {
			return err
		}
		k.Link = options
	default:
		return fault.Invalid("", "there are: version, uuid, interface, remote, follow, inner, snat, forward, clamp-mss, pin, link, rule, route", "\"%.40s\" is not known", fault.Printable(word))
	}
	return nil
}

// rule reads a rule of the routing policy. Its priority must be there: it is the rule's place.
func (p *keptParser) rule(rest string) error {
	r, err := rule.Parse(rest)
	if err != nil {
		return err
	}
	return p.addRule(r)
}

func (p *keptParser) addRule(r rule.Rule) error {
	switch {
	case !r.HasPriority:
		return fault.Invalid("rule", "write its place: priority 20000", "the rule %s has no priority", r)
	case p.hasRule(r):
		return fault.Invalid("rule", "remove one of them", "a second line for %s", r)
	case len(p.kept.Policy) == maxPolicy:
		return fault.Invalid("rule", "", "more than %d rules", maxPolicy)
	}
	if p.places == nil {
		p.places = make(map[place]bool)
	}
	p.places[place{r.IPv6, r.Priority}] = true
	if p.policy != nil {
		p.policy[r] = true
	}
	p.kept.Policy = append(p.kept.Policy, r)
	return nil
}

// place is where a rule stands among those of its family.
type place struct {
	ipv6     bool
	priority uint32
}

// hasRule reports whether the rule was read already. Whole rules are compared only from the first
// place on that two have: they are large, and each has a place of its own nearly always.
func (p *keptParser) hasRule(r rule.Rule) bool {
	if !p.places[place{r.IPv6, r.Priority}] {
		return false
	}
	if p.policy == nil {
		p.policy = make(map[rule.Rule]bool)
		for _, before := range p.kept.Policy {
			p.policy[before] = true
		}
	}
	return p.policy[r]
}

func (p *keptParser) snat(rest string) error {
	words := strings.Fields(rest)
	if len(words) != 2 {
		return fault.Invalid("snat", "write it as: snat 10.10.2.0/24 10.10.2.1, or masquerade for the address", "it has %d words", len(words))
	}
	s, err := keep.ReadSNAT(words[0], words[1])
	if err == nil && slices.ContainsFunc(p.kept.SNAT, func(o keep.SNAT) bool { return o.Dst == s.Dst }) {
		err = fault.Invalid("snat", "remove one of them", "a second line for %s", s.Dst)
	}
	if err == nil {
		p.kept.SNAT = append(p.kept.SNAT, s)
	}
	return err
}

func (p *keptParser) inner(rest string) error {
	n, err := netip.ParsePrefix(rest)
	if err != nil || n != n.Masked() || n.Addr().Is4In6() {
		return fault.Invalid("", "it is a network such as 172.16.0.0/30", "\"%.80s\" is no network", fault.Printable(rest))
	}
	if !slices.Contains(p.kept.Inner, n) {
		p.kept.Inner = append(p.kept.Inner, n)
	}
	return nil
}

func (p *keptParser) forward(devices []string) error {
	const most = 64
	if len(devices) == 0 || len(devices) > most {
		return fault.Invalid("forward", "name the tunnel's device and the LAN's", "it has %d devices", len(devices))
	}
	for _, dev := range devices {
		if !routes.IsDevice(dev) {
			return badDevice(dev)
		}
	}
	p.kept.Forward = devices
	return nil
}

func badDevice(name string) *fault.Error {
	return fault.Invalid("", "an interface's name has 1 to 15 letters, digits and signs", "\"%.80s\" is no interface's name", fault.Printable(name))
}
