// Package own has the notation of nmgre's own command line, which can hold everything. It is pure.
package own

import (
	"nmgre/nm/notation"
	"nmgre/routes/gre"
)

// NMGRE is nmgre's own command line.
var NMGRE = notation.Kind{
	Name: "nmgre", Title: "nmgre",
	Holds: notation.Holds{Modes: gre.Modes[:], Keys: notation.TwoKeys,
		Can: notation.CanAllOfLinux | notation.CanLinkOptions | notation.CanBridgeUUID | notation.CanBridgeName | notation.CanFlags | notation.CanZone | notation.CanFollow | notation.CanRule | notation.CanRootRule | notation.CanAnyRule | notation.CanSNAT | notation.CanForward | notation.CanClamp | notation.CanManual},
	Write: writeNMGRE,
	Read:  readNMGRE,
	Looks: func(text string) int {
		return notation.Sure * notation.CountLines(text, "nmgre create ", "sudo nmgre create ")
	},
}

func writeNMGRE(l notation.Link) string {
	p := notation.NewPage("#", "nmgre", l.Near)
	p.Line("%s", l.Near.CreateCommand())
	p.MSS(l.Near.Tunnel)
	return p.String()
}
