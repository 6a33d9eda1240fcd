// Package linux has the notations of programs that make tunnels on Linux, one file each: a writer,
// and a reader where people hold such files in hand. None of them uses another. It is pure.
package linux

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// Kinds are the notations of this room, in the order in which they are listed.
var Kinds = []*notation.Kind{&Nmcli, &Keyfile, &IP, &Ifcfg, &Networkd, &Ifupdown, &Ifupdown2, &IfupdownNG, &Wicked}

var allModes = gre.Modes[:]

// The fields that Linux itself can hold.
const (
	everything = notation.CanAllOfLinux
	port       = notation.CanPort
	ipOptions  = notation.CanLinkOptions
)

// profileRoutes are the words of a route that NetworkManager's files have.
const profileRoutes = notation.CanVia | notation.CanMetric | notation.CanTable | notation.CanSrc | notation.CanOnLink | notation.CanRouteMTU
