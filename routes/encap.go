package routes

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"nmgre/routes/fault"
)

// Bounds of an encap, which are the kernel's.
const (
	maxLabel  = 1<<20 - 1
	nullLabel = 3 // "implicit null" means that there is no label, and is never sent
	maxLabels = 30
	// The length of a segment routing header is a byte: so many segments fit with an HMAC and,
	// inline, with the destination.
	maxSegments  = 124
	noEncapWords = "nmgre has the kinds ip, ip6, mpls and seg6"
)

// encap reads a lightweight tunnel: its kind, and all words of that kind that follow.
func (p *Parser) encap() (*Encap, error) {
	kind, err := p.next("the kind of encap", "")
	if err != nil {
		return nil, err
	}
	e := new(Encap)
	switch kind {
	case "ip":
		e.Type = EncapIP
		return e, p.encapIP(e, kind)
	case "ip6":
		e.Type = EncapIP6
		return e, p.encapIP(e, kind)
	case "mpls":
		e.Type = EncapMPLS
		return e, p.encapMPLS(e)
	case "seg6":
		e.Type = EncapSEG6
		return e, p.encapSEG6(e)
	case "bpf", "ila", "ioam6", "rpl", "seg6local", "xfrm":
		return nil, p.bad(noEncapWords, "nmgre does not have encap %s", kind)
	}
	return nil, p.bad(noEncapWords, "\"%.80s\" is no kind of encap", fault.Printable(kind))
}

// encapIP reads the words of ip and ip6.
func (p *Parser) encapIP(e *Encap, kind string) error {
	var seen [maxEncapWords]bool
	for word := p.peek(); ; word = p.peek() {
		i, known := encapWords()[e.Type][word]
		if !known && strings.HasSuffix(word, "_opts") {
			p.word()
			return p.bad("leave it out", "nmgre does not have %s", fault.Printable(word))
		}
		if !known {
			break
		}
		p.word()
		if seen[i] {
			return p.bad("give it once", "%s is there twice in encap", word)
		}
		seen[i] = true
		if err := p.encapWord(e, word); err != nil {
			return err
		}
	}
	if seen == [maxEncapWords]bool{} {
		return p.bad("write encap "+kind+" with at least one of: id N, dst ADDRESS, src ADDRESS", "encap %s says nothing", kind)
	}
	return nil
}

// encapWords number the words of ip and ip6.
var encapWords = sync.OnceValue(func() map[EncapType]map[string]int {
	return map[EncapType]map[string]int{
		EncapIP:  {"id": 0, "dst": 1, "src": 2, "tos": 3, "ttl": 4, "key": 5, "csum": 6, "seq": 7},
		EncapIP6: {"id": 0, "dst": 1, "src": 2, "tc": 3, "hoplimit": 4, "key": 5, "csum": 6, "seq": 7},
	}
})

const maxEncapWords = 8

func (p *Parser) encapWord(e *Encap, word string) (err error) {
	switch word {
	case "id":
		e.ID, err = p.encapID()
	case "dst":
		e.Dst, err = p.encapAddr(e.Type, word)
	case "src":
		e.Src, err = p.encapAddr(e.Type, word)
	case "tos", "tc":
		var tos uint8
		tos, err = p.tos(word)
		e.TOS = &tos
	case "ttl", "hoplimit":
		e.TTL, err = p.encapTTL(word)
	case "key":
		e.Key = true
	case "csum":
		e.Csum = true
	default:
		e.Seq = true
	}
	return err
}

func (p *Parser) encapID() (*uint64, error) {
	word, err := p.next("a number after id", "")
	if err != nil {
		return nil, err
	}
	n, ok := parseNumber(word, 64)
	if !ok {
		return nil, p.impossible(word, "id", "id takes 0 to 18446744073709551615")
	}
	return &n, nil
}

func (p *Parser) encapTTL(after string) (*uint8, error) {
	n, err := p.number(after, 0, 255)
	ttl := uint8(n) //nolint:gosec // at most 255
	return &ttl, err
}

// encapAddr reads an outer address of an encap. Its family is the encap's, not the route's.
func (p *Parser) encapAddr(kind EncapType, after string) (netip.Addr, error) {
	a, err := p.addr(after)
	if err == nil && !kind.takes(a) {
		err = p.bad("encap ip takes IPv4 addresses, encap ip6 IPv6 ones", "%s is of another family than encap %s", a, kind)
	}
	return a, err
}

