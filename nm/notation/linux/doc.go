// Package linux has the notations of programs that make tunnels on Linux, one file each: a writer,
// and a reader where people hold such files in hand. None of them uses another. It is pure.
package linux

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// Kinds are the notations of this room, in the order in which they are listed.
var Kinds = []*notation.Kind{&NMGRE, &Nmcli, &Keyfile, &IP, &Ifcfg, &Networkd, &Ifupdown, &Ifupdown2, &IfupdownNG, &Wicked}

var allModes = gre.Modes[:]

// everything is what Linux itself can hold.
const everything = notation.CanAnyLocal | notation.CanParent | notation.CanInheritTTL | notation.CanTOS | notation.CanNoPMTUD | notation.CanIPv6Header |
	notation.CanMany | notation.CanInner6 | notation.CanNoInner | notation.CanPeer | notation.CanAnyRoute | notation.CanNoEncapLimit | port

// port is what only an Ethernet device has. ipOptions are the options of a link that no profile
// has.
const (
	port      = notation.CanController | notation.CanMAC
	ipOptions = notation.CanMulticast | notation.CanIgnoreDF | notation.CanChecksum | notation.CanSequence
)

// profileRoutes are the words of a route that NetworkManager's files have.
const profileRoutes = notation.CanVia | notation.CanMetric | notation.CanTable | notation.CanSrc | notation.CanOnLink | notation.CanRouteMTU
