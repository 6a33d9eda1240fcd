package routes

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// parseNumber reads a number as iproute2 does: decimal, hexadecimal with 0x, or octal with a
// leading 0. It takes no sign.
func parseNumber(word string, bitSize int) (uint64, bool) {
	base := 10
	if len(word) > 1 && word[0] == '0' {
		base, word = 8, word[1:]
		if word[0]|0x20 == 'x' {
			base, word = 16, word[1:]
		}
	}
	n, err := strconv.ParseUint(word, base, bitSize)
	return n, err == nil
}

// parseTime reads a time as iproute2 does. With the unit s (sec, secs) or ms (msec, msecs) it
// returns milliseconds, rounded up. Without a unit it returns the number itself, which is raw: it
// is in the kernel's unit.
func parseTime(word string) (n uint32, raw, ok bool) {
	// no number ends with one of these letters but a hexadecimal one
	digits := strings.TrimRight(word, "sSeEcCmM")
	if hex := len(word) > 1 && word[0] == '0' && word[1]|0x20 == 'x'; hex {
		// e and c are digits here: only the units s and ms are clear
		digits = strings.TrimRight(word, "sSmM")
	}
	scale := 1.0
	switch strings.ToLower(word[len(digits):]) {
	case "":
		raw = true
	case "s", "sec", "secs":
		scale = 1000
	case "ms", "msec", "msecs":
	default:
		return 0, false, false
	}
	t, ok := parseDecimal(digits)
	if t = math.Ceil(t * scale); !ok || t > math.MaxUint32 {
		return 0, false, false
	}
	return uint32(t), raw, true
}

// parseDecimal reads a number that may have a decimal point.
func parseDecimal(digits string) (float64, bool) {
	if !strings.Contains(digits, ".") {
		n, ok := parseNumber(digits, 64)
		return float64(n), ok
	}
	if strings.Trim(digits, "0123456789.") != "" { // no signs, exponents, infinities
		return 0, false
	}
	t, err := strconv.ParseFloat(digits, 64)
	return t, err == nil
}

// parseIPv4 reads the forms of IPv4 addresses that iproute2 takes and netip does not: hexadecimal
// numbers and, if short is set, fewer than four numbers, of which the missing ones are 0. It
// refuses leading zeros, which some programs take for octal and others for decimal.
func parseIPv4(word string, short bool) (netip.Addr, bool) {
	var raw [4]byte
	parts := strings.Split(word, ".")
	if len(parts) > 4 || len(parts) < 4 && !short {
		return netip.Addr{}, false
	}
	for i, part := range parts {
		n, ok := parseNumber(part, 8)
		if octal := len(part) > 1 && part[0] == '0' && part[1]|0x20 != 'x'; !ok || octal {
			return netip.Addr{}, false
		}
		raw[i] = byte(n)
	}
	return netip.AddrFrom4(raw), true
}

// parseAddr reads an address without a zone.
func parseAddr(word string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(word)
	if err != nil {
		return parseIPv4(word, false)
	}
	return a, a.Zone() == "" && !a.Is4In6()
}

// parsePrefix reads a network. An address without a length is a host. Host bits stay set.
func parsePrefix(word string) (netip.Prefix, bool) {
	slash := strings.IndexByte(word, '/')
	if slash < 0 {
		a, ok := parseAddr(word)
		return netip.PrefixFrom(a, a.BitLen()), ok
	}
	if p, err := netip.ParsePrefix(word); err == nil {
		return p, !p.Addr().Is4In6()
	}
	a, ok := parseIPv4(word[:slash], true)
	if !ok {
		return netip.Prefix{}, false
	}
	length, ok := parseMask(word[slash+1:])
	return netip.PrefixFrom(a, length), ok
}

// parseMask reads the length of an IPv4 prefix, which may be written as its mask.
func parseMask(word string) (int, bool) {
	if n, err := strconv.ParseUint(word, 10, 8); err == nil {
		return int(n), n <= 32 && (word[0] != '0' || len(word) == 1)
	}
	mask, ok := parseIPv4(word, false)
	if !ok {
		return 0, false
	}
	raw := mask.As4()
	ones := uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	length := bits.LeadingZeros32(^ones)
	return length, bits.OnesCount32(ones) == length
}

// number reads a number from low to high.
func (p *Parser) number(after string, low, high uint32) (uint32, error) {
	word, err := p.next("a number", after)
	if err != nil {
		return 0, err
	}
	if n, ok := parseNumber(word, 32); ok && uint32(n) >= low && uint32(n) <= high { //nolint:gosec // 32 bits
		return uint32(n), nil //nolint:gosec // 32 bits
	}
	return 0, p.impossible(word, after, fmt.Sprintf("%s takes %d to %d", after, low, high))
}

// impossible returns the error about a value.
func (p *Parser) impossible(word, after, hint string) error {
	return p.bad(hint, "\"%.80s\" after %s is not possible", fault.Printable(word), after)
}

// addr reads an address.
func (p *Parser) addr(after string) (netip.Addr, error) {
	word, err := p.next("an address", after)
	if err != nil {
		return netip.Addr{}, err
	}
	a, ok := parseAddr(word)
	if !ok {
		return netip.Addr{}, p.bad("write it as 172.16.0.2 or 2001:db8::2", "\"%.80s\" after %s is no address", fault.Printable(word), after)
	}
	return a, nil
}

// addrOf reads an address of the route's family. The first address in a SPEC tells the family.
func (p *Parser) addrOf(after string) (netip.Addr, error) {
	a, err := p.addr(after)
	if err == nil && !p.joins(a) {
		err = p.bad(familyHint, "%s is of another family than the addresses before it", a)
	}
	return a, err
}

