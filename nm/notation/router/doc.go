// Package router has the notations of routers and of other systems than Linux, one file each: a
// writer, and a reader where people hold such a configuration in hand. None of them uses another.
// It is pure.
//
// Every writer turns keepalives off: Linux answers none, and the tunnel would go down there.
package router

import (
	"net/netip"
	"strconv"

	"nmgre/nm"
	"nmgre/nm/notation"
	"nmgre/routes"
	"nmgre/routes/gre"
)

// Kinds are the notations of this room, in the order in which they are listed.
var Kinds = []*notation.Kind{&CiscoIOS, &CiscoXR, &Junos, &RouterOS, &VyOS, &FortiOS, &VRP, &Comware, &OpenWrt, &FreeBSD, &OpenBSD}

// forwards has the work that routers do unasked: they forward, and each writer clamps the MSS.
const forwards = notation.CanForward | notation.CanClamp

var ipModes = []gre.Mode{gre.ModeGRE, gre.ModeIP6GRE}

const (
	whyManual = "its configuration takes effect at once"
	whyTTL    = "an outer TTL is a number there"
	whyRoute  = "its static routes are a destination and a gateway"
	whySNAT   = "its address translation is a matter of its own policies"
	whyTwo    = "it has one key for both directions"
)

// reasons are those that most routers share, with more of one's own.
func reasons(more map[string]string) map[string]string {
	all := map[string]string{"autoconnect": whyManual, "ttl": whyTTL, "route": whyRoute, "snat": whySNAT}
	for field, why := range more {
		all[field] = why
	}
	return all
}

// gatewayOf returns the gateway of a route: its own, or the far end's inner address of its family.
// It is the zero Addr where none is known.
func gatewayOf(t nm.Tunnel, r routes.Route) netip.Addr {
	if r.Via.IsValid() {
		return r.Via
	}
	for _, peer := range t.Peers() {
		if peer.Is4() == r.Dst.Addr().Is4() {
			return peer
		}
	}
	for _, own := range t.Addresses {
		if peer := notation.PeerOf(t, own); peer.IsValid() && peer.Is4() == r.Dst.Addr().Is4() {
			return peer
		}
	}
	return netip.Addr{}
}

// targets are the routes without those to peer addresses, which are a matter of the addresses.
func targets(t nm.Tunnel) []routes.Route {
	var list []routes.Route
	for _, r := range t.Routes {
		if !t.IsRouteToPeer(r) {
			list = append(list, r)
		}
	}
	return list
}

// nameOr returns the tunnel's name where it is stem and a number, and otherwise stem and its
// number.
func nameOr(t nm.Tunnel, stem string) string {
	if len(t.Name) > len(stem) && t.Name[:len(stem)] == stem && isDigits(t.Name[len(stem):]) {
		return t.Name
	}
	return stem + strconv.Itoa(notation.Number(t.Name))
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func parseAddr(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
