package linux

import (
	"net/netip"
	"strings"

	"nmgre/nm/notation"
)

// splitList splits a list at commas and blanks.
func splitList(value string) []string {
	return strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == ';' })
}

func isNumber(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

func isYes(value string) bool {
	return value == "yes" || value == "true" || value == "1" || value == "on"
}

func yesNo(on bool) string {
	if on {
		return "yes"
	}
	return "no"
}

// withMask joins an address and its netmask, which is a length or has four numbers.
func withMask(own, mask string) string {
	if isNumber(mask) {
		return own + "/" + mask
	}
	if p, ok := notation.ByMask(addrOf(own), addrOf(mask)); ok {
		return p.String()
	}
	return own + "/" + mask
}

func addrOf(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
