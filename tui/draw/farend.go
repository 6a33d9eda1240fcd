package draw

import (
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// FarEndText returns the commands for the far end, with nmgre and without it.
func FarEndText(far nm.Tunnel, width int) []Line {
	lines := Wrapped("On the far host, with nmgre (y copies it):", width, "", Bold)
	lines = append(lines, Text(""))
	lines = append(lines, Command(fault.Escaped(far.CreateCommand()), width, "  ")...)
	lines = append(lines, Text(""))
	if len(far.Routes) > 0 {
		var nets []string
		for _, r := range far.Routes {
			nets = append(nets, r.Dst.String())
		}
		lines = append(lines, Wrapped("Its routes are the networks of this host: "+strings.Join(nets, ", "), width, "", Dim)...)
		lines = append(lines, Text(""))
	}
	named := far.Clone()
	if named.Name == "" {
		named.Name = "gre1"
	}
	lines = append(lines, Wrapped("With NetworkManager alone:", width, "", Bold)...)
	lines = append(lines, Command(fault.Escaped(named.NmcliAdd()), width, "  ")...)
	lines = append(lines, Text(""))
	lines = append(lines, Wrapped("With ip, until the next reboot:", width, "", Bold)...)
	for _, c := range named.IPCommands() {
		lines = append(lines, Command(fault.Escaped(c), width, "  ")...)
	}
	return lines
}