// takes reports whether a is of the family of the kind's outer addresses.
func (t EncapType) takes(a netip.Addr) bool {
	return a.Is4() == (t == EncapIP) && !a.Is4In6() && a.Zone() == ""
}

// String returns iproute2's word for the kind.
func (t EncapType) String() string {
	switch t {
	case EncapMPLS:
		return "mpls"
	case EncapIP:
		return "ip"
	case EncapIP6:
		return "ip6"
	case EncapSEG6:
		return "seg6"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// encapMPLS reads the labels, and a TTL.
func (p *Parser) encapMPLS(e *Encap) error {
	word, err := p.next("labels such as 100/200", "")
	if err != nil {
		return err
	}
	for text := range strings.SplitSeq(word, "/") {
		label, ok := parseNumber(text, 32)
		if !ok || label > maxLabel || label == nullLabel || len(e.Labels) == maxLabels {
			return p.impossible(word, "mpls", fmt.Sprintf("write 1 to %d labels, outermost first, as 100/200: each 0 to %d, but not %d", maxLabels, maxLabel, nullLabel))
		}
		e.Labels = append(e.Labels, uint32(label)) //nolint:gosec // 20 bits
	}
	if p.accept("ttl") {
		e.TTL, err = p.encapTTL("ttl")
	}
	return err
}

// seg6Modes are iproute2's words for the modes, by the kernel's numbers.
var seg6Modes = [...]string{"inline", "encap", "l2encap", "encap.red", "l2encap.red"}

// String returns iproute2's word for the mode.
func (m SEG6Mode) String() string {
	if int(m) < len(seg6Modes) {
		return seg6Modes[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// encapSEG6 reads the mode, the segments, and the number of the HMAC key.
func (p *Parser) encapSEG6(e *Encap) (err error) {
	var seen [maxEncapWords]bool
	for i, known := seg6Words[p.peek()]; known; i, known = seg6Words[p.peek()] {
		word := p.word()
		if seen[i] {
			return p.bad("give it once", "%s is there twice in encap", word)
		}
		seen[i] = true
		switch word {
		case "mode":
			e.Mode, err = p.seg6Mode()
		case "segs":
			e.Segments, err = p.segments()
		default:
			e.HMAC, err = p.number(word, 0, 1<<32-1)
		}
		if err != nil {
			return err
		}
	}
	if !seen[0] || !seen[1] {
		return p.bad("write it as: encap seg6 mode encap segs 2001:db8::1,2001:db8::2", "encap seg6 has no mode, or no segs")
	}
	return nil
}

// seg6Words number the words of seg6.
var seg6Words = map[string]int{"mode": 0, "segs": 1, "hmac": 2}

func (p *Parser) seg6Mode() (SEG6Mode, error) {
	word, err := p.next("a mode of seg6", "")
	if err != nil {
		return 0, err
	}
	for i, name := range seg6Modes {
		if name == word {
			return SEG6Mode(i), nil //nolint:gosec // a few modes
		}
	}
	return 0, p.impossible(word, "mode", "the modes are "+strings.Join(seg6Modes[:], ", "))
}

func (p *Parser) segments() ([]netip.Addr, error) {
	word, err := p.next("segments such as 2001:db8::1,2001:db8::2", "")
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for text := range strings.SplitSeq(word, ",") {
		a, ok := parseAddr(text)
		if !ok || !isSegment(a) || len(list) == maxSegments {
			return nil, p.bad(fmt.Sprintf("write 1 to %d IPv6 addresses, in the order of travel, with commas between them", maxSegments),
				"\"%.80s\" in segs is not possible", fault.Printable(text))
		}
		list = append(list, a)
	}
	return list, nil
}

func isSegment(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" }

// appendText appends the encap as it stands in a SPEC, with a space before it.
func (e *Encap) appendText(b []byte) []byte {
	b = appendWord(b, "encap", e.Type.String())
	switch e.Type {
	case EncapMPLS:
		for i, label := range e.Labels {
			b = strconv.AppendUint(append(b, " /"[min(i, 1)]), uint64(label), 10)
		}
		return appendOptional(b, "ttl", e.TTL)
	case EncapSEG6:
		b = appendWord(b, "mode", e.Mode.String())
		for i, a := range e.Segments {
			if i == 0 {
				b = append(b, " segs "...)
			} else {
				b = append(b, ',')
			}
			b = a.AppendTo(b)
		}
		return appendNumber(b, "hmac", e.HMAC)
	default:
		return e.appendIP(b)
	}
}

func (e *Encap) appendIP(b []byte) []byte {
	tos, ttl := "tos", "ttl"
	if e.Type == EncapIP6 {
		tos, ttl = "tc", "hoplimit"
	}
	if e.ID != nil {
		b = strconv.AppendUint(append(b, " id "...), *e.ID, 10)
	}
	b = appendAddr(b, "dst", e.Dst)
	b = appendAddr(b, "src", e.Src)
	if e.TOS != nil {
		b = appendTOS(b, tos, *e.TOS)
	}
	b = appendOptional(b, ttl, e.TTL)
	b = appendFlag(b, "key", e.Key)
	b = appendFlag(b, "csum", e.Csum)
	return appendFlag(b, "seq", e.Seq)
}

func appendOptional(b []byte, word string, n *uint8) []byte {
	if n == nil {
		return b
	}
	return strconv.AppendUint(append(append(append(b, ' '), word...), ' '), uint64(*n), 10)
}

// check calls bad for each fault of the encap, which may be nil. ipv6 is set for an IPv6 route.
func (e *Encap) check(ipv6 bool, bad func(hint, format string, args ...any)) {
	if e == nil {
		return
	}
	if e.mixed() {
		bad("give it the words of its own kind only", "encap %s has words of another kind", e.Type)
	}
	switch e.Type {
	case EncapIP, EncapIP6:
		for _, a := range [...]netip.Addr{e.Dst, e.Src} {
			if a.IsValid() && !e.Type.takes(a) {
				bad("encap ip takes IPv4 addresses, encap ip6 IPv6 ones", "an address of another family than encap %s", e.Type)
			}
		}
		if e.ID == nil && !e.Dst.IsValid() && !e.Src.IsValid() && e.TOS == nil && e.TTL == nil && !e.Key && !e.Csum && !e.Seq {
			bad("give it at least one of: id N, dst ADDRESS, src ADDRESS", "encap %s says nothing", e.Type)
		}
	case EncapMPLS:
		if !e.validLabels() {
			bad(fmt.Sprintf("give it 1 to %d labels of 0 to %d, but not %d", maxLabels, maxLabel, nullLabel), "its labels are not possible")
		}
	case EncapSEG6:
		e.checkSEG6(ipv6, bad)
	default:
		bad(noEncapWords, "nmgre does not have encap %s", e.Type)
	}
}

func (e *Encap) checkSEG6(ipv6 bool, bad func(hint, format string, args ...any)) {
	if int(e.Mode) >= len(seg6Modes) {
		bad("the modes are "+strings.Join(seg6Modes[:], ", "), "seg6 has no %s", e.Mode)
	}
	if e.Mode == SEG6Inline && !ipv6 {
		bad("use mode encap for IPv4", "seg6 inline puts a header into an IPv6 packet, and the route is for IPv4")
	}
	valid := len(e.Segments) > 0 && len(e.Segments) <= maxSegments
	for _, a := range e.Segments {
		valid = valid && isSegment(a)
	}
	if !valid {
		bad(fmt.Sprintf("give it 1 to %d IPv6 addresses", maxSegments), "its segments are not possible")
	}
}

func (e *Encap) validLabels() bool {
	for _, label := range e.Labels {
		if label > maxLabel || label == nullLabel {
			return false
		}
	}
	return len(e.Labels) > 0 && len(e.Labels) <= maxLabels
}

// mixed reports whether the encap has attributes of another kind.
func (e *Encap) mixed() bool {
	ip := e.ID != nil || e.Dst.IsValid() || e.Src.IsValid() || e.TOS != nil || e.Key || e.Csum || e.Seq
	seg6 := e.Mode != 0 || len(e.Segments) > 0 || e.HMAC != 0
	switch e.Type {
	case EncapMPLS:
		return ip || seg6
	case EncapSEG6:
		return ip || e.TTL != nil || len(e.Labels) > 0
	default:
		return seg6 || len(e.Labels) > 0
	}
}
