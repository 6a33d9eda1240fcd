package shells

import (
	"strings"

	"nmgre/nm"
	"nmgre/routes/fault"
)

// Tunnels returns the interface names that begin with prefix, each with its state, if it is known,
// and its far end. Names that a shell or a terminal could misread are left out.
func Tunnels(profiles []nm.Profile, prefix string) []string {
	var names []string
	for _, p := range profiles {
		name := p.Tunnel.Name
		if p.Tunnel.Mode == 0 || !strings.HasPrefix(name, prefix) || strings.ContainsAny(name, " \t\n\"'`$\\&|;<>()*?[]{}!#~") || fault.Printable(name) != name {
			continue
		}
		about := "to " + p.Tunnel.Remote.String()
		if p.State != "" {
			about = string(p.State) + ", " + about
		}
		names = append(names, name+"\t"+about)
	}
	return names
}
