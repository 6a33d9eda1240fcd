// Package plain reads the commonest words of `ip route` and `ip rule`, as nmgre itself writes them,
// from bytes and without memory of its own. A text in any other form may be right all the same: its
// reader then takes the parser of all forms.
//
// It is pure. Begin with [Network].
package plain

import (
	"bytes"
	"net/netip"
)

// Network returns the IPv4 network or address at the beginning of a text, such as 10.10.2.0/24 or
// 10.0.0.2, and the text behind it. It reports false for a network with bits behind its length.
func Network(text []byte) (n netip.Prefix, rest []byte, ok bool) {
	var addr [4]byte
	for i := range addr {
		part, behind, ok := Number(text, 255)
		if !ok {
			return n, text, false
		}
		addr[i], text = byte(part), behind //nolint:gosec // up to 255
		if i == len(addr)-1 {
			break
		}
		if text, ok = bytes.CutPrefix(text, []byte{'.'}); !ok {
			return n, text, false
		}
	}
	bits := uint32(32)
	if behind, has := bytes.CutPrefix(text, []byte{'/'}); has {
		if bits, text, ok = Number(behind, 32); !ok {
			return n, text, false
		}
	}
	n = netip.PrefixFrom(netip.AddrFrom4(addr), int(bits))
	return n, text, n == n.Masked()
}

// Word returns the number of 32 bits that follows word at the beginning of a text, and the text
// behind it. The word has the spaces around it.
func Word(text []byte, word string) (n uint32, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(text, []byte(word))
	if !ok {
		return 0, text, false
	}
	return Number(rest, 1<<32-1)
}

// Number returns the decimal number at the beginning of a text, without leading zeros and up to
// most, and the text behind its digits.
func Number(text []byte, most uint32) (n uint32, rest []byte, ok bool) {
	const digits = 10 // of the highest number
	i, sum := 0, uint64(0)
	for ; i < len(text) && i <= digits && '0' <= text[i] && text[i] <= '9'; i++ {
		sum = 10*sum + uint64(text[i]-'0')
	}
	ok = i > 0 && i <= digits && sum <= uint64(most) && (i == 1 || text[0] != '0')
	return uint32(sum), text[i:], ok //nolint:gosec // up to most where ok
}
