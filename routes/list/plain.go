package list

import (
	"nmgre/routes"
	"nmgre/routes/plain"
)

// firstNumbered is the first table whose number says all: those below it have names, or a meaning
// of their own.
const firstNumbered = 256

// plainRoute returns the route of a text that is nothing but the masked network of a valid route,
// such as 10.10.2.0/24, or has the number of a table behind it. It reports false for any other
// text, which may be a route all the same.
func plainRoute(text []byte) (r routes.Route, ok bool) {
	r.Dst, text, ok = plain.Network(text)
	if !ok || r.Dst.Addr().IsMulticast() {
		return routes.Route{}, false
	}
	if len(text) > 0 {
		if r.Table, text, ok = plain.Word(text, " table "); !ok || r.Table < firstNumbered || len(text) > 0 {
			return routes.Route{}, false
		}
	}
	return r, true
}
