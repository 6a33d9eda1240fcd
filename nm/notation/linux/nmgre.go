package linux

import "nmgre/nm/notation"

// NMGRE is nmgre's own command line.
var NMGRE = notation.Kind{
	Name: "nmgre", Title: "nmgre",
	Holds: notation.Holds{Modes: allModes, Keys: notation.TwoKeys,
		Can: everything | ipOptions | notation.CanBridgeUUID | notation.CanFlags | notation.CanZone | notation.CanFollow | notation.CanRule | notation.CanSNAT | notation.CanForward | notation.CanClamp | notation.CanManual},
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
