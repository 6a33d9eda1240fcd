package cause

import (
	"slices"

	"nmgre/nm/verify/place"
	"nmgre/routes/kernel"
)

// NoAnswers is the cause for those who cannot hear the packets that come out of the tunnel. This
// host may drop the answers: that packets get in shows only that the outer ones do.
const NoAnswers = "no-answers"

// at returns the place of the cause's fault. Of a vague cause it is the first place that may be it.
func (c Cause) at(ev Evidence) place.Place {
	if !place.IsVague(c.ID) || c.ID == NoAnswers {
		return place.Of(c.ID)
	}
	works := ev.Works()
	for _, p := range place.Places()[1:] { // not this host
		if !slices.Contains(works, p) {
			return p
		}
	}
	return place.FarEnd
}

// Works returns the places that the evidence shows to work, in the order of the way: packets got
// past them, or came from there; this host works, too, if nothing was sent and nothing is wrong
// there. Of other places nothing is known. A place where a cause was found may be one of them:
// packets may get past it in one direction, or get past it changed.
func (ev Evidence) Works() []place.Place {
	list := []place.Place{}
	for _, c := range []struct {
		place place.Place
		works bool
	}{
		{place.ThisHost, ev.leaves()}, {place.OwnFirewall, ev.passesFirewall()}, {place.TheWay, ev.passesWay()}, {place.FarFirewall, ev.passesFarFirewall()}, {place.FarEnd, ev.farEndSends()},
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
