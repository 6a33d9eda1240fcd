package routes

import (
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// IPRoute returns the command `ip route VERB` for the route, quoted for a POSIX shell. The verb is
// add, replace or del. dev is the device of the route and of each nexthop that names none.
func (r Route) IPRoute(verb, dev string) string {
	words := []string{"ip", "route", verb}
	if r.Dst.Addr().Is6() {
		words = []string{"ip", "-6", "route", verb}
	}
	const placeholder = "\x00" // a name may have any character
	for _, word := range strings.Split(string(r.AppendSpec(nil, placeholder)), " ") {
		if word == placeholder {
			word = dev
		}
		words = append(words, word)
	}
	return fault.Shell(words)
}

// CountText returns "no routes", "1 route" or "N routes".
func CountText(n int) string {
	switch n {
	case 0:
		return "no routes"
	case 1:
		return "1 route"
	}
	return strconv.Itoa(n) + " routes"
}
