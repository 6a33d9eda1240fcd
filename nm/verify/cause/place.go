package cause

import (
	"slices"

	"nmgre/routes/kernel"
)

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
	NotUp:          ThisHost,
	NoGREHere:      ThisHost,
	ComingUp:       ThisHost,
	NoDevice:       ThisHost,
	NotGRE:         ThisHost,
	LinkDiffers:    ThisHost,
	LinkDown:       ThisHost,
	AddressMissing: ThisHost,
	AddressExtra:   ThisHost,
	KeptUnreadable: ThisHost,
	KeptForAnother: ThisHost,
	HookMissing:    ThisHost,
	RouteMissing:   ThisHost,
	RouteElsewhere: ThisHost,
	RouteSource:    ThisHost,
	NotDropped:     ThisHost,
	NotForwarding:  ThisHost,

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

	RuleMissing:        OwnFirewall,
	FirewallDrops:      OwnFirewall,
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
	PeersSilent:          FarEnd,
	"far-not-forwarding": FarEnd,
	"no-way-back":        FarEnd,
	"behind-no-route":    FarEnd,

	"behind-loop":    Behind,
	"behind-no-host": Behind,
	"behind-silent":  Behind,

	// somewhere beyond this host; see IsVague
	NoAnswers:    OwnFirewall,
	"refused":    OwnFirewall,
	"gre-silent": OwnFirewall,
	"all-silent": OwnFirewall,
	"silent":     OwnFirewall,
}

// Place returns the place where the cause breaks the way, or where it is worse than it could be.
func (c Cause) Place() Place { return placeOf[c.ID] }

// PlaceOf returns the place of the cause with that ID, and the empty string if there is no such
// cause.
func PlaceOf(id string) Place { return placeOf[id] }

// NoAnswers is the cause for those who cannot hear the packets that come out of the tunnel. This
// host may drop the answers: that packets get in shows only that the outer ones do.
const NoAnswers = "no-answers"

// IsVague reports whether the cause with that ID tells no place: its fault is somewhere beyond this
// host, at the first place that is not seen to work, or behind it.
func IsVague(id string) bool {
	switch id {
	case NoAnswers, "refused", "gre-silent", "all-silent", "silent":
		return true
	}
	return false
}

// at returns the place of the cause's fault. Of a vague cause it is the first place that may be it.
func (c Cause) at(ev Evidence) Place {
	if !IsVague(c.ID) || c.ID == NoAnswers {
		return c.Place()
	}
	works := ev.Works()
	for _, p := range Places()[1:] { // not this host
		if !slices.Contains(works, p) {
			return p
		}
	}
	return FarEnd
}

// Works returns the places that the evidence shows to work, in the order of the way: packets got
// past them, or came from there; this host works, too, if nothing was sent and nothing is wrong
// there. Of other places nothing is known. A place where a cause was found may be one of them:
// packets may get past it in one direction, or get past it changed.
func (ev Evidence) Works() []Place {
	list := []Place{}
	for _, c := range []struct {
		place Place
		works bool
	}{
		{ThisHost, ev.leaves()}, {OwnFirewall, ev.passesFirewall()}, {TheWay, ev.passesWay()}, {FarFirewall, ev.passesFarFirewall()}, {FarEnd, ev.farEndSends()},
	} {
		if c.works {
			list = append(list, c.place)
		}
	}
	return list
}

// leaves reports whether the tunnel sends packets. If it was not asked to, its kernel could.
func (ev Evidence) leaves() bool {
	could := ev.Probe.Sent == 0 && ev.Link != nil && ev.Link.Up && OfUnderlay(ev) == nil
	return could || ev.Grew.TxPackets > 0 || ev.passesFirewall()
}

// passesFirewall reports whether a packet of the tunnel got out of this host, or into it.
func (ev Evidence) passesFirewall() bool {
	elsewhere := func(e kernel.ICMPError) bool { return !ev.onHost(e.By) }
	return ev.tunnelGets() || ev.lets() || slices.ContainsFunc(ev.Heard.Sent, ev.sentOurs) ||
		slices.ContainsFunc(ev.errors(everything...), elsewhere)
}

// everything has all the meanings of an ICMP error.
var everything = []kernel.Meaning{kernel.NoProtocol, kernel.NoPort, kernel.Prohibited, kernel.NoWay, kernel.TooFar, kernel.TooBig}

// passesWay reports whether GRE got to the far end's host, or came from there. An echo of its outer
// address does not show that: the way may be filtered for GRE alone.
func (ev Evidence) passesWay() bool {
	return ev.passesFarFirewall() || slices.ContainsFunc(ev.errors(everything...), func(e kernel.ICMPError) bool { return ev.isFar(e.By) })
}

// passesFarFirewall reports whether GRE got past the far end's firewall. That a protocol or a port
// is unreachable does not show it: firewalls say the same.
func (ev Evidence) passesFarFirewall() bool {
	sends := func(p kernel.Packet) bool { return ev.between(p) || ev.elsewhere(p) || ev.astray(p) }
	return ev.tunnelGets() || len(ev.came(sends)) > 0
}

// tunnelGets reports whether the tunnel has got packets of the far end, be they as they should be
// or not.
func (ev Evidence) tunnelGets() bool {
	d := ev.Grew
	return ev.Probe.Received > 0 || d.RxPackets > 0 || d.RxCRCErrors > 0 || d.RxFIFOErrors > 0
}

// farEndSends reports whether the far end's tunnel sends packets that belong into this one.
// Keepalives, and packets that hosts send unasked, do not count.
func (ev Evidence) farEndSends() bool {
	return ev.Probe.Received > 0 || len(ev.came(func(p kernel.Packet) bool {
		return ev.ours(p) && p.InnerFrom.IsGlobalUnicast() && !ev.hasInner(p.InnerFrom) && !ev.keepalive(p)
	})) > 0
}
