// Package opposite has the tunnel that the far end has to make. It adds the routes to the networks
// behind this end, the bridge, the options of the present link, and an MTU that fits.
//
// It is pure. Begin at [Asked], or where the kernel cannot be asked at [End].
package opposite

import (
	"fmt"
	"net/netip"

	"nmgre/nm"
	"nmgre/nm/port"
	"nmgre/routes/fault"
	"nmgre/routes/gre"
	"nmgre/routes/kernel"
)

// End returns the tunnel that the far end has to make, where packets to it leave by hop. Its routes
// lead to [Networks]. fits is the largest MTU that the way takes, in bytes; 0 if that is not known.
func End(links []kernel.Link, hop kernel.Hop, t nm.Tunnel, fits int) nm.FarEnd {
	near := t.Sharing()
	if hop.Dev != "" && hop.Dev == t.Name { // the tunnel does not carry itself: its inner address is no outer one
		hop, fits = kernel.Hop{}, 0
	}
	if !near.Local.IsValid() || near.Local.IsUnspecified() {
		near.Local = hop.Src // the far end needs the address from which this end sends
	}
	if link := kernel.Holding(links, near.Local); hop.Dev == "" && link != nil { // no far end, so no way
		hop.Dev = link.Name
	}
	near.Controller = port.Name(near, links)
	far := near.FarEnd(Networks(links, hop, near))
	if gre.NoFarEnd(near.Mode, near.Remote) {
		far.Missing = "the tunnel has none, and the kernel makes no " + near.Mode.String() + " link without one"
	}
	if fits != 0 && int(far.MTU) > fits {
		far.MTU = 0 // too large here: the far end computes one that fits
	}
	far.Notes = append(far.Notes, outerNotes(near)...)
	if link := kernel.Named(links, t.Name); link != nil && link.GRE != nil {
		askOfLink(&far, *link)
	}
	return far
}

// Networks returns the networks of [nm.LANs].
func Networks(links []kernel.Link, hop kernel.Hop, t nm.Tunnel) []netip.Prefix {
	var networks []netip.Prefix
	for _, lan := range nm.LANs(links, hop, t) {
		networks = append(networks, lan.Address.Masked())
	}
	return networks
}

// outerNotes tell of choices that the far end's command cannot make: a public address, a device.
func outerNotes(t nm.Tunnel) []string {
	var notes []string
	if t.Local.IsValid() && nm.IsPrivate(t.Local) && !nm.IsPrivate(t.Remote) {
		notes = append(notes, fmt.Sprintf("%s is a private address: behind NAT the far end uses the public one in its place, as --peer", t.Local))
	}
	switch {
	case t.Parent == "":
	case t.Remote.Is6() && t.Remote.IsLinkLocalUnicast():
		notes = append(notes, fmt.Sprintf("the far end's tunnel is bound to the device that has %s there; where several have it, choose one with --parent", t.Remote))
	default:
		notes = append(notes, fmt.Sprintf("this end is bound to %s; whether the far end is bound to a device of its own is to be chosen there, with --parent", fault.Printable(t.Parent)))
	}
	return notes
}

// askOfLink adds the demands of the present link on the far end. A link that somebody made by hand
// may have more than its profile says.
func askOfLink(far *nm.FarEnd, link kernel.Link) {
	g, has := link.GRE, link.Options()
	switch {
	case g.External:
		far.Missing = "the link takes its far ends from routes or a bridge"
	case g.OneWay:
		far.Missing = "the link has checksums or sequence numbers in one direction only, which nmgre cannot make: make it with ip, or this end without them"
	default:
		far.Link.Checksum, far.Link.Sequence = has.Checksum, has.Sequence
	}
	if g.IgnoreDF && !far.Link.IgnoreDF {
		far.Notes = append(far.Notes, "the link ignores the DF bit (ignore-df); the far end works without it")
	}
}
