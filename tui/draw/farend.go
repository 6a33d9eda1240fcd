package draw

import (
	"strings"

	"nmgre/nm"
	"nmgre/nm/nmcli"
	"nmgre/routes/fault"
)

// FarEndText returns the commands for the far end, with nmgre and without it.
func FarEndText(far nm.FarEnd, width int) []Line {
	var lines []Line
	if command := far.CreateCommand(); command != "" {
		lines = append(Wrapped("On the far host, with nmgre (y copies it):", width, "", Bold), Text(""))
		lines = append(lines, Command(fault.Escaped(command), width, "  ")...)
		lines = append(lines, Text(""))
	}
	for _, note := range far.Told() {
		lines = append(lines, Wrapped(fault.Printable(note), width, "", Yellow)...)
		lines = append(lines, Text(""))
	}
	if len(far.Routes) > 0 {
		var nets []string
		for _, r := range far.Routes {
			nets = append(nets, r.Dst.String())
		}
		lines = append(lines, Wrapped("Its routes are the networks of this host: "+strings.Join(nets, ", "), width, "", Dim)...)
		lines = append(lines, Text(""))
	}
	if far.Name == "" {
		far.Name = "gre1"
	}
	if command := nmcli.AddFar(far); command != "" {
		lines = append(lines, Wrapped("With NetworkManager alone:", width, "", Bold)...)
		lines = append(lines, Command(fault.Escaped(command), width, "  ")...)
		lines = append(lines, Text(""))
	}
	commands := far.IPCommands()
	if len(commands) == 0 {
		return lines
	}
	lines = append(lines, Wrapped("With ip, until the next reboot:", width, "", Bold)...)
	for _, c := range commands {
		lines = append(lines, Command(fault.Escaped(c), width, "  ")...)
	}
	return lines
}