const familyHint = "the destination, via and src are of one family; only a gateway may be of another, for IPv4 alone: via inet6 ADDRESS"

// joins reports whether a is of the family of the addresses before it.
func (p *Parser) joins(a netip.Addr) bool {
	if p.family == 0 {
		p.family = a.BitLen()
	}
	return p.family == a.BitLen()
}

// via reads a gateway, which may have its family before it.
func (p *Parser) via(after string) (netip.Addr, error) {
	switch {
	case p.accept("inet"):
		return p.viaOf(32, "inet")
	case p.accept("inet6"):
		return p.viaOf(128, "inet6")
	}
	switch word := p.peek(); word {
	case "link", "mpls", "bridge":
		p.word()
		return netip.Addr{}, p.bad("write via ADDRESS, or via inet6 ADDRESS", "nmgre has no gateways of the family %s", word)
	}
	a, err := p.addr(after)
	if err == nil && !p.joins(a) {
		hint := familyHint
		if a.Is6() {
			hint = "write via inet6 " + a.String() + " for a gateway of another family than the destination"
		}
		err = p.bad(hint, "%s is of another family than the addresses before it", a)
	}
	return a, err
}

// viaOf reads a gateway whose family was named.
func (p *Parser) viaOf(family int, word string) (netip.Addr, error) {
	a, err := p.addr("via " + word)
	if err == nil && a.BitLen() != family {
		err = p.bad("inet is IPv4, inet6 is IPv6", "%s is of another family than %s", a, word)
	}
	if p.family == 0 {
		p.family = family
	}
	return a, err
}

// prefix reads a network. For everything (default, any, all) it returns the zero Prefix.
func (p *Parser) prefix(word, what string) (netip.Prefix, error) {
	if isEverything(word) {
		return netip.Prefix{}, nil
	}
	dst, ok := parsePrefix(word)
	if !ok {
		return dst, p.bad("write the "+what+" as 10.10.2.0/24, 2001:db8::/32 or default", "\"%.80s\" is no %s", fault.Printable(word), what)
	}
	if masked := dst.Masked(); masked != dst {
		return dst, p.bad(fmt.Sprintf("the network is %s; a single host is %s", masked, dst.Addr()), "%s has host bits set", dst)
	}
	if !p.joins(dst.Addr()) {
		return dst, p.bad(familyHint, "%s is of another family than the addresses before it", dst)
	}
	return dst, nil
}

func isEverything(word string) bool { return word == "default" || word == "any" || word == "all" }

// time reads a time. units is how many of the result's units are a millisecond.
func (p *Parser) time(after string, units uint32) (uint32, error) {
	word, err := p.next("a time", after)
	if err != nil {
		return 0, err
	}
	n, raw, ok := parseTime(word)
	if raw {
		units = 1
	}
	if !ok || uint64(n)*uint64(units) > math.MaxUint32 {
		return 0, p.impossible(word, after, "write a time as 300ms or 1.5s")
	}
	return n * units, nil
}

// tos reads a TOS byte: a name, or a hexadecimal number, with 0x or without, as iproute2 takes it.
func (p *Parser) tos(after string) (uint8, error) {
	word, err := p.next("a number", after)
	if err != nil {
		return 0, err
	}
	if n, ok := p.Names.look(&tosKind, word); ok {
		return uint8(n), nil //nolint:gosec // at most 255
	}
	hint := after + " takes 0x0 to 0xff, always hexadecimal, or a name such as CS1, AF11 or EF"
	digits := word
	if len(word) > 2 && (word[:2] == "0x" || word[:2] == "0X") {
		digits = word[2:]
	} else if _, name := p.Names.look(&tosKind, strings.ToUpper(word)); name {
		// ef is the number 0xef, and EF is 0xb8
		return 0, p.impossible(word, after, "write the name as "+strings.ToUpper(word)+", or the number as 0x"+word)
	}
	n, err := strconv.ParseUint(digits, 16, 8)
	if err != nil {
		return 0, p.impossible(word, after, hint)
	}
	return uint8(n), nil
}

// named reads a number, or a name for one.
func (p *Parser) named(after string, kind *nameKind) (uint32, error) {
	word, err := p.next("a number or a name", after)
	if err != nil {
		return 0, err
	}
	if n, ok := parseNumber(word, 32); ok && uint32(n) >= kind.low && uint32(n) <= kind.top { //nolint:gosec // 32 bits
		return uint32(n), nil //nolint:gosec // 32 bits
	}
	if n, ok := p.Names.look(kind, word); ok {
		return n, nil
	}
	return 0, p.impossible(word, after, fmt.Sprintf("%s takes %d to %d, or a name from %s", after, kind.low, kind.top, kind.file))
}

// realms reads [FROM/]TO, each 0 to 255 or a name, or both as one number.
func (p *Parser) realms(after string) (Realms, error) {
	word, err := p.next("a realm", after)
	if err != nil {
		return 0, err
	}
	from, to, two := strings.Cut(word, "/")
	if !two {
		from, to = "0", from
	}
	f, err1 := p.realm(from)
	t, err2 := p.realm(to)
	if errors.Join(err1, err2) == nil {
		return Realms(f<<16 | t), nil
	}
	if n, ok := parseNumber(word, 32); ok {
		return Realms(n), nil //nolint:gosec // 32 bits
	}
	return 0, p.impossible(word, after, "write it as realm TO or realms FROM/TO, each 0 to 255 or a name from "+realmKind.file)
}

func (p *Parser) realm(word string) (uint32, error) {
	if n, ok := p.Names.look(&realmKind, word); ok {
		return n, nil
	}
	n, ok := parseNumber(word, 8)
	if !ok {
		return 0, strconv.ErrRange
	}
	return uint32(n), nil //nolint:gosec // 8 bits
}
