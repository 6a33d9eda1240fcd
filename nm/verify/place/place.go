// Package place has the places of a tunnel's way, from this host to the networks behind the far
// end, and the one where each cause breaks it. It is pure.
package place

// Place is a part of the way of a tunnel's packets, from this host to the networks behind the far
// end.
type Place string

// The places, in the words of the JSON form.
const (
	ThisHost    Place = "this-host"
	OwnFirewall Place = "own-firewall" // this host's netfilter, traffic control and IPsec
	TheWay      Place = "way"          // the network between the outer addresses
	FarFirewall Place = "far-firewall"
	FarEnd      Place = "far-end"
	Behind      Place = "behind" // the hosts behind the far end
)

// Places returns the places in the order of the way.
func Places() []Place { return []Place{ThisHost, OwnFirewall, TheWay, FarFirewall, FarEnd, Behind} }

// Words returns the place in words, seen from this host.
func (p Place) Words() string {
	switch p {
	case ThisHost:
		return "this host"
	case OwnFirewall:
		return "its firewall"
	case TheWay:
		return "the way"
	case FarFirewall:
		return "the far firewall"
	case FarEnd:
		return "the far end"
	case Behind:
		return "the LAN behind"
	}
	return ""
}

// placeOf has the place where each cause breaks the way. A cause of both ends, such as two keys
// that differ, is at the far end: its packets show it.
var placeOf = map[string]Place{
	"not-up":           ThisHost,
	"no-gre-here":      ThisHost,
	"coming-up":        ThisHost,
	"no-device":        ThisHost,
	"not-gre":          ThisHost,
	"link-differs":     ThisHost,
	"link-down":        ThisHost,
	"address-missing":  ThisHost,
	"address-extra":    ThisHost,
	"kept-unreadable":  ThisHost,
	"kept-for-another": ThisHost,
	"hook-missing":     ThisHost,
	"route-missing":    ThisHost,
	"route-elsewhere":  ThisHost,
	"route-source":     ThisHost,
	"not-dropped":      ThisHost,
	"not-forwarding":   ThisHost,

	"device-down":       ThisHost,
	"local-not-here":    ThisHost,
	"parent-gone":       ThisHost,
	"no-route":          ThisHost,
	"route-into-itself": ThisHost,
	"tunnels-in-a-loop": ThisHost,
	"not-encapsulated":  ThisHost,
	"not-sent":          ThisHost,
	"rp-filter":         ThisHost,
	"sibling-takes":     ThisHost,
	"peer-address-here": ThisHost,
	"mtu-too-large":     ThisHost,
	"ttl-inherit":       ThisHost,
	"fallback-up":       ThisHost,
	"shadowed":          ThisHost,
	// this host does not send them back
	"keepalive-unanswered": ThisHost,

	"rule-missing":     OwnFirewall,
	"firewall-forward": OwnFirewall,
	"own-firewall-out": OwnFirewall,
	"own-firewall-in":  OwnFirewall,
	"own-nat":          OwnFirewall,
	"answers-only":     OwnFirewall,
	"answers-dropped":  OwnFirewall,
	"nothing-sent":     OwnFirewall,
	"ipsec-blocks":     OwnFirewall,
	"ipsec-no-state":   OwnFirewall,
	"ipsec-required":   OwnFirewall,
	"snat-taken":       OwnFirewall,

	"local-astray":        TheWay,
	"next-hop-silent":     TheWay,
	"way-refused":         TheWay,
	"ttl-exceeded":        TheWay,
	"path-mtu":            TheWay,
	"path-mtu-black-hole": TheWay,

	"far-firewall":    FarFirewall,
	"behind-firewall": FarFirewall,

	"far-no-gre":         FarEnd,
	"far-no-tunnel":      FarEnd,
	"gre-version":        FarEnd,
	"key-mismatch":       FarEnd,
	"mode-mismatch":      FarEnd,
	"other-source":       FarEnd,
	"other-destination":  FarEnd,
	"checksum-differs":   FarEnd,
	"sequence-differs":   FarEnd,
	"same-inner-address": FarEnd,
	"inner-mismatch":     FarEnd,
	"far-no-echo":        FarEnd,
	"peers-silent":       FarEnd,
	"far-not-forwarding": FarEnd,
	"no-way-back":        FarEnd,
	"behind-no-route":    FarEnd,

	"behind-loop":    Behind,
	"behind-no-host": Behind,
	"behind-silent":  Behind,

	// somewhere beyond this host; see IsVague
	"no-answers": OwnFirewall,
	"refused":    OwnFirewall,
	"gre-silent": OwnFirewall,
	"all-silent": OwnFirewall,
	"silent":     OwnFirewall,
}

// Of returns the place where the cause with that ID breaks the way, or where it is worse than it
// could be. It is the empty string if there is no such cause.
func Of(id string) Place { return placeOf[id] }

// IsVague reports whether the cause with that ID tells no place: its fault is somewhere beyond this
// host, at the first place that is not seen to work, or behind it.
func IsVague(id string) bool {
	switch id {
	case "no-answers", "refused", "gre-silent", "all-silent", "silent":
		return true
	}
	return false
}
