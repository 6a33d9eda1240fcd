package list

import (
	"net/netip"

	"nmgre/routes"
)

// plain returns the route of a text that is nothing but the masked network of a valid route, such
// as 10.10.2.0/24. It reports false for any other text, which may be a route all the same.
func plain(text []byte) (r routes.Route, ok bool) {
	var addr [4]byte
	for i := range addr {
		end := byte('.')
		if i == len(addr)-1 {
			end = '/'
		}
		n, rest, ok := number(text, 255)
		if !ok || len(rest) == 0 || rest[0] != end {
			return routes.Route{}, false
		}
		addr[i], text = byte(n), rest[1:]
	}
	bits, rest, ok := number(text, 32)
	if !ok || len(rest) > 0 {
		return routes.Route{}, false
	}
	dst := netip.PrefixFrom(netip.AddrFrom4(addr), bits)
	return routes.Route{Dst: dst}, dst == dst.Masked() && !dst.Addr().IsMulticast()
}

// number returns the decimal number at the beginning of the text, without leading zeros and up to
// most, and the text behind it.
func number(text []byte, most int) (n int, rest []byte, ok bool) {
	i := 0
	for ; i < len(text) && i < 3 && '0' <= text[i] && text[i] <= '9'; i++ {
		n = 10*n + int(text[i]-'0')
	}
	return n, text[i:], i > 0 && n <= most && (i == 1 || text[0] != '0')
}
