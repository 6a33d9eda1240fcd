package routes

import (
	"strconv"
	"strings"

	"nmgre/routes/fault"
)

// IPRouteAdd returns the ip command that adds the route into dev.
func (r Route) IPRouteAdd(dev string) string {
	words := []string{"ip", "route", "add"}
	if r.Dst.Addr().Is6() {
		words = []string{"ip", "-6", "route", "add"}
	}
	const placeholder = "\x00" // a name may have spaces
	for _, word := range strings.Fields(string(r.AppendSpec(nil, placeholder))) {
		if word == placeholder {
			word = dev
		}
		words = append(words, word)
	}
	return fault.Shell(words)
}

func CountRoutes(n int) string {
	switch n {
	case 0:
		return "no routes"
	case 1:
		return "1 route"
	}
	return strconv.Itoa(n) + " routes"
}
